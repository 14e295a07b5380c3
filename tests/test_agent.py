"""What the agent learns from, keeps, and takes with it."""

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from agents import DECODER, HISTORY, LSTM, NEXT_PROBLEMS, TARGET, leaves
from kept import counted
from searchers import CONFIG, FAST, KINDS, LEFT, ONE, PROBLEMS, RIGHT, TWO, play
from strategies import unchecked
from transfernas import (
    Agent,
    Choice,
    Equal,
    Observation,
    Problem,
    SearchSpace,
    TrainingConfig,
    Trial,
)
from transfernas.learning.learner import new_learner, select
from transfernas.learning.transfer import transfer
from transfernas.spaces.condition import Action, Config
from transfernas.spaces.trajectory import Trajectory
from transfernas.spaces.vocabulary import Vocabulary

# Gamma is 1 and stays so; one configuration for two tests, since each has to be compiled.
UNIFORM = CONFIG.with_changes(
    {"transfer.uniform.share": 1.0, "transfer.uniform.trials": 10**9, "transfer.new_task": "mean"}
)
NEW_TASK = (Problem(LEFT, "three"), TWO)  # one task more does not


@pytest.fixture(scope="module")
def certain() -> Agent:
    """An agent that knows what to propose; to be transferred or copied, not to be changed."""
    agent = Agent(PROBLEMS, CONFIG)
    agent.learn_from(HISTORY * 100)
    return agent


@pytest.fixture(scope="module")
def lstm() -> Agent:
    """An agent with an LSTM that has learned; to be transferred or copied, not to be changed."""
    agent = Agent(PROBLEMS, LSTM)
    agent.learn_from(HISTORY * 20)
    return agent


@pytest.fixture(scope="module")
def decoder() -> Agent:
    """An agent with a decoder that has learned; to be transferred or copied, not to be changed."""
    agent = Agent(PROBLEMS, DECODER)
    agent.learn_from(HISTORY * 20)
    return agent


@pytest.fixture
def as_agent(certain: Agent, lstm: Agent, decoder: Agent) -> dict[str, Agent]:
    return {"transformer": certain, "lstm": lstm, "decoder": decoder}


def shown(trials: list[Trial]) -> list[tuple[str, tuple[tuple[str, Action], ...]]]:
    return [(trial.problem.task, tuple(trial.config.items())) for trial in trials]


def targets(trials: list[Trial]) -> int:
    return sum(trial.config == TARGET[trial.problem.task] for trial in trials)


def test_best_and_top_are_sorted_and_distinct() -> None:
    configs: list[Config] = [{"depth": depth, "kind": "skip"} for depth in (1, 2, 3)]
    configs += [{"depth": 4, "kind": "pool", "norm": norm} for norm in (True, False, None)]
    rewards = [0.5, 2.0, -1.0, 4.0, 0.25, 1.0]
    agent = Agent(PROBLEMS, CONFIG)
    assert agent.best(TWO) is None and agent.top(TWO) == []
    plain = [(TWO, config, reward) for config, reward in zip(configs, rewards, strict=True)]
    agent.learn_from([*plain[:3], *(Observation(*entry) for entry in plain[3:])])
    agent.learn_from([(TWO, configs[4], 3.0), (TWO, configs[3], -5.0), (ONE, TARGET["one"], 9.0)])
    expected = [(configs[at], reward) for at, reward in ((3, 4.0), (4, 3.0), (1, 2.0), (5, 1.0), (0, 0.5))]
    assert agent.top(TWO) == [Observation(TWO, config, reward) for config, reward in expected]
    assert agent.best(TWO) == agent.top(TWO)[0]
    assert agent.top(ONE) == [Observation(ONE, TARGET["one"], 9.0)]
    assert agent.top(Problem(RIGHT, "two", valid=lambda _: False)) == agent.top(TWO)  # found by its names


def test_of_equally_good_trials_the_first_one_is_the_best(tmp_path: Path) -> None:
    """Also if the second one takes an earlier place of the full queue."""
    configs: list[Config] = [{"depth": depth, "kind": kind} for depth in (1, 2, 3) for kind in ("pool", "skip")]
    agent = Agent(PROBLEMS, FAST)
    rewards = (-1.0, 0.0, 1.0, 0.5, 0.2, 1.0)
    agent.learn_from([(TWO, *pair) for pair in zip(configs, rewards, strict=True)])
    for each in (agent, Agent.load(agent.save(tmp_path / "agent"))):
        assert [seen.config for seen in each.top(TWO)] == [configs[at] for at in (2, 5, 3, 4, 1)]


