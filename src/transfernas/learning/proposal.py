"""Proposals of valid configurations: the proposer, the draws, and the choice among the draws."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from ..processes.runtime import run
from ..spaces.problem import no_valid
from ..spaces.trajectory import pad_trajectory
from .bandit import EXPLORING, NEW_POLICY, POLICY_OF, SURROGATE, WARM_START, in_part
from .eligibility import Excluded, FirstValidFn, first_valid_of
from .failed_trials import failed_fingerprints
from .learner import Learner
from .network_cache import Networks
from .numbers import CandidateConfigs, configs_of, middle_actions
from .randomness import Purpose, generator
from .rollout import Rollout, replace_rows
from .steps import sample
from .surrogate_proposals import OpenTrials, ask_surrogate, unless_it_fails
from .warm_start import WarmStartConfigs

MiddleFn = Callable[[], Bool[np.ndarray, "choices options"]]
"""Returns the actions that a policy may take in the middle of all ranges."""

BeforeDrawFn = Callable[[int], None]
"""Called before candidates are drawn, with the number that will be drawn at once."""

# The candidates that are drawn at once: one, or several if many are invalid. At NAS-Bench-101's size, four candidates
# cost twice as much as one, and sixteen as much as four times four. So there are only two sizes to compile.
# Several are drawn if fewer than a share of the latest candidates were valid; the latest counts a tenth. Not for
# tuning: these numbers change the cost of a proposal, and not the choice among the candidates.
SMALL_BATCH, LARGE_BATCH = 1, 4
_OFTEN_VALID = 0.6
_BEFORE, _NOW = 0.9, 0.1

NONE_PENDING = np.zeros(0, np.uint64)

# A policy that is sure of evaluated configurations is made to look elsewhere. Beside the policy's own draws there are
# mixed draws, with a uniform share from little to all. With each attempt, a larger share of the policy's own draws is
# uniform too. After so many attempts, evaluated configurations may be proposed again, because all may be evaluated.
# Long trajectories hardly ever come twice, and go without mixed draws. Not for tuning: these numbers count once a
# policy's own draws are used up.
MIXED_DRAWS = 8
UNIFORM_PER_ATTEMPT, ATTEMPTS = 0.03, 30
ATTEMPTS_OF_PARTS = 10  # after so many attempts, parts of ranges may be proposed again, with other numbers


class Proposal(NamedTuple):
    """One trial for each replica.

    Attributes:
        problem: Shape `[replicas]`, the row of the problem.
        rollout: Shape `[replicas, ...]`, the configuration, as NumPy arrays.
        proposer: Shape `[replicas]`, the proposer, see `learning.bandit`.
    """

    problem: Int[np.ndarray, "replicas"]
    rollout: Rollout
    proposer: Int[np.ndarray, "replicas"]


def count_candidates(learner: Learner) -> int:
    """Returns the number of candidates to draw at once: as configured, or one, or several if many are invalid."""
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
    open_trials: OpenTrials = (),
    configs: CandidateConfigs | None = None,
    middle: MiddleFn | None = None,
) -> tuple[Learner, Proposal]:
    """Draws a problem uniformly and a valid configuration from the policy, for each replica.

    Args:
        learner: the replicas.
        first_valid: finds the first valid candidate; by default it asks the problems' own `valid`.
        before_draw: called before each draw.
        pending: the `replay.fingerprints` of trials that are being evaluated. If configurations do not repeat, these
            are not proposed again. Those of problems with a key must be in `learner.network_cache`.
        allowed: Shape `[choices, actions]`, whether an action may be taken, see `sample_rollouts`; None for all.
            The warm start proposes only configurations of allowed actions.
        repeatable: the fingerprints of configurations that may always be proposed again, because their actions stand
            for several values.
        open_trials: the trials without a score that the Gaussian process keeps in mind, of any problem.
        configs: the configurations of the candidates, with numbers of ranges; by default `numbers.configs_of(learner)`.
        middle: returns the actions that a policy may take in the middle of all ranges, Shape `[choices, actions]`, see
            `ProposalConfig.middle_first`; by default those of the problem's ranges.

    Raises:
        ValueError: `ProposalConfig.max_candidates` configurations were drawn for one replica and none was valid.
        TypeError: a problem's key did not name a network, see `problem.network_of`.
    """
    trial, config = learner.sampled, learner.config.proposal
    problem = _draw_problem(learner)
    configs = configs_of(learner) if configs is None else configs
    networks: tuple[Networks | None, ...] = (None,) * learner.replicas
    if learner.keyed:
        networks = learner.network_cache.known(learner.encoding, problem, learner.replay, configs.identities(pending))
    if learner.encoding.has_ranges:
        repeatable = np.concatenate([repeatable, *map(configs.repeatable, problem.tolist())])
    evaluated = Excluded(pending, repeatable, networks, configs, failed_fingerprints(learner.failed, problem))
    proposer, rollout = _draw_proposer(learner, problem, evaluated, allowed)
    acceptance, attempt, tried = learner.acceptance, 0, 0
    find = first_valid or functools.partial(first_valid_of, configs)
    proposer, rollout = ask_surrogate(learner, find, problem, proposer, rollout, evaluated, open_trials)
    missing = (proposer != WARM_START) & (proposer != SURROGATE)
    find = find if first_valid else unless_it_fails(learner, find)
    if middle is None and learner.encoding.has_ranges:
        middle = functools.partial(middle_actions, learner.encoding, int(problem[0]))
    if not (config.middle_first and middle is not None and _is_first(learner, problem, proposer, pending)):
        middle = None
    while missing.any():
        if tried >= config.max_candidates:
            raise no_valid(learner.encoding.problems[int(problem[missing][0])], tried)
        count = count_candidates(learner) if attempt == 0 or config.best_of is not None else LARGE_BATCH
        if before_draw is not None:
            before_draw(count)
        sought = np.flatnonzero(missing)
        may = middle() if middle is not None and attempt == 0 else allowed
        drawn = _draw(learner, problem, proposer, count, attempt, sought, may)
        once = not config.repeats and attempt < min(ATTEMPTS, config.max_candidates // count - 1)
        excluded = evaluated if once else None
        if excluded is not None and attempt >= ATTEMPTS_OF_PARTS and learner.encoding.has_ranges:
            excluded = excluded._replace(repeatable=np.append(pending, learner.replay.fingerprint))
        drawn, eligible = _rank(learner, problem[sought], proposer[sought], drawn, sought, excluded, may)
        first = find(problem[sought], drawn.action_indices)
        if excluded is not None:
            first = excluded.first_new(learner, find, problem[sought], drawn, first, eligible, sought)
        missing[sought] = first >= eligible
        for refused in first.tolist():
            acceptance *= _BEFORE**refused
            acceptance += _NOW * (1 - acceptance) if refused < count else 0.0
        fresh = jax.tree.map(lambda leaf: leaf[np.arange(len(leaf)), first % count], drawn)  # noqa: B023  (used at once)
        rollout = fresh if rollout is None else replace_rows(rollout, sought, fresh)
        attempt, tried = attempt + 1, tried + count
    assert rollout is not None
    return dataclasses.replace(learner, sampled=trial + 1, acceptance=acceptance), Proposal(problem, rollout, proposer)


def skip_trial(learner: Learner) -> Learner:
    """Returns the replicas after a failed proposal: the next proposal is for another trial, with other draws."""
    return dataclasses.replace(learner, sampled=learner.sampled + 1)


def _is_first(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    proposer: Int[np.ndarray, "replicas"],
    pending: UInt64[np.ndarray, "pending"],
) -> bool:
    """Returns whether this is the first proposal for a problem by a policy that knows nothing of it.

    Problems with ranges have one replica. Of trials that are asked for at once, the first alone is the first.
    """
    if learner.replicas > 1 or (learner.known is None and len(pending)):
        return False
    whose = learner.replay.proposer[0, learner.replay.of(0, int(problem[0]))]
    if learner.known is None:
        return not len(whose)
    return bool(proposer[0] == NEW_POLICY) and not np.isin(whose, (NEW_POLICY, in_part(NEW_POLICY))).any()


def _draw_problem(learner: Learner) -> Int[np.ndarray, "replicas"]:
    n_problems = len(learner.encoding.problems)
    if n_problems == 1:
        return np.zeros(learner.replicas, np.int32)
    rng = generator(learner.seed, Purpose.PROBLEM, learner.sampled)
    return rng.integers(n_problems, size=learner.replicas, dtype=np.int32)


def _draw_proposer(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    evaluated: Excluded,
    allowed: Bool[np.ndarray, "choices options"] | None,
) -> tuple[Int[np.ndarray, "replicas"], Rollout | None]:
    """Draws the proposer of each replica, and returns the warm start's rollouts if it is to propose any."""
    if learner.bandit is None or learner.warm_start is None:
        return np.zeros(learner.replicas, np.int32), None
    replay, config = learner.replay, learner.bandit_config
    evaluated_networks = _find_evaluated(learner, learner.warm_start, problem, evaluated)
    following, source_record = learner.warm_start.next_configs(
        problem, replay, evaluated.pending, config.decay, allowed, evaluated_networks
    )
    rng = generator(learner.seed, Purpose.NEW_POLICY, learner.sampled)
    has_unseen = learner.unseen.problems[problem] & (config.exploration is not None)
    fits = learner.warm_start.count[np.arange(learner.replicas), problem] > 0
    seen = fits | (learner.unseen.seen_fraction[problem] > 0)
    proposer = learner.bandit.draw(problem, seen, source_record, has_unseen, replay, rng, config)
    return proposer, learner.warm_start.rollouts(problem, following) if (proposer == WARM_START).any() else None


