"""The priority queues: the best distinct trials of each problem (paper, appendix A; Abolafia et al. 2018).

Shapes: `problems` queues of `size` slots, for trajectories of `steps`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..arrays import AnyArray
from ..spaces.encoding import Trajectory, blank_trajectories
from .config import TrainingConfig


class Queue(eqx.Module):
    """The best distinct trials of each problem; slots from `filled` on are empty.

    Attributes:
        trials: Shape `[problems, size]`, and `[problems, size, steps]` for its sequences.
        reward: Shape `[problems, size]`.
        filled: Shape `[problems]`.
    """

    trials: Trajectory
    reward: Float[AnyArray, "*replicas problems size"]
    filled: Int[AnyArray, "*replicas problems"]


def empty_queue(problems: int, size: int, steps: int) -> Queue:
    """Returns queues without trials."""
    trials = blank_trajectories((problems, size), steps)
    return Queue(trials, np.zeros((problems, size), np.float32), np.zeros(problems, np.int32))


def insert(
    queue: Queue, problem: Int[Array, ""], trial: Trajectory, reward: Float[Array, ""], config: TrainingConfig
) -> Queue:
    """Returns the queues after a trial of a problem.

    A sequence that is there already only updates its reward (`config.queue_repeats`). A full queue gives up its worst
    trial, the first of equals, for a better one, or for one as good if `config.queue_ties` says so.
    """
    kept, rewards, filled = jax.tree.map(lambda x: x[problem], (queue.trials, queue.reward, queue.filled))
    size = rewards.shape[0]
    occupied = jnp.arange(size) < filled
    repeated = occupied & jnp.all(kept.decisions == trial.decisions[None], -1)
    repeated &= jnp.all(kept.actions == trial.actions[None], -1)
    is_repeat, full = jnp.any(repeated), filled == size

    worst = jnp.argmin(jnp.where(occupied, rewards, jnp.inf))
    slot = jnp.where(is_repeat, jnp.argmax(repeated), jnp.where(full, worst, filled))
    displaces = reward >= rewards[worst] if config.queue_ties == "replace" else reward > rewards[worst]
    if config.queue_repeats == "best":
        accepted = jnp.where(is_repeat, reward > rewards[slot], ~full | displaces)
    else:
        accepted = is_repeat | ~full | displaces

    def write(leaf: Array, new: Array) -> Array:
        return leaf.at[problem, slot].set(jnp.where(accepted, new, leaf[problem, slot]))

    return Queue(
        trials=jax.tree.map(write, queue.trials, trial),
        reward=write(queue.reward, reward),
        filled=queue.filled.at[problem].set(jnp.where(is_repeat | full, filled, filled + 1)),
    )


def draw(queue: Queue, problem: Int[Array, ""], pick: Float[Array, ""]) -> Trajectory:
    """Returns one of a problem's trials; the queue must not be empty.

    Args:
        queue: the queues.
        problem: row of the problem.
        pick: in [0, 1); uniform, it makes the trial uniform.
    """
    filled = queue.filled[problem]
    slot = jnp.minimum((pick * filled).astype(jnp.int32), filled - 1)
    return jax.tree.map(lambda leaf: leaf[problem, slot], queue.trials)
