"""The priority queues: the best distinct trials of each problem (paper, appendix A; Abolafia et al. 2018).

They are kept on the host, in double precision: the order of trials must not depend on the size of rewards.

Shapes: `replicas` run side by side, `problems` have queues of `size` slots, trajectories have `steps`.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import numpy as np
from jaxtyping import Float, Int

from ..arrays import map_arrays
from ..fields import ConfigPart, Limits
from ..spaces.trajectory import Trajectory, blank_trajectories
from .scores import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig(ConfigPart):
    """The queue of the best trials of each problem: `Agent.best` returns them, and REINFORCE imitates them.

    Example:
        ```python
        from transfernas import QueueConfig, TrainingConfig

        TrainingConfig(queue=QueueConfig(size=50))
        ```

    Attributes:
        size: the number of distinct trials in a queue. Paper: 25.
        ties: what happens to a new trial as good as the worst of a full queue. "keep" keeps the old trial, "replace"
            replaces it. Paper: open.
        repeats: the reward of a sequence that was evaluated more than once: the "best" or the "latest". Paper: open.
    """

    path: ClassVar[str] = "TrainingConfig.queue"

    size: Annotated[int, Limits(1, 10**6)] = 25
    ties: Literal["keep", "replace"] = "keep"
    repeats: Literal["best", "latest"] = "best"


@dataclass(frozen=True, slots=True)
class PriorityQueue:
    """The best distinct trials of each problem; slots from `filled` on are empty. Immutable.

    Attributes:
        trials: Shape `[replicas, problems, size]`, and `[replicas, problems, size, steps]` for its sequences.
        scores: Shape `[replicas, problems, size]`.
        filled: Shape `[replicas, problems]`.
    """

    trials: Trajectory
    scores: Scores
    filled: Int[np.ndarray, "replicas problems"]

    @classmethod
    def empty(cls, replicas: int, problems: int, size: int, steps: int) -> "PriorityQueue":
        """Returns queues without trials."""
        shape = (replicas, problems, size)
        filled = np.zeros((replicas, problems), np.int32)
        return cls(blank_trajectories(shape, steps), Scores.of(np.zeros(shape)), filled)

    def insert(
        self, problem: Int[np.ndarray, "replicas"], trial: Trajectory, scores: Scores, config: QueueConfig
    ) -> "PriorityQueue":
        """Returns the queues after a trial of each replica.

        A trial of a queued sequence only updates the score (`config.repeats`). A full queue gives up its worst trial,
        the first of equals, for a better trial, or for an equal one if `config.ties` is "replace".

        Args:
            problem: Shape `[replicas]`, the row of the problem.
            trial: Shape `[replicas, ...]`, the trial.
            scores: Shape `[replicas]`, the score of the trial.
            config: the settings; `ties` and `repeats` count.
        """
        replicas = np.arange(len(problem))
        known, held, filled = self._of(problem)
        size = held.outcome.shape[1]
        if config.repeats == "best" and (filled == size).all() and held.above(scores.at(np.s_[:, None])).all():
            return self  # each trial is worse than all of a full queue
        occupied = np.arange(size) < filled[:, None]
        repeated = occupied & (known.decisions == trial.decisions[:, None]).all(-1)
        repeated &= (known.actions == trial.actions[:, None]).all(-1)
        is_repeat, full = repeated.any(axis=1), filled == size

        lowest = np.lexsort((held.reward, held.outcome, ~occupied), axis=-1)[:, 0]
        slot = np.where(is_repeat, repeated.argmax(axis=1), np.where(full, lowest, filled))
        there = held.at((replicas, np.where(is_repeat | full, slot, 0)))
        better = scores.above(there)
        displaces = better if config.ties == "keep" else ~there.above(scores)
        accepted = np.where(is_repeat, better | (config.repeats == "latest"), ~full | displaces)

        queue = map_arrays(self, np.copy)
        at = replicas[accepted], problem[accepted], slot[accepted]
        for leaf, new in zip(
            jax.tree.leaves((queue.trials, queue.scores)), jax.tree.leaves((trial, scores)), strict=True
        ):
            leaf[at] = new[accepted]
        queue.filled[replicas, problem] += ~(is_repeat | full)
        return queue

    def draw(self, problem: Int[np.ndarray, "replicas"], pick: Float[np.ndarray, "replicas"]) -> Trajectory:
        """Returns a trial of a problem for each replica; the queues must not be empty.

        Args:
            problem: Shape `[replicas]`, the row of the problem.
            pick: Shape `[replicas]`, in [0, 1), in single precision. Uniform numbers draw the trials uniformly.
        """
        known, _, filled = self._of(problem)
        slot = np.minimum((pick * filled.astype(np.float32)).astype(np.int32), filled - 1)
        return known.at((np.arange(len(problem)), slot))

    def best_first(self, replica: int, row: int) -> Int[np.ndarray, "filled"]:
        """Returns the filled slots of a problem of a replica, best trial first."""
        return self.scores.at((replica, row, slice(int(self.filled[replica, row])))).best_first()

    def _of(self, problem: Int[np.ndarray, "replicas"]) -> tuple[Trajectory, Scores, Int[np.ndarray, "replicas"]]:
        here = np.arange(len(problem)), problem
        return self.trials.at(here), self.scores.at(here), self.filled[here]
