"""Configurations of a declared space as points, which a Gaussian process compares.

A choice whose actions are numbers is a number: the actions lie at equal distances in their order, so that the distances
of 16, 32 and 64 are equal, and those of 0.001, 0.01 and 0.1 are too. A number of a range has its place on the scale of
the range. All other choices are categories.

Shapes: `trials` were told, `points` are candidates, a space has `choices`.
"""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ..spaces.asked import asked_choices
from ..spaces.choice import Choice
from ..spaces.condition import Action, are_numbers
from ..spaces.domain import NumericDomain
from ..spaces.places import nearest_places, place_of, places_within, value_at
from ..spaces.space import SearchSpace
from .archive import NOT_MADE, ArchivedProblem
from .improvement import PointSpace

# Not for tuning. These numbers set how far the neighbours of a point are.
_CHANGED = np.array([1.0, 2.0, 4.0])  # choices that a neighbour changes, on average
_AWAY = 0.15  # of the range, that a number is moved


@functools.lru_cache(maxsize=1_000)
def is_mostly_numbers(space: SearchSpace) -> bool:
    """Returns whether at least half of the choices of a space, of those with an alternative, are numbers."""
    choices = [choice for choice in space.choices if len(choice.actions) > 1 or choice.numbers]
    numbers = [choice for choice in choices if choice.numbers or are_numbers(choice.actions)]
    return 2 * len(numbers) >= max(1, len(choices))


