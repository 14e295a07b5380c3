"""Choices of ranges: an agent sees a range as a few parts, and a configuration has a number of it."""

import copy
import itertools
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from agents import rewrite
from searchers import FAST
from transfernas import (
    Agent,
    CheckpointError,
    Choice,
    Observation,
    Problem,
    RandomSearch,
    Range,
    RegularizedEvolution,
    Repeat,
    Searcher,
    SearchSpace,
    TrainingConfig,
    Trial,
)
from transfernas.integrations.optuna import TransferSampler
from transfernas.learning.bandit import SURROGATE, WARM_START
from transfernas.learning.learner import new_learner
from transfernas.learning.numbers import NumberDraw
from transfernas.spaces.domain import NumericDomain
from transfernas.spaces.schema import space_from_json, space_to_json
from transfernas_bench.optuna_searcher import OptunaSearcher

RATE = Choice("rate", Range(1e-5, 1e-1, log=True))
SPACE = SearchSpace(
    "mlp",
    [
        RATE,
        Choice("layers", Range(1, 3)),
        Choice("units", Range(16, 512, log=True)),
        Choice("dropout", Range(0.3, 1.0), when={"layers": (2, 3)}),
        Choice("act", ("relu", "tanh")),
    ],
)
PROBLEM = Problem(SPACE, "digits")


def reward(trial: Trial | Mapping[str, Any]) -> float:
    config: Mapping[str, Any] = trial.config if isinstance(trial, Trial) else trial
    rate, units = np.log10(config["rate"]) + 3.2, np.log2(config["units"] / 77)
    away = float(rate**2 + 0.3 * units**2 + (config.get("dropout", 0.55) - 0.55) ** 2)
    return -away - 0.2 * (config["layers"] != 2) - 0.3 * (config["act"] == "tanh")


def search(searcher: Searcher, trials: int, of: Callable[[Trial], float] = reward) -> list[Trial]:
    asked = []
    for _ in range(trials):
        asked.append(searcher.ask())
        searcher.tell(asked[-1], of(asked[-1]))
    return asked


def configs(trials: list[Trial]) -> list[Any]:
    return [trial.config for trial in trials]


# Ranges and their choices.


