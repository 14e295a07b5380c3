"""The two compiled functions, sample and update, over independent replicas (paper, appendix A).

Both are pure and compiled once for the shapes of a set of problems. Shapes: `replicas` come first everywhere;
`candidates` are alternative configurations for one trial; `problems`, `steps`, `choices` as in the encoding.
"""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from ..arrays import AnyArray
from ..policy.architecture import Capacity
from ..policy.networks import draw_policy
from ..policy.policy import Policy
from ..runtime import run
from ..spaces.encoding import Tables, Trajectory
from .config import TrainingConfig
from .objective import objective, preferences
from .pairs import Pairs
from .queue import Queue, draw, empty_queue, insert
from .rollout import Rollout, rollouts

# The network is small and compiled for each new shape: LLVM's second level of optimisation costs a fifth more
# compilation and gains nothing that could be measured.
_QUICK_TO_COMPILE = {"xla_backend_optimization_level": 1}


class LearnerState(eqx.Module):
    """All that learners know; every leaf has the replicas first.

    Attributes:
        policy: the networks.
        optimizer: the moments of Adam.
        baseline: Shape `[replicas, problems]`, moving average of each problem's rewards.
        started: Shape `[replicas, problems]`, whether a problem's average has seen a reward.
        trials: Shape `[replicas, problems]`, how many trials of a problem were learned from.
        queue: the best trials of each problem.
    """

    policy: Policy
    optimizer: optax.OptState
    baseline: Float[AnyArray, "*replicas problems"]
    started: Bool[AnyArray, "*replicas problems"]
    trials: Int[AnyArray, "*replicas problems"]
    queue: Queue


class Experience(NamedTuple):
    """One evaluated trial for each replica.

    Attributes:
        problem: Shape `[replicas]`, row of the problem.
        trajectory: Shape `[replicas, ...]`.
        reward: Shape `[replicas]`.
        own: Shape `[replicas]`, whether the policy proposed it; REINFORCE and the baseline take no other.
    """

    problem: Int[AnyArray, "*replicas"]
    trajectory: Trajectory
    reward: Float[AnyArray, "*replicas"]
    own: Bool[AnyArray, "*replicas"]


def init_state(
    rng: np.random.Generator, replicas: int, capacity: Capacity, config: TrainingConfig, problems: int, steps: int
) -> LearnerState:
    """Returns learners that know nothing, as NumPy arrays.

    Args:
        rng: for the weights.
        replicas: how many.
        capacity: room in the network's tables.
        config: hyperparameters.
        problems: the padded number of problems.
        steps: the padded length of a trajectory.
    """
    return fresh_state(init_policies(rng, replicas, capacity, config), config, problems, steps)


def init_policies(rng: np.random.Generator, replicas: int, capacity: Capacity, config: TrainingConfig) -> Policy:
    """Draws the networks of the replicas, as NumPy arrays."""
    policies = [draw_policy(rng, capacity, config) for _ in range(replicas)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *policies)


def fresh_state(policy: Policy, config: TrainingConfig, problems: int, steps: int) -> LearnerState:
    """Returns learners that have these networks and no other memory."""
    replicas = policy.state.shape[0]

    def repeat(leaf: np.ndarray) -> np.ndarray:
        return np.broadcast_to(leaf, (replicas, *leaf.shape)).copy()

    return LearnerState(
        policy=policy,
        optimizer=run(no_moments, policy, config),
        baseline=np.zeros((replicas, problems), np.float32),
        started=np.zeros((replicas, problems), bool),
        trials=np.zeros((replicas, problems), np.int32),
        queue=jax.tree.map(repeat, empty_queue(problems, config.queue_size, steps)),
    )


def no_moments(policy: Policy, config: TrainingConfig) -> optax.OptState:
    """Returns the moments of Adam before its first step, as NumPy arrays."""
    shapes = jax.eval_shape(jax.vmap(_adam(config).init), policy)
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


@partial(jax.jit, compiler_options=_QUICK_TO_COMPILE)
def sample(
    policy: Policy,
    which: Int[Array, "replicas"],
    tables: Tables,
    problem: Int[Array, "replicas"],
    noise: Float[Array, "replicas candidates steps"],
    uniform_share: Float[Array, "candidates"],
    favour: Float[Array, "replicas actions"],
    allowed: Bool[Array, "choices options"] | None = None,
) -> Rollout:
    """Samples candidates from some of the networks, given by their rows; see `rollouts`."""
    policies = jax.tree.map(lambda leaf: leaf[which], policy)
    return rollouts(policies, tables, problem, noise, uniform_share, favour, allowed)


