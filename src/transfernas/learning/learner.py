"""Learners between compiled steps: what they know, and learning from rewards (`proposal.py` says what they propose).

A `Learner` is one or more replicas that search the same problems in lockstep, each on its own: an experiment runs many,
a user's agent is one. Learners are immutable; each function returns the next one.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from ..policy.architecture import Capacity
from ..policy.policy import Policy
from ..processes.remote import on_host
from ..processes.runtime import placed, run
from ..spaces.encoding import Encoding, encode
from ..spaces.problem import Problem
from ..spaces.tables import EXACT, MinShapes, Tables, power_of_two
from ..spaces.trajectory import Trajectory
from ..spaces.vocabulary import Vocabulary
from .archive import ArchivedProblem, archive_trials, merge_archives
from .bandit import N_POLICIES, WARM_START, Bandit, BaseBanditConfig
from .config import TrainingConfig
from .exploration import UnseenActions, find_unseen
from .inheritance import initialise_new_rows
from .network_cache import NetworkCache
from .priority_queue import PriorityQueue
from .randomness import Purpose, derived_seed, generator
from .replay import ReplayBuffer
from .rule import BatchConfig, Lesson
from .scores import Scores
from .steps import LearnerState, climb, init_state
from .trial_stats import TrialStats
from .warm_start import WarmStartConfigs


@dataclass(frozen=True, slots=True)
class Learner:
    """One or more replicas that search the same problems.

    Attributes:
        config: hyperparameters.
        seed: of everything random, with the counts below.
        vocabulary: every name seen so far, also in earlier problems.
        encoding: the problems.
        tables: the problems as arrays where the network is.
        state: what the replicas know.
        replay: the trials that they learned from, if by preferences; else it is empty.
        queue: the best of them.
        trial_stats: how many they were, and their mean reward.
        bandit: which policy of each replica proposes, where it has two; the state then has a row for each of them,
            those of a replica side by side.
        warm_start: what was best before a transfer, where there is a proposer bandit.
        known: the names it had learned of before these problems, if it came to them by a transfer; equation (1)
            applies then.
        past: what it learned from before these problems.
        archive: what it keeps of problems for good; of these ones, what the replay buffer does not hold.
        archived_at: how many trials of these problems were learned from when all was archived last.
        sampled: trials proposed for these problems so far.
        learned: trials of these problems learned from so far.
        acceptance: running share of candidates that were valid; it sets how many are drawn at once.
        unseen: which actions are new where it knew others.
        network_cache: what the configurations build that were looked at, where a problem has a key.
    """

    config: TrainingConfig
    seed: int
    vocabulary: Vocabulary
    encoding: Encoding
    tables: Tables
    state: LearnerState
    replay: ReplayBuffer
    queue: PriorityQueue
    trial_stats: TrialStats
    unseen: UnseenActions
    known: Vocabulary | None = None
    past: tuple["PastProblem", ...] = ()
    sampled: int = 0
    learned: int = 0
    acceptance: float = 0.5
    bandit: Bandit[Any] | None = None
    warm_start: WarmStartConfigs | None = None
    archive: tuple[ArchivedProblem, ...] = ()
    archived_at: int = 0
    network_cache: NetworkCache = field(default_factory=NetworkCache)

    def __copy__(self) -> "Learner":
        """Learners are immutable, so that a copy needs no arrays of its own."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Learner":
        """See `__copy__`; JAX would compute to copy its arrays, which it cannot in a forked process."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the arrays as NumPy arrays, which are placed where they are read."""
        fields = (getattr(self, each.name) for each in dataclasses.fields(self))
        return _placed, (on_host(tuple(fields)),)

    @property
    def replicas(self) -> int:
        """How many replicas there are."""
        return len(self.trial_stats.trials)

    @property
    def policies(self) -> int:
        """How many policies each replica has."""
        return 1 if self.bandit is None else N_POLICIES

    @property
    def bandit_config(self) -> BaseBanditConfig:
        """What the proposer bandit goes by, where there is one."""
        assert self.config.transfer.bandit is not None  # else there is no bandit
        return self.config.transfer.bandit

    @property
    def batch_config(self) -> BatchConfig:
        """What the batches that the policies learn from must be like."""
        encoding = self.encoding
        return BatchConfig(self.policies, encoding.steps_made, encoding.grows, self.config.transfer.new_task)

    @property
    def capacity(self) -> Capacity:
        """The room in the networks' tables."""
        return self.state.policy.capacity

    @property
    def provenance(self) -> tuple["PastProblem", ...]:
        """What it learned from: earlier problems first, the present ones last."""
        trials = self.trial_stats.trials
        present = [PastProblem(*p.name, tuple(trials[:, row].tolist())) for row, p in enumerate(self.encoding.problems)]
        return self.past + tuple(past for past in present if any(past.trials))

    @property
    def restricted(self) -> bool:
        """Whether any of the problems refuses configurations."""
        return any(problem.valid is not None for problem in self.encoding.problems)

    @property
    def keyed(self) -> bool:
        """Whether it proposes each network once: any of the problems has a key, and the replicas do not repeat."""
        return not self.config.proposal.repeats and any(problem.key is not None for problem in self.encoding.problems)


