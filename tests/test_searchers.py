"""What every searcher keeps to, and what is particular to regularized evolution."""

import dataclasses
import functools
import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest

from searchers import (
    KINDS,
    LEFT,
    ONE,
    PROBLEMS,
    RIGHT,
    TWO,
    NewFn,
    Problems,
    play,
    reward,
)
from strategies import unchecked
from transfernas import (
    Agent,
    Choice,
    Problem,
    RegularizedEvolution,
    Searcher,
    SearchSpace,
    Trial,
)
from transfernas.baselines import evolution
from transfernas.baselines.evolution import mutate
from transfernas.spaces.condition import Action, Config
from transfernas_bench.optuna_searcher import OptunaSearcher

# So wide that only a mutation is one step from its parent.
WIDE = Problem(SearchSpace("wide", [Choice(f"c{index}", range(10)) for index in range(8)]), "one")


def distance(left: Config, right: Config) -> int:
    return sum(left[name] != right[name] for name in left)


def test_trials_fit_their_problem_and_are_counted(new: NewFn) -> None:
    searcher, trials = new(PROBLEMS), []
    for _ in range(15):
        one, some = searcher.ask(), searcher.ask(3)
        assert isinstance(one, Trial) and isinstance(some, list)
        for trial in (one, *some):
            searcher.tell(trial, reward(trial))
        trials += [one, *some]
    assert [trial.number for trial in trials] == list(range(60))
    assert searcher.problems == PROBLEMS
    for trial in trials:
        assert trial.problem in PROBLEMS
        trial.problem.space.validate(trial.config)


@pytest.mark.thorough
def test_problems_are_drawn_uniformly(new: NewFn) -> None:
    counts = Counter(problem.task for _, problem, _ in play(new(PROBLEMS, seed=1), 400))
    assert counts["one"] + counts["two"] == 400
    assert abs(counts["one"] - 200) < 40  # four standard deviations


def test_a_seed_decides_the_trials(new: NewFn) -> None:
    first = play(new(PROBLEMS, seed=3), 25)
    assert play(new(PROBLEMS, seed=3), 25) == first
    assert play(new(PROBLEMS, seed=4), 25) != first


def test_a_pickled_searcher_goes_on_as_it_would_have(new: NewFn) -> None:
    searcher = new(PROBLEMS)
    play(searcher, 6)
    waiting = searcher.ask()
    copy = pickle.loads(pickle.dumps(searcher))
    for each in (searcher, copy):
        each.tell(waiting, 1.0)
    assert play(copy, 6) == play(searcher, 6)


def test_trials_are_told_in_any_order(new: NewFn) -> None:
    searcher = new(PROBLEMS)
    trials = searcher.ask(5)
    assert searcher.open_trials == tuple(trials)
    left = list(trials)
    for number in (3, 0, 4, 1, 2):
        searcher.tell(trials[number], float(number))
        left.remove(trials[number])
        assert searcher.open_trials == tuple(left)
    assert searcher.ask().number == 5


BAD_REWARDS = [
    ({"reward": float("nan")}, "trial 0 was told the reward nan; tell a trial without a reward by failed=True"),
    ({"reward": float("inf")}, "trial 0 was told the reward inf; tell a trial without"),
    ({"reward": float("-inf")}, "trial 0 was told the reward -inf; tell a trial without"),
    ({"reward": "x"}, "trial 0 was told the reward 'x', which is not a number"),
    ({"reward": [1.0]}, r"trial 0 was told the reward \[1.0\], which is not a number"),
    ({"reward": 10**400}, r"trial 0 was told a reward of a size beyond 1\.79769e\+308; scale it"),
    ({"reward": -(10**309)}, r"trial 0 was told a reward of a size beyond 1\.79769e\+308; scale it"),
    ({"reward": None}, "trial 0 was told the reward None, which is not a number"),
    ({}, "trial 0 was told the reward None, which is not a number"),
    ({"reward": 1.0, "failed": True}, "trial 0 was told both a reward and failed=True; tell one of them"),
]
BAD_REWARD_IDS = ["nan", "inf", "-inf", "text", "list", "far too large", "too large", "None", "neither", "both"]


@pytest.mark.parametrize(("told", "message"), BAD_REWARDS, ids=BAD_REWARD_IDS)
def test_a_bad_reward_leaves_the_trial_open(new: NewFn, told: dict[str, Any], message: str) -> None:
    searcher = new(PROBLEMS)
    trial = searcher.ask()
    with unchecked(), pytest.raises(ValueError, match=message):
        searcher.tell(trial, **told)
    assert searcher.open_trials == (trial,)
    searcher.tell(trial, 1.0)
    assert not searcher.open_trials


