"""Learners between compiled steps: proposing valid configurations, learning from rewards.

A `Learner` is one or more replicas that search the same problems in lockstep, each on its own: an experiment runs many,
a user's agent is one. Learners are immutable; each function returns the next one.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, UInt64

from ..policy.architecture import Capacity
from ..runtime import device
from ..spaces.encoding import Encoding, Tables, Trajectory, encode, power_of_two
from ..spaces.problem import Problem, no_valid
from ..spaces.space import SearchSpace
from ..spaces.vocabulary import Vocabulary
from .config import TrainingConfig
from .gate import MEMORY, POLICIES, TRANSFERRED, Gate
from .history import History, keys
from .memory import Memory
from .numbers import with_numbers
from .pairs import draw_pairs
from .randomness import Use, derived_seed, generator
from .rollout import Rollout
from .steps import Experience, LearnerState, init_state, prefer, sample, take_replicas, update

Rows = Int[np.ndarray, "sought"]
Taken = Int[np.ndarray, "sought candidates choices"]
FirstValidFn = Callable[[Rows, Taken], Rows]
"""From problems and candidates for each to the first valid candidate; to their number where none is."""

BeforeDrawFn = Callable[[int], None]
"""Told how many candidates will be drawn at once, before they are."""

# Candidates drawn at once: one, or several where many are invalid. At NAS-Bench-101's size four cost twice as much as
# one, and sixteen as much as four times four, so that there are only two sizes to compile.
ONE, SEVERAL = 1, 4

NONE_PENDING = np.zeros(0, np.uint64)

# A policy that is sure of what was evaluated already is made to look elsewhere: with each attempt a larger share of
# its draws is uniform. Where all is evaluated, what was may be proposed again after so many attempts.
UNIFORM_PER_ATTEMPT, ATTEMPTS = 0.03, 30


@dataclass(frozen=True, slots=True)
class Learner:
    """One or more replicas that search the same problems.

    Attributes:
        config: hyperparameters.
        seed: of everything random, with the counts below.
        vocabulary: every name met so far, also in earlier problems.
        encoding: the problems.
        tables: the problems as arrays where the network is.
        state: what the replicas know.
        history: the trials that they learned from, if by preferences; else it is empty.
        gate: which policy of each replica proposes, where it has two; the state then has a row for each of them, those
            of a replica side by side.
        memory: what was best before a transfer, where there is a gate.
        known: the names it had learned of before these problems, if it came to them by a transfer; equation (1)
            applies then.
        past: what it learned from before these problems.
        sampled: trials proposed for these problems so far.
        learned: trials of these problems learned from so far.
        acceptance: running share of candidates that were valid; it sets how many are drawn at once.
    """

    config: TrainingConfig
    seed: int
    vocabulary: Vocabulary
    encoding: Encoding
    tables: Tables
    state: LearnerState
    history: History
    known: Vocabulary | None = None
    past: tuple["Past", ...] = ()
    sampled: int = 0
    learned: int = 0
    acceptance: float = 0.5
    gate: Gate | None = None
    memory: Memory | None = None

    @property
    def replicas(self) -> int:
        """How many replicas there are."""
        return int(self.state.baseline.shape[0]) // self.members

    @property
    def members(self) -> int:
        """How many policies each replica has."""
        return 1 if self.gate is None else POLICIES

    @property
    def capacity(self) -> Capacity:
        """The room in the networks' tables."""
        return self.state.policy.capacity

    @property
    def provenance(self) -> tuple["Past", ...]:
        """What it learned from: earlier problems first, the present ones last."""
        trials = np.asarray(self.state.trials)[:: self.members]
        present = [Past(*p.name, tuple(trials[:, row].tolist())) for row, p in enumerate(self.encoding.problems)]
        return self.past + tuple(past for past in present if any(past.trials))

    @property
    def candidates(self) -> int:
        """How many candidates to draw at once: as many as configured; or one, several where many are invalid."""
        if self.config.best_of > 1:
            return self.config.best_of
        return ONE if not self.restricted or self.acceptance > 0.6 else SEVERAL

    @property
    def restricted(self) -> bool:
        """Whether any of the problems refuses configurations."""
        return any(problem.valid is not None for problem in self.encoding.problems)


class Past(NamedTuple):
    """How many trials of a problem each replica has learned from."""

    space: str
    task: str
    trials: tuple[int, ...]


