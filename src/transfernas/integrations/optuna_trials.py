"""Trials and distributions of Optuna's, as a search takes them."""

import hashlib
import math
import sys
from collections.abc import Iterable

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ..learning.scores import Score, TrialOutcome
from ..spaces.domain import CategoricalDomain, Domain, NumericDomain


def domain_of(distribution: BaseDistribution) -> Domain:
    """Returns a distribution of Optuna's as what its values are called.

    Raises:
        TypeError: it is none of Optuna's own.
    """
    match distribution:
        case CategoricalDistribution():
            return CategoricalDomain(distribution.choices)
        case IntDistribution():
            return NumericDomain(distribution.low, distribution.high, distribution.log, distribution.step, integer=True)
        case FloatDistribution():
            return NumericDomain(distribution.low, distribution.high, distribution.log, distribution.step)
    raise TypeError(f"{distribution!r} is no distribution that is known")


def same_distribution(one: BaseDistribution, other: BaseDistribution) -> bool:
    """Returns whether two distributions are equal: those of a storage are, but are seldom one object.

    Their fields are compared first, because Optuna's own comparison is slow.
    """
    return one is other or (type(one) is type(other) and vars(one) == vars(other)) or one == other


def value_of(distribution: BaseDistribution, value: object) -> object:
    """Returns a value as a storage gives it back: Optuna takes whatever becomes a float, such as NumPy's numbers.

    Raises:
        ArithmeticError, ValueError: it is no number that a float can be.
    """
    if isinstance(distribution, CategoricalDistribution) or type(value) in (int, float):
        return value
    return distribution.to_external_repr(distribution.to_internal_repr(value))


def score_of(trial: FrozenTrial, sign: float, on_failure: str) -> Score | None:
    """Returns how good a finished trial is; None for one that says nothing.

    Trials that kept all constraints come first, by their values; behind them those that were pruned, of which the one
    that went on for longer did better, and those whose value is infinitely bad; then those that broke a constraint, by
    how much; then those that failed.

    Args:
        trial: the trial.
        sign: 1 where its value is maximised, -1 where it is minimised.
        on_failure: "ignore" or "worst", see `TransferSampler`.
    """
    if trial.state == TrialState.FAIL:
        return Score(TrialOutcome.FAILED, 0.0) if on_failure == "worst" else None
    if (broken := violation_of(trial)) > 0:
        return Score(TrialOutcome.INFEASIBLE, -min(broken, sys.float_info.max))
    if trial.state == TrialState.PRUNED:
        return Score(TrialOutcome.PRUNED, float(max(trial.last_step or 0, 0)))
    assert trial.value is not None
    return Score.of(sign * trial.value)


def violation_of(trial: FrozenTrial) -> float:
    """Returns by how much a trial broke its constraints in all; 0 where it kept them, or has none."""
    broken = [float(value) for value in trial.constraints.values() if not value <= 0]
    return sum(math.inf if math.isnan(value) else value for value in broken)


def sign_of(study: optuna.Study) -> float:
    """Returns 1 where a study maximises, -1 where it minimises."""
    return 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0


def task_of(study: optuna.Study) -> str:
    """Returns the name of what a study measures, where nothing else was said."""
    return study.study_name or "unnamed study"


def stamp_of(trial: FrozenTrial) -> int:
    """Returns a number of 64 bits that a finished trial has alone, in every storage and in every copy of its study."""
    values = None if trial.values is None else [float(value) for value in trial.values]
    said = (trial.number, trial.state.name, str(trial.datetime_start), str(trial.datetime_complete), values)
    return int.from_bytes(hashlib.blake2b(repr(said).encode(), digest_size=8).digest(), "little")


def record_of(study_name: str, trials: Iterable[FrozenTrial]) -> str:
    """Returns the name of a study's record: its own, and when it began."""
    starts = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    return f"{study_name} {min(starts).isoformat() if starts else ''}".strip()
