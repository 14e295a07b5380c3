"""The replay buffer: every trial that replicas learned from, to learn from again and not to propose again.

Shapes: `replicas` run side by side, `trials` were told, trajectories have `steps`; `room` counts the slots for trials.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from ..arrays import map_arrays
from ..processes.locks import Lock
from ..spaces.tables import power_of_two
from ..spaces.trajectory import Trajectory, blank_trajectories
from .scores import Scores

_FIRST_ROOM = 64
_CLAIMING = Lock()  # two agents that began as one may learn in threads of their own


@dataclass(frozen=True, slots=True)
class ReplayBuffer:
    """The trials so far. A buffer is immutable, though buffers that grew from one another share their arrays.

    Attributes:
        count: the number of trials; the slots behind them are empty.
        problem: Shape `[replicas, room]`, the rows of the problems.
        trials: Shape `[replicas, room, ...]`, the trials.
        scores: Shape `[replicas, room]`, the scores.
        fingerprint: Shape `[replicas, room]`, a number that two trials share if they have one configuration of one
            problem.
        proposer: Shape `[replicas, room]`, the proposers of the trials (see `learning.bandit`); negative for those
            that a bandit does not compare.
        numbers: Shape `[replicas, room, choices]`, S first, the numbers of ranges; NaN for other choices. There are no
            choices if no problem has a range.
    """

    count: int
    problem: Int[np.ndarray, "replicas room"]
    trials: Trajectory
    scores: Scores
    fingerprint: UInt64[np.ndarray, "replicas room"]
    proposer: Int[np.ndarray, "replicas room"]
    numbers: Float[np.ndarray, "replicas room choices"]
    _written: list[int]  # one number: how many slots of the shared arrays any buffer has taken

    @classmethod
    def empty(cls, replicas: int, steps: int, choices: int = 0) -> "ReplayBuffer":
        """Returns a replay buffer without trials, with numbers for so many choices."""
        shape = (replicas, _FIRST_ROOM)
        trials = blank_trajectories(shape, steps)
        problem, proposer = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        numbers = np.full((*shape, choices), np.nan)
        return cls(0, problem, trials, Scores.of(np.zeros(shape)), np.zeros(shape, np.uint64), proposer, numbers, [0])

    def append(
        self,
        problem: Int[np.ndarray, "replicas"],
        trial: Trajectory,
        scores: Scores,
        proposer: Int[np.ndarray, "replicas"],
        numbers: Float[np.ndarray, "replicas choices"] | None = None,
    ) -> "ReplayBuffer":
        """Returns the replay buffer with one more trial of each replica; see `extend`."""
        one: tuple[Trajectory, Scores] = jax.tree.map(lambda leaf: leaf[:, None], (trial, scores))
        return self.extend(problem[:, None], *one, proposer[:, None], None if numbers is None else numbers[:, None])

    def extend(
        self,
        problem: Int[np.ndarray, "replicas more"],
        trials: Trajectory,
        scores: Scores,
        proposer: Int[np.ndarray, "replicas more"],
        numbers: Float[np.ndarray, "replicas more choices"] | None = None,
    ) -> "ReplayBuffer":
        """Returns the replay buffer with more trials of each replica, all arrays of Shape `[replicas, more, ...]`.

        The numbers of ranges may be left out if there are no ranges.
        """
        at, room = self.count, self.problem.shape[1]
        end = at + problem.shape[1]
        with _CLAIMING:
            free = self._written[0] == at and end <= room  # else another that grew from this one has written there
            if free:
                self._written[0] = end
        replay = self if free else self._copied(max(power_of_two(end), room))
        numbers = np.full((*problem.shape, replay.numbers.shape[-1]), np.nan) if numbers is None else numbers
        new = (problem, trials, scores, fingerprints(problem, trials), proposer, numbers)
        arrays = (replay.problem, replay.trials, replay.scores, replay.fingerprint, replay.proposer, replay.numbers)
        for array, value in zip(jax.tree.leaves(arrays), jax.tree.leaves(new), strict=True):
            array[:, at:end] = value
        if not free:
            replay._written[0] = end
        return dataclasses.replace(replay, count=end)

    def of(self, replica: int, problem: int) -> Int[np.ndarray, "trials"]:
        """Returns the positions of a replica's trials of a problem, oldest first."""
        return np.flatnonzero(self.problem[replica, : self.count] == problem)

    def ranked(
        self, replica: int, trials: Int[np.ndarray, "trials"], distinct: bool = True
    ) -> Int[np.ndarray, "ranked"]:
        """Returns the positions of trials, best first.

        Args:
            replica: the replica.
            trials: the positions of some of its trials.
            distinct: whether only the best trial of each configuration is returned.
        """
        ranked = trials[self.scores.at((replica, trials)).best_first()]
        if distinct:
            ranked = ranked[np.sort(np.unique(self.fingerprint[replica, ranked], return_index=True)[1])]
        return ranked

    def batch(self, at: Int[np.ndarray, "replicas members updates trials"], steps: int) -> Trajectory:
        """Returns trials for the policies of all replicas, in the shape of a learning rule's batch.

        Args:
            at: Shape `[replicas, policies, updates, trials]`, the positions of the trials for each policy of each
                replica.
            steps: a length that none of the trials passes.

        Returns:
            Trajectories, Shape `[replicas * policies, updates, trials, ...]`, of so many steps.
        """
        replica = np.arange(len(at))[:, None, None, None]

        def picked(leaf: np.ndarray) -> np.ndarray:
            short = leaf[..., :steps] if leaf.ndim > self.problem.ndim else leaf
            return short[replica, at].reshape(-1, *at.shape[2:], *short.shape[2:])

        return jax.tree.map(picked, self.trials)

    def contains(
        self, replicas: Int[np.ndarray, "sought"], fingerprint: UInt64[np.ndarray, "sought candidates"]
    ) -> Bool[np.ndarray, "sought candidates"]:
        """Returns whether candidates of some replicas were evaluated before."""
        return are_among(fingerprint, self.fingerprint[replicas, None, : self.count])

    def identities(self, replica: int, trials: Int[np.ndarray, "trials"]) -> list[int]:
        """Returns the `identity_of` of some trials of a replica."""
        pairs = zip(self.fingerprint[replica, trials].tolist(), self.numbers[replica, trials], strict=True)
        return [identity_of(fingerprint, numbers) for fingerprint, numbers in pairs]

    def selected(self, replica: int) -> "ReplayBuffer":
        """Returns the replay buffer of one replica alone."""
        return self._mapped(lambda array: array[replica : replica + 1].copy())

    def with_trials(self, trials: Trajectory) -> "ReplayBuffer":
        """Returns a replay buffer with arrays of its own, and its trials in another encoding."""
        return dataclasses.replace(self._mapped(np.copy), trials=trials, fingerprint=fingerprints(self.problem, trials))

    def _copied(self, room: int) -> "ReplayBuffer":
        def grown(array: np.ndarray) -> np.ndarray:
            larger = np.zeros((array.shape[0], room, *array.shape[2:]), array.dtype)
            larger[:, : self.count] = array[:, : self.count]
            return larger

        return self._mapped(grown)

    def _mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> "ReplayBuffer":
        return dataclasses.replace(map_arrays(self, change), _written=[self.count])