class Proposal(NamedTuple):
    """One trial for each replica.

    Attributes:
        problem: Shape `[replicas]`, row of the problem.
        rollout: Shape `[replicas, ...]`, as NumPy arrays.
        member: Shape `[replicas]`, which policy of each replica proposes, or its memory.
    """

    problem: Int[np.ndarray, "replicas"]
    rollout: Rollout
    member: Int[np.ndarray, "replicas"]


def new_learner(problems: tuple[Problem, ...], config: TrainingConfig, seed: int, replicas: int = 1) -> Learner:
    """Returns replicas that know nothing of the problems."""
    vocabulary = Vocabulary().extended(problems)
    encoding = encode(problems, vocabulary)
    rng = generator(seed, Use.WEIGHTS)
    rows = len(encoding.tables.task)
    state = init_state(rng, replicas, capacity_for(vocabulary, encoding.steps), config, rows, encoding.steps)
    state = dataclasses.replace(state, policy=with_numbers(state.policy, vocabulary, 0, config))
    return restore(config, seed, vocabulary, encoding, state, History.empty(replicas, encoding.steps))


def restore(
    config: TrainingConfig,
    seed: int,
    vocabulary: Vocabulary,
    encoding: Encoding,
    state: LearnerState,
    history: History,
    known: Vocabulary | None = None,
    past: tuple[Past, ...] = (),
    sampled: int = 0,
    learned: int = 0,
    acceptance: float = 0.5,
    gate: Gate | None = None,
    memory: Memory | None = None,
) -> Learner:
    """Returns a learner of these parts, its arrays placed where the network computes; see `Learner`."""
    tables, state = jax.device_put((encoding.tables, state), device())
    parts = (config, seed, vocabulary, encoding, tables, state, history, known, past)
    return Learner(*parts, sampled, learned, acceptance, gate, memory)


def propose(
    learner: Learner,
    first_valid: FirstValidFn | None = None,
    before_draw: BeforeDrawFn | None = None,
    pending: UInt64[np.ndarray, "pending"] = NONE_PENDING,
) -> tuple[Learner, Proposal]:
    """Draws a problem uniformly and a valid configuration from the policy, for each replica.

    Args:
        learner: the replicas.
        first_valid: finds the first valid candidate; by default it asks the problems' own `valid`.
        before_draw: called before each draw.
        pending: the `history.keys` of trials that are being evaluated; where `config.repeats` is off, they are not
            proposed again either.

    Raises:
        ValueError: `config.max_candidates` configurations were drawn for one replica and none was valid.
    """
    trial, config = learner.sampled, learner.config
    problem = _draw_problem(learner)
    member, rollout = _draw_member(learner, problem, pending)
    missing = member != MEMORY
    acceptance, attempt, tried = learner.acceptance, 0, 0
    find = first_valid or functools.partial(_first_valid, learner.encoding)
    while missing.any():
        if tried >= config.max_candidates:
            raise no_valid(learner.encoding.problems[int(problem[missing][0])], tried)
        count = learner.candidates if attempt == 0 or config.best_of > 1 else SEVERAL
        if before_draw is not None:
            before_draw(count)
        sought = np.flatnonzero(missing)
        candidates = _draw(learner, problem, member, count, attempt, sought)
        candidates, eligible = _ranked(learner, problem[sought], member[sought], candidates, sought, attempt, pending)
        first = find(problem[sought], candidates.taken)
        missing[sought] = first >= eligible
        for refused in first.tolist():
            acceptance *= 0.9**refused
            acceptance += 0.1 * (1 - acceptance) if refused < count else 0.0
        fresh = jax.tree.map(lambda leaf: leaf[np.arange(len(leaf)), first % count], candidates)  # noqa: B023  (used at once)
        rollout = fresh if rollout is None else _replaced(rollout, sought, fresh)
        attempt, tried = attempt + 1, tried + count
    assert rollout is not None
    return dataclasses.replace(learner, sampled=trial + 1, acceptance=acceptance), Proposal(problem, rollout, member)


def skip(learner: Learner) -> Learner:
    """Returns the replicas after a proposal that failed: the next one is for another trial, with other draws."""
    return dataclasses.replace(learner, sampled=learner.sampled + 1)


