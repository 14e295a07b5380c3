"""The search for the configuration with the largest expected improvement, over the points of any space.

Shapes: a space has `parameters`; `points` are candidates.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

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


class PointSpace(ABC):
    """A space whose configurations are points, see `surrogate.py`.

    Attributes:
        numeric: Shape `[parameters]`, whether a parameter is a number, and not a category.
    """

    numeric: Bool[np.ndarray, "parameters"]

    @abstractmethod
    def settled(
        self, points: Float[np.ndarray, "points parameters"], rng: np.random.Generator
    ) -> Float[np.ndarray, "points parameters"]:
        """Returns points of the space: random values for NaN, and NaN for parameters that are not asked for."""

    def anywhere(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "count parameters"]:
        """Returns random points."""
        return self.settled(np.full((count, len(self.numeric)), np.nan), rng)

    def near(
        self, points: Float[np.ndarray, "points parameters"], rng: np.random.Generator
    ) -> Float[np.ndarray, "points parameters"]:
        """Returns a random neighbour of each point."""
        spread, share = rng.choice(_SPREADS, len(points)), rng.choice(_SHARES, len(points))
        away = spread[:, None] * rng.standard_normal(points.shape)
        moved = np.clip(points + np.where(rng.random(points.shape) < share[:, None], away, 0.0), 0.0, 1.0)
        switched = np.where(rng.random(points.shape) < _SWITCHED, np.nan, points)
        return self.settled(np.where(self.numeric, moved, switched), rng)


class Candidate(NamedTuple):
    """A point, and its expected improvement over the best trial, on the scale of the standardised values."""

    point: Float[np.ndarray, "parameters"]
    promise: float


def best_candidates(
    surrogate: Surrogate,
    space: PointSpace,
    best: Float[np.ndarray, "trials parameters"],
    earlier: Float[np.ndarray, "trials parameters"],
    rng: np.random.Generator,
) -> Iterator[Candidate]:
    """Yields candidates in the order of their expected improvement, as long as it is at least `LEAST`.

    The candidates are near the best trials, near the most promising of the best trials of earlier problems, and
    anywhere.

    Args:
        surrogate: the process over the trials.
        space: the space.
        best: Shape `[trials, parameters]`, the points of the trials, best first.
        earlier: Shape `[trials, parameters]`, the points of the best trials of earlier problems; NaN where a trial did
            not have a parameter.
        rng: draws the candidates.
    """
    candidates = np.concatenate([space.near(np.repeat(best[:_NEAR], _EACH, 0), rng), space.anywhere(_ANYWHERE, rng)])
    if len(earlier):
        earlier = space.settled(earlier, rng)
        earlier = earlier[np.argsort(-surrogate.improvement(earlier), kind="stable")[:_NEAR]]
        candidates = np.concatenate([candidates, earlier, space.near(np.repeat(earlier, _EACH, 0), rng)])
    promises = surrogate.improvement(candidates)
    for _ in range(_CLIMBS):
        more = space.near(np.repeat(candidates[promises.argmax()][None], _STEPS, 0), rng)
        candidates = np.concatenate([candidates, more])
        promises = np.concatenate([promises, surrogate.improvement(more)])
    for at in np.argsort(-promises, kind="stable").tolist():
        if promises[at] < LEAST:
            return
        yield Candidate(candidates[at], float(promises[at]))
