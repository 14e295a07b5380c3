"""What the policy climbs: equations (2) and (3) of the paper's appendix A.

Shapes: `steps` of a trajectory, `actions` available at a step.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..policy.policy import Policy, inherited
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory
from .rules import Preferences, Reinforce


def step_log_probs(
    policy: Policy, tables: Tables, trajectory: Trajectory
) -> tuple[Float[Array, "steps actions"], Bool[Array, "steps actions"]]:
    """Returns the log-probability of every available action at every step, and which entries are real.

    Unavailable actions and padded steps hold 0, so that sums need no care; S, whose action is given, holds 0 as well.
    """
    policy = inherited(policy, tables.lineage)
    logits = policy.candidate_logits(tables.decisions, trajectory, tables.slots)
    return masked_log_softmax(logits, tables.decisions.available[trajectory.decisions]), _real(tables, trajectory)


def log_prob(policy: Policy, tables: Tables, trajectory: Trajectory) -> Float[Array, ""]:
    """Returns the log-probability of a trajectory given its space and task: the sum over m of log pi(a_m | ...)."""
    log_pi, real = step_log_probs(policy, tables, trajectory)
    return _chosen(log_pi, real, trajectory)


def entropy(log_pi: Float[Array, "steps actions"], real: Bool[Array, "steps actions"]) -> Float[Array, ""]:
    """Returns the mean over a trajectory's M steps of the policy's entropy: H of equation (2)."""
    steps = jnp.maximum(jnp.sum(jnp.any(real, -1)), 1)
    return -jnp.sum(jnp.where(real, jnp.exp(log_pi) * log_pi, 0.0)) / steps  # Eq. (2), third line


def objective(
    policy: Policy,
    tables: Tables,
    sampled: Trajectory,
    advantage: Float[Array, ""],
    queued: Trajectory,
    rule: Reinforce,
) -> Float[Array, ""]:
    """Returns what equation (3) is the gradient of; it is to be climbed.

    Args:
        policy: the network.
        tables: the problems.
        sampled: the trial that was told.
        advantage: its reward less the baseline; 0 takes the REINFORCE term out.
        queued: a trial of the problem's queue.
        rule: the weights of the terms.
    """
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), sampled, queued)
    log_pi, real = jax.vmap(step_log_probs, in_axes=(None, None, 0))(policy, tables, both)
    reinforce = advantage * _chosen(log_pi[0], real[0], sampled)  # Eq. (2), first line
    priority_queue = _chosen(log_pi[1], real[1], queued)  # Eq. (2), second line
    regulariser = entropy(log_pi[0], real[0])
    return reinforce + rule.pqt_weight * priority_queue + rule.entropy_weight * regulariser  # Eq. (3)


def preferences(
    policy: Policy,
    tables: Tables,
    better: Trajectory,
    worse: Trajectory,
    weight: Float[Array, "pairs"],
    imitation: Float[Array, "pairs"],
    rule: Preferences,
) -> Float[Array, ""]:
    """Returns how well a policy tells better from worse trials; it is to be climbed.

    The log-probability of a trial is taken for a score, and each pair for a game of Bradley and Terry (1952): the mean
    log-likelihood of the results, as in direct preference optimisation (Rafailov et al. 2023) with a uniform reference.
    Pairs that are told apart pull no more, so that the policy does not collapse on its best trials as by imitation, and
    what it knows of bad ones is used. The entropy of equation (2) is added.

    Of trials that others proposed the order is not enough. What they tried most loses most pairs, though it is good,
    and what the losers give up goes to what nobody tried. So the likelihood of the better ones can be added.

    Args:
        policy: the network.
        tables: the problems.
        better: Shape `[pairs, ...]`.
        worse: Shape `[pairs, ...]`.
        weight: Shape `[pairs]`, of each pair.
        imitation: Shape `[pairs]`, what the log-probability of the better trial weighs.
        rule: `scale` and the weights of the entropy.
    """
    both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), better, worse)
    log_pi, real = jax.vmap(step_log_probs, in_axes=(None, None, 0))(policy, tables, both)
    first, second = jnp.split(jax.vmap(_chosen)(log_pi, real, both), 2)
    expected = jnp.split(jax.vmap(uniform_log_prob)(real), 2)
    ahead = (first - second) - (expected[0] - expected[1])
    likelihood = weight * jax.nn.log_sigmoid(rule.scale * ahead) + imitation * first
    weight_of_entropy = jnp.where(tables.problems > 1, rule.joint_entropy_weight, rule.entropy_weight)
    return jnp.mean(likelihood) + weight_of_entropy * jnp.mean(jax.vmap(entropy)(log_pi, real))


def uniform_log_prob(real: Bool[Array, "steps actions"]) -> Float[Array, ""]:
    """Returns the log-probability of a trajectory if each action were drawn uniformly from those available."""
    return -jnp.sum(jnp.log(jnp.maximum(jnp.sum(real, -1), 1)))


def masked_log_softmax(
    logits: Float[Array, "*rows actions"], available: Bool[Array, "*rows actions"]
) -> Float[Array, "*rows actions"]:
    """Returns log-probabilities over the available actions, and 0 for the others."""
    log_pi = jax.nn.log_softmax(jnp.where(available, logits, -jnp.inf), -1)
    return jnp.where(available, log_pi, 0.0)


def _real(tables: Tables, trajectory: Trajectory) -> Bool[Array, "steps actions"]:
    step = jnp.arange(trajectory.decisions.shape[0])
    inside = (step > 0) & (step < trajectory.length)
    return tables.decisions.available[trajectory.decisions] & inside[:, None]


def _chosen(
    log_pi: Float[Array, "steps actions"], real: Bool[Array, "steps actions"], trajectory: Trajectory
) -> Float[Array, ""]:
    picked = jax.nn.one_hot(trajectory.actions, log_pi.shape[1], dtype=bool)
    return jnp.sum(jnp.where(picked & real, log_pi, 0.0))
