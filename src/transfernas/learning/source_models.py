"""Processes over the trials of earlier problems, as the process of a search sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from .surrogate import Surrogate

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
        surrogate: the process, over the parameters that the earlier problem had.
        known: Shape `[parameters]`, whether the earlier problem had a parameter.
    """

    surrogate: Surrogate
    known: Bool[np.ndarray, "parameters"]

    def __call__(self, points: Float[np.ndarray, "points parameters"]) -> Float[np.ndarray, "points"]:
        """Returns the mean at points, whatever their parameters are that the earlier problem did not have."""
        return self.surrogate.mean(points[:, self.known])


class SourceTrials(NamedTuple):
    """Trials of an earlier problem, best first.

    Attributes:
        points: Shape `[trials, parameters]`, the trials in the space of the search; NaN where a trial did not have a
            parameter.
        losses: Shape `[trials]`, finite; lower is better.
    """

    points: Float[np.ndarray, "trials parameters"]
    losses: Float[np.ndarray, "trials"]


class SourceModels(NamedTuple):
    """Earlier problems in a process.

    Attributes:
        models: the processes over the earlier problems' trials.
        best: Shape `[trials, parameters]`, the points of the best trials of each problem; NaN where a trial did not
            have a parameter.
    """

    models: tuple[SourceModel, ...]
    best: Float[np.ndarray, "trials parameters"]

    @classmethod
    def of(cls, earlier: Sequence[SourceTrials], numeric: Bool[np.ndarray, "parameters"]) -> "SourceModels":
        """Returns the models of the earlier problems that share parameters with a search.

        Args:
            earlier: the trials of each earlier problem, oldest problem first.
            numeric: Shape `[parameters]`, whether a parameter of the search is a number.
        """
        found = [its for its in earlier if len(its.points) >= _LEAST_TRIALS]
        known = [~np.isnan(its.points).all(0) for its in found]
        order = sorted(range(len(found)), key=lambda at: (-int(known[at].sum()), -at))
        models, best = list[SourceModel](), [np.empty((0, len(numeric)))]
        for at in (at for at in order[:MOST_SOURCES] if known[at].any()):
            columns, (points, losses) = known[at], found[at]
            surrogate = Surrogate.fitted(points[:, columns], losses, numeric[columns], steps=_STEPS)
            models.append(SourceModel(surrogate, columns))
            best.append(np.where(numeric, np.clip(points[:_BEST], 0.0, 1.0), points[:_BEST]))
        return cls(tuple(models), np.concatenate(best))