def test_whole_numbers_and_floats_are_told_apart() -> None:
    assert Range(1, 8).integer and Range(1, 9, step=2).integer and Range(*np.array([1, 8])).integer
    assert not any(each.integer for each in (Range(1.0, 8), Range(1, 8.0), Range(0, 1, step=0.25)))
    assert Range(1, 8) != Range(1.0, 8.0)
    assert [repr(Range(1, 8)), repr(Range(1e-3, 1, log=True)), repr(Range(0, 8, step=2))] == [
        "Range(1, 8)",
        "Range(0.001, 1.0, log=True)",
        "Range(0, 8, step=2)",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", 1), "its low is 'a'"),
        ((0, None), "its high is None"),
        ((True, 4), "its low is True"),
        ((0, 8, False, "2"), "its step is '2'"),
        ((1, 8, 1), "log of a Range is True or False, not 1"),
        ((1, 1), "ascending order, not from 1 to 1"),
        ((2.0, 1.0), "ascending order, not from 2.0 to 1.0"),
        ((math.nan, 1.0), "ascending order, not from nan to 1.0"),
        ((0.0, math.inf), "finite ends"),
        ((0, 1, True), "logarithmic range is above 0"),
        ((0, 8, False, 0), "step of a range is a finite number above 0"),
        ((0, 2**60), "at most 2**53"),
        ((1.0, 10**400), "finite ends"),
    ],
)
def test_a_wrong_range_is_an_error_that_names_what_was_given(arguments: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        Range(*arguments)
    assert message in str(error.value)


def test_a_choice_has_the_numbers_of_its_range() -> None:
    units: Any = SPACE["units"]
    assert (
        units.has(77) and units.has(np.int32(77)) and not units.has(77.5) and not units.has(513) and not units.has("77")
    )
    assert units.value(np.float64(77.0)) == 77 and type(units.value(np.float64(77.0))) is int
    part = Range(16, 512, log=True).bins[units.index(77)]
    assert part.low <= 77 <= part.high
    assert all(units.index(units.at(position)) == position for position in range(len(units.actions)))
    steps = Choice("m", Range(0, 1_000, step=10))
    assert steps.has(120) and not steps.has(123)
    with pytest.raises(ValueError, match=r"from 0 to 1000 in steps of 10, not 123"):
        steps.value(123)
    with pytest.raises(ValueError, match=r'choice "units" is a whole number from 16 to 512, not 8'):
        units.index(8)
    with pytest.raises(ValueError, match=r'choice "rate" is a number from 1e-05 to 0.1, not True'):
        RATE.value(True)


def test_a_space_checks_the_numbers() -> None:
    good: dict[str, Any] = {"rate": 0.0123, "layers": 2, "units": 77, "dropout": 0.31, "act": "relu"}
    SPACE.validate(good)
    for wrong in ({"rate": 0.2}, {"units": 16.5}, {"dropout": 0.28125}, {"layers": 4}):
        with pytest.raises(ValueError, match=f'choice "{next(iter(wrong))}"'):
            SPACE.validate(good | wrong)


def test_what_a_range_rules_out_is_an_error() -> None:
    with pytest.raises(ValueError, match=r'cannot be counted: choice "rate" has Range\(1e-05, 0.1, log=True\)'):
        _ = SPACE.size
    with pytest.raises(ValueError, match="give it a step, or a list of actions"):
        next(SPACE.enumerate())
    with pytest.raises(ValueError, match=r'names "rate", which has Range'):
        SearchSpace("a", [RATE, Choice("act", ("relu", "tanh"), when={"rate": 0.01})])
    for wrong in (3.0, 4, True):
        with pytest.raises(ValueError, match=f'choice "layers" has no {wrong}; its numbers are'):
            SearchSpace("a", [Choice("layers", Range(1, 3)), Choice("act", ("a", "b"), when={"layers": wrong})])
    with pytest.raises(ValueError, match="at most 16 whole numbers"):
        SearchSpace("a", [Choice("x", Range(0.0, 1.0, step=0.5)), Choice("act", ("a", "b"), when={"x": 0.5})])
    small = SearchSpace("a", [Choice("layers", Range(1, 3)), Choice("act", ("relu", "tanh"), when={"layers": 3})])
    assert small.size == 4 and not small.has_ranges
    with pytest.raises(ValueError, match="use TrainingConfig"):
        Agent([PROBLEM], TrainingConfig.paper())
    with pytest.raises(ValueError, match="for one agent alone"):
        new_learner((PROBLEM,), FAST, 0, replicas=2)


def test_whole_numbers_are_counted_and_enumerated() -> None:
    conditional = Choice("units", Range(16, 100, step=3), when={"layers": (2, 3)})
    space = SearchSpace("a", [Choice("layers", Range(1, 3)), conditional, Choice("rest", Range(0.0, 2.0, step=0.05))])
    found = list(space.enumerate())
    assert space.size == len(found) == len({repr(config) for config in found}) == (1 + 2 * 29) * 41
    assert {config["units"] for config in found if "units" in config} == set(range(16, 101, 3))


@pytest.mark.thorough
def test_no_whole_number_comes_twice() -> None:
    agent = Agent([Problem(SearchSpace("a", [Choice("x", Range(5, 40))]), "t")], FAST, seed=1)
    opened = agent.ask(10)
    found = search(agent, 20, lambda trial: -abs(trial.config["x"] - 17))  # type: ignore[operator]
    numbers = [trial.config["x"] for trial in [*opened, *found, *agent.ask(6)]]
    assert sorted(numbers) == [*range(5, 41)]  # type: ignore[type-var]
    agent.ask()  # all were evaluated, or are


def test_a_space_with_ranges_is_kept_as_json() -> None:
    block = Repeat(
        "blocks", (1, 2), [Choice("width", Range(8, 256, log=True)), Choice("rest", Range(0.0, 0.5, step=0.01))]
    )
    space = SearchSpace("deep", [RATE, block])
    assert space_from_json(space_to_json(space)) == space and hash(space) == hash(copy.deepcopy(space))
    assert space["width[1]"].range == Range(8, 256, log=True)
    others = [SearchSpace("deep", [Choice("rate", Range(1e-5, 1e-1)), block]), SearchSpace("deep", [RATE])]
    assert all(other != space for other in others)


# An agent's search.


@pytest.mark.thorough
def test_an_agent_proposes_numbers_of_the_ranges() -> None:
    agent = Agent([PROBLEM], FAST, seed=1)
    for trial in search(agent, 40):
        SPACE.validate(trial.config)
        assert type(trial.config["units"]) is int and type(trial.config["rate"]) is float
    names = {action for choice in SPACE.choices for action in choice.actions}
    assert len({trial.reward for trial in agent.top()}) == len(agent.top()) == FAST.queue.size
    assert not {observation.config["rate"] for observation in agent.top()} <= names


@pytest.mark.thorough
def test_the_process_refines_the_numbers() -> None:
    """The best of 80 trials is nearer to the optimum than any name of a part, and than random search."""
    found = []
    for seed in range(3):
        agent = Agent([PROBLEM], seed=seed)
        search(agent, 80)
        found.append(agent.best().reward)  # type: ignore[union-attr]
        assert (agent.learner.replay.proposer == SURROGATE).any()
    middles = [[choice.at(at) for at in range(len(choice.actions))] for choice in SPACE.choices]
    of_parts = max(
        reward(dict(zip(("rate", "layers", "units", "dropout", "act"), each, strict=True)))
        for each in itertools.product(*middles)
    )
    assert np.median(found) > of_parts > max(map(reward, configs(search(RandomSearch([PROBLEM]), 80))))


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_numbers_through_files_and_copies(tmp_path: Path) -> None:
    agent = Agent([PROBLEM, Problem(SearchSpace("cnn", [Choice("act", ("relu", "tanh"))]), "digits")], FAST, seed=2)
    other = Agent(agent.problems, FAST, seed=2)

    def of(trial: Trial) -> float:
        return reward(trial) if "rate" in trial.config else float(trial.config["act"] == "relu")

    assert configs(search(agent, 30, of)) == configs(search(other, 30, of))
    failed, opened = agent.ask(2)
    agent.tell(failed, failed=True)
    loaded, pickled = Agent.load(agent.save(tmp_path / "agent")), pickle.loads(pickle.dumps(agent))
    assert [trial.config for trial in loaded.open_trials] == [opened.config]
    assert loaded.top(PROBLEM) == agent.top(PROBLEM)
    for each in (agent, loaded, pickled, copy.deepcopy(agent)):
        each.tell(each.open_trials[0], of(opened))
    going_on = [configs(search(each, 12, of)) for each in (agent, loaded, pickled)]
    assert going_on[0] == going_on[1] == going_on[2]


def test_open_trials_have_different_numbers() -> None:
    agent = Agent([PROBLEM], FAST, seed=3)
    search(agent, 20)
    assert len({repr(trial.config) for trial in agent.ask(8)}) == 8


@pytest.mark.thorough
def test_valid_and_key_see_the_numbers_that_are_proposed() -> None:
    seen = []

    def valid(config: Any) -> bool:
        seen.append(dict(config))
        return bool(config["rate"] < 0.003)

    problem = Problem(SPACE, "digits", valid=valid, key=lambda config: (config["units"], config["act"]))
    agent = Agent([problem], FAST, seed=4)
    proposed = configs(search(agent, 50))
    assert all(config in seen and config["rate"] < 0.003 for config in proposed)
    networks = [(config["units"], config["act"]) for config in proposed]
    assert len(set(networks)) == 50


@pytest.mark.parametrize(
    "valid",
    [
        lambda config: config["u"] % 64 == 0,
        lambda config: (config["u"] + config["v"]) % 2 == 0,
        lambda config: 1_000 <= config["u"] * config["v"] <= 1_200,
    ],
)
def test_numbers_that_are_refused_are_drawn_again(valid: Any) -> None:
    space = SearchSpace("n", [Choice("u", Range(16, 512)), Choice("v", Range(1, 100))])
    agent = Agent([Problem(space, "d", valid=valid)], FAST, seed=1)
    found = search(agent, 15, lambda trial: -abs(trial.config["u"] - 100))  # type: ignore[operator]
    assert all(valid(trial.config) for trial in found) and len({repr(trial.config) for trial in found}) == 15


def test_an_agent_learns_from_numbers_of_others() -> None:
    agent, history = Agent([PROBLEM], FAST, seed=5), search(RandomSearch([PROBLEM], seed=5), 60)
    agent.learn_from([Observation(PROBLEM, trial.config, reward(trial)) for trial in history])
    best = max(history, key=reward)
    assert agent.best() == Observation(PROBLEM, best.config, reward(best))
    assert reward(agent.ask()) > np.median([*map(reward, history)])
    with pytest.raises(
        ValueError, match=r'entry 0 of the history: choice "rate" is a number from 1e-05 to 0.1, not 3.0'
    ):
        agent.learn_from([(PROBLEM, {**best.config, "rate": 3.0}, 1.0)])


def test_a_number_of_a_part_is_near_the_best_number_there() -> None:
    domain = NumericDomain(0.0, 1.0)
    part = domain.bins[3]
    known = part.low + 0.5 * (part.high - part.low)
    near = NumberDraw(place=0.1, near=0.84, nearness=0.0, away=1.0).number(domain, 3, known)
    assert near == pytest.approx(known + 0.01 * (part.high - part.low))
    far = NumberDraw(place=0.1, near=0.84, nearness=1.0, away=0.4).number(domain, 3, known)
    assert far == pytest.approx(known + 0.5 * 0.4 * (part.high - part.low))
    anywhere = part.low + 0.1 * (part.high - part.low)
    for draw in (NumberDraw(0.1, 0.86, 0.0, 1.0), NumberDraw(0.1, 0.84, 1.0, 9.0)):  # by chance; outside of the part
        assert draw.number(domain, 3, known) == pytest.approx(anywhere)
    assert NumberDraw(0.1, 0.0, 0.0, 1.0).number(domain, 3, None) == pytest.approx(anywhere)


# Transfers.


@pytest.mark.thorough
def test_the_first_trial_of_a_transfer_is_the_best_to_the_digit() -> None:
    agent = Agent([PROBLEM], FAST, seed=6)
    search(agent, 40)
    best = agent.best()
    assert best is not None
    assert agent.transfer_to([Problem(SPACE, "faces")]).ask().config == best.config
    wider = SearchSpace(
        "mlp", [Choice("rate", Range(1e-6, 1e-2, log=True)), *SPACE.choices[1:], Choice("decay", Range(0.0, 0.1))]
    )
    after = agent.transfer_to([Problem(wider, "faces")], fill={"decay": 0.0125})
    assert after.ask().config == {**best.config, "decay": 0.0125}
    assert WARM_START in [opened.kept.proposer for opened in after._open.values()]
    for trial in search(after, 20):
        wider.validate(trial.config)


@pytest.mark.thorough
def test_lists_and_ranges_of_one_name_share_knowledge() -> None:
    listed = SearchSpace("mlp", [Choice("rate", (1e-4, 1e-3, 1e-2)), *SPACE.choices[1:]])
    agent = Agent([Problem(listed, "digits")], FAST, seed=7)
    search(agent, 40)
    found = agent.best()
    assert found is not None
    ranged = agent.transfer_to([Problem(SPACE, "faces")])
    assert ranged.ask().config == found.config
    search(ranged, 20)
    assert ranged.transfer_to([Problem(listed, "letters")]).ask().config["rate"] in (1e-4, 1e-3, 1e-2)


@pytest.mark.thorough
def test_knowledge_goes_to_a_sampler_of_optuna_and_back(tmp_path: Path) -> None:
    space = SearchSpace("study", [RATE, Choice("units", Range(16, 512, log=True))])

    def objective(trial: optuna.Trial) -> float:
        rate, units = trial.suggest_float("rate", 1e-5, 1e-1, log=True), trial.suggest_int("units", 16, 512, log=True)
        return -reward({"rate": rate, "units": units, "layers": 2, "act": "relu"})

    sampler = TransferSampler(seed=1, space="study")
    study = optuna.create_study(study_name="old", sampler=sampler)
    study.optimize(objective, n_trials=25)
    agent = Agent.load(sampler.save(tmp_path / "agent.safetensors")).transfer_to([Problem(space, "new")])
    assert agent.ask().config == study.best_params
    search(agent, 10, lambda trial: reward({**trial.config, "layers": 2, "act": "relu"}))
    again = optuna.create_study(study_name="newer", sampler=TransferSampler(agent, seed=2, space="study"))
    again.optimize(objective, n_trials=1)
    known = [agent.best(), Observation(agent.problems[0], study.best_params, -study.best_value)]
    assert again.best_params in [each.config for each in known if each is not None]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("before", "after", "best"),
    [
        (Range(16, 512), Range(64, 128), 100),
        (Range(16, 512), Range(16.0, 512.0), 100.0),
        (Range(1e-5, 1.0, log=True), Range(1e-3, 1e-1, log=True), 0.00321),
        (Range(0.0, 1.0), Range(0.2, 0.4), 0.3),
        (Range(16, 512), (16, 100, 17, 512), 100),
        (Range(1e-5, 1.0, log=True), (1e-4, 1e-3, 4e-3), 4e-3),
    ],
)
def test_the_best_number_comes_first_where_all_parts_are_others(before: Range, after: Any, best: float) -> None:
    old, new = (SearchSpace("s", [Choice("x", each)]) for each in (before, after))
    agent, problem = Agent([Problem(old, "old")], FAST, seed=1), Problem(new, "new")
    number = 0.00321 if before.log else best
    tried: list[Any] = [number, *before.actions[3:9]]
    agent.learn_from([(agent.problems[0], {"x": value}, -abs(value - number)) for value in tried])
    first = agent.transfer_to([problem]).ask().config["x"]
    assert first == best and type(first) is type(best)