@pytest.mark.parametrize("config", [CONFIG, FAST], ids=["paper", "fast"])
@pytest.mark.parametrize("offset", [0.0, -1e6, 1e8, -1e9, 1e12, -1e15])
def test_the_best_are_found_where_rewards_are_large_and_differ_little(
    tmp_path: Path, config: TrainingConfig, offset: float
) -> None:
    """So they are in a file, and what is remembered after a transfer."""
    configs: list[Config] = [{"depth": depth, "kind": kind} for depth in (1, 2, 3) for kind in ("pool", "skip")]
    rewards = [offset - loss for loss in (17.0, 2.0, 0.0, 1.0, 9.0, 3.0)]
    ranked = sorted(zip(rewards, configs, strict=True), key=lambda pair: -pair[0])
    agent = Agent(PROBLEMS, config)
    agent.learn_from([(TWO, *pair) for pair in zip(configs, rewards, strict=True)])
    for each in (agent, Agent.load(agent.save(tmp_path / "agent"))):
        assert each.top(TWO) == [Observation(TWO, taken, reward) for reward, taken in ranked[:5]]
        if config == FAST:
            warm_start = each.transfer_to([TWO], seed=0).learner.warm_start
            assert warm_start is not None and warm_start.count.tolist() == [[6]]
            trials = [Trajectory(*(leaf[0, 0, slot] for leaf in warm_start.trials)) for slot in range(6)]
            encoding = each.transfer_to([TWO], seed=0).learner.encoding
            assert [encoding.config(0, trial) for trial in trials] == [taken for _, taken in ranked]


def test_rewards_told_in_any_order_reach_their_configurations() -> None:
    agent = Agent(PROBLEMS, CONFIG, seed=5)
    trials = agent.ask(8)
    best: dict[str, dict[tuple[tuple[str, Action], ...], float]] = {"one": {}, "two": {}}
    for number in (6, 1, 7, 0, 3, 5, 2, 4):
        agent.tell(trials[number], float(number))
        ((task, config),) = shown([trials[number]])
        best[task][config] = max(float(number), best[task].get(config, 0.0))
    for problem in PROBLEMS:
        expected = sorted(best[problem.task].items(), key=lambda pair: -pair[1])[:5]
        assert [(tuple(seen.config.items()), seen.reward) for seen in agent.top(problem)] == expected


def test_several_problems_need_to_be_told_apart() -> None:
    agent = Agent(PROBLEMS, CONFIG)
    for method in (agent.best, agent.top):
        with pytest.raises(ValueError, match=r"searches several problems; say which, as in agent.best\(problem\)"):
            method()
        with pytest.raises(ValueError, match=r"\('left', 'two'\) is not a problem of this search.*\('left', 'one'\)"):
            method(Problem(LEFT, "two"))


def test_the_only_problem_may_be_left_out() -> None:
    agent = Agent.of(new_learner((ONE,), CONFIG, seed=0))
    assert agent.best() is None and agent.top() == []
    agent.learn_from([(ONE, TARGET["one"], 1.0)])
    assert agent.best() == Observation(ONE, TARGET["one"], 1.0)


BAD_ENTRIES = {
    "problem": ((Problem(LEFT, "two"), TARGET["one"], 1.0), r"\('left', 'two'\) is not a problem of this search"),
    "missing": ((ONE, {"kind": "conv", "act": "relu"}, 1.0), 'choice "width" of search space "left" is active but'),
    "unknown": ((ONE, {**TARGET["one"], "norm": 1}, 1.0), 'search space "left" has no choice "norm"'),
    "inactive": ((ONE, {"kind": "skip", "act": "relu"}, 1.0), 'choice "act" of search space "left" is not active'),
    "action": ((ONE, {**TARGET["one"], "width": 8.0}, 1.0), 'choice "width" has no action 8.0'),
    "nan": ((ONE, TARGET["one"], float("nan")), "was told the reward nan"),
    "text": ((ONE, TARGET["one"], "x"), "was told the reward 'x', which is not a number"),
    "too large": ((ONE, TARGET["one"], 10**400), r"was told a reward of a size beyond 1\.79769e\+308"),
    "pair": ((ONE, TARGET["one"]), r"should be \(problem, configuration, reward\), not \(Problem"),
    "no problem": (("left", TARGET["one"], 1.0), r"should be \(problem, configuration, reward\), not \('left'"),
    "no configuration": ((ONE, None, 1.0), "maps choices to actions; got None"),
}


