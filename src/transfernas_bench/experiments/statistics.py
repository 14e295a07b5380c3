"""Means with intervals, trials to a target, and ratios of trials.

Shapes: `replicas` and `trials` of a curve, `resamples` of the bootstrap.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

from transfernas.learning.randomness import Purpose, generator

RESAMPLES = 2_000
_ROUNDING = 1e-9  # so that the order of a sum does not decide whether a mean reaches a target equal to the mean


class Interval(NamedTuple):
    """An estimate with its interval."""

    mean: float
    low: float
    high: float


class Ratio(NamedTuple):
    """Ratio of the trials that two curves need to reach a target.

    Attributes:
        target: Value to be reached by the mean over the replicas.
        trials_of: Trials of the slower curve; None if the curve does not reach the target.
        trials_to: Trials of the faster curve; None if the curve does not reach the target.
        ratio: `trials_of / trials_to`; None if either is None.
        low: Lower end of the 95 % bootstrap interval; None if the faster curve does not reach the target there.
        high: Upper end of the interval; None if the slower curve does not reach the target there.
    """

    target: float
    trials_of: int | None
    trials_to: int | None
    ratio: float | None
    low: float | None
    high: float | None


class Reached(NamedTuple):
    """Trial at which the mean over the replicas reaches a target.

    Attributes:
        target: Value to be reached.
        trials: First trial, from 1, at which the mean reaches the target; None if never.
        low: Lower end of the bootstrap interval; None if the target is out of reach there.
        high: Upper end of the interval; None if the target is out of reach there.
    """

    target: float
    trials: int | None
    low: int | None
    high: int | None


def mean_interval(values: Float[np.ndarray, "replicas"], confidence: float = 0.95) -> Interval:
    """Returns the mean over replicas with its Student-t interval; the ends are nan for a single replica."""
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
    """Returns the first trial, from 1, at which the mean over replicas reaches the target; None if never."""
    reached = np.flatnonzero(values.mean(axis=0) >= target - _ROUNDING)
    return int(reached[0]) + 1 if len(reached) else None


def reached(target: float, values: Float[np.ndarray, "replicas trials"], seed: int) -> Reached:
    """Returns the trial at which a curve reaches a target, with the 95 % interval of a bootstrap over the replicas."""
    resampled = _resampled_trials(target, values, generator(seed, Purpose.BOOTSTRAP))
    low, high = (int(q) if math.isfinite(q) else None for q in np.quantile(resampled, [0.025, 0.975], method="nearest"))
    return Reached(target, trials_to(target, values), low, high)


def moving_average(values: Float[np.ndarray, "replicas trials"], window: int) -> Float[np.ndarray, "replicas trials"]:
    """Returns the mean of the last `window` values at each trial; values before the start count as 0."""
    sums = np.cumsum(np.pad(values, ((0, 0), (window, 0))), axis=1)
    return (sums[:, window:] - sums[:, :-window]) / window


def trial_ratio(
    target: float,
    slower: Float[np.ndarray, "replicas trials"],
    faster: Float[np.ndarray, "other_replicas other_trials"],
    seed: int,
) -> Ratio:
    """Returns the ratio of the trials that two curves need for a target; the interval resamples both curves' replicas.

    Args:
        target: Value to be reached by the mean over the replicas.
        slower: Values of the curve whose trials are the numerator.
        faster: Values of the curve whose trials are the denominator.
        seed: Seed of the bootstrap.
    """
    of, to = trials_to(target, slower), trials_to(target, faster)
    rng = generator(seed, Purpose.BOOTSTRAP)
    slow, fast = (_resampled_trials(target, values, rng) for values in (slower, faster))
    # A target out of reach needs infinitely many trials, so ratios of 0 and infinity sort to the right ends. If both
    # curves do not reach the target, the resample is no evidence, and half of such resamples count on each side.
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
    """Returns the rank of each method, 1 for the highest value; equal values share the mean rank."""
    return scipy.stats.rankdata(-values, method="average", axis=0)


def bootstrap_means(values: Float[np.ndarray, "groups replicas columns"], seed: int) -> tuple[Interval, ...]:
    """Returns the mean of each column with the 95 % interval of a bootstrap over groups and over replicas in a group.

    All columns have the same resamples, so a column may be the difference of two others.
    """
    groups, replicas, columns = values.shape
    rng = generator(seed, Purpose.BOOTSTRAP)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES)
    # A group drawn twice is resampled twice, which equals a single draw of twice as many replicas.
    weights = rng.multinomial(drawn * replicas, np.full(replicas, 1 / replicas)) / (groups * replicas)
    resampled = weights.reshape(RESAMPLES, -1) @ values.reshape(-1, columns)
    ends = np.quantile(resampled, [0.025, 0.975], axis=0)
    means = values.mean(axis=(0, 1))
    return tuple(Interval(*map(float, column)) for column in zip(means, *ends, strict=True))


def simultaneous_means(
    values: Float[np.ndarray, "groups replicas columns"], seed: int, confidence: float = 0.95
) -> tuple[tuple[Interval, ...], ...]:
    """Returns the mean of each column of each group with simultaneous intervals, which all hold with the confidence.

    The intervals come from a bootstrap of the largest deviation of all means, in standard errors (Westfall and Young
    1993). All groups have the same resamples of the replicas, so groups may share searches.
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
    """Returns the critical difference of two mean ranks in Nemenyi's test (Demsar 2006).

    Args:
        methods: Number of methods, at least 2.
        blocks: Number of independent rankings.
        confidence: Confidence of the test.
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
