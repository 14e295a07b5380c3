"""Trials that failed, which are not proposed again."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..spaces.trajectory import Trajectory

# Not for tuning: this number bounds the file.
MOST_FAILED = 64
"""The most failed trials that are kept."""


class FailedTrial(NamedTuple):
    """A trial of each replica that failed.

    Attributes:
        problem: Shape `[replicas]`, the row of the problem.
        trajectory: Shape `[replicas, ...]`, the trial.
        numbers: Shape `[replicas, choices]`, the numbers of ranges, see `ReplayBuffer`.
    """

    problem: Int[np.ndarray, "replicas"]
    trajectory: Trajectory
    numbers: Float[np.ndarray, "replicas choices"]

    def selected(self, replica: int) -> "FailedTrial":
        """Returns the trial of one replica alone."""
        rows = slice(replica, replica + 1)
        return FailedTrial(self.problem[rows], self.trajectory.at(rows), self.numbers[rows])