def learn(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    trajectory: Trajectory,
    reward: Float[np.ndarray, "replicas"],
    member: Int[np.ndarray, "replicas"] | None = None,
) -> Learner:
    """Returns the replicas after each learned from one evaluated trial.

    Args:
        learner: the replicas.
        problem: Shape `[replicas]`, row of the problem.
        trajectory: Shape `[replicas, ...]`, what was evaluated.
        reward: Shape `[replicas]`, finite.
        member: Shape `[replicas]`, which policy of the replica proposed it, -1 for none; None for the first.
    """
    config, history, gate, number = learner.config, learner.history, learner.gate, learner.learned
    member = np.zeros(learner.replicas, np.int32) if member is None else member
    experience = Experience(problem, trajectory, reward.astype(np.float32), member >= 0)
    if config.learning == "reinforce":
        pick = generator(learner.seed, Use.QUEUE, number).random(learner.replicas, np.float32)
        state = update(learner.state, learner.tables, experience, pick, config)
        history = history if config.repeats else history.appended(problem, trajectory, reward)
    else:
        if gate is not None:
            gate = gate.told(problem, member, reward, history, config)
        history = history.appended(problem, trajectory, reward)
        pairs = draw_pairs(history, problem, generator(learner.seed, Use.PAIRS, number), config, learner.members)
        repeated = jax.tree.map(lambda leaf: np.repeat(leaf, learner.members, axis=0), experience)
        state = prefer(learner.state, learner.tables, repeated, pairs, config)
    return dataclasses.replace(learner, state=state, history=history, gate=gate, learned=number + 1)


def select(learner: Learner, replica: int) -> Learner:
    """Returns one of the replicas alone."""
    rows = slice(replica * learner.members, (replica + 1) * learner.members)
    state = jax.tree.map(lambda leaf: np.asarray(leaf)[rows].copy(), learner.state)
    return dataclasses.replace(
        learner,
        seed=derived_seed(learner.seed, Use.REPLICA, replica),
        past=tuple(Past(past.space, past.task, (past.trials[replica],)) for past in learner.past),
        history=learner.history.selected(replica),
        gate=None if learner.gate is None else learner.gate.selected(replica),
        memory=None if learner.memory is None else learner.memory.selected(replica),
        state=jax.device_put(state, device()),
    )


def with_functions(learner: Learner, given: tuple[Problem, ...]) -> Learner:
    """Returns the learner with the problems given in place of those of their names: a file holds no functions.

    Raises:
        ValueError: a problem is none of the learner's, or its space is another.
    """
    problems = list(learner.encoding.problems)
    for problem in given:
        row = learner.encoding.row(problem)
        if problem.space != problems[row].space:
            raise ValueError(
                f'search space "{problem.space.name}" is not as it was when the agent was saved; load the agent '
                f"without it and use transfer_to"
            )
        problems[row] = problem
    encoding = dataclasses.replace(learner.encoding, problems=tuple(problems))
    return dataclasses.replace(learner, encoding=encoding)


def capacity_for(vocabulary: Vocabulary, steps: int) -> Capacity:
    """Returns the room that a network needs for the names of a vocabulary and trajectories of so many steps."""
    states, actions, tasks = vocabulary.states, vocabulary.actions, vocabulary.tasks
    return Capacity(*map(power_of_two, (len(states), len(actions), len(tasks), steps)))


def _draw_problem(learner: Learner) -> Int[np.ndarray, "replicas"]:
    n_problems = len(learner.encoding.problems)
    if n_problems == 1:
        return np.zeros(learner.replicas, np.int32)
    rng = generator(learner.seed, Use.PROBLEM, learner.sampled)
    return rng.integers(n_problems, size=learner.replicas, dtype=np.int32)


def _draw_member(
    learner: Learner, problem: Int[np.ndarray, "replicas"], pending: UInt64[np.ndarray, "pending"]
) -> tuple[Int[np.ndarray, "replicas"], Rollout | None]:
    """Draws who proposes for each replica; the rollouts are those of the memory, where any is to propose."""
    if learner.gate is None or learner.memory is None:
        return np.zeros(learner.replicas, np.int32), None
    following = learner.memory.following(problem, learner.history, pending)
    rng = generator(learner.seed, Use.MEMBER, learner.sampled)
    member = learner.gate.draw(problem, following >= 0, rng, learner.config)
    return member, learner.memory.rollouts(problem, following) if (member == MEMORY).any() else None