@pytest.mark.parametrize(("entry", "message"), BAD_ENTRIES.values(), ids=BAD_ENTRIES.keys())
def test_a_history_is_learned_whole_or_not_at_all(entry: Any, message: str) -> None:
    agent = Agent(PROBLEMS, CONFIG)
    before = leaves(agent)
    with unchecked(), pytest.raises(ValueError, match=f"entry 1 of the history.*{message}"):
        agent.learn_from([HISTORY[0], entry, HISTORY[1]])
    assert all(map(np.array_equal, before, leaves(agent)))
    assert not agent.provenance


@pytest.mark.thorough
@pytest.mark.parametrize("config", [CONFIG, LSTM], ids=["transformer", "lstm"])
def test_a_history_is_imitated(config: TrainingConfig) -> None:
    fresh, taught = Agent(PROBLEMS, config, seed=1), Agent(PROBLEMS, config, seed=1)
    taught.learn_from(HISTORY * 20)
    trial_stats = taught.learner.trial_stats
    assert not np.any(trial_stats.started) and not np.any(trial_stats.baseline)  # REINFORCE took nothing of it
    before, after = targets(fresh.ask(200)), targets(taught.ask(200))
    assert before < 50 and after > before + 80


@pytest.mark.parametrize("config", [CONFIG, FAST], ids=["paper", "fast"])
def test_a_failed_trial_teaches_nothing(config: TrainingConfig) -> None:
    agent = Agent(PROBLEMS, config)
    play(agent, 3)
    before, provenance = leaves(agent), agent.provenance
    trial = agent.ask()
    agent.tell(trial, failed=True)
    assert all(map(np.array_equal, before, leaves(agent)))
    assert agent.provenance == provenance


def test_a_failed_configuration_is_not_proposed_again_while_there_are_others(tmp_path: Path) -> None:
    space = SearchSpace("kinds", [Choice("a", tuple("xyz")), Choice("b", tuple("pqr"))])
    agent = Agent([Problem(space, "task")], seed=1)
    asked = []
    for _ in range(9):
        trial = agent.ask()
        asked.append(tuple(trial.config.values()))
        if "x" in asked[-1] or "p" in asked[-1]:
            agent.tell(trial, failed=True)
        else:
            agent.tell(trial, float(asked[-1] == ("z", "r")))
    assert len(set(asked)) == 9
    loaded = Agent.load(agent.save(tmp_path / "agent.safetensors"))
    again = [each.ask().config for each in (agent, loaded)]
    assert again[0] == again[1] and {"x", "p"} & {*again[0].values()}  # nothing else is left


@pytest.mark.parametrize("config", [CONFIG, FAST], ids=["paper", "fast"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [1e15, 1e38, 1e200, 1.7e308, sys.float_info.max])
def test_the_largest_reward_does_not_break_the_agent(config: TrainingConfig, sign: int, size: float) -> None:
    agent = Agent(PROBLEMS, config)
    play(agent, 4)
    for trial in agent.ask(8):
        sign = -sign
        agent.tell(trial, sign * size)
    assert all(np.isfinite(leaf).all() for leaf in leaves(agent))
    before = leaves(agent)
    play(agent, 2)
    assert not np.array_equal(before[0], leaves(agent)[0])  # it still learns


def test_a_transfer_leaves_the_old_agent_as_it_is() -> None:
    alone, transferred = Agent(PROBLEMS, CONFIG, seed=2), Agent(PROBLEMS, CONFIG, seed=2)
    assert play(alone, 6) == play(transferred, 6)
    alone_open, transferred_open = alone.ask(), transferred.ask()
    new = transferred.transfer_to(NEXT_PROBLEMS)
    play(new, 5)
    with pytest.raises(ValueError, match="trial 6 was asked by another searcher"):
        new.tell(transferred_open, 1.0)
    assert not new.open_trials and transferred.open_trials == (transferred_open,)
    alone.tell(alone_open, 3.0)
    transferred.tell(transferred_open, 3.0)
    assert play(alone, 5) == play(transferred, 5)
    assert all(map(np.array_equal, leaves(alone), leaves(transferred)))


def test_a_transfer_starts_with_nothing_but_the_network(certain: Agent) -> None:
    new = certain.transfer_to(PROBLEMS)
    learner = new.learner
    rest = (learner.state.optimizer, counted(learner), learner.queue.filled)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(rest))
    assert new.top(ONE) == [] and new.ask().number == 0


