"""Trajectories: sequences of decisions, with the action taken in each decision.

A *decision* is a state with its tuple of available actions. The first decision of a trajectory is always S, whose only
available action is the space. A trajectory is all that the policy needs, both for a rollout of a declared space and for
a define-by-run program.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from ..arrays import AnyArray

_INT = np.int32


class Trajectory(NamedTuple):
    """A sequence of decisions and the action taken in each; leading axes may come before the shapes named here.

    Attributes:
        task: Shape `[]`, the vocabulary's row of the task.
        decisions: Shape `[steps]`, rows of `Decisions`; 0 where padded.
        actions: Shape `[steps]`, positions among the decision's actions; 0 where padded.
        length: Shape `[]`, the number of steps without padding, S among them.
    """

    task: Int[AnyArray, "*batch"]
    decisions: Int[AnyArray, "*batch steps"]
    actions: Int[AnyArray, "*batch steps"]
    length: Int[AnyArray, "*batch"]

    def at(self, where: Any) -> "Trajectory":
        """Returns the trajectories at an index of the leading axes; None gives a further axis."""
        return Trajectory(*(leaf[where] for leaf in self))


def blank_trajectories(shape: tuple[int, ...], steps: int) -> Trajectory:
    """Returns trajectories of zeros as NumPy arrays; `shape` comes before the shapes of `Trajectory`."""

    def zeros(*more: int) -> np.ndarray:
        return np.zeros((*shape, *more), _INT)

    return Trajectory(task=zeros(), decisions=zeros(steps), actions=zeros(steps), length=zeros())


def pad_trajectory(trajectory: Trajectory, steps: int) -> Trajectory:
    """Returns trajectories as NumPy arrays, padded to more steps."""
    room = [(0, 0)] * (trajectory.actions.ndim - 1) + [(0, steps - trajectory.actions.shape[-1])]
    decisions, actions = (np.pad(leaf, room) for leaf in (trajectory.decisions, trajectory.actions))
    return trajectory._replace(decisions=decisions, actions=actions)
