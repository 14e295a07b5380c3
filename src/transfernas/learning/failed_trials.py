"""Trials that failed, which are not proposed again."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt64

from ..spaces.trajectory import Trajectory
from .replay import fingerprints

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


def failed_fingerprints(
    failed: Sequence[FailedTrial], problem: Int[np.ndarray, "replicas"]
) -> UInt64[np.ndarray, "replicas failed"]:
    """Returns the `replay.fingerprints` of failed trials that are not proposed again.

    Those of other problems are 0, and those with ranges of numbers, because other numbers of a range may not fail.

    Args:
        failed: the failed trials.
        problem: Shape `[replicas]`, the row of the next problem of each replica.
    """
    if not failed:
        return np.zeros((len(problem), 0), np.uint64)
    rows = np.stack([one.problem for one in failed])
    without_ranges = np.stack([np.isnan(one.numbers).all(axis=1) for one in failed])
    trials = Trajectory(*map(np.stack, zip(*(one.trajectory for one in failed), strict=True)))
    return np.where((rows == problem) & without_ranges, fingerprints(rows, trials), np.uint64(0)).T
