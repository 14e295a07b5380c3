"""What is particular to Optuna behind our ask and tell; tests/test_searchers.py has what it shares with the others."""

import functools
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from strategies import quick, spaces
from transfernas import Choice, Equal, Problem, RandomSearch, Searcher, SearchSpace
from transfernas.spaces.condition import Config
from transfernas_bench.optuna_searcher import OptunaSearcher, SamplerFn, gaussian_process, tpe

BRANCHES = SearchSpace(
    "branches",
    [
        Choice("kind", ("conv", "pool", "skip")),
        Choice("width", (8, 16, 32, 64), when={"kind": "conv"}),
        Choice("bias", (True, 1, 1.0, None), when=~Equal("kind", "skip")),
    ],
)
GRID = Problem(SearchSpace("grid", [Choice(f"c{index}", range(6)) for index in range(6)]), "t")
CONSTRAINED = Problem(
    SearchSpace("constrained", [Choice("depth", (1, 2, 3, 4)), Choice("kind", ("conv", "pool", "skip"))]),
    "t",
    valid=lambda config: config["depth"] != 4 and config["kind"] != "conv",
)


class Witness(optuna.samplers.RandomSampler):
    """Draws at random, and writes down what Optuna is told."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.seed = seed
        self.told: list[tuple[dict[str, Any], TrialState, float | None]] = []
        self.distributions: dict[str, BaseDistribution] = {}

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self.told.append((trial.params, state, values[0] if values else None))
        self.distributions |= trial.distributions


class Stubborn(optuna.samplers.RandomSampler):
    """Proposes the first action that no running trial has, whatever was told."""

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        assert isinstance(param_distribution, CategoricalDistribution)
        running = [other.params for other in study.get_trials(states=[TrialState.RUNNING])]
        return next(position for position in param_distribution.choices if {param_name: position} not in running)


def witnessed(problems: Sequence[Problem], **settings: Any) -> tuple[OptunaSearcher, list[Witness]]:
    witnesses: list[Witness] = []

    def sampler(seed: int) -> Witness:
        witnesses.append(Witness(seed))
        return witnesses[-1]

    return OptunaSearcher(problems, sampler, **settings), witnesses


def distance(config: Config) -> float:
    """How far a configuration of the grid is from its best one."""
    return float(sum(abs(int(str(action)) - 3 * index % 6) for index, action in enumerate(config.values())))


def best(searcher: Searcher, trials: int = 60) -> float:
    found = []
    for _ in range(trials):
        trial = searcher.ask()
        found.append(-distance(trial.config))
        searcher.tell(trial, found[-1])
    return max(found)


@pytest.mark.thorough
@quick
@given(space=spaces(), ordinal=st.booleans(), seed=st.integers(0, 100))
def test_trials_fit_their_space(space: SearchSpace, ordinal: bool, seed: int) -> None:
    searcher = OptunaSearcher([Problem(space, "t")], seed=seed, ordinal=ordinal)
    for number in range(14):  # the first 10 are random
        trial = searcher.ask()
        space.validate(trial.config)
        searcher.tell(trial, float(number % 3))


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_every_configuration_is_reached_once_by_a_sampler_that_enumerates() -> None:
    searcher = OptunaSearcher([Problem(BRANCHES, "t")], optuna.samplers.BruteForceSampler)
    found = [tuple((name, repr(action)) for name, action in trial.config.items()) for trial in searcher.ask(21)]
    every = {tuple((name, repr(action)) for name, action in config.items()) for config in BRANCHES.enumerate()}
    assert len(found) == BRANCHES.size == 21 and set(found) == every


@pytest.mark.parametrize(
    "sampler",
    [
        tpe,
        optuna.samplers.TPESampler,
        functools.partial(optuna.samplers.TPESampler, n_startup_trials=3),
        optuna.samplers.NSGAIISampler,
        lambda seed: optuna.samplers.RandomSampler(seed),
    ],
    ids=["function", "class", "with settings", "another class", "lambda"],
)
def test_any_sampler_goes(sampler: SamplerFn) -> None:
    def play() -> list[Config]:
        searcher, configs = OptunaSearcher([GRID], sampler, seed=5), []
        for _ in range(15):
            trial = searcher.ask()
            configs.append(trial.config)
            searcher.tell(trial, -distance(trial.config))
        return configs

    assert play() == play()


def test_tpe_is_optunas_with_its_defaults() -> None:
    searcher, (witness,) = witnessed([GRID], seed=7)
    study = optuna.create_study(sampler=tpe(witness.seed), direction="maximize")
    ours = OptunaSearcher([GRID], seed=7)
    for _ in range(20):
        trial, theirs = ours.ask(), study.ask()
        config = {f"c{index}": theirs.suggest_categorical(f"c{index}", range(6)) for index in range(6)}
        assert trial.config == config
        ours.tell(trial, -distance(config))
        study.tell(theirs, -distance(config))


@pytest.mark.thorough
def test_tpe_beats_random_search() -> None:
    seeds = range(5)
    informed = [best(OptunaSearcher([GRID], seed=seed)) for seed in seeds]
    ordered = [best(OptunaSearcher([GRID], seed=seed, ordinal=True)) for seed in seeds]
    random = [best(RandomSearch([GRID], seed=seed)) for seed in seeds]
    assert min(sum(informed), sum(ordered)) > sum(random) + 5


def test_optuna_is_told_rewards_failures_and_refusals() -> None:
    searcher, (witness,) = witnessed([CONSTRAINED], seed=1)
    first, second, third = searcher.ask(3)
    searcher.tell(second, failed=True)
    searcher.tell(third, -2.5)
    searcher.tell(first, 4)
    pruned = [told for told in witness.told if told[1] is TrialState.PRUNED]
    assert pruned and all(params["depth"] == 3 or params["kind"] == 0 for params, *_ in pruned)
    states = TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE
    expected = [
        ({name: CONSTRAINED.space[name].index(action) for name, action in trial.config.items()}, state, reward)
        for trial, state, reward in zip((second, third, first), states, (None, -2.5, 4.0), strict=True)
    ]
    assert witness.told[len(pruned) :] == expected


@pytest.mark.parametrize("at_once", [1, 20])
def test_what_is_refused_is_not_proposed_for_ever(at_once: int) -> None:
    # As failed trials, TPE would propose them hundreds of times each: it takes what it has not seen for promising.
    seen: list[Config] = []

    def valid(config: Config) -> bool:
        seen.append(config)
        return config["depth"] != 4 and config["kind"] != "conv"

    searcher = OptunaSearcher([Problem(CONSTRAINED.space, "t", valid=valid)])
    for _ in range(60 // at_once):
        for trial in searcher.ask(at_once):
            searcher.tell(trial, float(str(trial.config["depth"])))
    assert len(seen) < 3 * 60


def test_a_sampler_that_takes_no_refusal_gets_past_it() -> None:
    space = SearchSpace("s", [Choice("c", range(6))])
    searcher = OptunaSearcher([Problem(space, "t", valid=lambda config: config["c"] in (3, 5))], Stubborn)
    assert [trial.config["c"] for trial in searcher.ask(2)] == [3, 5]


def test_a_valid_that_raises_leaves_nothing_running() -> None:
    def valid(config: Config) -> bool:
        raise KeyError("their mistake")

    searcher, (witness,) = witnessed([Problem(BRANCHES, "t", valid=valid)])
    with pytest.raises(KeyError, match="their mistake"):
        searcher.ask()
    assert [state for _, state, _ in witness.told] == [TrialState.PRUNED]
    assert searcher.open_trials == ()


def test_each_problem_has_a_sampler_and_a_seed_of_its_own() -> None:
    problems = [Problem(BRANCHES, "one"), Problem(BRANCHES, "two")]
    searcher, witnesses = witnessed(problems, seed=2**70)
    assert len({witness.seed for witness in witnesses}) == 2
    for trial in searcher.ask(20):
        searcher.tell(trial, 1.0 if trial.problem.task == "one" else 2.0)
    assert [{reward for *_, reward in witness.told} for witness in witnesses] == [{1.0}, {2.0}]


@pytest.mark.parametrize(
    ("actions", "ordered"),
    [
        ((8, 16, 32), True),
        ((0, 0.5, 1, float("inf")), True),
        ((8, 16), False),
        ((8, 32, 16), False),
        ((3, 2, 1), False),
        ((1, 1.0, 2), False),
        ((False, 1, 2), False),
        ((None, 1, 2), False),
        (("1", "2", "3"), False),
    ],
    ids=repr,
)
def test_an_order_is_told_where_there_is_one(actions: tuple[Any, ...], ordered: bool) -> None:
    for ordinal in (True, False):
        space = SearchSpace("s", [Choice("c", actions)])
        searcher, (witness,) = witnessed([Problem(space, "t")], ordinal=ordinal)
        trials = searcher.ask(30)
        assert {repr(trial.config["c"]) for trial in trials} == {repr(action) for action in actions}
        searcher.tell(trials[0], 1.0)
        last = len(actions) - 1
        expected = IntDistribution(0, last) if ordered and ordinal else CategoricalDistribution(range(last + 1))
        assert witness.distributions == {"c": expected}


def test_a_start_is_told_to_the_sampler() -> None:
    searcher, (witness,) = witnessed([GRID], start=[{f"c{index}": 5 - index for index in range(6)}], ordinal=True)
    searcher.tell(searcher.ask(), 3.0)
    assert witness.told == [({f"c{index}": 5 - index for index in range(6)}, TrialState.COMPLETE, 3.0)]


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What Optuna logs at its own level."""
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("optuna")
    log.addHandler(handler)
    yield records
    log.removeHandler(handler)


