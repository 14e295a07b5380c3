"""Configurations of a space as points, which a Gaussian process compares.

Shapes: `trials` were told, `points` are candidates, a space has `parameters`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..learning.improvement import PointSpace
from ..learning.scores import Score, Scores, TrialOutcome
from ..spaces.asked import asked_choices, columns_of_conditions
from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.domain import Domain, NumericDomain
from ..spaces.places import nearest_places, place_within, value_at
from ..spaces.space import SearchSpace
from .plans import ObservedTrial

WORST = Score(TrialOutcome.FAILED, 0.0)
"""The score of a trial without one."""


class SurrogateProposal(NamedTuple):
    """A configuration: its actions, and the numbers of actions that stand for several numbers."""

    actions: dict[str, Action]
    numbers: dict[str, float]


class Points(PointSpace):
    """Configurations of a space as points, see `learning.surrogate`.

    Attributes:
        names: The name of the parameter of each column.
        numeric: Whether the parameter of each column is a number.
        categories: The categories of each column that there are now, by their positions among all that there ever were.
    """

    def __init__(self, space: SearchSpace, domains: Mapping[str, Domain]) -> None:
        """Takes a space, and the domains of its parameters, as far as they are known."""
        self._space, self._looked_at = space, columns_of_conditions(space)
        self._domains = [domains.get(choice.name) for choice in space.choices]
        self.names = tuple(choice.name for choice in space.choices)
        self.numeric = np.array([isinstance(its, NumericDomain) for its in self._domains])
        self._known: dict[int, tuple[ObservedTrial, np.ndarray]] = {}
        self.categories = tuple(
            np.array([choice.index(action) for action in _categories_of(choice, its)], np.intp)
            for choice, its in zip(space.choices, self._domains, strict=True)
        )

    def are_of(self, space: SearchSpace, domains: Mapping[str, Domain]) -> bool:
        """Returns whether the points are of this space and these domains."""
        return space is self._space and all(
            domains.get(name) is its for name, its in zip(self.names, self._domains, strict=True)
        )

    def of_told(self, trials: Sequence[ObservedTrial]) -> Float[np.ndarray, "trials parameters"]:
        """Returns trials as points, and keeps the point of each trial."""
        known, none = self._known, (None, None)
        # In a copy the trials are others, and may have the numbers of those that were copied.
        new = [trial for trial in trials if known.get(id(trial), none)[0] is not trial]
        rows = zip(new, self.of(new), strict=True)
        known = {**known, **{id(trial): (trial, row) for trial, row in rows}}
        self._known = {id(trial): known[id(trial)] for trial in trials}
        return np.concatenate([row for _, row in self._known.values()]).reshape(len(self._known), -1)

    def of(self, trials: Sequence[ObservedTrial]) -> Float[np.ndarray, "trials parameters"]:
        """Returns trials as points; numbers outside of the present ranges have places outside of 0 to 1.

        Categories that are no longer there count as not asked for.
        """
        found = np.full((len(trials), len(self.names)), np.nan)
        for at, (choice, domain) in enumerate(zip(self._space.choices, self._domains, strict=True)):
            name = choice.name
            for row, trial in enumerate(trials):
                if name not in trial.actions:
                    continue
                action = trial.actions[name]
                if isinstance(domain, NumericDomain):
                    value = trial.numbers.get(name, action)
                    if type(value) in (int, float):
                        found[row, at] = place_within(domain, value)  # type: ignore[arg-type]
                elif choice.has(action):
                    found[row, at] = choice.index(action)
        return found

    def settled(
        self, points: Float[np.ndarray, "points parameters"], rng: np.random.Generator
    ) -> Float[np.ndarray, "points parameters"]:
        """Returns points with values of the domains: random values for NaN, and NaN for inactive parameters."""
        drawn, absent = rng.random(points.shape), np.isnan(points)
        found = np.where(absent & self.numeric, drawn, points)
        actions = np.zeros(points.shape, np.intp)
        for at, (choice, domain) in enumerate(zip(self._space.choices, self._domains, strict=True)):
            column = found[:, at]
            if isinstance(domain, NumericDomain):
                column[:] = nearest_places(domain, column)
                if choice.name in self._looked_at:
                    places, back = np.unique(column, return_inverse=True)
                    known = [choice.index(domain.action(value_at(domain, place))) for place in places.tolist()]
                    actions[:, at] = np.array(known)[back]
            else:
                its = self.categories[at]
                none = absent[:, at] | ~np.isin(column, its)
                column[none] = its[(drawn[none, at] * len(its)).astype(np.intp)]
                actions[:, at] = column
        return np.where(asked_choices(self._space, actions), found, np.nan)

    def proposal(self, point: Float[np.ndarray, "parameters"]) -> SurrogateProposal:
        """Returns the configuration of a point."""
        proposal = SurrogateProposal({}, {})
        for choice, domain, at in zip(self._space.choices, self._domains, point.tolist(), strict=True):
            if at != at:
                continue
            if isinstance(domain, NumericDomain):
                value = value_at(domain, at)
                proposal.actions[choice.name] = domain.action(value)
                proposal.numbers[choice.name] = float(value)
            else:
                proposal.actions[choice.name] = choice.actions[int(at)]
        return proposal


def _categories_of(choice: Choice, domain: Domain | None) -> Sequence[Action]:
    """Returns the categories that a parameter can take now; none of a number."""
    if isinstance(domain, NumericDomain):
        return ()
    return choice.actions if domain is None else domain.actions


def losses(trials: Sequence[ObservedTrial]) -> Float[np.ndarray, "trials"]:
    """Returns losses, lower is better, see `Scores.losses`; a trial without a score counts as failed."""
    scores = [trial.score or WORST for trial in trials]
    outcomes, rewards = [one.outcome for one in scores], [one.reward for one in scores]
    return Scores(np.array(outcomes, np.int32), np.array(rewards, np.float64)).losses()