def test_the_seed_of_a_transfer(certain: Agent) -> None:
    def trials(seed: int | None) -> list[tuple[str, tuple[tuple[str, Action], ...]]]:
        return shown(certain.transfer_to(NEXT_PROBLEMS, seed=seed).ask(12))

    assert trials(None) == trials(None) and trials(7) == trials(7)
    assert trials(None) != trials(7) != trials(8)
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0, not -1"):
        trials(-1)


NAMES: dict[str, Callable[[Vocabulary], tuple[object, ...]]] = {
    "states": lambda vocabulary: vocabulary.states,
    "actions": lambda vocabulary: vocabulary.actions,
    "tasks": lambda vocabulary: vocabulary.tasks,
}
# The names that have a row, table by table; the Transformer's output layers belong to states, the LSTM's to actions,
# the decoder's to states, with a bias for each action.
EMBEDDINGS = {"state": "states", "action": "actions", "task": "tasks"}
ROWS = {
    "transformer": EMBEDDINGS | {"logit_weight": "states", "logit_bias": "states"},
    "lstm": EMBEDDINGS | {"logit_weight": "actions", "logit_bias": "actions"},
    "decoder": EMBEDDINGS | {"logit_weight": "states", "action_bias": "actions"},
}
NEW_NAMES = {"states": 1, "actions": 4, "tasks": 0}  # of NEXT_PROBLEMS


@pytest.mark.parametrize(("network", "table"), [(network, table) for network in ROWS for table in ROWS[network]])
def test_known_names_keep_their_rows_and_new_ones_are_drawn(
    as_agent: dict[str, Agent], network: str, table: str
) -> None:
    old, kind = as_agent[network], ROWS[network][table]
    news = [old.transfer_to(NEXT_PROBLEMS, seed=seed) for seed in (1, 2)]
    before = np.asarray(getattr(old.learner.state.policy, table))[0]
    after = [np.asarray(getattr(new.learner.state.policy, table))[0] for new in news]
    old_names, names = NAMES[kind](old.learner.vocabulary), NAMES[kind](news[0].learner.vocabulary)
    assert before[: len(old_names)].any() and names[: len(old_names)] == old_names
    assert len(names) == len(old_names) + NEW_NAMES[kind]
    for row, name in enumerate(names):
        if name in old_names:
            assert np.array_equal(before[row], after[0][row]) and np.array_equal(before[row], after[1][row])
        elif table in ("logit_bias", "action_bias"):
            assert after[0][row] == after[1][row] == 0
        else:
            assert not np.any(np.isin(after[0][row], before)) and not np.any(np.isin(after[1][row], after[0]))


@pytest.mark.parametrize("network", ROWS)
def test_the_rest_of_the_network_is_kept(as_agent: dict[str, Agent], network: str) -> None:
    new = as_agent[network].transfer_to(NEXT_PROBLEMS, seed=3)
    parts = [vars(agent.learner.state.policy) for agent in (as_agent[network], new)]
    rest = [{name: part for name, part in each.items() if name not in ROWS[network]} for each in parts]
    known = {
        "transformer": "position encoder attention",
        "lstm": "input_weight between recurrent gate_bias anchors",
        "decoder": "position encoder",
    }
    assert list(rest[0]) == list(rest[1]) == known[network].split()
    assert all(map(np.array_equal, jax.tree.leaves(rest[0]), jax.tree.leaves(rest[1])))


@pytest.mark.thorough
def test_an_lstm_proposes_after_a_transfer_what_it_learned_before(lstm: Agent) -> None:
    """Also in a new space: there a known state and its actions mean what they meant."""
    shares = []
    for learner in (lstm.learner, new_learner(PROBLEMS, LSTM, seed=1)):
        trials = Agent.of(transfer(learner, NEXT_PROBLEMS, seed=1)).ask(200)
        kinds = [trial.config["kind"] == TARGET["one"]["kind"] for trial in trials if trial.problem.task == "one"]
        known = [trial.config == TARGET["two"] for trial in trials if trial.problem.task == "two"]
        shares.append((np.mean(kinds), np.mean(known)))
    assert shares[0][0] > shares[1][0] + 0.25 and shares[0][1] > shares[1][1] + 0.5


