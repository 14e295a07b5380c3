"""Every trial that replicas learned from, on the host: what preferences are drawn from, and what is not proposed again.

Shapes: `trials` that were told, of `replicas` in lockstep; `steps` of a trajectory.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from ..processes.locks import Lock
from ..spaces.tables import power_of_two
from ..spaces.trajectory import Trajectory, blank_trajectories
from .scores import Scores

_FIRST_ROOM = 64
_CLAIMING = Lock()  # two agents that began as one may learn in threads of their own


@dataclass(frozen=True, slots=True)
class History:
    """What was told so far; immutable, though histories that grew from one another share their arrays.

    Attributes:
        count: how many trials there are; what lies behind them in the arrays is room.
        problem: Shape `[replicas, room]`, rows of the problems.
        trials: Shape `[replicas, room, ...]`.
        scores: Shape `[replicas, room]`.
        key: Shape `[replicas, room]`, a number that two trials share if they are of one configuration of one problem.
        member: Shape `[replicas, room]`, which policy of the replica, or its memory, proposed the trial (see
            `learning.gate`); -1 for none.
    """

    count: int
    problem: Int[np.ndarray, "replicas room"]
    trials: Trajectory
    scores: Scores
    key: UInt64[np.ndarray, "replicas room"]
    member: Int[np.ndarray, "replicas room"]
    _written: list[int]  # how much of the shared arrays is taken, by any history; one number

    @classmethod
    def empty(cls, replicas: int, steps: int) -> "History":
        """Returns a history without trials."""
        shape = (replicas, _FIRST_ROOM)
        trials = blank_trajectories(shape, steps)
        problem, member = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        return cls(0, problem, trials, Scores.of(np.zeros(shape)), np.zeros(shape, np.uint64), member, [0])

    def appended(
        self,
        problem: Int[np.ndarray, "replicas"],
        trial: Trajectory,
        scores: Scores,
        member: Int[np.ndarray, "replicas"],
    ) -> "History":
        """Returns the history with one more trial of each replica."""
        one: tuple[Trajectory, Scores] = jax.tree.map(lambda leaf: leaf[:, None], (trial, scores))
        return self.extended(problem[:, None], *one, member[:, None])

    def extended(
        self,
        problem: Int[np.ndarray, "replicas more"],
        trials: Trajectory,
        scores: Scores,
        member: Int[np.ndarray, "replicas more"],
    ) -> "History":
        """Returns the history with more trials of each replica, all arrays of Shape `[replicas, more, ...]`."""
        at, room = self.count, self.problem.shape[1]
        end = at + problem.shape[1]
        with _CLAIMING:
            free = self._written[0] == at and end <= room  # else another that grew from this one has written there
            if free:
                self._written[0] = end
        history = self if free else self._copied(max(power_of_two(end), room))
        new = (problem, trials, scores, keys(problem, trials), member)
        arrays = (history.problem, history.trials, history.scores, history.key, history.member)
        for array, value in zip(jax.tree.leaves(arrays), jax.tree.leaves(new), strict=True):
            array[:, at:end] = value
        if not free:
            history._written[0] = end
        return dataclasses.replace(history, count=end)

    @property
    def reward(self) -> Float[np.ndarray, "replicas room"]:
        """Shape `[replicas, room]`, the rewards of the trials that came to a finite one."""
        return self.scores.reward

    def of(self, replica: int, problem: int) -> Int[np.ndarray, "trials"]:
        """Returns which of a replica's trials are of a problem, oldest first."""
        return np.flatnonzero(self.problem[replica, : self.count] == problem)

    def ranked(
        self, replica: int, trials: Int[np.ndarray, "trials"], distinct: bool = True
    ) -> Int[np.ndarray, "ranked"]:
        """Returns some of a replica's trials, best first; where they are distinct, each configuration's best alone."""
        ranked = trials[self.scores.at((replica, trials)).best_first()]
        if distinct:
            ranked = ranked[np.sort(np.unique(self.key[replica, ranked], return_index=True)[1])]
        return ranked

    def holds(
        self, replicas: Int[np.ndarray, "sought"], key: UInt64[np.ndarray, "sought candidates"]
    ) -> Bool[np.ndarray, "sought candidates"]:
        """Returns which candidates of some replicas were evaluated before."""
        return among_keys(key, self.key[replicas, None, : self.count])

    def selected(self, replica: int) -> "History":
        """Returns the history of one replica alone."""
        return self._mapped(lambda array: array[replica : replica + 1].copy())

    def rewritten(self, trials: Trajectory) -> "History":
        """Returns a history of its own whose trials, room included, are encoded otherwise."""
        return dataclasses.replace(self._mapped(np.copy), trials=trials, key=keys(self.problem, trials))

    def _copied(self, room: int) -> "History":
        def grown(array: np.ndarray) -> np.ndarray:
            larger = np.zeros((array.shape[0], room, *array.shape[2:]), array.dtype)
            larger[:, : self.count] = array[:, : self.count]
            return larger

        return self._mapped(grown)

    def _mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> "History":
        trials: Trajectory = jax.tree.map(change, self.trials)
        problem, key, member = map(change, (self.problem, self.key, self.member))
        return History(self.count, problem, trials, Scores(*map(change, self.scores)), key, member, [self.count])


def keys(problem: Int[np.ndarray, "*batch"], trials: Trajectory) -> UInt64[np.ndarray, "*batch"]:
    """Returns a number for each trial that differs, but for chance in 2^64, where configuration or problem differ."""
    factors = _factors(trials.actions.shape[-1])
    content = (trials.actions + 1).astype(np.uint64) * factors[0] + (trials.decisions + 1).astype(np.uint64) * factors[
        1
    ]
    whole = content.sum(axis=-1, dtype=np.uint64) + problem.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return whole ^ (whole >> np.uint64(29))


def among_keys(
    key: UInt64[np.ndarray, "*batch"], known: UInt64[np.ndarray, "*to_all known"]
) -> Bool[np.ndarray, "*batch"]:
    """Returns which of a few keys are among others; all are compared, for to sort the others takes longer.

    Args:
        key: Shape `[...]`.
        known: Shape `[known]`, or with axes before it that are broadcast to those of `key`.
    """
    found: Bool[np.ndarray, "*batch"] = (key[..., None] == known).any(axis=-1)
    return found


@functools.cache
def _factors(steps: int) -> UInt64[np.ndarray, "2 steps"]:
    """Returns the same factors for every history of so many steps."""
    rng = np.random.Generator(np.random.Philox(steps))
    return rng.integers(2**64, size=(2, steps), dtype=np.uint64) | np.uint64(1)
