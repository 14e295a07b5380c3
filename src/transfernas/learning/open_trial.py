"""A trial of an agent that has no reward yet, and a trial in the form that a learner of a single replica takes."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from ..spaces.condition import Config
from ..spaces.trajectory import Trajectory
from .learner import Learner
from .replay import fingerprints


class OpenTrialData(NamedTuple):
    """Data of an open trial that the agent needs when the reward is told.

    Attributes:
        trajectory: Decisions and actions of the trial.
        proposer: Number of the proposer of the trial.
        fingerprint: Fingerprint of the configuration, see `replay.fingerprints`.
    """

    trajectory: Trajectory
    proposer: int
    fingerprint: np.uint64

    @classmethod
    def of(cls, learner: Learner, row: int, config: Config, proposer: int) -> "OpenTrialData":
        """Returns the data of a configuration, for a trial from a file.

        Args:
            learner: Learner of the agent.
            row: Row of the problem.
            config: Configuration of the trial.
            proposer: Number of the proposer.
        """
        trajectory = learner.encoding.trajectory(row, config)
        problem, batched, _ = as_replica(row, trajectory, proposer)
        return cls(trajectory, proposer, fingerprints(problem, batched)[0])


def as_replica(
    row: int, trajectory: Trajectory, proposer: int
) -> tuple[Int[np.ndarray, "1"], Trajectory, Int[np.ndarray, "1"]]:
    """Returns the row, the trajectory and the proposer of a trial with a leading axis for a single replica."""
    batched: Trajectory = jax.tree.map(lambda leaf: np.asarray(leaf)[None], trajectory)
    return np.array([row], np.int32), batched, np.array([proposer], np.int32)