def test_a_fill_or_a_name_that_the_new_spaces_lack_is_an_error() -> None:
    agent = Agent([PROBLEM], FAST)
    wider = Problem(SearchSpace("mlp", [*SPACE.choices, Choice("decay", Range(0.0, 0.5))]), "faces")
    with pytest.raises(ValueError, match=r'choice "decay" is a number from 0.0 to 0.5, not 0.7'):
        agent.transfer_to([wider], fill={"decay": 0.7})
    with pytest.raises(ValueError, match="rename gives 'rate' the name 'deca', .* did you mean 'decay'"):
        agent.transfer_to([wider], rename={"rate": "deca"})


@pytest.mark.thorough
def test_beliefs_place_the_earlier_numbers_in_the_new_parts() -> None:
    agent = Agent([PROBLEM], FAST, seed=1)
    search(agent, 30)
    narrow = SearchSpace("mlp", [RATE, SPACE.choices[1], Choice("units", Range(16, 512)), *SPACE.choices[3:]])
    beliefs = agent.transfer_to([Problem(narrow, "faces")]).beliefs()
    assert sum(beliefs["units"].sources[0].probabilities) == pytest.approx(1.0)


# Files.


def test_a_file_with_a_number_outside_of_its_range_is_refused(tmp_path: Path) -> None:
    agent = Agent([PROBLEM], FAST, seed=8)
    search(agent, 12)
    path = agent.save(tmp_path / "agent")

    def refused(change: Any, message: str) -> None:
        with pytest.raises(CheckpointError, match=message):
            Agent.load(rewrite(path, tmp_path / "damaged", change))

    for number in (7.0, -1.0):

        def change(metadata: Any, header: Any, tensors: Any, number: float = number) -> None:
            tensors["replay.numbers"][0] = number

        refused(change, r'replay.numbers has a number outside of Range\(1e-05, 0.1, log=True\) of "rate"')
    refused(lambda metadata, header, tensors: tensors.pop("replay.known"), "replay.known is missing")