@partial(jax.jit, static_argnames=("config",), compiler_options=_QUICK_TO_COMPILE)
def update(
    state: LearnerState,
    tables: Tables,
    experience: Experience,
    pick: Float[Array, "replicas"],
    config: TrainingConfig,
) -> LearnerState:
    """Learns from one evaluated trial: queue, baseline, and one step of Adam along equation (3).

    Args:
        state: what the learners know. It is not donated: an interrupt must find the old state whole.
        tables: the problems.
        experience: the trial of each replica.
        pick: Shape `[replicas]`, uniform in [0, 1): which trial of the queue is imitated.
        config: hyperparameters.
    """
    return jax.vmap(partial(_update_one, config=config), in_axes=(0, None, 0, 0))(state, tables, experience, pick)


@partial(jax.jit, static_argnames=("config",), compiler_options=_QUICK_TO_COMPILE)
def prefer(
    state: LearnerState, tables: Tables, experience: Experience, pairs: Pairs, config: TrainingConfig
) -> LearnerState:
    """Learns from pairs of trials by one step of Adam a batch; the trial told last goes to the queue.

    Args:
        state: what the learners know. It is not donated: an interrupt must find the old state whole.
        tables: the problems.
        experience: the trial of each replica.
        pairs: drawn from all its trials, Shape `[replicas, updates, pairs, ...]`.
        config: hyperparameters.
    """
    return jax.vmap(partial(_prefer_one, config=config), in_axes=(0, None, 0, 0))(state, tables, experience, pairs)


def moving_average(
    average: Float[Array, ""], started: Bool[Array, ""], reward: Float[Array, ""], decay: float
) -> Float[Array, ""]:
    """Returns the exponential moving average after a reward; it starts at the first (appendix A, the baseline b)."""
    return jnp.where(started, decay * average + (1.0 - decay) * reward, reward)


def _update_one(
    state: LearnerState, tables: Tables, experience: Experience, pick: Float[Array, ""], config: TrainingConfig
) -> LearnerState:
    problem, trajectory, reward, own = experience
    queue = insert(state.queue, problem, trajectory, reward, config)
    queued = draw(queue, problem, pick)
    baseline, started = state.baseline[problem], state.started[problem]
    advantage = jnp.where(own & started, reward - baseline, 0.0)
    average = moving_average(baseline, started, reward, config.baseline_decay)

    def loss(policy: Policy) -> Float[Array, ""]:
        return -objective(policy, tables, trajectory, advantage, queued, config)

    changes, optimizer = _adam(config).update(jax.grad(loss)(state.policy), state.optimizer)
    return LearnerState(
        policy=optax.apply_updates(state.policy, changes),
        optimizer=optimizer,
        baseline=state.baseline.at[problem].set(jnp.where(own, average, baseline)),
        started=state.started.at[problem].set(started | own),
        trials=state.trials.at[problem].add(1),
        queue=queue,
    )


def _prefer_one(
    state: LearnerState, tables: Tables, experience: Experience, pairs: Pairs, config: TrainingConfig
) -> LearnerState:
    adam = _adam(config)

    def step(carry: tuple[Policy, optax.OptState], batch: Pairs) -> tuple[tuple[Policy, optax.OptState], None]:
        policy, optimizer = carry

        def loss(policy: Policy) -> Float[Array, ""]:
            return -preferences(policy, tables, batch.better, batch.worse, batch.weight, config)

        changes, optimizer = adam.update(jax.grad(loss)(policy), optimizer)
        return (optax.apply_updates(policy, changes), optimizer), None

    (policy, optimizer), _ = jax.lax.scan(step, (state.policy, state.optimizer), pairs)
    problem, trajectory, reward, _ = experience
    return LearnerState(
        policy=policy,
        optimizer=optimizer,
        baseline=state.baseline,
        started=state.started,
        trials=state.trials.at[problem].add(1),
        queue=insert(state.queue, problem, trajectory, reward, config),
    )


def _adam(config: TrainingConfig) -> optax.GradientTransformation:
    # All parameters as one vector: one kernel to compile instead of one for each tensor.
    return optax.flatten(optax.adam(config.learning_rate, config.adam_b1, config.adam_b2, config.adam_epsilon))