def test_a_new_task_starts_where_the_configuration_says(certain: Agent) -> None:
    before = np.asarray(certain.learner.state.policy.task)[0]
    mean = certain.transfer_to(NEW_TASK, config=UNIFORM, seed=1)
    drawn = Agent.of(transfer(certain.learner, NEW_TASK, seed=1))  # compiles nothing
    assert (drawn.config, mean.config) == (CONFIG, UNIFORM)
    assert mean.learner.vocabulary.tasks == ("one", "two", "three")
    tasks = [np.asarray(agent.learner.state.policy.task)[0] for agent in (drawn, mean)]
    assert np.array_equal(tasks[0][:2], before) and np.array_equal(tasks[1][:2], before)
    np.testing.assert_allclose(tasks[1][2], before.mean(axis=0), rtol=1e-6)
    assert np.abs(tasks[0][2] - tasks[1][2]).max() > 0.1


def test_a_new_action_starts_where_the_configuration_says(decoder: Agent) -> None:
    """Near the known actions of its state; not so the actions of a new state, nor spaces."""
    welcome = DECODER.with_changes({"transfer.new_action": "mean"})
    drawn, new = (transfer(decoder.learner, NEXT_PROBLEMS, config, seed=1) for config in (DECODER, welcome))
    names = new.vocabulary
    known = [names.action("act", action) for action in ("relu", "tanh")]
    row, drop, space = names.action("act", "gelu"), names.action("drop", 0.5), names.space("next")
    action = np.asarray(new.state.policy.action)[0]
    before = np.asarray(drawn.state.policy.action)[0]
    np.testing.assert_allclose(action[row], action[known].mean(axis=0) + 0.3 * before[row], rtol=1e-5)
    for other in (drop, space, *known):
        assert np.array_equal(action[other], before[other])


def test_the_report_of_a_transfer(certain: Agent) -> None:
    assert certain.transfer_report is None
    report = certain.transfer_to(NEXT_PROBLEMS).transfer_report
    assert report is not None and not report.nothing_in_common
    assert dataclasses.asdict(report) == {
        "known_states": ("kind", "act", "depth", "norm"),
        "new_states": ("drop",),
        "known_actions": (
            *(("kind", kind) for kind in KINDS),
            ("act", "relu"),
            *(("depth", depth) for depth in (1, 2, 3, 4)),
            *(("norm", norm) for norm in (True, False, None)),
        ),
        "new_actions": (("drop", 0.0), ("drop", 0.5), ("act", "gelu")),
        "known_spaces": ("right",),
        "new_spaces": ("next",),
        "known_tasks": ("one", "two"),
        "new_tasks": (),
        "source_spaces": ("left", "right"),
        "source_tasks": ("one", "two"),
    }
    assert str(report).splitlines() == [
        "Transfer from spaces left, right, tasks one, two",
        "  states: 4 known, 1 new: drop",
        "  actions: 11 known, 3 new: drop=0.0, drop=0.5, act='gelu'",
        "  spaces: 1 known, 1 new: next",
        "  tasks: 2 known, 0 new",
    ]


def test_a_report_says_when_nothing_is_known(certain: Agent) -> None:
    spaces = [
        SearchSpace(name, [Choice("p", (1, 2, last)), Choice("q", (1, 2), when=Equal("p", 1) | Equal("p", 2))])
        for name, last in (("here", 3), ("there", 4))
    ]
    foreign = tuple(Problem(space, task) for space, task in zip(spaces, ("three", "four"), strict=True))
    report = certain.transfer_to(foreign, config=UNIFORM).transfer_report
    assert report is not None and report.nothing_in_common
    assert (report.known_states, report.known_actions, report.known_spaces, report.known_tasks) == ((), (), (), ())
    assert (report.new_states, report.new_tasks) == (("p", "q"), ("three", "four"))
    assert str(report).endswith("nothing in common: the search starts as if from scratch")


def test_provenance_counts_what_was_learned_from() -> None:
    agent = Agent(PROBLEMS, CONFIG, seed=4)
    assert not agent.provenance
    agent.learn_from(HISTORY[:1] * 3)
    assert agent.provenance == (("left", "one", 3),)
    trial, left_open = agent.ask(2)
    agent.tell(trial, failed=True)
    tasks = Counter(problem.task for _, problem, _ in play(agent, 9))
    first: tuple[tuple[str, str, int], ...] = (("left", "one", 3 + tasks["one"]), ("right", "two", tasks["two"]))
    second = agent.transfer_to(NEXT_PROBLEMS)
    assert (agent.provenance, second.provenance) == (first, first)
    second.learn_from([(TWO, TARGET["two"], 1.0)] * 2)
    third = second.transfer_to(PROBLEMS)
    third.learn_from(HISTORY[:1])
    assert third.provenance == (*first, ("right", "two", 2), ("left", "one", 1))
    assert left_open in agent.open_trials


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("attention", "bidirectional"), ("embedding_size", 8), ("layers", 2), ("heads", 3)),
        *(("feed_forward", 32), ("normalise", "before")),
    ],
)
def test_a_transfer_can_not_change_the_network(certain: Agent, name: str, value: object) -> None:
    changed, was = CONFIG.with_changes({f"network.{name}": value}), getattr(CONFIG.network, name)
    with pytest.raises(ValueError, match=f"keeps the network: {name} is {was!r} and cannot become {value!r}"):
        certain.transfer_to(NEXT_PROBLEMS, config=changed)