@pytest.mark.parametrize("first", [{"reward": 1.0}, {"failed": True}], ids=["reward", "failed"])
@pytest.mark.parametrize("second", [{"reward": 1.0}, {"failed": True}], ids=["reward", "failed"])
def test_a_trial_is_told_once(new: NewFn, first: dict[str, Any], second: dict[str, Any]) -> None:
    searcher = new(PROBLEMS)
    trial, other = searcher.ask(2)
    searcher.tell(trial, **first)
    assert searcher.open_trials == (other,)
    with pytest.raises(ValueError, match="trial 0 was told already; a trial is told once"):
        searcher.tell(trial, **second)
    assert searcher.open_trials == (other,)


def test_a_trial_is_told_to_its_own_searcher(new: NewFn) -> None:
    searcher, other = new(PROBLEMS), new(PROBLEMS)
    trial, others = searcher.ask(), other.ask()
    by_hand = Trial(0, trial.problem, trial.config, searcher="")
    for stranger in (others, by_hand):
        with pytest.raises(ValueError, match="trial 0 was asked by another searcher; tell it there"):
            searcher.tell(stranger, 1.0)
    assert searcher.open_trials == (trial,)
    assert other.open_trials == (others,)
    searcher.tell(trial, 1.0)
    other.tell(others, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": 7}, "trial 7 was never asked"),
        ({"config": {}}, "trial 0 is not as it was asked"),
        ({"problem": Problem(LEFT, "three")}, "trial 0 is not as it was asked"),
    ],
    ids=["number", "configuration", "problem"],
)
def test_a_trial_is_told_as_it_was_asked(new: NewFn, change: dict[str, Any], message: str) -> None:
    searcher = new(PROBLEMS)
    trial = searcher.ask()
    with pytest.raises(ValueError, match=message):
        searcher.tell(dataclasses.replace(trial, **change), 1.0)
    assert searcher.open_trials == (trial,)
    searcher.tell(trial, 1.0)


def test_what_becomes_of_a_configuration_does_not_reach_the_searcher(new: NewFn) -> None:
    searcher = new(PROBLEMS)
    trial = searcher.ask()
    asked = dict(trial.config)
    assert isinstance(trial.config, dict)
    trial.config.clear()
    (still_open,) = searcher.open_trials
    assert still_open.config == asked
    with pytest.raises(ValueError, match="trial 0 is not as it was asked"):
        searcher.tell(trial, 1.0)
    searcher.tell(still_open, 1.0)
    assert not searcher.open_trials


def test_trials_can_be_keys_and_failed_is_yes_or_no(new: NewFn) -> None:
    searcher = new(PROBLEMS)
    first, second = searcher.ask(2)
    assert {first: 1, second: 2}[first] == 1
    no: Any = "no"
    with unchecked(), pytest.raises(ValueError, match="trial 0 was told failed='no'; it takes True or False"):
        searcher.tell(first, failed=no)
    assert searcher.open_trials == (first, second)


def test_only_trials_are_told(new: NewFn) -> None:
    searcher = new(PROBLEMS)
    trial = searcher.ask()
    told: Any = {"kind": "conv"}
    with unchecked(), pytest.raises(TypeError, match="tell takes a Trial that ask returned, not {'kind': 'conv'}"):
        searcher.tell(told, 1.0)
    assert searcher.open_trials == (trial,)


@pytest.mark.parametrize("n", [0, -1, True, 1.5, "3"], ids=repr)
def test_ask_refuses_what_is_no_count(new: NewFn, n: Any) -> None:
    searcher = new(PROBLEMS)
    with unchecked(), pytest.raises(ValueError, match=f"takes a whole number of at least 1, not {n!r}"):
        searcher.ask(n)
    assert searcher.ask().number == 0


@pytest.mark.parametrize("seed", [-1, True, 1.5, "x", None], ids=repr)
def test_seeds_are_whole_numbers(new: NewFn, seed: object) -> None:
    with unchecked(), pytest.raises(ValueError, match=f"seed must be a whole number of at least 0, not {seed!r}"):
        new(PROBLEMS, seed)


def test_a_numpy_seed_is_its_number(new: NewFn) -> None:
    with unchecked():
        assert play(new(PROBLEMS, np.int64(3)), 5) == play(new(PROBLEMS, 3), 5)


BAD_PROBLEMS = [
    ((), "a searcher needs at least one Problem"),
    ((*PROBLEMS, ONE), r'problem \(space "left", task "one"\) is there twice'),
    (
        (*PROBLEMS, Problem(SearchSpace("left", [Choice("kind", KINDS)]), "three")),
        'two different search spaces are called "left"; names must differ',
    ),
]