class PastProblem(NamedTuple):
    """How many trials of a problem each replica has learned from."""

    space: str
    task: str
    trials: tuple[int, ...]


def _placed(fields: tuple[Any, ...]) -> Learner:
    learner = Learner(*fields)
    tables, state = placed((learner.tables, learner.state))
    return dataclasses.replace(learner, tables=tables, state=state)


def new_learner(
    problems: tuple[Problem, ...], config: TrainingConfig, seed: int, replicas: int = 1, min_shapes: MinShapes = EXACT
) -> Learner:
    """Returns replicas that know nothing of the problems; `min_shapes` is for what these will grow to."""
    vocabulary = Vocabulary().extended(problems, with_families=min_shapes != EXACT)
    encoding = encode(problems, vocabulary, min_shapes)
    rng = generator(seed, Purpose.WEIGHTS)
    state = init_state(rng, replicas, capacity_for(vocabulary, encoding), config)
    policy = initialise_new_rows(state.policy, vocabulary, Vocabulary(), config.network.number_length)
    state = dataclasses.replace(state, policy=policy)
    return restore(config, seed, vocabulary, encoding, state, *empty_trials(replicas, encoding, config))


def empty_trials(
    replicas: int, encoding: Encoding, config: TrainingConfig
) -> tuple[ReplayBuffer, PriorityQueue, TrialStats]:
    """Returns what replicas that were told nothing keep of trials."""
    rows, steps = len(encoding.tables.task), encoding.steps
    queue = PriorityQueue.empty(replicas, rows, config.queue.size, steps)
    return ReplayBuffer.empty(replicas, steps), queue, TrialStats.empty(replicas, rows)


def restore(
    config: TrainingConfig,
    seed: int,
    vocabulary: Vocabulary,
    encoding: Encoding,
    state: LearnerState,
    replay: ReplayBuffer,
    queue: PriorityQueue,
    trial_stats: TrialStats,
    known: Vocabulary | None = None,
    past: tuple[PastProblem, ...] = (),
    sampled: int = 0,
    learned: int = 0,
    acceptance: float = 0.5,
    bandit: Bandit[Any] | None = None,
    warm_start: WarmStartConfigs | None = None,
    archive: tuple[ArchivedProblem, ...] = (),
    archived_at: int = 0,
) -> Learner:
    """Returns a learner of these parts, its arrays placed where the network computes; see `Learner`."""
    tables, state = placed((encoding.tables, state))
    numbers = config.transfer.explore_numbers(encoding.grows)
    unseen = find_unseen(encoding, known, vocabulary, state.policy.capacity.actions, numbers)
    parts = (config, seed, vocabulary, encoding, tables, state, replay, queue, trial_stats, unseen, known, past)
    return Learner(*parts, sampled, learned, acceptance, bandit, warm_start, archive, archived_at)


