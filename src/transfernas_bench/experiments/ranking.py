"""Rankings of the methods of a comparison by regret and rank, for each kind of scenario and for all.

Shapes: `methods` and `replicas` of the comparison; `trials` is the number of evaluated numbers of trials.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from .statistics import Interval, bootstrap_means, ranks, simultaneous_means

ALL = "all"
"""Name of the kind of all scenarios together."""


@runtime_checkable
class HasKind(Protocol):
    """A scenario or a problem of a kind."""

    @property
    def kind(self) -> str:
        """Kind of the scenario."""


K = TypeVar("K", bound=HasKind)


class MeasuredScenario(NamedTuple):
    """A scenario whose searches are all complete.

    Attributes:
        kind: Kind of the scenario.
        regret: Shape `[methods, replicas, trials]`, normalised regrets of the incumbents.
    """

    kind: str
    regret: Float[np.ndarray, "methods replicas trials"]


class MethodRanking(NamedTuple):
    """Mean regret and mean rank of a method after a number of trials.

    Attributes:
        kind: Kind of the scenarios.
        method: Name of the method.
        trials: Number of trials.
        scenarios: Number of scenarios.
        regret: Mean normalised regret.
        rank: Mean rank among the methods; 1 is best, and equal methods share the mean rank.
    """

    kind: str
    method: str
    trials: int
    scenarios: int
    regret: Interval
    rank: Interval


class Difference(NamedTuple):
    """Mean normalised regret of a method minus that of another, paired by scenario and replica; negative is better.

    Attributes:
        kind: Kind of the scenarios.
        of: The first method.
        to: The second method.
        trials: Number of trials.
        scenarios: Number of scenarios.
        regret: Mean difference.
        share: Mean difference as a share of the mean regret of the second method; nan if that regret is 0.
    """

    kind: str
    of: str
    to: str
    trials: int
    scenarios: int
    regret: Interval
    share: float


class OnScenario(NamedTuple):
    """Mean normalised regret of a method minus that of another on a scenario, paired by replica; negative is better.

    Attributes:
        scenario: Name of the scenario.
        of: The first method.
        to: The second method.
        trials: Number of trials.
        regret: Mean difference, with its interval.
        together: Mean difference, with a simultaneous interval over all scenarios and numbers of trials.
    """

    scenario: str
    of: str
    to: str
    trials: int
    regret: Interval
    together: Interval


def by_kind(measured: Sequence[K]) -> dict[str, list[K]]:
    """Returns the scenarios of each kind, and of all kinds first; a single kind would equal all, and is left out."""
    kinds = list(dict.fromkeys(scenario.kind for scenario in measured))
    found = {ALL: list(measured)} if measured else {}
    return found | (
        {kind: [scenario for scenario in measured if scenario.kind == kind] for kind in kinds} if kinds[1:] else {}
    )


def rank_methods(
    measured: Sequence[MeasuredScenario], methods: Sequence[str], trials: Sequence[int], seed: int
) -> tuple[MethodRanking, ...]:
    """Returns the mean regrets and ranks of the methods, for all scenarios and for each kind, with 95 % intervals.

    Args:
        measured: The scenarios.
        methods: Names of the methods.
        trials: Numbers of trials, in the order of the regrets.
        seed: Seed of the bootstrap over scenarios and replicas.
    """
    found = list[MethodRanking]()
    for kind, scenarios in by_kind(measured).items():
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
    """Returns the differences of the regrets of a pair of methods, for all scenarios and for each kind.

    Args:
        measured: The scenarios.
        methods: Names of the methods.
        pair: First and second method.
        trials: Numbers of trials, in the order of the regrets.
        seed: Seed of the bootstrap over scenarios and replicas.
    """
    first, second = map(methods.index, pair)
    found = list[Difference]()
    for kind, scenarios in by_kind(measured).items():
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
    """Returns the differences of the regrets of a pair of methods on each scenario, with 95 % intervals.

    Args:
        measured: The scenarios by name.
        methods: Names of the methods.
        pair: First and second method.
        trials: Numbers of trials, in the order of the regrets.
        seed: Seed of the bootstraps over the replicas.
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
