"""Configurations that build one network, as a problem's key says, are one to every searcher."""

import pickle
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np
import pytest

from agents import rewrite
from kept import remembered, taught
from searchers import CONFIG, FAST, new_agent, new_evolution, new_fast, new_optuna, new_random, play, reward
from transfernas import Agent, CheckpointError, Choice, Problem, RegularizedEvolution, Searcher, SearchSpace
from transfernas.learning.transfer import transfer
from transfernas.spaces.condition import Config
from transfernas_bench.optuna_searcher import OptunaSearcher

NewFn = Callable[..., Searcher]


def chain(layers: int) -> SearchSpace:
    """Layers that may be left out: the configurations are 3^layers, the networks fewer than 2^(layers + 1)."""
    return SearchSpace(f"chain of {layers}", [Choice(f"layer {i}", ("none", "conv", "pool")) for i in range(layers)])


def network(config: Config) -> tuple[Hashable, ...]:
    return tuple(layer for layer in config.values() if layer != "none")


# 81 configurations, 31 networks.
FOUR = Problem(chain(4), "digits", key=network)
# 9 configurations of two networks each.
TWO_EACH = tuple(Problem(chain(2), task, key=lambda config: len(network(config)) > 1) for task in ("one", "two"))
ALIASES = [
    {"layer 0": "conv", "layer 1": "pool", "layer 2": "none", "layer 3": "none"},
    {"layer 0": "none", "layer 1": "conv", "layer 2": "none", "layer 3": "pool"},
]


@pytest.fixture(params=[new_fast, new_random, new_evolution, new_optuna], ids=["fast", "random", "evolution", "optuna"])
def new(request: pytest.FixtureRequest) -> NewFn:
    return request.param


@pytest.mark.slow
def test_the_default_agent_evaluates_a_network_a_trial() -> None:
    calls = 0

    def key(config: Config) -> Hashable:
        nonlocal calls
        calls += 1
        return network(config)

    def value(config: Config) -> float:
        layers = network(config)
        changes = sum(left != right for left, right in zip(layers, layers[1:], strict=False))
        return -abs(len(layers) - 4) - 0.5 * layers.count("pool") + 0.3 * changes

    agent, seen = Agent([Problem(chain(8), "digits", key=key)]), set()
    for _ in range(150):
        trial = agent.ask()
        seen.add(network(trial.config))
        agent.tell(trial, value(trial.config))
    assert len(seen) == 150
    assert calls < 150 * 24  # not even once for each candidate


def test_what_is_pending_or_told_comes_once(new: NewFn) -> None:
    searcher, found = new((FOUR,)), []
    for _ in range(4):
        trials = searcher.ask(5)
        found += [network(trial.config) for trial in trials]
        for trial in reversed(trials):
            searcher.tell(trial, reward(trial))
    assert len(set(found)) == len(found) == 20


@pytest.mark.thorough
def test_where_every_network_was_evaluated_they_come_again(new: NewFn) -> None:
    searcher = new((Problem(chain(2), "digits", key=lambda config: len(network(config))),))
    found = [len(network(config)) for _, _, config in play(searcher, 8)]
    assert set(found[:3]) == {0, 1, 2} and set(found[3:]) <= {0, 1, 2}


@pytest.mark.thorough
def test_problems_have_networks_of_their_own(new: NewFn) -> None:
    """Also where the keys of two problems return the same, and beside a problem without a key."""
    plain = Problem(chain(3), "three")
    searcher = new((*TWO_EACH, plain), seed=1)
    tried = Counter[tuple[str, bool]]()
    while len(tried) < 4:
        trial = searcher.ask()
        searcher.tell(trial, reward(trial))
        if trial.problem.key is not None:
            tried[trial.problem.task, bool(trial.problem.key(trial.config))] += 1
            of_task = [count for (task, _), count in tried.items() if task == trial.problem.task]
            assert len(of_task) == min(sum(of_task), 2)
        assert trial.number < 60


def test_what_failed_was_not_evaluated(new: NewFn) -> None:
    searcher, seen = new((TWO_EACH[0],)), list[bool]()
    for _ in range(10):
        trial = searcher.ask()
        seen.append(len(network(trial.config)) > 1)
        searcher.tell(trial, *(() if seen[-1] else (1.0,)), failed=seen[-1])
    assert seen.count(False) == 1  # the other network, which fails, is all that is left


@pytest.mark.thorough
def test_an_agent_that_repeats_has_no_use_for_a_key() -> None:
    def key(config: Config) -> Hashable:
        raise AssertionError("the paper's agent proposes what it likes")

    with_key, without = (Problem(chain(4), "digits", key=given) for given in (key, None))
    configs = []
    for problem in (with_key, without):
        agent = new_agent((problem,))
        configs.append([trial.config for trial in agent.ask(3)] + [config for *_, config in play(agent, 12)])
    assert configs[0] == configs[1]


def test_a_key_that_tells_all_apart_changes_nothing() -> None:
    """Also where all configurations were evaluated, and come again."""
    keys: tuple[Callable[[Config], Hashable] | None, ...] = (lambda config: tuple(config.values()), None)
    configs = [[c for *_, c in play(new_fast((Problem(chain(2), "digits", key=key),)), 12)] for key in keys]
    assert configs[0] == configs[1]


def test_what_others_evaluated_is_not_proposed() -> None:
    agent = Agent([FOUR], FAST)
    agent.learn_from([(FOUR, ALIASES[0], 1.0)])
    assert network(ALIASES[1]) not in {network(config) for *_, config in play(agent, 20)}


