"""A trial of an agent that has no reward yet: its proposal, and its form for a learner of a single replica."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from ..spaces.condition import Config
from ..spaces.trajectory import Trajectory
from .learner import Learner
from .numbers import configs_of
from .proposal import BeforeDrawFn, propose
from .replay import fingerprints, identity_of


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


def ask_trial(
    learner: Learner, opened: Sequence[tuple[int, Config, OpenTrialData]], before_draw: BeforeDrawFn
) -> tuple[Learner, int, Config, OpenTrialData]:
    """Returns the learner after a proposal, and the row, the configuration and the data of the proposed trial.

    Args:
        learner: Learner of the agent.
        opened: Row, configuration and data of each open trial.
        before_draw: Called before configurations are drawn, to wait for a function that is being compiled.
    """
    encoding, keyed = learner.encoding, learner.keyed
    open_trials, pending, identities = [], list[np.uint64](), list[int]()
    for row, config, kept in opened:
        numbers = encoding.numbers(row, config)
        open_trials.append((row, kept.trajectory, numbers))
        pending.append(kept.fingerprint)
        identities.append(identity_of(int(kept.fingerprint), numbers))
        if keyed and encoding.problems[row].key is not None:
            _look_at(learner, row, identities[-1], config)
    configs = configs_of(learner, identities)
    learner, proposal = propose(
        learner,
        before_draw=before_draw,
        pending=np.array(pending, np.uint64),
        open_trials=open_trials,
        configs=configs,
    )
    row = int(proposal.problem[0])
    trajectory = proposal.rollout.trajectory
    fingerprint = fingerprints(proposal.problem, trajectory)[0]
    config = configs.config(row, proposal.rollout.action_indices[0])
    return learner, row, config, OpenTrialData(trajectory.at(0), int(proposal.proposer[0]), fingerprint)


def _look_at(learner: Learner, row: int, identity: int, config: Config) -> None:
    """Enters the network of an open trial in `network_cache`, because trials from a file are not there yet."""
    learner.network_cache.network(learner.encoding, row, identity, lambda: config)


def as_replica(
    row: int, trajectory: Trajectory, proposer: int
) -> tuple[Int[np.ndarray, "1"], Trajectory, Int[np.ndarray, "1"]]:
    """Returns the row, the trajectory and the proposer of a trial with a leading axis for a single replica."""
    batched: Trajectory = jax.tree.map(lambda leaf: np.asarray(leaf)[None], trajectory)
    return np.array([row], np.int32), batched, np.array([proposer], np.int32)
