"""How the rivals of a comparison stand: regrets and ranks, by kind of split and over all.

Shapes: `rivals` compared, `replicas` of a search, `trials` that are looked at.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .statistics import Interval, bootstrap_means, ranks, simultaneous_means

ALL = "all"
"""The kind of all splits together."""


class Measured(NamedTuple):
    """A split whose rivals all ran to the end.

    Attributes:
        kind: of the split.
        regret: Shape `[rivals, replicas, trials]`, normalised regrets of the incumbents.
    """

    kind: str
    regret: Float[np.ndarray, "rivals replicas trials"]


class Standing(NamedTuple):
    """How a rival stands after so many trials.

    Attributes:
        kind: of the splits that the means are over.
        rival: its name.
        trials: after how many.
        splits: how many there are.
        regret: mean normalised regret.
        rank: mean rank among the rivals; 1 is best, equal ones share.
    """

    kind: str
    rival: str
    trials: int
    splits: int
    regret: Interval
    rank: Interval


class Difference(NamedTuple):
    """A rival's mean normalised regret less another's, paired by split and replica; below 0 the first is better.

    Attributes:
        kind: of the splits that the mean is over.
        of: the first rival.
        to: the second.
        trials: after how many.
        splits: how many there are.
        regret: the mean difference.
        share: the mean difference as a share of the second's mean regret; not a number where that is 0.
    """

    kind: str
    of: str
    to: str
    trials: int
    splits: int
    regret: Interval
    share: float


class OnSplit(NamedTuple):
    """A rival's mean normalised regret less another's on one split, paired by replica; below 0 the first is better.

    Attributes:
        split: its name.
        of: the first rival.
        to: the second.
        trials: after how many.
        regret: the mean difference, with its interval.
        together: the same, with an interval such that those of all splits and trials hold at once.
    """

    split: str
    of: str
    to: str
    trials: int
    regret: Interval
    together: Interval


def standings(
    measured: Sequence[Measured], rivals: Sequence[str], trials: Sequence[int], seed: int
) -> tuple[Standing, ...]:
    """Returns how the rivals stand, for all splits and for each kind, with 95 % intervals.

    Args:
        measured: the splits.
        rivals: their names.
        trials: after how many; as in the regrets.
        seed: of the bootstrap over splits and replicas.
    """
    found = list[Standing]()
    for kind, splits in _by_kind(measured).items():
        both = [np.stack([split.regret, ranks(-split.regret)]) for split in splits]
        means = bootstrap_means(np.stack([np.moveaxis(each, 2, 0).reshape(each.shape[2], -1) for each in both]), seed)
        half = len(means) // 2
        for (rival, count), regret, rank in zip(
            itertools.product(rivals, trials), means[:half], means[half:], strict=True
        ):
            found.append(Standing(kind, rival, count, len(splits), regret, rank))
    return tuple(found)


def differences(
    measured: Sequence[Measured], rivals: Sequence[str], pair: tuple[str, str], trials: Sequence[int], seed: int
) -> tuple[Difference, ...]:
    """Returns how much less regret the first of a pair has than the second, for all splits and for each kind.

    Args:
        measured: the splits.
        rivals: their names.
        pair: two of them.
        trials: after how many; as in the regrets.
        seed: of the bootstrap over splits and replicas.
    """
    first, second = map(rivals.index, pair)
    found = list[Difference]()
    for kind, splits in _by_kind(measured).items():
        of, to = (np.stack([split.regret[row] for split in splits]) for row in (first, second))
        base = to.mean(axis=(0, 1)).tolist()
        for count, regret, mean in zip(trials, bootstrap_means(of - to, seed), base, strict=True):
            share = regret.mean / mean if mean else math.nan
            found.append(Difference(kind, *pair, count, len(splits), regret, share))
    return tuple(found)


def by_split(
    measured: Mapping[str, Measured], rivals: Sequence[str], pair: tuple[str, str], trials: Sequence[int], seed: int
) -> tuple[OnSplit, ...]:
    """Returns how much less regret the first of a pair has than the second on each split, with 95 % intervals.

    Args:
        measured: the splits, by name.
        rivals: their names.
        pair: two of them.
        trials: after how many; as in the regrets.
        seed: of the bootstraps over the replicas.
    """
    if not measured:
        return ()
    first, second = map(rivals.index, pair)
    less = np.stack([split.regret[first] - split.regret[second] for split in measured.values()])
    together = simultaneous_means(less, seed)
    return tuple(
        OnSplit(name, *pair, count, *intervals)
        for name, values, all_hold in zip(measured, less, together, strict=True)
        for count, *intervals in zip(trials, bootstrap_means(values[None], seed), all_hold, strict=True)
    )


def _by_kind(measured: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Returns the splits of each kind, those of all first; of a single kind there is no more to say than of all."""
    kinds = list(dict.fromkeys(split.kind for split in measured))
    found = {ALL: list(measured)} if measured else {}
    return found | ({kind: [split for split in measured if split.kind == kind] for kind in kinds} if kinds[1:] else {})