@pytest.mark.parametrize(("problems", "message"), BAD_PROBLEMS, ids=["none", "twice", "one name"])
def test_bad_problems_are_refused(new: NewFn, problems: Problems, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new(problems)


@pytest.mark.thorough
def test_valid_is_respected(new: NewFn) -> None:
    def valid(config: Config) -> bool:
        RIGHT.validate(config)
        return config["kind"] != "conv" and config["depth"] != 4

    restricted = (ONE, Problem(RIGHT, "two", valid=valid))
    searcher = new(restricted, seed=2)
    # To look for what is left of a space that is used up takes time.
    count = 24 if isinstance(searcher, Agent) and not searcher.config.proposal.repeats else 80
    early = searcher.ask(count)
    for trial in early:
        searcher.tell(trial, reward(trial))
    late = searcher.ask(count)  # evolution mutates now
    for trials in (early, late):
        kinds = {(trial.problem.task, trial.config["kind"]) for trial in trials}
        assert kinds <= {("two", "pool"), ("two", "skip"), *(("one", kind) for kind in KINDS)}
        assert {trial.config["depth"] for trial in trials if trial.problem.task == "two"} <= {1, 2, 3}
    found = {(trial.config["depth"], trial.config["kind"]) for trial in early if trial.problem.task == "two"}
    assert len(found) == 6
    assert ("one", "conv") in {(trial.problem.task, trial.config["kind"]) for trial in early}


def test_a_space_without_valid_configuration_is_named(new: NewFn) -> None:
    open_to_all = [True]
    searcher = new(tuple(Problem(p.space, p.task, valid=lambda _: open_to_all[0]) for p in PROBLEMS))
    before = searcher.ask()
    open_to_all[0] = False
    count = r"(6\d|64\d)" if isinstance(searcher, (Agent, OptunaSearcher)) else r"10000"
    with pytest.raises(
        ValueError,
        match=rf'none of {count} configurations drawn from search space "(left|right)" \(task "(one|two)"\) was valid; '
        r"check the problem's valid\(config\)",
    ):
        searcher.ask()
    assert searcher.open_trials == (before,)
    open_to_all[0] = True
    assert searcher.ask().number == 1
    searcher.tell(before, 1.0)
    assert [number for number, *_ in play(searcher, 5)] == [2, 3, 4, 5, 6]


@pytest.mark.thorough
def test_a_problem_without_valid_configuration_does_not_block_the_others(new: NewFn) -> None:
    searcher = new((Problem(LEFT, "one", valid=lambda _: False), TWO))
    outcomes: list[str] = []
    while len(set(outcomes)) < 2 or outcomes[-1] == "none":
        assert len(outcomes) < 20
        try:
            outcomes.append(searcher.ask().problem.task)
        except ValueError:
            outcomes.append("none")
    assert set(outcomes) == {"none", "two"}


SMALL_EVOLUTION = functools.partial(RegularizedEvolution, population_size=3, sample_size=2)


@pytest.fixture(params=[SMALL_EVOLUTION, OptunaSearcher], ids=["evolution", "optuna"])
def started(request: pytest.FixtureRequest) -> NewFn:
    """The searchers that take a start."""
    return request.param


STARTS: list[Config] = [{f"c{index}": 9 - start for index in range(8)} for start in range(5)]


def test_a_start_is_tried_first_and_in_order(started: NewFn) -> None:
    searcher = started([WIDE], start=STARTS)
    for start in STARTS[:3]:
        trial = searcher.ask()
        assert trial.config == start
        searcher.tell(trial, 1.0)
    assert [trial.config for trial in searcher.ask(2)] == STARTS[3:]
    assert all(trial.config not in STARTS for trial in searcher.ask(10))


def test_a_part_of_a_start_is_completed_at_random(started: NewFn) -> None:
    problem = Problem(LEFT, "one", valid=lambda config: config.get("act") != "tanh")
    parts: list[Config] = [{"width": 32}, {"act": "relu"}, {"kind": "skip"}, {}] * 30
    trials = started([problem], seed=1, start=parts).ask(120)
    for part, trial in zip(parts, trials, strict=True):
        LEFT.validate(trial.config)
        assert part.items() <= trial.config.items() and trial.config.get("act") != "tanh"
    assert {trial.config["kind"] for trial in trials[0::4]} == {"conv"}  # no other has a width
    assert {trial.config.get("width") for trial in trials[1::4]} == {None, 8, 16, 32, 64}
    assert {trial.config["kind"] for trial in trials[3::4]} == set(KINDS)


def test_what_no_valid_configuration_contains_is_left_out_of_a_start(started: NewFn) -> None:
    seen: list[Config] = []

    def valid(config: Config) -> bool:
        seen.append(config)
        return config["kind"] != "pool"

    out: list[Config] = [
        {"depth": 1, "kind": "pool"},  # refused
        {"depth": 1, "kind": "skip", "norm": True},  # not active
        {"depth": 5, "kind": "skip"},  # an unknown action
        {"depth": 1.0, "kind": "skip"},
        {"depth": 1, "kinds": "skip"},  # an unknown choice
    ]
    four: Any = np.int64(4)
    within: list[Config] = [{"depth": 1, "kind": "skip"}, {"depth": four, "kind": "skip", "norm": None}]
    searcher = started([Problem(RIGHT, "two", valid=valid)], start=[*out, within[0], *out, within[1]])
    assert len(seen) <= 4  # what is whole is not drawn again and again
    trials = searcher.ask(2)
    assert [trial.config for trial in trials] == within
    assert [trial.number for trial in trials] == [0, 1]
    assert type(trials[1].config["depth"]) is int


def test_a_part_without_valid_completion_is_given_up(started: NewFn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolution, "MAX_CANDIDATES", 100)
    problem = Problem(LEFT, "one", valid=lambda config: config["kind"] != "conv")
    assert started([problem], start=[{"width": 8}, {"kind": "skip"}]).ask().config == {"kind": "skip"}


def test_a_start_leaves_the_rest_to_the_seed(started: NewFn) -> None:
    parts: list[Config] = [{"c0": 1}, {"c1": 2}, STARTS[0]]
    first = play(started([WIDE], seed=3, start=parts), 25)
    assert play(started([WIDE], seed=3, start=parts), 25) == first
    assert play(started([WIDE], seed=4, start=parts), 25) != first
    assert play(started([WIDE], seed=3, start=()), 25) == play(started([WIDE], seed=3), 25)


@pytest.mark.parametrize(
    ("problems", "start", "error", "message"),
    [
        (PROBLEMS, [{"kind": "skip"}], ValueError, "start belongs to one problem, not to 2; give each problem"),
        ([ONE], {"kind": "skip"}, TypeError, r"start holds configurations, as in start=\[.*\], not 'kind'"),
        ([ONE], [("kind", "skip")], TypeError, r"start holds configurations, .*, not \('kind', 'skip'\)"),
        ([ONE], "skip", TypeError, "start must be a tuple or list, not 'skip'"),
    ],
    ids=["problems", "one", "pairs", "text"],
)
def test_a_bad_start_is_refused(
    started: NewFn, problems: Problems, start: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        started(problems, start=start)


def test_evolution_begins_with_its_start() -> None:
    searcher = RegularizedEvolution((WIDE,), population_size=3, sample_size=3, start=STARTS[:2])
    trials = searcher.ask(3)
    for trial, value in zip(trials, (1.0, 3.0, 2.0), strict=True):
        searcher.tell(trial, value)
    assert trials[2].config not in STARTS and evolved(searcher, trials[1])


def _children(parent: dict[str, Action], problem: Problem, draws: int = 600) -> list[dict[str, Action]]:
    rng = np.random.default_rng(0)
    return [mutate(problem, parent, rng) for _ in range(draws)]


@pytest.mark.parametrize(
    ("parent", "children"),
    [
        (  # dropped: what is no longer active; drawn: what has become so; kept: what stays active
            {"kind": "pool", "act": "relu"},
            [
                {"kind": "pool", "act": "tanh"},
                {"kind": "skip"},
                *({"kind": "conv", "width": width, "act": "relu"} for width in (8, 16, 32, 64)),
            ],
        ),
        (
            {"kind": "skip"},
            [
                *({"kind": "pool", "act": act} for act in ("relu", "tanh")),
                *(
                    {"kind": "conv", "width": width, "act": act}
                    for width in (8, 16, 32, 64)
                    for act in ("relu", "tanh")
                ),
            ],
        ),
        (
            {"kind": "conv", "width": 16, "act": "tanh"},
            [
                {"kind": "pool", "act": "tanh"},
                {"kind": "skip"},
                *({"kind": "conv", "width": width, "act": "tanh"} for width in (8, 32, 64)),
                {"kind": "conv", "width": 16, "act": "relu"},
            ],
        ),
    ],
    ids=["pool", "skip", "conv"],
)
def test_a_mutation_changes_one_choice(parent: dict[str, Action], children: list[dict[str, Action]]) -> None:
    before = dict(parent)
    found = _children(parent, ONE)
    assert {tuple(child.items()) for child in found} == {tuple(child.items()) for child in children}
    assert parent == before


def test_the_mutated_choice_and_its_action_are_uniform() -> None:
    parent: dict[str, Action] = {"kind": "conv", "width": 16, "act": "tanh"}
    found = Counter(
        (name, child.get(name))
        for child in _children(parent, ONE, 1800)
        for name in parent
        if child["kind"] == "conv" or name == "kind"
        if child.get(name) != parent[name]
    )
    expected: dict[tuple[str, Action], int] = {("act", "relu"): 600, ("kind", "pool"): 300, ("kind", "skip"): 300}
    expected |= {("width", width): 200 for width in (8, 32, 64)}
    assert found.keys() == expected.keys()
    assert all(abs(found[key] - count) < 4 * count**0.5 for key, count in expected.items())


def test_a_mutation_leaves_choices_of_one_action_alone() -> None:
    problem = Problem(SearchSpace("s", [Choice("a", (1,)), Choice("b", (1, 2))]), "t")
    assert {tuple(child.items()) for child in _children({"a": 1, "b": 1}, problem)} == {(("a", 1), ("b", 2))}
    alone = Problem(SearchSpace("s", [Choice("a", (1,))]), "t")
    assert _children({"a": 1}, alone, 3) == [{"a": 1}] * 3


def evolved(searcher: Searcher, parent: Trial, asks: int = 12) -> bool:
    """Whether everything asked is a mutation of one trial."""
    return {distance(trial.config, parent.config) for trial in searcher.ask(asks)} == {1}


def test_the_best_of_the_population_is_the_parent() -> None:
    searcher = RegularizedEvolution((WIDE,), population_size=5, sample_size=5)
    trials = searcher.ask(5)
    for trial, value in zip(trials, (-2.0, 5.0, 3.0, -1.0, 4.0), strict=True):
        assert not evolved(searcher, trials[1])
        searcher.tell(trial, value)
    assert evolved(searcher, trials[1])


def test_the_oldest_dies_however_good() -> None:
    searcher = RegularizedEvolution((WIDE,), population_size=3, sample_size=3)
    trials = searcher.ask(6)
    parents = []
    for trial, value in zip(trials, (9.0, 1.0, 2.0, 0.5, 1.5, 0.0), strict=True):
        searcher.tell(trial, value)
        parents.append(next((other.number for other in trials if evolved(searcher, other)), None))
    assert parents == [None, None, 0, 2, 2, 4]


def test_failed_trials_never_enter_the_population() -> None:
    searcher = RegularizedEvolution((WIDE,), population_size=2, sample_size=2)
    first, failed, second, third, late = searcher.ask(5)
    searcher.tell(first, 1.0)
    searcher.tell(failed, failed=True)
    assert not evolved(searcher, first) and not evolved(searcher, failed)
    searcher.tell(second, 0.5)
    searcher.tell(third, failed=True)
    searcher.tell(late, failed=True)
    assert evolved(searcher, first)


def test_the_sample_is_drawn_without_replacement() -> None:
    searcher = RegularizedEvolution((WIDE,), population_size=3, sample_size=2)
    trials = searcher.ask(3)
    for trial, value in zip(trials, (1.0, 3.0, 2.0), strict=True):
        searcher.tell(trial, value)
    parents = Counter(
        trial.number for child in searcher.ask(300) for trial in trials if distance(child.config, trial.config) == 1
    )
    assert parents.keys() == {1, 2}  # the worst of three never wins against another
    assert abs(parents[1] - 200) < 33  # in two of the three samples the best competes


def test_each_problem_has_its_own_population() -> None:
    other = Problem(WIDE.space, "two")
    searcher = RegularizedEvolution((WIDE, other), population_size=1, sample_size=1)
    best: dict[str, Trial] = {}
    while len(best) < 2:
        trial = searcher.ask()
        if trial.problem.task not in best:
            best[trial.problem.task] = trial
            searcher.tell(trial, float(len(best)))
    children = searcher.ask(30)
    assert {trial.problem.task for trial in children} == {"one", "two"}
    assert {distance(trial.config, best[trial.problem.task].config) for trial in children} == {1}


@pytest.mark.parametrize(
    ("population", "sample"), [(8, 0), (8, 9), (0, 0), (8, -1), (8, 2.5), (8.5, 2), (8, "2")], ids=repr
)
def test_bad_sizes_of_the_population_are_refused(population: Any, sample: Any) -> None:
    message = f"sample_size.*population_size.*{sample!r} and {population!r}"
    with unchecked(), pytest.raises(ValueError, match=message):
        RegularizedEvolution(PROBLEMS, population_size=population, sample_size=sample)
