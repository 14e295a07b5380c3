"""Values of every type that Optuna lets through, and constraints, under the sampler for Optuna."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.optuna.trials import score_of, value_of
from transfernas.integrations.studies import learn_from_studies
from transfernas.spaces.domain import CategoricalDomain, NumericDomain

pytestmark = pytest.mark.usefixtures("quiet")

INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
FLOATS = (np.float16, np.float32, np.float64, np.longdouble)
OTHERS = (Decimal, Fraction, np.array, bool, np.bool_, str)
TYPES: tuple[Callable[[Any], object], ...] = (*INTEGERS, *FLOATS, *OTHERS)


def objective(trial: optuna.Trial) -> float:
    kind = trial.suggest_categorical("kind", ("a", 1, 2.5))
    return float(trial.suggest_int("k", 0, 5)) + float(trial.suggest_float("x", 0, 1)) + (kind == "a")


def test_numbers_of_every_type_are_enqueued() -> None:
    study = optuna.create_study(sampler=TransferSampler(seed=0))
    for kind in TYPES:
        study.enqueue_trial({"k": kind(1), "x": kind(1)})
    study.optimize(objective, n_trials=len(TYPES) + 1)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert all(trial.params["k"] == trial.params["x"] == 1 for trial in study.trials[: len(TYPES)])
    assert isinstance(study.sampler, TransferSampler)
    replay = study.sampler.agent.learner.replay
    assert replay.count == len(TYPES) + 1


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float16, np.longdouble, np.bool_, Decimal, Fraction])
def test_numbers_are_fixed(kind: Callable[[Any], Any]) -> None:
    sampler = TransferSampler(seed=0)
    fixed = optuna.samplers.PartialFixedSampler({"k": kind(1), "kind": np.str_("a")}, sampler)
    study = optuna.create_study(sampler=fixed)
    study.optimize(objective, n_trials=2)
    assert all(trial.state == TrialState.COMPLETE and trial.params["k"] == 1 for trial in study.trials)
    assert sampler.agent.learner.learned == 2
    assert all(trial.config["k"] == 1 and trial.config["kind"] == "a" for trial in sampler.agent.top())


def test_numbers_of_every_type_are_added_and_learned_from() -> None:
    study = optuna.create_study()
    distributions = {"k": IntDistribution(0, 5), "x": FloatDistribution(0, 1), "kind": CategoricalDistribution((2, 1))}
    kinds = [kind for kind in TYPES if kind is not str]  # Optuna refuses the category "1"
    for kind in kinds:
        params = {"k": kind(1), "x": kind(1), "kind": kind(1)}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=float(np.float32(1)))
        )
    study.sampler = sampler = TransferSampler(seed=0)
    study.optimize(lambda trial: trial.suggest_int("k", 0, 5) + trial.suggest_float("x", 0, 1), n_trials=1)
    learner = sampler.agent.learner
    assert learner.learned == len(kinds) + 1
    assert len(set(learner.replay.fingerprint[0, : len(kinds)].tolist())) == 1  # all are of one configuration
    agent, report = learn_from_studies(None, [study])
    assert report.trials == len(kinds) + 1 and report.studies[0].unknown == 0


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind is not str])
def test_a_number_of_any_type_is_in_the_bin_of_its_equal(kind: Callable[[Any], Any]) -> None:
    for domain in (
        NumericDomain(0, 5, integer=True),
        NumericDomain(0.0, 2.0),
        NumericDomain(0.0, 3.0, step=0.5),
        NumericDomain(1e-3, 10, log=True),
    ):
        assert domain.position(kind(1)) == domain.position(1) and type(domain.number(kind(1))) in (int, float)
    assert CategoricalDomain(("a", 1)).position(kind(1)) == 1


def test_of_equal_categories_the_one_of_its_kind_is_meant() -> None:
    categories = CategoricalDomain((True, 1, 1.0, "a", None))
    assert [categories.position(v) for v in (np.bool_(True), np.int8(1), np.float16(1), np.str_("a"))] == [0, 1, 2, 3]


@pytest.mark.parametrize("value", ["one", None, 1j, np.nan, np.array([1, 2]), Decimal("inf"), Fraction(10**400)])
def test_what_is_no_number_is_told(value: object) -> None:
    with pytest.raises(ValueError, match="is not a number for a range from 0 to 5"):
        NumericDomain(0, 5, integer=True).number(value)


def test_a_value_is_as_a_storage_gives_it_back() -> None:
    for kind in TYPES:
        value = value_of(IntDistribution(0, 5), kind(1))
        assert value == 1 and type(value) is int
        value = value_of(FloatDistribution(0, 5), kind(1))
        assert value == 1 and type(value) in (float, int)


def half(trial: optuna.Trial) -> float:
    """The unconstrained optimum breaks the constraint."""
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    trial.set_constraint("x is at least a half", 0.5 - x)
    return x + y


def two(trial: optuna.Trial) -> float:
    x, kind = trial.suggest_float("x", 0, 1), trial.suggest_categorical("kind", ("a", "b", "c", "d"))
    trial.set_constraint("x", x - 0.3)
    trial.set_constraint("kind", 0.0 if kind in ("c", "d") else 1.0)
    return (x - 0.9) ** 2 + (kind in ("c", "d"))


def listed(trial: optuna.Trial) -> float:
    """Constraints as a `constraints_func` of Optuna's leaves them."""
    x, n = trial.suggest_float("x", -1, 1), trial.suggest_int("n", 1, 9)
    trial.storage.set_trial_system_attr(trial._trial_id, "constraints", (abs(x) - 0.25, 5 - n))
    return n - x


