"""Sampling trajectories of declared spaces inside jit, decision by decision.

Shapes: `steps` of a trajectory, `choices` of a space, `actions` of a decision; `replicas` and `candidates` before them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..arrays import AnyArray
from ..policy.policy import Cache, Candidates, Policy, inherited
from ..spaces.encoding import Encoding
from ..spaces.tables import Decisions, Rules, Tables
from ..spaces.trajectory import Trajectory, blank_trajectories
from .likelihood import masked_log_softmax


class Rollout(NamedTuple):
    """A sampled trajectory.

    Attributes:
        trajectory: the decisions.
        action_indices: Shape `[choices]`, the action of each choice of the space, S among them; `actions` where
            inactive.
        log_prob: Shape `[]`, the log-probability of the trajectory under the policy, without the uniform share.
    """

    trajectory: Trajectory
    action_indices: Int[AnyArray, "*batch choices"]
    log_prob: Float[AnyArray, "*batch"]


def rollouts_of(encoding: Encoding, row: int, made: Int[np.ndarray, "configs choices"]) -> Rollout:
    """Returns configurations of a problem as rollouts of Shape `[configs, ...]`, with NaN for the log-probability.

    Args:
        encoding: the problems.
        row: the row of the problem.
        made: Shape `[configs, choices]`, the position of the action of each choice; negative where it is not made.
    """
    choices = encoding.problems[row].space.choices
    configs = [
        {choice.name: choice.at(at) for choice, at in zip(choices, each, strict=True) if at >= 0}
        for each in made.tolist()
    ]
    indices = np.array([encoding.action_indices(row, config) for config in configs])
    return Rollout(
        encoding.sequences([row] * len(configs), configs), indices, np.full(len(configs), np.nan, np.float32)
    )


def at_index(rollouts: Rollout, index: Any) -> Rollout:
    """Returns rollouts at an index of NumPy's."""
    found: Rollout = jax.tree.map(lambda leaf: leaf[index], rollouts)
    return found


def blank_rollouts(encoding: Encoding, replicas: int) -> Rollout:
    """Returns rollouts of zeros for so many replicas, as NumPy arrays."""
    choices = encoding.tables.rules.decision.shape[1]
    return Rollout(
        blank_trajectories((replicas,), encoding.steps),
        np.zeros((replicas, choices), np.int32),
        np.full(replicas, np.nan, np.float32),
    )


def replace_rows(rollout: Rollout, rows: Int[np.ndarray, "some"], fresh: Rollout) -> Rollout:
    """Replaces rows of rollouts, which are NumPy arrays, by others of Shape `[some, ...]`; returns the rollouts."""
    for leaf, new in zip(jax.tree.leaves(rollout), jax.tree.leaves(fresh), strict=True):
        leaf[rows] = new
    return rollout


def sample_rollouts(
    policy: Policy,
    tables: Tables,
    problem: Int[Array, "replicas"],
    noise: Float[Array, "replicas candidates steps"],
    uniform_share: Float[Array, "candidates"],
    logit_bonus: Float[Array, "replicas actions"],
    allowed: Bool[Array, "choices options"] | None = None,
) -> Rollout:
    """Samples trajectories, several candidates for each replica.

    Args:
        policy: the networks, one for each replica.
        tables: the problems.
        problem: Shape `[replicas]`, the row of the problem to sample for.
        noise: Shape `[replicas, candidates, steps]`, in [0, 1). Uniform noise makes the actions follow the policy: the
            action taken is the one at which the cumulative probability passes the noise of the step.
        uniform_share: Shape `[candidates]`, gamma of equation (1).
        logit_bonus: Shape `[replicas, actions]`, the numbers that are added to the policy's logits.
        allowed: Shape `[choices, actions]`, whether an action may be taken, at least one action of each choice; None
            for all actions. If one action is left, it is taken, and adds nothing to `log_prob`.

    Returns:
        Rollouts, Shape `[replicas, candidates, ...]`.
    """
    replicas, n_candidates, steps = noise.shape
    task = tables.task[problem]
    rules = jax.tree.map(lambda table: table[tables.space[problem]], tables.rules)
    policy = jax.vmap(inherited, in_axes=(0, None))(policy, tables.lineage)
    known = jax.vmap(type(policy).candidates, in_axes=(0, None, 0))(policy, tables.decisions, task)
    over_candidates = jax.vmap(_advance, in_axes=(None, None, None, None, 0, 0, None, None, None, 0))
    over_replicas = jax.vmap(over_candidates, in_axes=(0, None, 0, 0, 0, None, 0, None, None, 0))

    def body(step: Int[Array, ""], carry: _Carry) -> _Carry:
        here = policy, tables.decisions, rules, known, noise, uniform_share, logit_bonus, allowed
        return over_replicas(*here, step, carry)

    one = _start(jax.tree.map(lambda leaf: leaf[0], policy), tables, steps)
    start = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (replicas, n_candidates, *leaf.shape)), one)
    end = _in_blocks(policy, tables.longest, steps, body, start)
    tasks = jnp.broadcast_to(task[:, None], (replicas, n_candidates))
    return Rollout(Trajectory(tasks, end.decisions, end.actions, end.length), end.action_indices, end.log_prob)