def test_one_of_a_network_is_remembered() -> None:
    """The best one; and it is not tried again after another of its network was evaluated."""
    source = Problem(SearchSpace("small", [Choice("lr", (0.1, 0.2, 0.3)), Choice("units", (8, 16))]), "one")
    target = Problem(source.space, "one", key=lambda config: config["lr"])
    learner = taught([(source, (0.2, 8), 3.0), (source, (0.2, 16), 2.0), (source, (0.1, 8), 1.0)])
    transferred = transfer(learner, (target,), FAST)
    assert remembered(transferred) == [{"lr": 0.2, "units": 8}, {"lr": 0.1, "units": 8}]

    agent = Agent.of(transferred)
    agent.learn_from([(target, {"lr": 0.2, "units": 16}, 0.0)])
    rates = [trial.config["lr"] for trial in agent.ask(2)]
    assert sorted(map(float, map(str, rates))) == [0.1, 0.3]


def test_a_start_holds_a_network_once() -> None:
    for start in (ALIASES, ALIASES[::-1]):
        for searcher in (RegularizedEvolution([FOUR], 4, 2, start=start), OptunaSearcher([FOUR], start=start)):
            configs = [trial.config for trial in searcher.ask(10)]
            assert configs[0] == start[0] and len(set(map(network, configs))) == 10


@pytest.mark.parametrize("take", ["file", "pickle"])
def test_a_copy_goes_on_and_knows_what_is_pending(take: str, tmp_path: Path) -> None:
    agent = Agent([FOUR], FAST)
    told = {network(config) for *_, config in play(agent, 5)}
    pending = {network(trial.config) for trial in agent.ask(3)}
    if take == "file":
        copy = Agent.load(agent.save(tmp_path / "agent"), problems=[FOUR])
    else:
        copy = pickle.loads(pickle.dumps(agent))
    configs = [[config for *_, config in play(each, 12)] for each in (agent, copy)]
    assert configs[0] == configs[1]
    assert len({network(config) for config in configs[0]} | told | pending) == 20


def test_a_key_has_to_be_given_again(tmp_path: Path) -> None:
    agent = Agent([FOUR], FAST)
    play(agent, 2)
    agent.ask()
    loaded = Agent.load(agent.save(tmp_path / "agent"))
    again = Agent.load(loaded.save(tmp_path / "again"))  # what is needed is not forgotten
    for each in (loaded, again):
        with pytest.raises(ValueError, match=r"was saved with a function `key`.*problems=\[Problem\(space, task, key="):
            each.ask()
    again.tell(again.open_trials[0], 1.0)
    given = Agent.load(tmp_path / "again", problems=[FOUR])
    assert given.ask().number == 3
    assert loaded.transfer_to([Problem(FOUR.space, "letters")]).ask().number == 0


def test_a_file_that_names_a_problem_which_is_not_there_is_damaged(tmp_path: Path) -> None:
    file = Agent([FOUR], FAST).save(tmp_path / "agent")

    def change(_: object, header: dict[str, object], __: object) -> None:
        assert header["keyed"] == [0]
        header["keyed"] = [1]

    with pytest.raises(CheckpointError, match="field keyed: there is no problem 1"):
        Agent.load(rewrite(file, tmp_path / "damaged", change))


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (["conv"], r"returned \['conv'\], which cannot be hashed; return a str, bytes, an int, or a tuple"),
        (("conv", ["pool"]), "which cannot be hashed"),
        (np.zeros(2), "which cannot be hashed"),
        (None, "returned None, which identifies no network"),
        ((layer for layer in "ab"), "returned <generator object.*which is equal only to itself"),
        (object(), "which is equal only to itself"),
    ],
    ids=["list", "list in a tuple", "array", "nothing", "generator", "object"],
)
def test_what_is_no_key_is_refused(new: NewFn, returned: Hashable, text: str) -> None:
    answers = [returned]
    searcher = new((Problem(chain(4), "digits", key=lambda config: answers[0]),))
    with pytest.raises(TypeError, match=rf'the key of the problem \(space "chain of 4", task "digits"\).*{text}'):
        searcher.ask()
    assert searcher.open_trials == ()
    answers[0] = "right"
    assert searcher.ask().number == 0


def test_the_text_of_a_configuration_is_a_key_of_configurations() -> None:
    """True, 1 and 1.0 are three actions."""
    space = SearchSpace("mixed", [Choice("on", (True, 1, 1.0, 0)), Choice("at", (0, 1))])
    for new in (new_random, new_evolution, new_optuna):
        configs = [config for *_, config in play(new((Problem(space, "digits", key=repr),)), 8)]
        assert len(set(map(repr, configs))) == 8


@pytest.mark.parametrize("returned", ["text", b"bytes", 3, ("a", 1), frozenset("a"), np.int64(3), int, len], ids=repr)
def test_what_can_be_compared_is_a_key(returned: Hashable) -> None:
    assert new_random((Problem(chain(4), "digits", key=lambda config: returned),)).ask().number == 0


def test_a_key_may_change_what_it_gets(new: NewFn) -> None:
    def key(config: Config) -> Hashable:
        found = network(config)
        config.clear()  # type: ignore[attr-defined]
        return found

    searcher = new((Problem(chain(4), "digits", key=key),))
    trials = searcher.ask(3)
    assert all(len(trial.config) == 4 for trial in trials)
    for trial in trials:
        searcher.tell(trial, 1.0)


def test_the_papers_agent_keeps_to_a_key_if_it_does_not_repeat() -> None:
    agent = Agent([FOUR], CONFIG.with_changes({"proposal.repeats": False, "proposal.max_candidates": 640}))
    assert len({network(config) for *_, config in play(agent, 20)}) == 20