def fingerprints(problem: Int[np.ndarray, "*batch"], trials: Trajectory) -> UInt64[np.ndarray, "*batch"]:
    """Returns a number for each trial, which differs between configurations and between problems.

    Two configurations share a number by chance, with a probability of about 2^-64.
    """
    factors = _factors(trials.actions.shape[-1])
    actions, decisions = ((each + 1).astype(np.uint64) for each in (trials.actions, trials.decisions))
    whole = actions @ factors[0] + decisions @ factors[1] + problem.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return whole ^ (whole >> np.uint64(29))


def identity_of(fingerprint: int, numbers: Float[np.ndarray, "choices"]) -> int:
    """Returns a number that two trials share if they have one configuration, the numbers of ranges included.

    Args:
        fingerprint: the `fingerprints` of the trial, which tells the parts of ranges apart.
        numbers: Shape `[choices]` or `[0]`, the numbers of ranges; NaN for other choices.
    """
    if np.isnan(numbers).all():
        return int(fingerprint)
    return int(fingerprint) ^ (zlib.crc32(numbers.tobytes()) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)


def are_among(
    fingerprint: UInt64[np.ndarray, "*batch"], known: UInt64[np.ndarray, "*to_all known"]
) -> Bool[np.ndarray, "*batch"]:
    """Returns whether fingerprints are among known ones; all are compared, because sorting would take longer.

    Args:
        fingerprint: Shape `[...]`.
        known: Shape `[known]`, or with axes before `known` that are broadcast to those of `fingerprint`.
    """
    return (fingerprint[..., None] == known).any(axis=-1)


@functools.cache
def _factors(steps: int) -> UInt64[np.ndarray, "2 steps"]:
    """Returns the same factors for every replay buffer of so many steps."""
    rng = np.random.Generator(np.random.Philox(steps))
    return rng.integers(2**64, size=(2, steps), dtype=np.uint64) | np.uint64(1)