def learn(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    trajectory: Trajectory,
    reward: Float[np.ndarray, "replicas"],
    proposer: Int[np.ndarray, "replicas"] | None = None,
    outcome: Int[np.ndarray, "replicas"] | None = None,
    followed: Float[np.ndarray, "replicas"] | None = None,
    others: bool = False,
    waits: bool = False,
) -> Learner:
    """Returns the replicas after each learned from one evaluated trial.

    Args:
        learner: the replicas.
        problem: Shape `[replicas]`, row of the problem.
        trajectory: Shape `[replicas, ...]`, what was evaluated.
        reward: Shape `[replicas]`, finite.
        proposer: Shape `[replicas]`, which policy of the replica proposed it, -1 for none; None for the first.
        outcome: Shape `[replicas]`, what each came to, see `scores.TrialOutcome`; None for finite rewards.
        followed: Shape `[replicas]`, what REINFORCE follows in the rewards' place; None for the rewards.
        others: whether somebody else searched, so that what they found good is imitated; a search that goes its own way
            does not imitate what it was made to try.
        waits: whether learning by preferences from this trial waits for the next one, which costs nothing then.
    """
    config, rule, replay, bandit = learner.config, learner.config.rule, learner.replay, learner.bandit
    proposer = np.zeros(learner.replicas, np.int32) if proposer is None else proposer
    scores = Scores.of(reward) if outcome is None else Scores(outcome, reward)
    if bandit is not None:
        bandit = bandit.update(problem, proposer, scores, replay, learner.bandit_config)
    queue = learner.queue.insert(problem, trajectory, scores, config.queue)
    replay = replay.append(problem, trajectory, scores, proposer) if config.keeps_trials else replay
    lesson = Lesson(
        problem=problem,
        trajectory=trajectory,
        reward=scores.reward if followed is None else followed,
        own=proposer >= 0,
        others=others,
        replay=replay,
        queue=queue,
        trial_stats=learner.trial_stats,
        batch=learner.batch_config,
        seed=learner.seed,
        number=learner.learned,
    )
    state = learner.state
    if not (waits and rule.off_policy):
        state = run(climb, state, learner.tables, rule.draw(lesson), rule)
    return dataclasses.replace(
        learner,
        state=state,
        replay=replay,
        queue=queue,
        trial_stats=rule.count(lesson),
        bandit=bandit,
        learned=learner.learned + 1,
    )


def fail(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    trajectory: Trajectory,
    proposer: Int[np.ndarray, "replicas"],
) -> Learner:
    """Returns the replicas after a trial of each that failed: no policy learns, the warm start does not try it again.

    Args:
        learner: the replicas.
        problem: Shape `[replicas]`, row of the problem.
        trajectory: Shape `[replicas, ...]`, what was to be evaluated.
        proposer: Shape `[replicas]`, which policy of the replica, or its warm start, proposed it.
    """
    if learner.warm_start is None or not (proposer == WARM_START).any():
        return learner
    warm_start = learner.warm_start.without(np.flatnonzero(proposer == WARM_START), problem, trajectory)
    return dataclasses.replace(learner, warm_start=warm_start)


def note(learner: Learner, entries: Iterable[ArchivedProblem]) -> Learner:
    """Returns the learner that keeps what others know of its trials, such as numbers for which its actions stand."""
    learner = update_archive(learner)
    return dataclasses.replace(learner, archive=merge_archives(learner.archive, entries))


def update_archive(learner: Learner) -> Learner:
    """Returns the learner whose archive has all that it was told."""
    if learner.archived_at == learner.learned:
        return learner
    archive = archive_trials(learner.archive, learner.encoding, learner.replay, learner.queue)
    return dataclasses.replace(learner, archive=archive, archived_at=learner.learned)


def best_policy(learner: Learner) -> Policy:
    """Returns the network of each replica whose proposals did best, as NumPy arrays."""
    kept = np.arange(learner.replicas) * learner.policies
    if learner.bandit is not None:
        kept += learner.bandit.best_policy(learner.bandit_config)
    policy: Policy = jax.tree.map(lambda leaf: np.asarray(leaf)[kept], learner.state.policy)
    return policy


def select(learner: Learner, replica: int) -> Learner:
    """Returns one of the replicas alone."""
    rows = slice(replica * learner.policies, (replica + 1) * learner.policies)
    state = jax.tree.map(lambda leaf: np.asarray(leaf)[rows].copy(), learner.state)
    return dataclasses.replace(
        learner,
        seed=derived_seed(learner.seed, Purpose.REPLICA, replica),
        past=tuple(PastProblem(past.space, past.task, (past.trials[replica],)) for past in learner.past),
        replay=learner.replay.selected(replica),
        queue=learner.queue.selected(replica),
        trial_stats=learner.trial_stats.map_arrays(lambda array: array[replica : replica + 1].copy()),
        bandit=None if learner.bandit is None else learner.bandit.selected(replica),
        warm_start=None if learner.warm_start is None else learner.warm_start.selected(replica),
        archive=tuple(entry.selected(replica) for entry in learner.archive),
        state=placed(state),
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
    return dataclasses.replace(learner, encoding=encoding, network_cache=NetworkCache())


def capacity_for(vocabulary: Vocabulary, encoding: Encoding) -> Capacity:
    """Returns the room that a network needs for the names of a vocabulary and the trajectories of an encoding."""
    names, min_shapes = (vocabulary.states, vocabulary.actions, vocabulary.tasks), encoding.min_shapes
    states, actions, tasks = (power_of_two(len(found)) for found in names)
    return Capacity(
        max(states, min_shapes.states), max(actions, min_shapes.names), max(tasks, min_shapes.tasks), encoding.steps
    )
