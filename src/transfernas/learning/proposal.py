"""Proposing valid configurations: who proposes, draws, and which of them is taken."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from ..processes.runtime import run
from ..spaces.encoding import Encoding
from ..spaces.problem import no_valid
from ..spaces.space import SearchSpace
from ..spaces.trajectory import pad_trajectory
from .bandit import EXPLORING, NEW_POLICY, POLICY_OF, WARM_START
from .learner import Learner
from .network_cache import Networks
from .randomness import Purpose, generator
from .replay import are_among, fingerprints
from .rollout import Rollout
from .steps import sample
from .warm_start import WarmStartConfigs

RowIndices = Int[np.ndarray, "sought"]
ActionIndices = Int[np.ndarray, "sought candidates choices"]
FirstValidFn = Callable[[RowIndices, ActionIndices], RowIndices]
"""From problems and candidates for each to the first valid candidate; to their number where none is."""

BeforeDrawFn = Callable[[int], None]
"""Told how many candidates will be drawn at once, before they are."""

# Candidates drawn at once: one, or several where many are invalid. At NAS-Bench-101's size four cost twice as much as
# one, and sixteen as much as four times four, so that there are only two sizes to compile.
# Several are drawn where fewer than a share of the latest were valid; a candidate counts a tenth. Not for tuning: these
# numbers say what a proposal costs, not which one is made of the candidates.
SMALL_BATCH, LARGE_BATCH = 1, 4
_OFTEN_VALID = 0.6
_BEFORE, _NOW = 0.9, 0.1

NONE_PENDING = np.zeros(0, np.uint64)

# A policy that is sure of what was evaluated already is made to look elsewhere: beside its own draws there are so many
# in which a share is uniform, from little to all, for where its own are known; and with each attempt a larger share of
# its own is. Where all is evaluated, what was may be proposed again after so many attempts. Long trajectories, of which
# hardly any comes twice, go without these draws. Not for tuning: they count where a policy's own are used up.
MIXED_DRAWS = 8
UNIFORM_PER_ATTEMPT, ATTEMPTS = 0.03, 30


class _Excluded(NamedTuple):
    """What is not to be proposed again.

    Attributes:
        pending: see `propose`.
        repeatable: see there.
        networks: for each replica those that it evaluated or evaluates, see `NetworkCache.known`.
    """

    pending: UInt64[np.ndarray, "pending"]
    repeatable: UInt64[np.ndarray, "again"]
    networks: tuple[Networks | None, ...]


class Proposal(NamedTuple):
    """One trial for each replica.

    Attributes:
        problem: Shape `[replicas]`, row of the problem.
        rollout: Shape `[replicas, ...]`, as NumPy arrays.
        proposer: Shape `[replicas]`, which policy of each replica proposes, or its warm start.
    """

    problem: Int[np.ndarray, "replicas"]
    rollout: Rollout
    proposer: Int[np.ndarray, "replicas"]


def count_candidates(learner: Learner) -> int:
    """How many candidates to draw at once: as many as configured; or one, several where many are invalid."""
    config = learner.config.proposal
    if config.best_of is not None:
        return config.best_of.draws + (0 if config.repeats or learner.encoding.wide else MIXED_DRAWS)
    return SMALL_BATCH if not learner.restricted or learner.acceptance > _OFTEN_VALID else LARGE_BATCH


def propose(
    learner: Learner,
    first_valid: FirstValidFn | None = None,
    before_draw: BeforeDrawFn | None = None,
    pending: UInt64[np.ndarray, "pending"] = NONE_PENDING,
    allowed: Bool[np.ndarray, "choices options"] | None = None,
    repeatable: UInt64[np.ndarray, "again"] = NONE_PENDING,
) -> tuple[Learner, Proposal]:
    """Draws a problem uniformly and a valid configuration from the policy, for each replica.

    Args:
        learner: the replicas.
        first_valid: finds the first valid candidate; by default it asks the problems' own `valid`.
        before_draw: called before each draw.
        pending: the `replay.fingerprints` of trials that are being evaluated; where the agent does not repeat, they are
            not proposed again either. Those of problems with a key must be known to `learner.network_cache`.
        allowed: see `rollouts`; where it is given, the warm start proposes only what it allows.
        repeatable: the fingerprints of what may be proposed again though the agent does not repeat: its actions stand
            for more than one value.

    Raises:
        ValueError: `ProposalConfig.max_candidates` configurations were drawn for one replica and none was valid.
        TypeError: what a problem's key returned is no network, see `problem.network_of`.
    """
    trial, config = learner.sampled, learner.config.proposal
    problem = _draw_problem(learner)
    networks: tuple[Networks | None, ...] = (None,) * learner.replicas
    if learner.keyed:
        networks = learner.network_cache.known(learner.encoding, problem, learner.replay, pending)
    evaluated = _Excluded(pending, repeatable, networks)
    proposer, rollout = _draw_proposer(learner, problem, evaluated, allowed)
    missing = proposer != WARM_START
    acceptance, attempt, tried = learner.acceptance, 0, 0
    find = first_valid or functools.partial(_first_valid, learner.encoding)
    while missing.any():
        if tried >= config.max_candidates:
            raise no_valid(learner.encoding.problems[int(problem[missing][0])], tried)
        count = count_candidates(learner) if attempt == 0 or config.best_of is not None else LARGE_BATCH
        if before_draw is not None:
            before_draw(count)
        sought = np.flatnonzero(missing)
        drawn = _draw(learner, problem, proposer, count, attempt, sought, allowed)
        once = not config.repeats and attempt < min(ATTEMPTS, config.max_candidates // count - 1)
        excluded = evaluated if once else None
        drawn, eligible = _rank(learner, problem[sought], proposer[sought], drawn, sought, excluded, allowed)
        first = find(problem[sought], drawn.action_indices)
        if excluded is not None:
            first = _first_new(learner, find, problem[sought], drawn, first, eligible, sought, excluded)
        missing[sought] = first >= eligible
        for refused in first.tolist():
            acceptance *= _BEFORE**refused
            acceptance += _NOW * (1 - acceptance) if refused < count else 0.0
        fresh = jax.tree.map(lambda leaf: leaf[np.arange(len(leaf)), first % count], drawn)  # noqa: B023  (used at once)
        rollout = fresh if rollout is None else _replace_rows(rollout, sought, fresh)
        attempt, tried = attempt + 1, tried + count
    assert rollout is not None
    return dataclasses.replace(learner, sampled=trial + 1, acceptance=acceptance), Proposal(problem, rollout, proposer)


def skip_trial(learner: Learner) -> Learner:
    """Returns the replicas after a proposal that failed: the next one is for another trial, with other draws."""
    return dataclasses.replace(learner, sampled=learner.sampled + 1)


def _draw_problem(learner: Learner) -> Int[np.ndarray, "replicas"]:
    n_problems = len(learner.encoding.problems)
    if n_problems == 1:
        return np.zeros(learner.replicas, np.int32)
    rng = generator(learner.seed, Purpose.PROBLEM, learner.sampled)
    return rng.integers(n_problems, size=learner.replicas, dtype=np.int32)


def _draw_proposer(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    evaluated: _Excluded,
    allowed: Bool[np.ndarray, "choices options"] | None,
) -> tuple[Int[np.ndarray, "replicas"], Rollout | None]:
    """Draws who proposes for each replica; the rollouts are those of the warm start, where any is to propose."""
    if learner.bandit is None or learner.warm_start is None:
        return np.zeros(learner.replicas, np.int32), None
    replay, config = learner.replay, learner.bandit_config
    evaluated_networks = _find_evaluated(learner, learner.warm_start, problem, evaluated.networks)
    following, source_record = learner.warm_start.next_configs(
        problem, replay, evaluated.pending, config.decay, allowed, evaluated_networks
    )
    rng = generator(learner.seed, Purpose.NEW_POLICY, learner.sampled)
    has_unseen = learner.unseen.problems[problem] & (config.exploration is not None)
    seen = learner.unseen.seen_fraction[problem] > 0
    proposer = learner.bandit.draw(problem, seen, source_record, has_unseen, replay, rng, config)
    return proposer, learner.warm_start.rollouts(problem, following) if (proposer == WARM_START).any() else None


def _find_evaluated(
    learner: Learner,
    warm_start: WarmStartConfigs,
    problem: Int[np.ndarray, "replicas"],
    networks: tuple[Networks | None, ...],
) -> Bool[np.ndarray, "replicas size"] | None:
    """Returns which configurations of the warm start build an evaluated network; None where no problem has a key."""
    if all(each is None for each in networks):
        return None
    encoding, (fingerprint, filled) = learner.encoding, warm_start.slots(problem)
    evaluated = np.zeros(fingerprint.shape, bool)
    for replica, slot in np.argwhere(filled).tolist():
        known, row = networks[replica], int(problem[replica])
        if known is not None:
            config = functools.partial(encoding.config_of_indices, row, warm_start.action_indices[replica, row, slot])
            evaluated[replica, slot] = (
                learner.network_cache.network(encoding, row, int(fingerprint[replica, slot]), config) in known
            )
    return evaluated


def _draw(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    proposer: Int[np.ndarray, "replicas"],
    count: int,
    attempt: int,
    sought: Int[np.ndarray, "sought"],
    allowed: Bool[np.ndarray, "choices options"] | None,
) -> Rollout:
    """Draws candidates for some of the replicas, Shape `[sought, candidates, ...]`."""
    rng = generator(learner.seed, Purpose.ACTIONS, learner.sampled, attempt)
    encoding = learner.encoding
    noise = rng.random((learner.replicas, count, encoding.steps_drawn), np.float32)
    # Few sizes, so that there is little to compile: all replicas, or the next power of four.
    exponent = (len(sought) - 1).bit_length()
    size = min(1 << (exponent + exponent % 2), learner.replicas)
    which = np.arange(learner.replicas) if size == learner.replicas else np.resize(sought, size)
    policies = which * learner.policies + POLICY_OF[proposer[which]]
    bandit = learner.config.transfer.bandit
    logits = 0.0 if bandit is None or bandit.exploration is None else bandit.exploration.logits
    exploration_bonus = np.where(proposer[which] == EXPLORING, np.float32(logits), np.float32(0))
    logit_bonus = exploration_bonus[:, None] * learner.unseen.actions
    shares = _uniform_shares(learner, count, attempt)
    state, tables = learner.state, learner.tables
    rollout = run(sample, state.policy, policies, tables, problem[which], noise[which], shares, logit_bonus, allowed)
    back = sought if size == learner.replicas else np.arange(len(sought))
    rollout = jax.tree.map(lambda leaf: np.asarray(leaf)[back], rollout)
    return rollout._replace(trajectory=pad_trajectory(rollout.trajectory, encoding.steps))


def _uniform_shares(learner: Learner, count: int, attempt: int) -> Float[np.ndarray, "candidates"]:
    """Returns the share of the uniform distribution in each of so many draws."""
    config = learner.config.proposal
    share = learner.config.transfer.uniform_share(learner.sampled) if learner.known is not None else 0.0
    shares = np.full(count, share, np.float32)
    if not config.repeats:
        shares = np.maximum(shares, np.float32(min(1.0, UNIFORM_PER_ATTEMPT * attempt)))
        if config.best_of is not None and count > config.best_of.draws:
            shares[config.best_of.draws :] = (np.arange(1, MIXED_DRAWS + 1) / MIXED_DRAWS) ** 2
    return shares


def _rank(
    learner: Learner,
    problem: Int[np.ndarray, "sought"],
    proposer: Int[np.ndarray, "sought"],
    candidates: Rollout,
    sought: Int[np.ndarray, "sought"],
    evaluated: _Excluded | None,
    allowed: Bool[np.ndarray, "choices options"] | None,
) -> tuple[Rollout, Int[np.ndarray, "sought"]]:
    """Orders candidates such that the first valid one is to be proposed.

    Args:
        learner: the replicas.
        problem: Shape `[sought]`.
        proposer: Shape `[sought]`, the policies that drew.
        candidates: Shape `[sought, candidates, ...]`.
        sought: the replicas that the candidates are for.
        evaluated: what is not to be proposed again; None where all may be.
        allowed: see `propose`.

    Returns:
        The candidates, and how many of them, from the first, may be proposed.
    """
    best, replay = learner.config.proposal.best_of, learner.replay
    n_sought, count = candidates.log_prob.shape
    refused = np.zeros((n_sought, count), bool)
    trials = [replay.of(replica, row) for replica, row in zip(sought.tolist(), problem.tolist(), strict=True)]
    if evaluated is not None:
        fingerprint = fingerprints(np.broadcast_to(problem[:, None], (n_sought, count)), candidates.trajectory)
        refused = replay.contains(sought, fingerprint) | are_among(fingerprint, evaluated.pending)
        refused &= ~are_among(fingerprint, evaluated.repeatable)
        for at in np.flatnonzero(refused.any(axis=1)).tolist():
            refused[at] &= _any_left(learner, int(sought[at]), int(problem[at]), trials[at], evaluated.pending)
    if best is None:
        order = np.argsort(refused, axis=1, kind="stable")
    else:
        grown = np.array([len(told) for told in trials]) / best.trials
        grown += np.where(
            proposer != NEW_POLICY, learner.unseen.seen_fraction[problem], 0.0
        )  # what was seen need not be explored
        best_of = 1 + (best.draws - 1) * np.minimum(grown, 1.0)
        number = np.arange(count)
        # The most probable of the first draws; then the others one by one; then the most probable of the explorers.
        group = (number >= best_of[:, None]).astype(np.int64) + (number >= best.draws)
        score = np.where(group == 1, number, -excess_log_prob(learner, problem, candidates, allowed))
        order = np.lexsort((score, group, refused), axis=1)
    which = np.arange(n_sought)[:, None]
    return jax.tree.map(lambda leaf: leaf[which, order], candidates), count - refused.sum(axis=1)


def excess_log_prob(
    learner: Learner,
    problem: Int[np.ndarray, "sought"],
    candidates: Rollout,
    allowed: Bool[np.ndarray, "choices options"] | None,
) -> Float[np.ndarray, "sought candidates"]:
    """Returns by how much a candidate is more probable than by chance, over the root of the number of its decisions.

    The log-probability alone would favour candidates of few decisions, whatever these are worth. What it exceeds chance
    by spreads with the root of their number: a sum would favour many decisions, a mean few.
    """
    tables = learner.tables
    decision = np.asarray(tables.rules.decision)[np.asarray(tables.space)[problem]]
    may = np.asarray(tables.decisions.available)[decision]
    options = (may if allowed is None else may & allowed).sum(axis=-1)[:, None]
    made = (candidates.action_indices < may.shape[-1]) & (options > 1)
    chance = np.where(made, np.log(np.maximum(options, 1)), 0.0).sum(axis=-1)
    return (candidates.log_prob + chance) / np.sqrt(np.maximum(made.sum(axis=-1), 1))


@functools.lru_cache(maxsize=1_000)
def _size(space: SearchSpace) -> float:
    try:
        return space.size
    except ValueError:  # its conditions read too many choices at once to be counted: it is large
        return math.inf


def _any_left(
    learner: Learner,
    replica: int,
    row: int,
    trials: Int[np.ndarray, "trials"],
    pending: UInt64[np.ndarray, "pending"],
) -> bool:
    """Returns whether a replica may have configurations of a problem left that are not among its trials of it."""
    size = _size(learner.encoding.problems[row].space)
    if len(trials) + len(pending) < size:
        return True
    return len(np.unique(np.concatenate([learner.replay.fingerprint[replica, trials], pending]))) < size


def _first_new(
    learner: Learner,
    find: FirstValidFn,
    problem: Int[np.ndarray, "sought"],
    candidates: Rollout,
    first: Int[np.ndarray, "sought"],
    eligible: Int[np.ndarray, "sought"],
    sought: Int[np.ndarray, "sought"],
    evaluated: _Excluded,
) -> Int[np.ndarray, "sought"]:
    """Returns the first valid candidates whose networks were not evaluated; the key sees one after the other.

    Args:
        learner: the replicas.
        find: finds the first valid candidate.
        problem: Shape `[sought]`.
        candidates: Shape `[sought, candidates, ...]`, in the order in which they are to be proposed.
        first: Shape `[sought]`, the first valid candidates.
        eligible: Shape `[sought]`, how many candidates may be proposed.
        sought: the replicas that the candidates are for.
        evaluated: what is not to be proposed again.
    """
    if all(known is None for known in evaluated.networks):
        return first
    found, count, encoding = first.copy(), candidates.action_indices.shape[1], learner.encoding
    replay, pending = learner.replay, evaluated.pending
    fingerprint = fingerprints(np.broadcast_to(problem[:, None], (len(sought), count)), candidates.trajectory)
    for at, replica in enumerate(sought.tolist()):
        known, row = evaluated.networks[replica], int(problem[at])
        if known is None or not _any_left(learner, replica, row, replay.of(replica, row), pending):
            continue
        while found[at] < eligible[at]:
            here = at, int(found[at])
            config = functools.partial(encoding.config_of_indices, row, candidates.action_indices[here])
            if learner.network_cache.network(encoding, row, int(fingerprint[here]), config) not in known:
                break
            behind = here[1] + 1
            rest = candidates.action_indices[at : at + 1, behind:]
            found[at] = behind + (int(find(problem[at : at + 1], rest)[0]) if behind < count else 0)
    return found


def _first_valid(encoding: Encoding, rows: RowIndices, action_indices: ActionIndices) -> RowIndices:
    def first(row: int, candidates: Int[np.ndarray, "candidates choices"]) -> int:
        valid = encoding.problems[row].valid
        accepted = (
            i
            for i, actions in enumerate(candidates)
            if valid is None or valid(encoding.config_of_indices(row, actions))
        )
        return next(accepted, len(candidates))

    return np.array([first(row, candidates) for row, candidates in zip(rows.tolist(), action_indices, strict=True)])


def _replace_rows(rollout: Rollout, rows: Int[np.ndarray, "sought"], fresh: Rollout) -> Rollout:
    for leaf, new in zip(jax.tree.leaves(rollout), jax.tree.leaves(fresh), strict=True):
        leaf[rows] = new
    return rollout
