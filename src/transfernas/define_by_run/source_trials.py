"""The trials of earlier problems, as the surrogate of a search sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ..learning.archive import ArchivedProblem
from ..learning.scores import Score
from ..learning.surrogate import Surrogate
from .plans import ObservedTrial
from .points import Points, losses

# Not for tuning. These numbers bound the time of a proposal.
MOST_SOURCES = 16
"""The most earlier problems in the process: those that share most parameters with the search, of these the latest."""

_LEAST_TRIALS = 4  # of an earlier problem
_BEST = 5  # trials of each earlier problem, near which the candidates are
_STEPS = 20  # of the fit to an earlier problem's trials


@dataclass(frozen=True)
class SourceModel:
    """A process over the trials of an earlier problem.

    Attributes:
        surrogate: The process, over the parameters that the earlier problem had.
        known: Shape `[parameters]`, whether the earlier problem had a parameter.
    """

    surrogate: Surrogate
    known: Bool[np.ndarray, "parameters"]

    def __call__(self, points: Float[np.ndarray, "points parameters"]) -> Float[np.ndarray, "points"]:
        """Returns the mean at points, whatever their parameters are that the earlier problem did not have."""
        return self.surrogate.mean(points[:, self.known])


class SourceTrials(NamedTuple):
    """Earlier problems in a process.

    Attributes:
        models: The processes over the earlier problems' trials.
        best: Shape `[trials, parameters]`, the points of the best trials of each problem; NaN where a trial did not
            have a parameter.
    """

    models: tuple[SourceModel, ...]
    best: Float[np.ndarray, "trials parameters"]

    @classmethod
    def of(cls, entries: Sequence[ArchivedProblem], points: Points) -> "SourceTrials":
        """Returns the earlier problems that share parameters with a search.

        Args:
            entries: The archived trials of earlier problems, oldest first. The first replica counts.
            points: The points of the search.
        """
        found = [_trials(entry) for entry in entries if entry.count[0] >= _LEAST_TRIALS]
        rows = [points.of(trials) for trials in found]
        known = [~np.isnan(its).all(0) for its in rows]
        order = sorted(range(len(rows)), key=lambda at: (-int(known[at].sum()), -at))
        chosen = [at for at in order[:MOST_SOURCES] if known[at].any()]
        models, best = list[SourceModel](), [np.empty((0, len(points.names)))]
        for at in chosen:
            columns, values = known[at], losses(found[at])
            surrogate = Surrogate.fitted(rows[at][:, columns], values, points.numeric[columns], steps=_STEPS)
            models.append(SourceModel(surrogate, columns))
            best.append(np.where(points.numeric, np.clip(rows[at][:_BEST], 0.0, 1.0), rows[at][:_BEST]))
        return cls(tuple(models), np.concatenate(best))


def _trials(entry: ArchivedProblem) -> list[ObservedTrial]:
    """Returns the trials of an earlier problem, best first."""
    scores = zip(entry.scores.outcome[0].tolist(), entry.scores.reward[0].tolist(), strict=True)
    return [
        ObservedTrial(entry.config(0, slot), entry.numbers(0, slot), Score(*score))
        for slot, score in zip(range(int(entry.count[0])), scores, strict=False)
    ]
