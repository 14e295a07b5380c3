"""Means with intervals, trials to a target, and their ratios.

Shapes: `replicas` of a curve, `trials`, `resamples` of the bootstrap.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

from transfernas.learning.randomness import Purpose, generator

RESAMPLES = 2_000
_ROUNDING = 1e-9  # the order of a sum must not decide whether a mean reaches a target that is one of its values


class Interval(NamedTuple):
    """An estimate with its interval."""

    mean: float
    low: float
    high: float


class Ratio(NamedTuple):
    """How many times fewer trials one curve needs than another to reach a target.

    Attributes:
        target: the value to reach by the mean over the replicas.
        trials_of: trials of the slower curve; None where it does not get there.
        trials_to: trials of the faster curve; None where it does not get there.
        ratio: `trials_of / trials_to`; None where either is None.
        low: lower end of the 95 % bootstrap interval; None where the target is out of reach of the faster curve there.
        high: upper end; None where the target is out of reach of the slower curve there.
    """

    target: float
    trials_of: int | None
    trials_to: int | None
    ratio: float | None
    low: float | None
    high: float | None


class Reached(NamedTuple):
    """When the mean over the replicas reaches a target.

    Attributes:
        target: the value to reach.
        trials: the first trial, from 1, at which it is reached; None where it never is.
        low: lower end of the bootstrap interval; None where the target is out of reach there.
        high: upper end; None where the target is out of reach there.
    """

    target: float
    trials: int | None
    low: int | None
    high: int | None


def mean_interval(values: Float[np.ndarray, "replicas"], confidence: float = 0.95) -> Interval:
    """Returns the mean over replicas with its Student-t interval; no width is known from a single replica."""
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, math.nan, math.nan)
    half = (
        float(scipy.stats.t.ppf((1 + confidence) / 2, len(values) - 1))
        * float(values.std(ddof=1))
        / math.sqrt(len(values))
    )
    return Interval(mean, mean - half, mean + half)


def trials_to(target: float, values: Float[np.ndarray, "replicas trials"]) -> int | None:
    """Returns the first trial, from 1, at which the mean over replicas reaches the target; None if it never does."""
    reached = np.flatnonzero(values.mean(axis=0) >= target - _ROUNDING)
    return int(reached[0]) + 1 if len(reached) else None


def reached(target: float, values: Float[np.ndarray, "replicas trials"], seed: int) -> Reached:
    """Returns when a curve reaches a target, with the 95 % interval of a bootstrap over the replicas."""
    resampled = _resampled_trials(target, values, generator(seed, Purpose.BOOTSTRAP))
    low, high = (int(q) if math.isfinite(q) else None for q in np.quantile(resampled, [0.025, 0.975], method="nearest"))
    return Reached(target, trials_to(target, values), low, high)


def moving_average(values: Float[np.ndarray, "replicas trials"], window: int) -> Float[np.ndarray, "replicas trials"]:
    """Returns the mean of the last `window` values; those that are missing at the start count as 0."""
    sums = np.cumsum(np.pad(values, ((0, 0), (window, 0))), axis=1)
    return (sums[:, window:] - sums[:, :-window]) / window


def trial_ratio(
    target: float,
    slower: Float[np.ndarray, "replicas trials"],
    faster: Float[np.ndarray, "other_replicas other_trials"],
    seed: int,
) -> Ratio:
    """Compares how many trials two curves need to reach a target; the interval resamples the replicas of both."""
    of, to = trials_to(target, slower), trials_to(target, faster)
    rng = generator(seed, Purpose.BOOTSTRAP)
    slow, fast = (_resampled_trials(target, values, rng) for values in (slower, faster))
    # Out of reach is infinitely many trials; 0 and infinity as ratios sort to the right ends. Both out of reach tells
    # nothing in either direction and counts half on each side.
    both = np.isinf(slow) & np.isinf(fast)
    ratios = np.where(both, np.where(np.arange(RESAMPLES) % 2, np.inf, 0.0), slow / np.where(both, 1.0, fast))
    low, high = np.quantile(ratios, [0.025, 0.975], method="nearest")
    return Ratio(
        target=target,
        trials_of=of,
        trials_to=to,
        ratio=of / to if of and to else None,
        low=float(low) if low > 0 and math.isfinite(low) else None,
        high=float(high) if math.isfinite(high) else None,
    )


def ranks(values: Float[np.ndarray, "methods *shape"]) -> Float[np.ndarray, "methods *shape"]:
    """Returns the rank of each method beside the others, 1 for the highest value; equal ones share the mean rank."""
    return scipy.stats.rankdata(-values, method="average", axis=0)


def bootstrap_means(values: Float[np.ndarray, "groups replicas columns"], seed: int) -> tuple[Interval, ...]:
    """Returns the mean of each column with its 95 % interval: a bootstrap over the groups and, in each, the replicas.

    Every column is resampled alike, so that the difference of two columns may be a column of its own.
    """
    groups, replicas, columns = values.shape
    rng = generator(seed, Purpose.BOOTSTRAP)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES)
    # A group drawn twice is resampled twice; together those are one draw of twice as many replicas.
    weights = rng.multinomial(drawn * replicas, np.full(replicas, 1 / replicas)) / (groups * replicas)
    resampled = weights.reshape(RESAMPLES, -1) @ values.reshape(-1, columns)
    ends = np.quantile(resampled, [0.025, 0.975], axis=0)
    means = values.mean(axis=(0, 1))
    return tuple(Interval(*map(float, column)) for column in zip(means, *ends, strict=True))


def simultaneous_means(
    values: Float[np.ndarray, "groups replicas columns"], seed: int, confidence: float = 0.95
) -> tuple[tuple[Interval, ...], ...]:
    """Returns the mean of each column of each group with its interval; together they all hold with that confidence.

    A bootstrap of the largest deviation, in standard errors, of all means (Westfall and Young 1993). The replicas are
    resampled alike in all groups, so that these may have searches in common.
    """
    groups, replicas, columns = values.shape
    means, errors = values.mean(axis=1), values.std(axis=1, ddof=1) / math.sqrt(replicas)
    rng = generator(seed, Purpose.BOOTSTRAP)
    weights = rng.multinomial(replicas, np.full(replicas, 1 / replicas), size=RESAMPLES) / replicas
    away = np.abs(weights @ values.swapaxes(0, 1).reshape(replicas, -1) - means.reshape(-1))
    varied = errors.reshape(-1) > 0
    largest = (away[:, varied] / errors.reshape(-1)[varied]).max(axis=1, initial=0.0)
    half = float(np.quantile(largest, confidence)) * errors
    return tuple(
        tuple(Interval(*map(float, each)) for each in zip(*rows, strict=True))
        for rows in zip(means, means - half, means + half, strict=True)
    )


def critical_difference(methods: int, blocks: int, confidence: float = 0.95) -> float:
    """Returns by how much two mean ranks must differ in Nemenyi's test (Demsar 2006).

    Args:
        methods: how many are ranked; at least 2.
        blocks: how many independent rankings the means are of.
        confidence: of the test.
    """
    quantile = float(scipy.stats.studentized_range.ppf(confidence, methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * blocks))


def _resampled_trials(
    target: float, values: Float[np.ndarray, "replicas trials"], rng: np.random.Generator
) -> Float[np.ndarray, "resamples"]:
    replicas = len(values)
    weights = rng.multinomial(replicas, np.full(replicas, 1 / replicas), size=RESAMPLES) / replicas
    reached = weights @ values >= target - _ROUNDING
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
