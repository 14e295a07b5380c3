"""How the methods of a comparison stand: regrets and ranks, by kind of scenario and over all.

Shapes: `methods` compared, `replicas` of a search, `trials` that are looked at.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .statistics import Interval, bootstrap_means, ranks, simultaneous_means

ALL = "all"
"""The kind of all scenarios together."""


class MeasuredScenario(NamedTuple):
    """A scenario whose methods all ran to the end.

    Attributes:
        kind: of the scenario.
        regret: Shape `[methods, replicas, trials]`, normalised regrets of the incumbents.
    """

    kind: str
    regret: Float[np.ndarray, "methods replicas trials"]


class MethodRanking(NamedTuple):
    """How a method stands after so many trials.

    Attributes:
        kind: of the scenarios that the means are over.
        method: its name.
        trials: after how many.
        scenarios: how many there are.
        regret: mean normalised regret.
        rank: mean rank among the methods; 1 is best, equal ones share.
    """

    kind: str
    method: str
    trials: int
    scenarios: int
    regret: Interval
    rank: Interval


class Difference(NamedTuple):
    """A method's mean normalised regret less another's, paired by scenario and replica; below 0 the first is better.

    Attributes:
        kind: of the scenarios that the mean is over.
        of: the first method.
        to: the second.
        trials: after how many.
        scenarios: how many there are.
        regret: the mean difference.
        share: the mean difference as a share of the second's mean regret; not a number where that is 0.
    """

    kind: str
    of: str
    to: str
    trials: int
    scenarios: int
    regret: Interval
    share: float


class OnScenario(NamedTuple):
    """A method's mean normalised regret less another's on one scenario, paired by replica; below 0 the first is better.

    Attributes:
        scenario: its name.
        of: the first method.
        to: the second.
        trials: after how many.
        regret: the mean difference, with its interval.
        together: the same, with an interval such that those of all scenarios and trials hold at once.
    """

    scenario: str
    of: str
    to: str
    trials: int
    regret: Interval
    together: Interval


def rank_methods(
    measured: Sequence[MeasuredScenario], methods: Sequence[str], trials: Sequence[int], seed: int
) -> tuple[MethodRanking, ...]:
    """Returns how the methods stand, for all scenarios and for each kind, with 95 % intervals.

    Args:
        measured: the scenarios.
        methods: their names.
        trials: after how many; as in the regrets.
        seed: of the bootstrap over scenarios and replicas.
    """
    found = list[MethodRanking]()
    for kind, scenarios in _by_kind(measured).items():
        both = [np.stack([scenario.regret, ranks(-scenario.regret)]) for scenario in scenarios]
        means = bootstrap_means(np.stack([np.moveaxis(each, 2, 0).reshape(each.shape[2], -1) for each in both]), seed)
        half = len(means) // 2
        for (method, count), regret, rank in zip(
            itertools.product(methods, trials), means[:half], means[half:], strict=True
        ):
            found.append(MethodRanking(kind, method, count, len(scenarios), regret, rank))
    return tuple(found)


def differences(
    measured: Sequence[MeasuredScenario],
    methods: Sequence[str],
    pair: tuple[str, str],
    trials: Sequence[int],
    seed: int,
) -> tuple[Difference, ...]:
    """Returns how much less regret the first of a pair has than the second, for all scenarios and for each kind.

    Args:
        measured: the scenarios.
        methods: their names.
        pair: two of them.
        trials: after how many; as in the regrets.
        seed: of the bootstrap over scenarios and replicas.
    """
    first, second = map(methods.index, pair)
    found = list[Difference]()
    for kind, scenarios in _by_kind(measured).items():
        of, to = (np.stack([scenario.regret[row] for scenario in scenarios]) for row in (first, second))
        base = to.mean(axis=(0, 1)).tolist()
        for count, regret, mean in zip(trials, bootstrap_means(of - to, seed), base, strict=True):
            share = regret.mean / mean if mean else math.nan
            found.append(Difference(kind, *pair, count, len(scenarios), regret, share))
    return tuple(found)


def compare_by_scenario(
    measured: Mapping[str, MeasuredScenario],
    methods: Sequence[str],
    pair: tuple[str, str],
    trials: Sequence[int],
    seed: int,
) -> tuple[OnScenario, ...]:
    """Returns how much less regret the first of a pair has than the second on each scenario, with 95 % intervals.

    Args:
        measured: the scenarios, by name.
        methods: their names.
        pair: two of them.
        trials: after how many; as in the regrets.
        seed: of the bootstraps over the replicas.
    """
    if not measured:
        return ()
    first, second = map(methods.index, pair)
    less = np.stack([scenario.regret[first] - scenario.regret[second] for scenario in measured.values()])
    together = simultaneous_means(less, seed)
    return tuple(
        OnScenario(name, *pair, count, *intervals)
        for name, values, all_hold in zip(measured, less, together, strict=True)
        for count, *intervals in zip(trials, bootstrap_means(values[None], seed), all_hold, strict=True)
    )


def _by_kind(measured: Sequence[MeasuredScenario]) -> dict[str, list[MeasuredScenario]]:
    """Returns the scenarios of each kind, those of all first; of a single kind there is no more to say than of all."""
    kinds = list(dict.fromkeys(scenario.kind for scenario in measured))
    found = {ALL: list(measured)} if measured else {}
    return found | (
        {kind: [scenario for scenario in measured if scenario.kind == kind] for kind in kinds} if kinds[1:] else {}
    )
