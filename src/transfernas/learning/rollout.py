"""Sampling a trajectory of a declared space inside jit, decision by decision.

Shapes: `steps` of a trajectory, `choices` of a space, `actions` of a decision.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..policy.decoding import Cache, append, decode_step, empty_cache
from ..policy.transformer import Transformer
from ..spaces.encoding import Rules, Tables, Trajectory
from .objective import masked_log_softmax


class Rollout(NamedTuple):
    """A sampled trajectory.

    Attributes:
        trajectory: what was decided.
        taken: Shape `[choices]`, the action of each choice of the space, S among them; `actions` where inactive.
        log_prob: Shape `[]`, of the trajectory under the policy alone, without the uniform share.
    """

    trajectory: Trajectory
    taken: Int[Array, "*batch choices"]
    log_prob: Float[Array, "*batch"]


class _Carry(NamedTuple):
    cache: Cache
    taken: Int[Array, "choices"]
    decisions: Int[Array, "steps"]
    actions: Int[Array, "steps"]
    length: Int[Array, ""]
    log_prob: Float[Array, ""]
    next: Int[Array, ""]
    unfinished: Bool[Array, ""]


def rollout(
    policy: Transformer,
    tables: Tables,
    problem: Int[Array, ""],
    noise: Float[Array, "steps"],
    uniform_share: Float[Array, ""],
) -> Rollout:
    """Samples a trajectory of a problem.

    Args:
        policy: the network.
        tables: the problems.
        problem: row of the problem.
        noise: in [0, 1); uniform, it makes the actions follow the policy: the action taken is the one at which the
            cumulative probability passes the noise of the step.
        uniform_share: gamma of equation (1).
    """
    decisions, task, steps = tables.decisions, tables.task[problem], noise.shape[0]
    rules = jax.tree.map(lambda table: table[tables.space[problem]], tables.rules)
    n_actions, n_choices = decisions.actions.shape[1], rules.decision.shape[0]

    def body(step: Int[Array, ""], carry: _Carry) -> _Carry:
        decision = rules.decision[carry.next]
        logits, entries = decode_step(policy, decisions, carry.cache, task, step, decision)
        available = decisions.available[decision]
        log_pi = masked_log_softmax(logits, available)
        action = _pick(_mix(log_pi, available, uniform_share), available, noise[step])
        # A finished trajectory waits for the others of the batch: its writes fall outside and are dropped.
        choice, position = (jnp.where(carry.unfinished, index, steps + n_choices) for index in (carry.next, step))
        taken = carry.taken.at[choice].set(action, mode="drop")
        following, more = _next_choice(rules, taken, carry.next)
        return _Carry(
            cache=append(carry.cache, entries, step, action),
            taken=taken,
            decisions=carry.decisions.at[position].set(decision, mode="drop"),
            actions=carry.actions.at[position].set(action, mode="drop"),
            length=carry.length + carry.unfinished,
            log_prob=carry.log_prob + jnp.where(carry.unfinished, log_pi[action], 0.0),
            next=following,
            unfinished=carry.unfinished & more,
        )

    zero = jnp.zeros((), jnp.int32)
    blank = jnp.zeros(steps, jnp.int32)
    nothing = jnp.full(n_choices, n_actions, jnp.int32)
    start = _Carry(empty_cache(policy, steps), nothing, blank, blank, zero, jnp.zeros(()), zero, jnp.array(True))
    end = jax.lax.fori_loop(0, tables.longest, body, start)
    return Rollout(Trajectory(task, end.decisions, end.actions, end.length), end.taken, end.log_prob)


def _mix(
    log_pi: Float[Array, "actions"], available: Bool[Array, "actions"], uniform_share: Float[Array, ""]
) -> Float[Array, "actions"]:
    uniform = uniform_share / jnp.sum(available)
    return jnp.where(available, (1.0 - uniform_share) * jnp.exp(log_pi) + uniform, 0.0)  # Eq. (1)


def _pick(
    probabilities: Float[Array, "actions"], available: Bool[Array, "actions"], noise: Float[Array, ""]
) -> Int[Array, ""]:
    cumulative = jnp.cumsum(probabilities)
    passed = jnp.sum(cumulative <= noise * cumulative[-1])
    return jnp.minimum(passed, jnp.sum(available) - 1).astype(jnp.int32)  # rounding must not pass the last action


def _next_choice(
    rules: Rules, taken: Int[Array, "choices"], last: Int[Array, ""]
) -> tuple[Int[Array, ""], Bool[Array, ""]]:
    """Returns the first active choice behind the last one, and whether there is one.

    Choices between the last and the next are inactive, and so are they in `taken`: each condition reads what it would
    read if the choices were made one by one.
    """
    holds = jnp.take_along_axis(rules.allows, taken[rules.choice][..., None], axis=-1)[..., 0]
    active = jnp.any(jnp.all(holds, -1), -1) & (jnp.arange(taken.shape[0]) > last)
    return jnp.argmax(active).astype(jnp.int32), jnp.any(active)