def boolean(trial: optuna.Trial) -> float:
    """How far from being feasible a trial is does not show."""
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    trial.set_constraint("small", float(x + y > 1.0))
    return -x - y


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("constrained", [half, two, listed, boolean])
def test_what_breaks_constraints_is_proposed_no_more_often_than_by_tpe(
    constrained: "optuna.study.study.ObjectiveFuncType",
) -> None:
    shares = []
    for new in (TransferSampler, optuna.samplers.TPESampler):
        kept = []
        for seed in range(3):
            study = optuna.create_study(sampler=new(seed=seed))
            study.optimize(constrained, n_trials=50)
            kept += [all(value <= 0 for value in trial.constraints.values()) for trial in study.trials[25:]]
        shares.append(np.mean(kept))
    assert shares[0] >= shares[1] - 0.1 and shares[0] > 0.5


def made(
    result: float | TrialState, a: float | None = None, listed: tuple[float, ...] | None = None
) -> optuna.trial.FrozenTrial:
    """A trial with a value or a state, and constraints as Optuna keeps them: by name, or as a list."""
    value, state = (None, result) if isinstance(result, TrialState) else (result, TrialState.COMPLETE)
    attrs: dict[str, Any] = {} if listed is None else {"constraints": listed}
    attrs |= {} if a is None else {"constraints:a": a}
    trial = optuna.trial.create_trial(state=state, value=value, system_attrs=attrs)
    trial.intermediate_values = {3: 1.0} if state == TrialState.PRUNED else {}
    return trial


def test_the_order_of_trials_is_that_of_optunas_samplers() -> None:
    worst_first = [
        made(TrialState.FAIL),
        made(-9.0, a=float("inf")),
        made(-9.0, a=1e300),
        made(-9.0, listed=(2.0, -5.0, 1e-9)),
        made(-9.0, listed=(2.0, -5.0)),
        made(TrialState.PRUNED, a=1.0),
        made(9.0, a=float(np.nextafter(0.0, 1.0))),
        made(TrialState.PRUNED),
        made(1e308, listed=(0.0,)),
        made(8.0, a=-1.0),
        made(7.0),
    ]
    scores = [score_of(trial, -1.0, "worst") for trial in worst_first]
    assert None not in scores and scores == sorted(scores)  # type: ignore[type-var]
    assert len(set(scores)) == len(scores)


def test_the_best_of_past_studies_is_feasible() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(half, n_trials=40)
    agent, report = learn_from_studies(None, [study])
    assert report.studies[0].best == study.best_value
    best = agent.best()
    assert best is not None and best.reward == -study.best_value and best.config["x"] >= 0.5  # type: ignore[operator]
