"""The search for the configuration with the largest expected improvement, over the points of any space.

Expected improvement looks one trial ahead. Where it improves nothing, as on a plateau, it still prefers the places near
the best trial to a category that was hardly tried, such as another kind of model, though further trials there may lead
far beyond. So once a search has stalled, the candidates have a category that lacks trials (`least_tried`).

It also looks at a category anew with every number that differs from those of its trials, however bad these were. So the
other candidates have no category that disappointed (`disappointing`).

Shapes: a space has `parameters`; `points` are candidates.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..processes.threads import one_thread
from .failure_model import FailureModel
from .surrogate import Surrogate

# Not for tuning. These numbers set how far the neighbours of a point are, and bound the time of a proposal.
LEAST = 1e-4
"""The least expected improvement, of standardised values, that is worth a proposal."""

_SPREADS = np.array([0.2, 0.05, 0.01])  # of the places of numbers that are moved
_SHARES = np.array([1.0, 0.5, 0.2])  # of the numbers, that are moved
_SWITCHED = 0.15  # of the categories
_NEAR = 5  # of the best trials
_EACH = 40  # candidates near each
_ANYWHERE = 64
_CLIMBS, _STEPS = 2, 30  # from the best candidate, so many times to the best of so many near it

STALLED = 6
"""A search has stalled once so many trials in a row were no better than the best before them."""

_DISAPPOINTED = 4  # trials of a category were worse than the median: one chance in 16 where categories do not matter
_ENOUGH = 2.0  # trials of a category, times the logarithm to base 2 of all trials, are enough
_MOST_CATEGORIES = 10  # of a parameter with more, there are too many to try each
_MOST_PARTS = 3  # that are looked at: all configurations of a part may be evaluated, or invalid


class PointSpace(ABC):
    """A space whose configurations are points, see `surrogate.py`.

    Attributes:
        numeric: Shape `[parameters]`, whether a parameter is a number, and not a category.
        categories: The categories of each parameter that a point can have; none of a number.
    """

    numeric: Bool[np.ndarray, "parameters"]
    categories: Sequence[Int[np.ndarray, "_"]]

    @abstractmethod
    def settled(
        self, points: Float[np.ndarray, "points parameters"], rng: np.random.Generator
    ) -> Float[np.ndarray, "settled parameters"]:
        """Returns points of the space: random values for NaN, and NaN for parameters that are not asked for.

        A part of a space leaves out the points that cannot be in it.
        """

    def anywhere(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "settled parameters"]:
        """Returns so many random points, as far as these are in the space."""
        return self.settled(np.full((count, len(self.numeric)), np.nan), rng)

    def near(
        self, points: Float[np.ndarray, "points parameters"], rng: np.random.Generator
    ) -> Float[np.ndarray, "settled parameters"]:
        """Returns a random neighbour of each point, as far as these are in the space."""
        moved = self.moved(points, rng)
        switched = np.where(rng.random(points.shape) < _SWITCHED, np.nan, points)
        return self.settled(np.where(self.numeric, moved, switched), rng)

    @staticmethod
    def moved(
        points: Float[np.ndarray, "points parameters"], rng: np.random.Generator
    ) -> Float[np.ndarray, "points parameters"]:
        """Returns points with some numbers moved by random distances; the places of categories are moved as well."""
        spread, share = (each[rng.integers(len(each), size=len(points))] for each in (_SPREADS, _SHARES))
        away = spread[:, None] * rng.standard_normal(points.shape)
        return np.clip(points + np.where(rng.random(points.shape) < share[:, None], away, 0.0), 0.0, 1.0)


class WithCategory(PointSpace):
    """The points of a space that have one category of one parameter."""

    def __init__(self, space: PointSpace, parameter: int, category: int) -> None:
        """Takes the space, the position of the parameter, and the category."""
        self._space, self._parameter, self._category = space, parameter, category
        self.numeric, self.categories = space.numeric, space.categories

    def settled(
        self, points: Float[np.ndarray, "points parameters"], rng: np.random.Generator
    ) -> Float[np.ndarray, "settled parameters"]:
        """Returns points of the space with the category, see `PointSpace.settled`; not those that cannot have it."""
        points = points.copy()
        points[:, self._parameter] = self._category
        points = self._space.settled(points, rng)
        return points[points[:, self._parameter] == self._category]


class WithoutCategories(PointSpace):
    """The points of a space that have none of some categories."""

    def __init__(self, space: PointSpace, without: Mapping[int, Int[np.ndarray, "_"]]) -> None:
        """Takes the space, and the categories of each parameter that the points do not have."""
        self._space, self._without = space, without
        self.numeric = space.numeric
        self.categories = [
            np.setdiff1d(its, without[at]) if at in without else its for at, its in enumerate(space.categories)
        ]

    def settled(
        self, points: Float[np.ndarray, "points parameters"], rng: np.random.Generator
    ) -> Float[np.ndarray, "settled parameters"]:
        """Returns points of the space, see `PointSpace.settled`, with other categories for those it does not have."""
        points = self._space.settled(points, rng)
        if not (unwanted := self._unwanted(points)).any():
            return points
        for parameter in self._without:
            rows, others = np.flatnonzero(unwanted[:, parameter]), self.categories[parameter]
            points[rows, parameter] = others[rng.integers(len(others), size=len(rows))]
        points = self._space.settled(points, rng)
        return points[~self._unwanted(points).any(axis=1)]  # a condition asked for more parameters

    def _unwanted(self, points: Float[np.ndarray, "points parameters"]) -> Bool[np.ndarray, "points parameters"]:
        """Returns which categories of points are among those that the space does not have."""
        found = np.zeros(points.shape, bool)
        for parameter, categories in self._without.items():
            found[:, parameter] = np.isin(points[:, parameter], categories)
        return found


def disappointing(
    space: PointSpace, points: Float[np.ndarray, "trials parameters"], losses: Float[np.ndarray, "trials"]
) -> dict[int, Int[np.ndarray, "_"]]:
    """Returns the categories, by their parameters, of which at least four trials were all worse than the median trial.

    A parameter keeps one category at least.

    Args:
        space: the space.
        points: Shape `[trials, parameters]`, the points of trials with a score.
        losses: Shape `[trials]`, the lower the better.

    Example:
        ```python
        from transfernas.learning.choice_points import ChoicePoints

        space = ChoicePoints(SearchSpace("cnn", [Choice("pool", ("max", "mean"))]))
        points, losses = np.array([[0.0]] * 12 + [[1.0]] * 4), np.arange(16.0)
        assert disappointing(space, points, losses)[0].tolist() == [1]  # the trials of "mean" were the four worst
        ```
    """
    several = [(parameter, its) for parameter, its in enumerate(space.categories) if len(its) > 1]
    if not several:  # most searches of numbers; a median takes longer than the rest
        return {}
    worse, found = losses > np.median(losses), {}
    for parameter, categories in several:
        had = points[:, parameter] == categories[:, None]
        bad = ((had & worse).sum(axis=1) >= _DISAPPOINTED) & ~(had & ~worse).any(axis=1)
        if bad.any() and not bad.all():
            found[parameter] = categories[bad]
    return found


def least_tried(
    space: PointSpace,
    points: Float[np.ndarray, "trials parameters"],
    without: Float[np.ndarray, "without parameters"],
) -> list[PointSpace]:
    """Returns the parts of a space with the categories that lack most trials, and the whole space after them.

    A category lacks trials if fewer trials had it than twice the logarithm to base 2 of the number of all trials. A
    parameter that the best trial was not asked for, or that has more than ten categories, counts as having enough: it
    belongs to another branch of the space, such as a kind of model, and comes with that one.

    Args:
        space: the space.
        points: Shape `[trials, parameters]`, the points of all trials with a score, best first.
        without: Shape `[without, parameters]`, the points of trials without a score. They count as well, because a
            category whose trials fail does not lack any; it has enough after four trials, if no other trial had it.

    Example:
        ```python
        from transfernas.learning.choice_points import ChoicePoints

        space = ChoicePoints(SearchSpace("cnn", [Choice("pool", ("max", "mean"))]))
        part, whole = least_tried(space, np.array([[0.0]] * 14 + [[1.0]] * 2), np.zeros((0, 1)))
        assert (part.anywhere(8, np.random.default_rng(0)) == 1.0).all()  # "mean" had two of sixteen trials
        ```
    """
    tried, enough = np.concatenate([points, without]), _ENOUGH * math.log2(len(points))
    lacking: list[tuple[int, int, int]] = []
    for parameter, categories in enumerate(space.categories):
        if not 2 <= len(categories) <= _MOST_CATEGORIES or np.isnan(points[0, parameter]):
            continue
        counts = (tried[:, parameter] == categories[:, None]).sum(axis=1)
        hopeless = (counts >= _DISAPPOINTED) & ~np.isin(categories, points[:, parameter])
        few = (counts < enough) & ~hopeless
        lacking += [(int(counts[at]), parameter, int(at)) for at in np.flatnonzero(few)]
    parts = [WithCategory(space, its, int(space.categories[its][at])) for _, its, at in sorted(lacking)[:_MOST_PARTS]]
    return [*parts, space]


def parts_to_search(
    space: PointSpace,
    points: Float[np.ndarray, "trials parameters"],
    losses: Float[np.ndarray, "trials"],
    without: Float[np.ndarray, "without parameters"],
    told: int,
    stalled: bool,
    failed: int = 0,
) -> list[PointSpace]:
    """Returns the parts of a space to take candidates from: the next one where none of the first can be proposed.

    The last one is the space without the categories that are `disappointing`. For every second trial of a stalled
    search, those of `least_tried` are before it, but not in a long search, of which the process forgets trials.

    Args:
        space: the space.
        points: Shape `[trials, parameters]`, the points of the trials in the process, best first.
        losses: Shape `[trials]`, of these trials, the lower the better.
        without: Shape `[without, parameters]`, the points of trials without a score.
        told: the number of all trials with a score.
        stalled: whether the latest `STALLED` trials were no better than the best before them.
        failed: the number of trials without a score that failed; the others are being evaluated.
    """
    explores = stalled and (told + failed) % 2 == 0 and told == len(points)
    parts = least_tried(space, points, without)[:-1] if explores else []
    bad = disappointing(space, points, losses)
    return [*parts, WithoutCategories(space, bad) if bad else space]


class CandidateSearch(NamedTuple):
    """A search for the configuration to propose.

    Attributes:
        surrogate: the process over the trials.
        parts: the parts of the space, in the order in which they are searched.
        best: Shape `[trials, parameters]`, the points of the trials, best first.
        earlier: Shape `[trials, parameters]`, see `best_candidates`.
        rng: draws the candidates.
        failures: how likely configurations are to fail; None where nothing is known of that.
    """

    surrogate: Surrogate
    parts: Sequence[PointSpace]
    best: Float[np.ndarray, "trials parameters"]
    earlier: Float[np.ndarray, "earlier parameters"]
    rng: np.random.Generator
    failures: FailureModel | None = None

    # The functions of the problems are called elsewhere: they may take long, wait for another search, or divide by 0.
    @one_thread()
    @np.errstate(all="ignore")
    def candidates(self, part: PointSpace) -> Float[np.ndarray, "candidates parameters"]:
        """Returns the `best_candidates` of a part."""
        return best_candidates(self.surrogate, part, self.best, self.earlier, self.rng, self.failures)


def best_candidates(
    surrogate: Surrogate,
    space: PointSpace,
    best: Float[np.ndarray, "trials parameters"],
    earlier: Float[np.ndarray, "trials parameters"],
    rng: np.random.Generator,
    failures: FailureModel | None = None,
) -> Float[np.ndarray, "candidates parameters"]:
    """Returns candidates in the order of their expected improvement, times their probability of success.

    The candidates are near the best trials, near the most promising of the best trials of earlier problems, and
    anywhere. They end where the expected improvement is below `LEAST`; in a part of a space random ones follow.

    Args:
        surrogate: the process over the trials.
        space: the space.
        best: Shape `[trials, parameters]`, the points of the trials, best first.
        earlier: Shape `[trials, parameters]`, the points of the best trials of earlier problems; NaN where a trial did
            not have a parameter.
        rng: draws the candidates.
        failures: how likely configurations are to fail; None where nothing is known of that.
    """

    def promise(points: Float[np.ndarray, "points parameters"]) -> Float[np.ndarray, "points"]:
        improvement = surrogate.improvement(points)
        return improvement if failures is None else improvement * failures.success(points)

    candidates = np.concatenate([space.near(np.repeat(best[:_NEAR], _EACH, 0), rng), space.anywhere(_ANYWHERE, rng)])
    if len(earlier):
        earlier = space.settled(earlier, rng)
        earlier = earlier[np.argsort(-promise(earlier), kind="stable")[:_NEAR]]
        candidates = np.concatenate([candidates, earlier, space.near(np.repeat(earlier, _EACH, 0), rng)])
    if not len(candidates):  # the space of the latest trials does not explain the best one
        return candidates
    promises = promise(candidates)
    for _ in range(_CLIMBS):
        more = space.near(np.repeat(candidates[promises.argmax()][None], _STEPS, 0), rng)
        candidates = np.concatenate([candidates, more])
        promises = np.concatenate([promises, promise(more)])
    order = np.argsort(-promises, kind="stable")
    found = candidates[order[promises[order] >= LEAST]]
    if not isinstance(space, WithCategory):
        return found
    others = space.anywhere(_ANYWHERE, rng)
    if failures is not None:
        others = others[failures.success(others) > 0.0]
    return np.concatenate([found, others])