def test_a_transfer_can_not_change_the_kind_of_the_network(certain: Agent) -> None:
    with pytest.raises(ValueError, match="keeps the network: kind is 'transformer' and cannot become 'lstm'"):
        certain.transfer_to(NEXT_PROBLEMS, config=LSTM)


@pytest.mark.parametrize(("name", "value"), [("units", 16), ("layers", 1), ("anchors", False)])
def test_a_transfer_can_not_change_the_lstm(lstm: Agent, name: str, value: object) -> None:
    changed, was = LSTM.with_changes({f"network.{name}": value}), getattr(LSTM.network, name)
    with pytest.raises(ValueError, match=f"keeps the network: {name} is {was!r} and cannot become {value!r}"):
        lstm.transfer_to(NEXT_PROBLEMS, config=changed)


@pytest.mark.parametrize(
    ("problems", "message"),
    [((), "at least one Problem"), ((ONE, ONE), "is there twice")],
    ids=["none", "twice"],
)
def test_a_transfer_checks_its_problems(certain: Agent, problems: tuple[Problem, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certain.transfer_to(problems)


def test_an_agent_is_one_replica() -> None:
    learner = new_learner(PROBLEMS, CONFIG, seed=0, replicas=2)
    with pytest.raises(ValueError, match="an agent is one replica, not 2; take one with select"):
        Agent.of(learner)
    agents = [Agent.of(select(learner, replica)) for replica in (0, 1)]
    assert shown(agents[0].ask(10)) != shown(agents[1].ask(10))


@pytest.mark.parametrize(("sampled", "share"), [(0, 0.1), (50, 0.05), (99, 0.001), (100, 0.0), (200, 0.0)])
def test_gamma_falls_to_nothing(sampled: int, share: float) -> None:
    assert CONFIG.transfer.uniform_share(sampled) == pytest.approx(share, abs=1e-12)
    assert TrainingConfig.paper().transfer == CONFIG.transfer and TrainingConfig().transfer.uniform_share(sampled) == 0


@pytest.mark.thorough
def test_only_a_transferred_agent_explores_and_only_at_first(certain: Agent) -> None:
    assert targets(Agent.of(certain.learner).ask(100)) > 97
    assert targets(certain.transfer_to(PROBLEMS, seed=1).ask(200)[100:]) > 97
    draws = []
    for seed in range(30):
        draws += certain.transfer_to(PROBLEMS, seed=seed).ask(30)
    away, expected = 0, 0.0
    for trial in draws:
        first = trial.problem.space.choices[0]
        away += trial.config[first.name] != TARGET[trial.problem.task][first.name]
        expected += CONFIG.transfer.uniform_share(trial.number) * (1 - 1 / len(first.actions))
    assert 50 < expected < 60 and abs(away - expected) < 3 * expected**0.5  # so not nothing, half or twice of it


@pytest.mark.thorough
def test_gamma_of_one_is_uniform(certain: Agent) -> None:
    draws = certain.transfer_to(NEW_TASK, config=UNIFORM, seed=1).ask(1000)
    for problem in NEW_TASK:
        probability = {tuple(config.items()): _uniform(problem, config) for config in problem.space.enumerate()}
        assert sum(probability.values()) == pytest.approx(1)
        seen = Counter(config for task, config in shown(draws) if task == problem.task)
        total, freedom = seen.total(), len(probability) - 1
        squares = sum((seen[config] - total * p) ** 2 / (total * p) for config, p in probability.items())
        assert total > 450 and abs(squares - freedom) < 3 * (2 * freedom) ** 0.5


def _uniform(problem: Problem, config: Config) -> float:
    return float(np.prod([1 / len(problem.space[name].actions) for name in config]))