def _find_evaluated(
    learner: Learner,
    warm_start: WarmStartConfigs,
    problem: Int[np.ndarray, "replicas"],
    excluded: Excluded,
) -> Bool[np.ndarray, "replicas size"] | None:
    """Returns whether configurations of the warm start build evaluated networks; None if no problem has a key."""
    if all(each is None for each in excluded.networks):
        return None
    fingerprint, filled = warm_start.slots(problem)
    evaluated = np.zeros(fingerprint.shape, bool)
    for replica, slot in np.argwhere(filled).tolist():
        known, row = excluded.networks[replica], int(problem[replica])
        if known is not None:
            indices = warm_start.action_indices[replica, row, slot]
            evaluated[replica, slot] = excluded.network(learner, row, int(fingerprint[replica, slot]), indices) in known
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
    noise = rng.random((learner.replicas, count, learner.encoding.steps_drawn), np.float32)
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
    rollout = draw_rollouts(learner, policies, problem[which], noise[which], shares, logit_bonus, allowed)
    back = sought if size == learner.replicas else np.arange(len(sought))
    return jax.tree.map(lambda leaf: leaf[back], rollout)


def draw_rollouts(
    learner: Learner,
    policies: Int[np.ndarray, "drawing"],
    problem: Int[np.ndarray, "drawing"],
    noise: Float[np.ndarray, "drawing candidates steps"],
    uniform_share: Float[np.ndarray, "candidates"],
    logit_bonus: Float[np.ndarray, "drawing actions"],
    allowed: Bool[np.ndarray, "choices options"] | None = None,
) -> Rollout:
    """Draws candidates from policies, given by their rows, as NumPy arrays; see `rollout.sample_rollouts`."""
    arguments = policies, learner.tables, problem, noise, uniform_share, logit_bonus, allowed
    rollout = jax.tree.map(np.asarray, run(sample, learner.state.policy, *arguments))
    if learner.encoding.steps_drawn == learner.encoding.steps:
        return rollout
    return rollout._replace(trajectory=pad_trajectory(rollout.trajectory, learner.encoding.steps))


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
    excluded: Excluded | None,
    allowed: Bool[np.ndarray, "choices options"] | None,
) -> tuple[Rollout, Int[np.ndarray, "sought"]]:
    """Orders candidates such that the first valid candidate is the proposal.

    Args:
        learner: the replicas.
        problem: Shape `[sought]`, the row of the problem.
        proposer: Shape `[sought]`, the proposers that drew.
        candidates: Shape `[sought, candidates, ...]`, the draws.
        sought: the replicas that the candidates are for.
        excluded: the configurations that must not be proposed again; None if all may be.
        allowed: see `propose`.

    Returns:
        The candidates in order, and the number of candidates, from the first, that may be proposed.
    """
    best, replay = learner.config.proposal.best_of, learner.replay
    n_sought, count = candidates.log_prob.shape
    refused = np.zeros((n_sought, count), bool)
    if excluded is not None:
        refused = excluded.refuses(learner, problem, candidates, sought)
    trials = [replay.of(replica, row) for replica, row in zip(sought.tolist(), problem.tolist(), strict=True)]
    if best is None:
        order = np.argsort(refused, axis=1, kind="stable")
    else:
        whose = [replay.proposer[replica, told] for replica, told in zip(sought.tolist(), trials, strict=True)]
        grown = np.array([(proposers != SURROGATE).sum() for proposers in whose]) / best.trials
        grown += np.where(
            proposer != NEW_POLICY, learner.unseen.seen_fraction[problem], 0.0
        )  # seen actions need no exploring
        best_of = 1 + (best.draws - 1) * np.minimum(grown, 1.0)
        number = np.arange(count)
        # The most probable of the first draws; then the other draws in turn; then the most probable mixed draws.
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
    """Returns the log-probability of candidates less that by chance, over the root of the number of decisions.

    The log-probability alone would favour candidates of few decisions, whatever their value. The excess over chance
    spreads with the root of the number of decisions: a sum would favour many decisions, a mean few.
    """
    tables = learner.tables
    decision = np.asarray(tables.rules.decision)[np.asarray(tables.space)[problem]]
    may = np.asarray(tables.decisions.available)[decision]
    options = (may if allowed is None else may & allowed).sum(axis=-1)[:, None]
    made = (candidates.action_indices < may.shape[-1]) & (options > 1)
    chance = np.where(made, np.log(np.maximum(options, 1)), 0.0).sum(axis=-1)
    return (candidates.log_prob + chance) / np.sqrt(np.maximum(made.sum(axis=-1), 1))