def test_nothing_is_logged_and_the_users_own_studies_still_are(logged: list[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)  # the code of a page may have set another
    searcher = OptunaSearcher([CONSTRAINED], start=[{"depth": 1}])
    for number in range(15):
        searcher.tell(searcher.ask(), float(number))
    assert logged == []
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    optuna.create_study(study_name="theirs")
    assert logged == ["A new study created in memory with name: theirs"]


@pytest.mark.parametrize("sampler", ["tpe", None, optuna.samplers.RandomSampler(seed=0)], ids=["name", "None", "made"])
def test_what_is_no_function_of_a_seed_is_refused(sampler: Any) -> None:
    with pytest.raises(TypeError, match="sampler is a function from a seed to an Optuna sampler, such as tpe; got "):
        OptunaSearcher([GRID], sampler)


def test_gaussian_processes_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match="Optuna's Gaussian processes need torch: pip install torch"):
        OptunaSearcher([GRID], gaussian_process)


@pytest.mark.thorough
@pytest.mark.parametrize("problem", [Problem(BRANCHES, "t"), CONSTRAINED], ids=["conditional", "constrained"])
def test_gaussian_processes_search(problem: Problem, logged: list[str]) -> None:
    pytest.importorskip("torch")
    searcher = OptunaSearcher([problem], gaussian_process)
    trials = searcher.ask(3)
    for number in range(12):
        trials.append(searcher.ask())
        problem.space.validate(trials[-1].config)
        searcher.tell(trials.pop(0), float(number % 4))
    assert logged == []
