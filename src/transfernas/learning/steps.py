"""The two compiled functions, sample and update, over independent replicas (paper, appendix A).

Both are pure and compiled once for the shapes of a set of problems. Shapes: `replicas` come first everywhere;
`candidates` are alternative configurations for one trial; `problems`, `steps`, `choices` as in the encoding.
"""

import dataclasses
import functools
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from ..policy.architecture import Capacity, NetworkConfig
from ..policy.networks import draw_policy
from ..policy.policy import Policy
from ..processes.runtime import run
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory
from .config import TrainingConfig
from .objective import objective, preferences
from .pairs import Pairs
from .rollout import Rollout, sample_rollouts
from .rules import LearningRule, Preferences, Reinforce

# The network is small and compiled for each new shape: LLVM's second level of optimisation costs a fifth more
# compilation and gains nothing that could be measured.
_QUICK_TO_COMPILE = {"xla_backend_optimization_level": 1}


class LearnerState(eqx.Module):
    """The networks of learners, and what trains them; every leaf has the replicas first.

    Attributes:
        policy: the networks.
        optimizer: the moments of Adam.
    """

    policy: Policy
    optimizer: optax.OptState


def init_state(rng: np.random.Generator, replicas: int, capacity: Capacity, config: TrainingConfig) -> LearnerState:
    """Returns learners that know nothing, as NumPy arrays.

    Args:
        rng: for the weights.
        replicas: how many.
        capacity: room in the network's tables.
        config: hyperparameters.
    """
    return fresh_state(init_policies(rng, replicas, capacity, config.network), config.rule)


def init_policies(rng: np.random.Generator, replicas: int, capacity: Capacity, network: NetworkConfig) -> Policy:
    """Draws the networks of the replicas, as NumPy arrays."""
    policies = [draw_policy(rng, capacity, network) for _ in range(replicas)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *policies)


def fresh_state(policy: Policy, rule: LearningRule) -> LearnerState:
    """Returns learners that have these networks, and were not trained yet."""
    return LearnerState(policy, run(no_moments, policy, rule))


def no_moments(policy: Policy, rule: LearningRule) -> optax.OptState:
    """Returns the moments of Adam before its first step, as NumPy arrays."""
    leaves, structure = jax.tree.flatten(policy)
    shapes = _shapes_of_moments(structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves), rule)
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


@functools.lru_cache(maxsize=100)
def _shapes_of_moments(
    structure: jax.tree_util.PyTreeDef, leaves: tuple[tuple[tuple[int, ...], np.dtype], ...], rule: LearningRule
) -> optax.OptState:
    """Returns the moments' shapes: a search that asks for a parameter after the other looks at them again and again."""
    policy = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    return jax.eval_shape(jax.vmap(_adam(rule).init), policy)


@partial(jax.jit, compiler_options=_QUICK_TO_COMPILE)
def sample(
    policy: Policy,
    which: Int[Array, "replicas"],
    tables: Tables,
    problem: Int[Array, "replicas"],
    noise: Float[Array, "replicas candidates steps"],
    uniform_share: Float[Array, "candidates"],
    logit_bonus: Float[Array, "replicas actions"],
    allowed: Bool[Array, "choices options"] | None = None,
) -> Rollout:
    """Samples candidates from some of the networks, given by their rows; see `sample_rollouts`."""
    policies = jax.tree.map(lambda leaf: leaf[which], policy)
    return sample_rollouts(policies, tables, problem, noise, uniform_share, logit_bonus, allowed)


@partial(jax.jit, static_argnames=("rule",), compiler_options=_QUICK_TO_COMPILE)
def update(
    state: LearnerState,
    tables: Tables,
    trajectory: Trajectory,
    advantage: Float[Array, "replicas"],
    queued: Trajectory,
    rule: Reinforce,
) -> LearnerState:
    """Learns from one evaluated trial: one step of Adam along equation (3).

    Args:
        state: what the learners know. It is not donated: an interrupt must find the old state whole.
        tables: the problems.
        trajectory: the trial of each replica.
        advantage: Shape `[replicas]`, its reward less the baseline; 0 where REINFORCE does not take it.
        queued: the trial of each replica's queue that is imitated.
        rule: its settings.
    """
    one = jax.vmap(partial(_update_one, rule=rule), in_axes=(0, None, 0, 0, 0))
    return one(state, tables, trajectory, advantage, queued)


@partial(jax.jit, static_argnames=("rule",), compiler_options=_QUICK_TO_COMPILE)
def prefer(state: LearnerState, tables: Tables, pairs: Pairs, rule: Preferences) -> LearnerState:
    """Learns from pairs of trials by one step of Adam a batch.

    Args:
        state: what the learners know. It is not donated: an interrupt must find the old state whole.
        tables: the problems.
        pairs: drawn from all its trials, Shape `[replicas, updates, pairs, ...]`.
        rule: its settings.
    """
    return jax.vmap(partial(_prefer_one, rule=rule), in_axes=(0, None, 0))(state, tables, pairs)


def _update_one(
    state: LearnerState,
    tables: Tables,
    trajectory: Trajectory,
    advantage: Float[Array, ""],
    queued: Trajectory,
    rule: Reinforce,
) -> LearnerState:
    def loss(policy: Policy) -> Float[Array, ""]:
        return -objective(policy, tables, trajectory, advantage, queued, rule)

    changes, optimizer = _adam(rule).update(jax.grad(loss)(state.policy), state.optimizer)
    return LearnerState(optax.apply_updates(state.policy, changes), optimizer)


def _prefer_one(state: LearnerState, tables: Tables, pairs: Pairs, rule: Preferences) -> LearnerState:
    adam = _adam(rule)

    def step(carry: tuple[Policy, optax.OptState], batch: Pairs) -> tuple[tuple[Policy, optax.OptState], None]:
        policy, optimizer = carry

        def loss(policy: Policy) -> Float[Array, ""]:
            policy = of_unknown_task(policy, tables, batch.unknown)
            return -preferences(policy, tables, batch.better, batch.worse, batch.weight, batch.imitation, rule)

        changes, optimizer = adam.update(jax.grad(loss)(policy), optimizer)
        return (optax.apply_updates(policy, changes), optimizer), None

    (policy, optimizer), _ = jax.lax.scan(step, (state.policy, state.optimizer), pairs)
    return LearnerState(policy, optimizer)


def of_unknown_task(policy: Policy, tables: Tables, unknown: Bool[Array, ""]) -> Policy:
    """Returns a policy that takes all tasks for the mean of them, which a new task may start as."""
    real = jnp.arange(tables.task.shape[0]) < tables.problems
    known = policy.task[tables.task]
    mean = jnp.sum(jnp.where(real[:, None], known, 0.0), 0) / tables.problems
    return dataclasses.replace(policy, task=policy.task.at[tables.task].set(jnp.where(unknown, mean, known)))


def _adam(rule: LearningRule) -> optax.GradientTransformation:
    # All parameters as one vector: one kernel to compile instead of one for each tensor.
    return optax.flatten(optax.adam(rule.learning_rate, rule.adam_b1, rule.adam_b2, rule.adam_epsilon))
