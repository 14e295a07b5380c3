"""Likelihoods of trajectories under a policy, of which the objectives of the learning rules are made.

Shapes: `steps` of a trajectory, `actions` available at a step.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..policy.policy import Policy, inherited
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory


def step_log_probs(
    policy: Policy, tables: Tables, trajectory: Trajectory
) -> tuple[Float[Array, "steps actions"], Bool[Array, "steps actions"]]:
    """Returns the log-probability of every action at every step, and whether an entry is real.

    An entry is real if its action is available and its step is one of the trajectory, S excluded. Unavailable actions
    hold 0, so that they add nothing to a sum.

    Args:
        policy: one policy.
        tables: the problems.
        trajectory: one trajectory.
    """
    policy = inherited(policy, tables.lineage)
    logits = policy.candidate_logits(tables.decisions, trajectory, tables.slots)
    return masked_log_softmax(logits, tables.decisions.available[trajectory.decisions]), _real(tables, trajectory)


def log_prob(policy: Policy, tables: Tables, trajectory: Trajectory) -> Float[Array, ""]:
    """Returns the log-probability of a trajectory given its space and task: the sum over m of log pi(a_m | ...)."""
    log_pi, real = step_log_probs(policy, tables, trajectory)
    return chosen_log_prob(log_pi, real, trajectory)


def chosen_log_prob(
    log_pi: Float[Array, "steps actions"], real: Bool[Array, "steps actions"], trajectory: Trajectory
) -> Float[Array, ""]:
    """Returns the log-probability of a trajectory, given the results of `step_log_probs`."""
    picked = jax.nn.one_hot(trajectory.actions, log_pi.shape[1], dtype=bool)
    return jnp.sum(jnp.where(picked & real, log_pi, 0.0))


def entropy(log_pi: Float[Array, "steps actions"], real: Bool[Array, "steps actions"]) -> Float[Array, ""]:
    """Returns the mean over a trajectory's M steps of the policy's entropy: H of equation (2)."""
    steps = jnp.maximum(jnp.sum(jnp.any(real, -1)), 1)
    return -jnp.sum(jnp.where(real, jnp.exp(log_pi) * log_pi, 0.0)) / steps  # Eq. (2), third line


def uniform_log_prob(real: Bool[Array, "steps actions"]) -> Float[Array, ""]:
    """Returns the log-probability of a trajectory if each action were drawn uniformly from those available."""
    return -jnp.sum(jnp.log(jnp.maximum(jnp.sum(real, -1), 1)))


def masked_log_softmax(
    logits: Float[Array, "*rows actions"], available: Bool[Array, "*rows actions"]
) -> Float[Array, "*rows actions"]:
    """Returns log-probabilities over the available actions, and 0 for the other actions."""
    log_pi = jax.nn.log_softmax(jnp.where(available, logits, -jnp.inf), -1)
    return jnp.where(available, log_pi, 0.0)


def _real(tables: Tables, trajectory: Trajectory) -> Bool[Array, "steps actions"]:
    step = jnp.arange(trajectory.decisions.shape[0])
    inside = (step > 0) & (step < trajectory.length)
    return tables.decisions.available[trajectory.decisions] & inside[:, None]
