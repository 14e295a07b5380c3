"""Rankings of methods on problems of numbers: regret as a multiple of that of TPE, pairs ahead of TPE, and mean rank.

The regret of a search is the least value so far minus the least value that exists. If the latter is unknown, the regret
is relative to the best value that any method of the comparison found with the same seed.

Shapes: `problems`, `methods` and `replicas` of the comparison; `trials` is the number of evaluated numbers of trials.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfernas.learning.randomness import Purpose, generator

from .ranking import by_kind
from .statistics import RESAMPLES, Interval, bootstrap_means, ranks

REFERENCE = "tpe"
"""Method that the others are compared with."""

EARLY_TRIALS = 10
"""Number of trials whose regret sets the least regret of a ratio."""

_EQUAL = 1e-9  # regrets that differ by less are equal
_LEAST = 1e-3  # of the reference's early regret: a ratio of smaller regrets has no meaning


class MeasuredProblem(NamedTuple):
    """A problem whose searches are all complete.

    Attributes:
        kind: Kind of the problem.
        regrets: Regrets after each trial by method, each of Shape `[replicas, trials]`.
    """

    kind: str
    regrets: Mapping[str, Float[np.ndarray, "replicas trials"]]


class NumberRanking(NamedTuple):
    """Comparison of a method with TPE after a number of trials.

    Attributes:
        kind: Kind of the problems.
        method: Name of the method.
        trials: Number of trials.
        scenarios: Number of problems.
        regret: Regret as a multiple of that of TPE: geometric mean over the problems of the ratio of the medians over
            the replicas.
        ahead: Share of the pairs of a problem and a seed on which the method has less regret than TPE; ties count half.
        rank: Mean rank among the methods; 1 is best, and equal methods share the mean rank.
    """

    kind: str
    method: str
    trials: int
    scenarios: int
    regret: Interval
    ahead: Interval
    rank: Interval


def regrets_of(
    values: Mapping[str, Float[np.ndarray, "replicas trials"]], least: float | None
) -> dict[str, Float[np.ndarray, "replicas trials"]]:
    """Returns the regrets of the searches of a problem by method.

    Args:
        values: Least values so far by method; a row has the same seed in all methods.
        least: Least value that exists; None if unknown.
    """
    found = np.min([each[:, -1] for each in values.values()], axis=0)[:, None]
    return {method: each - (found if least is None else least) for method, each in values.items()}


def rank_numbers(measured: Sequence[MeasuredProblem], trials: Sequence[int], seed: int) -> tuple[NumberRanking, ...]:
    """Returns the comparison of each method with TPE, over all problems and over each kind, with 95 % intervals.

    A method that lacks a problem of a kind is left out of this kind.

    Args:
        measured: The problems; each has searches by TPE.
        trials: Numbers of trials.
        seed: Seed of the bootstrap over problems and replicas.
    """
    found = list[NumberRanking]()
    for kind, problems in by_kind(measured).items():
        methods = [name for name in problems[0].regrets if all(name in problem.regrets for problem in problems)]
        regret = _stack(problems, methods, trials)
        reference = regret[:, [methods.index(REFERENCE)]]
        tied = np.abs(regret - reference) <= _EQUAL
        ahead = np.where(tied, 0.5, regret < reference)
        rank = np.moveaxis(ranks(-np.moveaxis(regret, 1, 0)), 0, 1)
        columns = np.stack([ahead, rank], axis=1).transpose(0, 3, 1, 2, 4)  # [problems, replicas, 2, methods, trials]
        means = bootstrap_means(columns.reshape(*columns.shape[:2], -1), seed)
        half = len(means) // 2
        multiples = itertools.chain.from_iterable(regret_multiples(problems, methods, trials, seed))
        for (method, count), *intervals in zip(
            itertools.product(methods, trials), multiples, means[:half], means[half:], strict=True
        ):
            found.append(NumberRanking(kind, method, count, len(problems), *intervals))
    return tuple(found)


def regret_multiples(
    measured: Sequence[MeasuredProblem], methods: Sequence[str], trials: Sequence[int], seed: int
) -> list[list[Interval]]:
    """Returns the regret of each method as a multiple of that of TPE, after each number of trials.

    A multiple is the geometric mean over the problems of the ratio of the medians over the replicas. Regrets below a
    thousandth of TPE's median regret after `EARLY_TRIALS` count as this regret. The intervals come from a bootstrap
    over problems and over the replicas of a problem, whose seeds all methods share.

    Args:
        measured: The problems, each with searches by all methods and by TPE.
        methods: Names of the methods.
        trials: Numbers of trials.
        seed: Seed of the bootstrap.
    """
    every = list(dict.fromkeys((REFERENCE, *methods)))
    regret, floors = _stack(measured, every, trials), _floors(measured)
    problems, _, replicas, _ = regret.shape
    rng = generator(seed, Purpose.BOOTSTRAP)
    resampled = np.zeros((RESAMPLES, len(every), len(trials)))
    for _ in range(problems):  # a problem that is drawn twice is resampled twice
        which = rng.integers(problems, size=RESAMPLES)
        rows = rng.integers(replicas, size=(RESAMPLES, replicas))
        medians = np.median(regret[which[:, None], :, rows], axis=1)
        resampled += np.log(np.maximum(medians, floors[which, None, None])) / problems
    middle = np.log(np.maximum(np.median(regret, axis=2), floors[:, None, None])).mean(axis=0)
    ends = np.quantile(np.exp(resampled - resampled[:, :1]), [0.025, 0.975], axis=0)
    means = np.exp(middle - middle[0])
    found = {name: zip(means[row], *ends[:, row], strict=True) for row, name in enumerate(every)}
    return [[Interval(*map(float, each)) for each in found[name]] for name in methods]


def _floors(measured: Sequence[MeasuredProblem]) -> Float[np.ndarray, "problems"]:
    references = [problem.regrets[REFERENCE] for problem in measured]
    early = [np.median(each[:, min(EARLY_TRIALS, each.shape[1]) - 1]) for each in references]
    return _LEAST * np.array(early) + _EQUAL


def _stack(
    measured: Sequence[MeasuredProblem], methods: Sequence[str], trials: Sequence[int]
) -> Float[np.ndarray, "problems methods replicas trials"]:
    columns = [count - 1 for count in trials]
    return np.array([[problem.regrets[name][:, columns] for name in methods] for problem in measured])