class _Carry(NamedTuple):
    cache: Cache
    action_indices: Int[Array, "choices"]
    decisions: Int[Array, "steps"]
    actions: Int[Array, "steps"]
    length: Int[Array, ""]
    log_prob: Float[Array, ""]
    choice: Int[Array, ""]
    unfinished: Bool[Array, ""]


def _in_blocks(
    policy: Policy,
    longest: Int[AnyArray, ""],
    steps: int,
    body: Callable[[Int[Array, ""], _Carry], _Carry],
    start: _Carry,
) -> _Carry:
    """Makes all steps, and settles the cache after each block of steps."""
    block = type(policy).block(steps)
    if block == steps:
        return jax.lax.fori_loop(0, longest, body, start)
    settled = jax.vmap(jax.vmap(type(policy).settled, in_axes=(None, 0, None)), in_axes=(0, 0, None))

    def made(number: Int[Array, ""], carry: _Carry) -> _Carry:
        first = number * block
        carry = jax.lax.fori_loop(first, jnp.minimum(first + block, longest), body, carry)
        return carry._replace(cache=settled(policy, carry.cache, first))

    return jax.lax.fori_loop(0, (longest + block - 1) // block, made, start)


def _start(policy: Policy, tables: Tables, steps: int) -> _Carry:
    zero, blank = jnp.zeros((), jnp.int32), jnp.zeros(steps, jnp.int32)
    nothing = jnp.full(tables.rules.decision.shape[1], tables.decisions.actions.shape[1], jnp.int32)
    return _Carry(policy.empty_cache(steps), nothing, blank, blank, zero, jnp.zeros(()), zero, jnp.array(True))


def _advance(
    policy: Policy,
    decisions: Decisions,
    rules: Rules,
    known: Candidates,
    noise: Float[Array, "steps"],
    uniform_share: Float[Array, ""],
    logit_bonus: Float[Array, "actions"],
    allowed: Bool[Array, "choices options"] | None,
    step: Int[Array, ""],
    carry: _Carry,
) -> _Carry:
    """Makes the next decision of a trajectory; a step after the trajectory's end changes nothing that is read later."""
    decision = rules.decision[carry.choice]
    candidate = jax.tree.map(lambda table: jax.lax.dynamic_index_in_dim(table, decision), known)
    logits, entries = policy.decode_step(candidate, carry.cache, step)
    available = decisions.available[decision]
    if allowed is not None:
        available &= allowed[carry.choice]
    log_pi = masked_log_softmax(logits + logit_bonus[decisions.actions[decision]], available)
    action = _pick(_mix(log_pi, available, uniform_share), available, noise[step])

    def write(row: Int[Array, "size"], at: Int[Array, ""], value: Int[Array, ""]) -> Int[Array, "size"]:
        return jnp.where((jnp.arange(row.shape[0]) == at) & carry.unfinished, value, row)

    action_indices = write(carry.action_indices, carry.choice, action)
    following, more = _next_choice(rules, action_indices, carry.choice)
    return _Carry(
        cache=policy.append(carry.cache, entries, step, action),
        action_indices=action_indices,
        decisions=write(carry.decisions, step, decision),
        actions=write(carry.actions, step, action),
        length=carry.length + carry.unfinished,
        log_prob=carry.log_prob + jnp.where(carry.unfinished, log_pi[action], 0.0),
        choice=following,
        unfinished=carry.unfinished & more,
    )


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
    last = available.shape[0] - 1 - jnp.argmax(available[::-1])
    return jnp.minimum(passed, last).astype(jnp.int32)  # rounding must not pass the last action


def _next_choice(
    rules: Rules, action_indices: Int[Array, "choices"], last: Int[Array, ""]
) -> tuple[Int[Array, ""], Bool[Array, ""]]:
    """Returns the first active choice behind the last choice, and whether there is such a choice.

    The choices between the last and the next one are inactive, in `action_indices` too. So each condition reads the
    same actions as if the choices were made one by one.
    """
    # Behind the last choice is padding, without a decision: a space of few choices is not to pay for a look at it.
    count = jnp.max(jnp.where(rules.decision > 0, jnp.arange(action_indices.shape[0]), 0)) + 1

    def passed_over(at: Int[Array, ""]) -> Bool[Array, ""]:
        looked_at, allows = (jax.lax.dynamic_index_in_dim(table, at, keepdims=False) for table in rules[1:])
        holds = jnp.take_along_axis(allows, action_indices[looked_at][..., None], axis=-1)[..., 0]
        return (at < count) & ~jnp.any(jnp.all(holds, -1))

    # Choice by choice: mostly the next choice is active. With hundreds of choices, looking at all takes as long as the
    # network does.
    found = jax.lax.while_loop(passed_over, lambda at: at + 1, last + 1)
    return jnp.where(found < count, found, 0), found < count