def _draw(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    member: Int[np.ndarray, "replicas"],
    count: int,
    attempt: int,
    sought: Int[np.ndarray, "sought"],
) -> Rollout:
    """Draws candidates for some of the replicas, Shape `[sought, candidates, ...]`."""
    rng = generator(learner.seed, Use.ACTIONS, learner.sampled, attempt)
    noise = rng.random((learner.replicas, count, learner.encoding.steps), np.float32)
    share = np.float32(learner.config.uniform_share(learner.sampled) if learner.known is not None else 0.0)
    if not learner.config.repeats:
        share = np.maximum(share, np.float32(min(1.0, UNIFORM_PER_ATTEMPT * attempt)))
    # Few sizes, so that there is little to compile: all replicas, or the next power of four.
    exponent = (len(sought) - 1).bit_length()
    size = 1 << (exponent + exponent % 2)
    if size >= learner.replicas and learner.members == 1:
        rollout = sample(learner.state.policy, learner.tables, problem, noise, share)
        if len(sought) == learner.replicas:
            return jax.tree.map(np.asarray, rollout)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[sought], rollout)
    which = np.resize(sought, min(size, learner.replicas))
    policies = take_replicas(learner.state.policy, which * learner.members + member[which])
    rollout = sample(policies, learner.tables, problem[which], noise[which], share)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(sought)], rollout)


def _ranked(
    learner: Learner,
    problem: Int[np.ndarray, "sought"],
    member: Int[np.ndarray, "sought"],
    candidates: Rollout,
    sought: Int[np.ndarray, "sought"],
    attempt: int,
    pending: UInt64[np.ndarray, "pending"],
) -> tuple[Rollout, Int[np.ndarray, "sought"]]:
    """Orders candidates such that the first valid one is to be proposed.

    Args:
        learner: the replicas.
        problem: Shape `[sought]`.
        member: Shape `[sought]`, the policies that drew.
        candidates: Shape `[sought, candidates, ...]`.
        sought: the replicas that the candidates are for.
        attempt: how many draws came before.
        pending: see `propose`.

    Returns:
        The candidates, and how many of them, from the first, may be proposed.
    """
    config, history = learner.config, learner.history
    n_sought, count = candidates.log_prob.shape
    refused = np.zeros((n_sought, count), bool)
    trials = [history.of(replica, row) for replica, row in zip(sought.tolist(), problem.tolist(), strict=True)]
    if not config.repeats and attempt < min(ATTEMPTS, config.max_candidates // count - 1):
        rows = np.broadcast_to(problem[:, None], (n_sought, count))
        left = np.array(
            [_any_left(learner, *each) for each in zip(sought.tolist(), problem.tolist(), trials, strict=True)]
        )
        key = keys(rows, candidates.trajectory)
        refused = (history.holds(sought, key) | np.isin(key, pending)) & left[:, None]
    if config.best_of == 1:
        order = np.argsort(refused, axis=1, kind="stable")
    else:
        grown = np.minimum(np.array([len(told) for told in trials]) / config.best_of_trials, 1.0)
        if learner.known is not None:
            grown[member == TRANSFERRED] = 1.0  # a policy that was transferred knows what to look for
        best_of = 1 + (config.best_of - 1) * grown
        late = np.arange(count) >= best_of[:, None]
        order = np.lexsort((-candidates.log_prob, late, refused), axis=1)
    which = np.arange(n_sought)[:, None]
    return jax.tree.map(lambda leaf: leaf[which, order], candidates), count - refused.sum(axis=1)


@functools.lru_cache(maxsize=1_000)
def _size(space: SearchSpace) -> float:
    try:
        return space.size
    except ValueError:  # its conditions read too many choices at once to be counted: it is large
        return math.inf


def _any_left(learner: Learner, replica: int, row: int, trials: Int[np.ndarray, "trials"]) -> bool:
    """Returns whether a replica may have configurations of a problem left that are not among its trials of it."""
    size = _size(learner.encoding.problems[row].space)
    return len(trials) < size or len(np.unique(learner.history.key[replica, trials])) < size


def _first_valid(encoding: Encoding, rows: Rows, taken: Taken) -> Rows:
    def first(row: int, candidates: Int[np.ndarray, "candidates choices"]) -> int:
        valid = encoding.problems[row].valid
        accepted = (
            i for i, actions in enumerate(candidates) if valid is None or valid(encoding.taken_config(row, actions))
        )
        return next(accepted, len(candidates))

    return np.array([first(row, candidates) for row, candidates in zip(rows.tolist(), taken, strict=True)])


def _replaced(rollout: Rollout, rows: Int[np.ndarray, "sought"], fresh: Rollout) -> Rollout:
    for leaf, new in zip(jax.tree.leaves(rollout), jax.tree.leaves(fresh), strict=True):
        leaf[rows] = new
    return rollout
