"""Trials and distributions of Optuna, as scores, values and domains of a search."""

import datetime
import functools
import hashlib
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ...learning.scores import Score, TrialOutcome
from ...spaces.domain import CategoricalDomain, Domain, NumericDomain

_ENQUEUED = "fixed_params"  # the system attribute in which Optuna keeps the values of an enqueued trial
_ENDINGS = {
    TrialOutcome.FAILED: "failed",
    TrialOutcome.PRUNED: "were pruned",
    TrialOutcome.INFEASIBLE: "broke a constraint",
}


def domain_of(distribution: BaseDistribution) -> Domain:
    """Returns the domain of a distribution.

    Raises:
        TypeError: The distribution is none of Optuna's own.
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
    """Returns whether two distributions are equal; equal distributions of a storage are seldom one object.

    Their fields are compared first, because Optuna's own comparison is slow.
    """
    return one is other or (type(one) is type(other) and vars(one) == vars(other)) or one == other


def known_domain(
    known: dict[str, tuple[BaseDistribution, Domain]], name: str, distribution: BaseDistribution
) -> Domain:
    """Returns the domain of a parameter, which is made anew where the distribution differs from the latest one.

    Args:
        known: The latest distribution of each parameter and its domain, where the result is kept.
        name: The name of the parameter.
        distribution: The distribution of the parameter.

    Raises:
        TypeError: The distribution is none of Optuna's own.
    """
    found = known.get(name)
    if found is None or not same_distribution(found[0], distribution):
        found = known[name] = distribution, domain_of(distribution)
    return found[1]


def value_of(distribution: BaseDistribution, value: object) -> object:
    """Returns a value as a storage gives it back; Optuna accepts all that `float` accepts, such as NumPy's numbers.

    Raises:
        ArithmeticError, ValueError: The value is no number, or too large for a float.
    """
    if isinstance(distribution, CategoricalDistribution) or type(value) in (int, float):
        return value
    return distribution.to_external_repr(distribution.to_internal_repr(value))


def is_enqueued(trial: FrozenTrial) -> bool:
    """Returns whether a trial took values that `optuna.Study.enqueue_trial` gave it."""
    return any(name in trial.params for name in trial.system_attrs.get(_ENQUEUED, ()))


def score_of(trial: FrozenTrial, sign: float, on_failure: str) -> Score | None:
    """Returns the score of a finished trial; None for a trial that is not learned from.

    Trials that kept all constraints are best, and ordered by their values. Pruned trials follow, of which those that
    ran for longer are better, and trials of an infinitely bad value. Then come trials that broke a constraint, by the
    violation, and failed trials are worst.

    Args:
        trial: The trial.
        sign: 1 if the study maximises, -1 if it minimises.
        on_failure: "ignore" or "worst", see `TransferSampler`.

    Example:
        ```python
        assert score_of(study.trials[0], sign_of(study), "ignore") is not None
        ```
    """
    if trial.state == TrialState.FAIL:
        return Score(TrialOutcome.FAILED, 0.0) if on_failure == "worst" else None
    if (broken := violation_of(trial)) > 0:
        return Score(TrialOutcome.INFEASIBLE, -min(broken, sys.float_info.max))
    if trial.state == TrialState.PRUNED:
        return Score(TrialOutcome.PRUNED, float(max(trial.last_step or 0, 0)))
    assert trial.value is not None
    return Score.of(sign * trial.value)


def number_of(trials: Iterable[FrozenTrial], params: Mapping[str, object], sign: float) -> int | None:
    """Returns the number of the best finished trial with some parameters; None if there is none.

    Args:
        trials: The trials.
        params: The parameters.
        sign: 1 if the study maximises, -1 if it minimises.
    """
    equal = (trial for trial in trials if trial.state.is_finished() and trial.params == params)
    best = max(equal, key=lambda trial: score_of(trial, sign, "worst") or (), default=None)
    return None if best is None else best.number


def endings(trials: Iterable[FrozenTrial]) -> tuple[str, int]:
    """Returns how finished trials without a value ended, in words, and the number of trials with a value.

    A value counts if it is finite, and the trial broke no constraint. The words are as in "15 failed, 4 were pruned".

    Example:
        ```python
        assert endings(study.trials) == ("", 3)
        ```
    """
    outcomes = Counter(
        score.outcome
        for trial in trials
        if trial.state.is_finished() and (score := score_of(trial, 1.0, "worst")) is not None
    )
    words = [f"{outcomes[each]:,} {its}" for each, its in _ENDINGS.items() if outcomes[each]]
    if infinite := outcomes[TrialOutcome.INFINITE] + outcomes[TrialOutcome.DIVERGED]:
        words.append(f"{infinite:,} returned an infinite value")
    return ", ".join(words), outcomes[TrialOutcome.FINITE]


def violation_of(trial: FrozenTrial) -> float:
    """Returns the sum of a trial's constraint violations; 0 if all constraints were kept, or there are none."""
    broken = [float(value) for value in trial.constraints.values() if not value <= 0]
    return sum(math.inf if math.isnan(value) else value for value in broken)


def sign_of(study: optuna.Study) -> float:
    """Returns 1 if a study maximises, -1 if it minimises."""
    return 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0


def task_of(study: optuna.Study) -> str:
    """Returns the default name of a study's task."""
    return study.study_name or "unnamed study"


def stamp_of(trial: FrozenTrial) -> int:
    """Returns the 64-bit number of a finished trial, equal in every storage and every copy of its study."""
    values = None if trial.values is None else tuple(map(float, trial.values))
    return _stamp(trial.number, trial.state.name, trial.datetime_start, trial.datetime_complete, values)


@functools.lru_cache(maxsize=1_000)  # for each trial, the stamps of the first and of the last trial are compared
def _stamp(
    number: int,
    state: str,
    start: datetime.datetime | None,
    end: datetime.datetime | None,
    values: tuple[float, ...] | None,
) -> int:
    said = (number, state, str(start), str(end), None if values is None else list(values))
    return int.from_bytes(hashlib.blake2b(repr(said).encode(), digest_size=8).digest(), "little")


def record_of(study_name: str, trials: Iterable[FrozenTrial]) -> str:
    """Returns the name of a study's record: the name of the study, and the time of its first trial."""
    starts = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    return f"{study_name} {min(starts).isoformat() if starts else ''}".strip()