# Other searchers.


@pytest.mark.parametrize("kind", [RandomSearch, RegularizedEvolution, OptunaSearcher])
def test_other_searchers_search_ranges(kind: Any) -> None:
    options = {"population_size": 6, "sample_size": 3} if kind is RegularizedEvolution else {}
    start = {"rate": 0.002, "layers": 1, "units": 100, "act": "relu"}
    problem = Problem(SPACE, "digits", valid=lambda config: Range(16, 499).contained(config["units"]) is not None)
    searcher = (
        kind([problem], seed=1, **options)
        if kind is RandomSearch
        else kind([problem], seed=1, start=[start], **options)
    )
    found = configs(search(searcher, 40))
    for config in found:
        SPACE.validate(config)
    assert kind is RandomSearch or found[0] == start
    assert not {config["rate"] for config in found} <= set(RATE.actions)
    assert all(type(config["units"]) is int for config in found)


@pytest.mark.thorough
def test_the_first_trial_of_an_agent_is_in_the_middle_of_all_ranges() -> None:
    agent = Agent([PROBLEM, Problem(SPACE, "wine")], seed=3)
    first = dict[str, Mapping[str, Any]]()
    for _ in range(8):
        trial = agent.ask()
        first.setdefault(trial.problem.task, trial.config)
        agent.tell(trial, reward(trial))
    assert first.keys() == {"digits", "wine"}
    for config in first.values():
        assert abs(math.log10(config["rate"]) + 3) < 0.3 and config["layers"] == 2
        assert 50 <= config["units"] <= 150 and abs(config["dropout"] - 0.65) < 0.1
    at_once = [trial.config["layers"] for trial in Agent([PROBLEM], seed=1).ask(12)]
    assert at_once[0] == 2 and len(set(at_once)) == 3