class ChoicePoints(PointSpace):
    """The points of a declared space.

    Attributes:
        numeric: Shape `[choices]`, whether a choice is a number.
        categories: the positions of each category's actions; none of a number.
        places: the places of each number's actions, from 0 to 1; the positions of each category's actions.
    """

    def __init__(self, space: SearchSpace, earlier: Sequence[ArchivedProblem] = ()) -> None:
        """Takes a space, and the earlier problems that will be compared with it.

        The numbers of earlier problems have places among those of the space.
        """
        self._space = space
        self._ranges: dict[int, NumericDomain] = {
            at: choice.numbers for at, choice in enumerate(space.choices) if choice.numbers is not None
        }
        self._known = [self._places(choice, earlier) for choice in space.choices]
        self.numeric = np.array([known is not None or at in self._ranges for at, known in enumerate(self._known)])
        self.categories = tuple(
            np.arange(0 if number else len(choice.actions))
            for choice, number in zip(space.choices, self.numeric, strict=True)
        )
        self.places = tuple(
            np.array([*range(len(choice.actions))] if known is None else [known[a] for a in choice.actions], float)
            for choice, known in zip(space.choices, self._known, strict=True)
        )
        for at, its in self._ranges.items():
            self.places[at][:] = [place_of(its, its.value(part, 0.5)) for part in range(len(its.bins))]

    def of(
        self,
        action_indices: Int[np.ndarray, "trials choices"],
        numbers: Float[np.ndarray, "trials choices"] | None = None,
    ) -> Float[np.ndarray, "trials choices"]:
        """Returns trials as points.

        Args:
            action_indices: Shape `[trials, choices]`, the position of the action of each choice, or `NOT_MADE`.
            numbers: Shape `[trials, choices]` or `[trials, 0]`, the numbers of ranges; NaN is the middle of a part.
        """
        columns = zip(self.places, action_indices.T, strict=True)
        found = [np.where(its == NOT_MADE, np.nan, places[np.maximum(its, 0)]) for places, its in columns]
        points = np.array(found).T.reshape(action_indices.shape)
        for at, its in self._ranges.items() if numbers is not None and numbers.size else ():
            places = places_within(its, numbers[:, at])  # type: ignore[index]
            points[:, at] = np.where(np.isnan(places), points[:, at], places)
        return points

    def of_archived(self, entry: ArchivedProblem, replica: int) -> Float[np.ndarray, "trials choices"]:
        """Returns the trials of an earlier problem as points; choices and categories that the space lacks are NaN."""
        count = int(entry.count[replica])
        found = np.full((count, len(self._space.choices)), np.nan)
        columns = {choice.name: at for at, choice in enumerate(entry.choices)}
        for at, (choice, known) in enumerate(zip(self._space.choices, self._known, strict=True)):
            if choice.name not in columns:
                continue
            column = columns[choice.name]
            if at in self._ranges:
                found[:, at] = places_within(self._ranges[at], self._numbers(entry, replica, column))
                continue
            places = [self._place(choice, known, action) for action in entry.choices[column].actions]
            found[:, at] = np.array([*places, np.nan])[entry.action_indices[replica, :count, column]]
        return found

    def near(
        self, points: Float[np.ndarray, "points choices"], rng: np.random.Generator
    ) -> Float[np.ndarray, "points choices"]:
        """Returns a random neighbour of each point: some choices differ, numbers by a step or two."""
        count = len(self.numeric)
        share = np.minimum(rng.choice(_CHANGED, len(points)) / count, 0.5)
        steps = 1.0 / np.maximum([len(places) - 1.0 for places in self.places], 1.0)
        size = np.maximum(_AWAY, steps) * np.maximum(np.abs(rng.standard_normal(points.shape)), 0.5)
        moved = points + np.where(rng.random(points.shape) < 0.5, size, -size)
        # A step beyond the end of the range goes the other way.
        moved = np.where((moved < -steps / 2) | (moved > 1.0 + steps / 2), 2.0 * points - moved, moved)
        changed = np.where(self.numeric, np.clip(moved, 0.0, 1.0), np.nan)
        found = np.where(rng.random(points.shape) < share[:, None], changed, points)
        if self._ranges:
            ranges = np.isin(np.arange(count), list(self._ranges))
            found = np.where(ranges, self.moved(points, rng), found)
        return self.settled(found, rng)

    def settled(
        self, points: Float[np.ndarray, "points choices"], rng: np.random.Generator
    ) -> Float[np.ndarray, "points choices"]:
        """Returns points of the space: random actions for NaN, and NaN for choices that are not made."""
        points = points.copy()
        for at, its in self._ranges.items():
            points[:, at] = nearest_places(
                its, np.where(np.isnan(points[:, at]), rng.random(len(points)), points[:, at])
            )
        action_indices = self._nearest(points, rng)
        found = self.of(action_indices)
        for at in self._ranges:
            found[:, at] = np.where(action_indices[:, at] == NOT_MADE, np.nan, points[:, at])
        return found

    def numbers(self, points: Float[np.ndarray, "points choices"]) -> Float[np.ndarray, "points choices"]:
        """Returns the numbers of ranges at points; NaN for all other choices, and for choices that are not made."""
        found = np.full(points.shape, np.nan)
        for at, its in self._ranges.items():
            made = ~np.isnan(points[:, at])
            found[made, at] = [float(value_at(its, place)) for place in points[made, at].tolist()]
        return found

    def action_indices(
        self, points: Float[np.ndarray, "points choices"], rng: np.random.Generator
    ) -> Int[np.ndarray, "points choices"]:
        """Returns the position of the action of each choice, or `NOT_MADE`; random actions for NaN."""
        found = self._nearest(points, rng)
        for at, its in self._ranges.items():
            known = np.flatnonzero((found[:, at] != NOT_MADE) & ~np.isnan(points[:, at]))
            found[known, at] = [its.position(value_at(its, place)) for place in points[known, at].tolist()]
        return found

    def _nearest(
        self, points: Float[np.ndarray, "points choices"], rng: np.random.Generator
    ) -> Int[np.ndarray, "points choices"]:
        """Returns the positions of the nearest actions, see `action_indices`; a part of a range lies at its middle.

        No condition reads a part of a range, so that the choices that are made are those of `action_indices`.
        """
        drawn = rng.random(points.shape)
        found = np.zeros(points.shape, np.int32)
        for at, places in enumerate(self.places):
            column = points[:, at]
            nearest = np.abs(column[:, None] - places).argmin(1)
            found[:, at] = np.where(np.isnan(column), (drawn[:, at] * len(places)).astype(np.int32), nearest)
        return np.where(asked_choices(self._space, found), found, NOT_MADE)

    @staticmethod
    def _numbers(entry: ArchivedProblem, replica: int, column: int) -> Float[np.ndarray, "trials"]:
        """Returns the numbers that the trials of an earlier problem had for a choice; NaN for other actions."""
        count, actions = int(entry.count[replica]), entry.choices[column].actions
        names = np.array([action if type(action) in (int, float) else np.nan for action in actions] + [np.nan], float)
        tried = entry.values[replica, :count, column]
        return np.where(np.isnan(tried), names[entry.action_indices[replica, :count, column]], tried)

    @staticmethod
    def _places(choice: Choice, earlier: Sequence[ArchivedProblem]) -> dict[Action, float] | None:
        """Returns the places of a number's actions, and of its actions in earlier problems; None for a category."""
        if not are_numbers(choice.actions):
            return None
        others = (its for entry in earlier for its in entry.choices if its.name == choice.name)
        found = sorted({a for its in (choice, *others) for a in its.actions if type(a) in (int, float)})  # type: ignore[type-var]
        own = [found.index(action) for action in choice.actions]
        low, high = min(own), max(own)
        return {action: min(max((at - low) / (high - low), -1.0), 2.0) for at, action in enumerate(found)}

    @staticmethod
    def _place(choice: Choice, known: dict[Action, float] | None, action: Action) -> float:
        """Returns the place of an action of an earlier problem; NaN if it has none."""
        if known is not None:
            return known[action] if type(action) in (int, float) else np.nan
        return float(choice.index(action)) if choice.has(action) else np.nan
