"""The two compiled functions, `sample` and `climb`, over independent replicas (paper, appendix A).

Both are pure, and are compiled once for the shapes of a set of problems.

Shapes: `replicas` come first everywhere; `candidates` are alternative configurations for one trial; `problems`, `steps`
and `choices` are those of the encoding.
"""

import functools
from functools import partial

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from ..policy.architecture import Capacity, NetworkConfig
from ..policy.networks import draw_policy
from ..policy.policy import Policy
from ..processes.exported import exported
from ..processes.runtime import run
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory
from .config import TrainingConfig
from .rollout import Rollout, sample_rollouts
from .rule import Batch, LearningRule

# The network is small and compiled for each new shape: LLVM's second level of optimisation costs a fifth more
# compilation, without a measurable gain.
_QUICK_TO_COMPILE = {"xla_backend_optimization_level": 1}


class LearnerState(eqx.Module):
    """The networks of learners and their optimisers; every leaf has the policies of all replicas first.

    Attributes:
        policy: the networks.
        optimizer: the moments of Adam.
    """

    policy: Policy
    optimizer: optax.OptState


def init_state(rng: np.random.Generator, replicas: int, capacity: Capacity, config: TrainingConfig) -> LearnerState:
    """Returns untrained networks and their optimisers, as NumPy arrays.

    Args:
        rng: the generator of the weights.
        replicas: the number of networks.
        capacity: the room in the networks' tables.
        config: the settings.
    """
    return fresh_state(init_policies(rng, replicas, capacity, config.network), config.rule)


def init_policies(rng: np.random.Generator, replicas: int, capacity: Capacity, network: NetworkConfig) -> Policy:
    """Draws the networks of the replicas, as NumPy arrays."""
    policies = [draw_policy(rng, capacity, network) for _ in range(replicas)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *policies)


def fresh_state(policy: Policy, rule: LearningRule) -> LearnerState:
    """Returns networks with optimisers that have made no step."""
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
    """Returns the moments' shapes, cached for spaces that grow parameter by parameter and need them again and again."""
    policy = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    return jax.eval_shape(jax.vmap(_adam(rule).init), policy)


@partial(jax.jit, compiler_options=_QUICK_TO_COMPILE)
@exported(lambda *_: Rollout(Trajectory(*Trajectory._fields), 0, 0))
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
@exported(lambda state, *_: state)
def climb(state: LearnerState, tables: Tables, batch: Batch, rule: LearningRule) -> LearnerState:
    """Learns from a batch of trials: a step of Adam up the rule's objective for each update.

    Args:
        state: the networks and their optimisers. They are not donated: an interrupt must find the old state whole.
        tables: the problems.
        batch: a PyTree that the rule drew, Shape `[policies, updates, ...]`.
        rule: the learning rule.
    """
    return jax.vmap(partial(_climb_one, rule=rule), in_axes=(0, None, 0))(state, tables, batch)


def _climb_one(state: LearnerState, tables: Tables, batch: Batch, rule: LearningRule) -> LearnerState:
    adam = _adam(rule)

    def step(carry: tuple[Policy, optax.OptState], update: Batch) -> tuple[tuple[Policy, optax.OptState], None]:
        policy, optimizer = carry

        def loss(policy: Policy) -> Float[Array, ""]:
            return -rule.objective(policy, tables, update)

        changes, optimizer = adam.update(jax.grad(loss)(policy), optimizer)
        return (optax.apply_updates(policy, changes), optimizer), None

    (policy, optimizer), _ = jax.lax.scan(step, (state.policy, state.optimizer), batch)
    return LearnerState(policy, optimizer)


def _adam(rule: LearningRule) -> optax.GradientTransformation:
    # All parameters as one vector: one kernel to compile instead of one for each tensor.
    return optax.flatten(optax.adam(rule.learning_rate, rule.adam_b1, rule.adam_b2, rule.adam_epsilon))
