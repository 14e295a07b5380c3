"""Learners between compiled steps: their knowledge, and learning from rewards (`proposal.py` has their proposals).

A `Learner` has one or more replicas, which search the same problems in lockstep, each on its own. An experiment runs
many replicas; a user's agent is one replica. Learners are immutable; each function returns the next learner.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from ..arrays import map_arrays
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
from .failed_trials import MOST_FAILED, FailedTrial
from .inheritance import initialise_new_rows
from .network_cache import NetworkCache
from .priority_queue import PriorityQueue
from .randomness import Purpose, derived_seed, generator
from .replay import ReplayBuffer
from .rule import BatchConfig, Lesson
from .scores import Scores
from .steps import LearnerState, climb, init_state
from .surrogate_cache import SurrogateCache
from .trial_stats import TrialStats
from .warm_start import WarmStartConfigs


@dataclass(frozen=True, slots=True)
class Learner:
    """One or more replicas that search the same problems.

    Attributes:
        config: the settings.
        seed: the seed of everything random, together with the counts below.
        vocabulary: every name seen so far, also in earlier problems.
        encoding: the problems.
        tables: the problems as arrays on the device of the network.
        state: the networks and their optimisers.
        replay: the trials that were learned from, if `config.keeps_trials`; else an empty buffer.
        queue: the best trials.
        trial_stats: the number of trials, and the moving average of their rewards.
        bandit: the proposer bandit after a transfer. With a bandit, each replica has two policies, side by side in the
            rows of `state`.
        warm_start: the best configurations from before the transfer, if there is a proposer bandit.
        known: the names that were known before a transfer to these problems; None without a transfer. Equation (1)
            applies after a transfer.
        past: the problems that were learned from before these.
        archive: the trials of all problems that are kept for good. Trials of the present problems since `archived_at`
            are not in it yet.
        archived_at: the number of trials of these problems that had been learned from when the archive was made.
        sampled: the number of trials proposed for these problems.
        learned: the number of trials of these problems that were learned from.
        acceptance: the running share of valid candidates, which sets the number of candidates that are drawn at once.
        unseen: the unseen actions of known states.
        network_cache: the networks that configurations build, if a problem has a key.
        failed: the latest failed trials, which the Gaussian process does not propose again.
        surrogate_cache: the parts of the Gaussian processes over the trials that stay.
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
    failed: tuple[FailedTrial, ...] = ()
    network_cache: NetworkCache = field(default_factory=NetworkCache)
    surrogate_cache: SurrogateCache = field(default_factory=SurrogateCache)

    def __copy__(self) -> "Learner":
        """Learners are immutable, so that a copy needs no arrays of its own."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Learner":
        """See `__copy__`; JAX computes to copy its arrays, and cannot compute in a forked process."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the arrays as NumPy arrays; the process that reads them places them on its device."""
        fields = (getattr(self, each.name) for each in dataclasses.fields(self))
        return _placed, (on_host(tuple(fields)),)

    @property
    def replicas(self) -> int:
        """The number of replicas."""
        return len(self.trial_stats.trials)

    @property
    def policies(self) -> int:
        """The number of policies of each replica."""
        return 1 if self.bandit is None else N_POLICIES

    @property
    def bandit_config(self) -> BaseBanditConfig:
        """The settings of the proposer bandit, if there is a bandit."""
        assert self.config.transfer.bandit is not None  # else there is no bandit
        return self.config.transfer.bandit

    @property
    def batch_config(self) -> BatchConfig:
        """The properties of the batches that the policies learn from."""
        encoding = self.encoding
        return BatchConfig(self.policies, encoding.steps_made, encoding.grows, self.config.transfer.new_task)

    @property
    def capacity(self) -> Capacity:
        """The room in the networks' tables."""
        return self.state.policy.capacity

    @property
    def provenance(self) -> tuple["PastProblem", ...]:
        """The problems that were learned from: earlier problems first, the present problems last."""
        trials = self.trial_stats.trials
        present = [PastProblem(*p.name, tuple(trials[:, row].tolist())) for row, p in enumerate(self.encoding.problems)]
        return self.past + tuple(past for past in present if any(past.trials))

    @property
    def restricted(self) -> bool:
        """Whether any of the problems refuses configurations."""
        return any(problem.valid is not None for problem in self.encoding.problems)

    @property
    def keyed(self) -> bool:
        """Whether each network is proposed once: any of the problems has a key, and configurations do not repeat."""
        return not self.config.proposal.repeats and any(problem.key is not None for problem in self.encoding.problems)


class PastProblem(NamedTuple):
    """A problem, and the number of its trials that each replica has learned from."""

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
    """Returns replicas that know nothing of the problems.

    Args:
        problems: the problems.
        config: the settings.
        seed: the seed of everything random.
        replicas: the number of replicas.
        min_shapes: the least sizes of the arrays, for problems that will grow.
    """
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
    """Returns the replay buffer, the queues and the statistics of replicas that were told of no trial.

    Raises:
        ValueError: A choice has a range of many numbers, and there are several replicas, or no trials are kept.
    """
    if encoding.has_ranges and not (replicas == 1 and config.keeps_trials):
        raise ValueError(
            "a search of a Range keeps its trials, for one agent alone: use TrainingConfig(), or give the choices lists"
        )
    rows, steps, choices = len(encoding.tables.task), encoding.steps, encoding.tables.rules.decision.shape[1]
    queue = PriorityQueue.empty(replicas, rows, config.queue.size, steps)
    replay = ReplayBuffer.empty(replicas, steps, choices if encoding.has_ranges else 0)
    return replay, queue, TrialStats.empty(replicas, rows)


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
) -> Learner:
    """Returns a learner of these parts, its arrays placed where the network computes; see `Learner`."""
    tables, state = placed((encoding.tables, state))
    numbers = config.transfer.explore_numbers(encoding.grows)
    unseen = find_unseen(encoding, known, vocabulary, state.policy.capacity.actions, numbers)
    return Learner(config, seed, vocabulary, encoding, tables, state, replay, queue, trial_stats, unseen, known)


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
    numbers: Float[np.ndarray, "replicas choices"] | None = None,
) -> Learner:
    """Returns the replicas after each learned from one evaluated trial.

    Args:
        learner: the replicas.
        problem: Shape `[replicas]`, the row of the problem.
        trajectory: Shape `[replicas, ...]`, the evaluated trial.
        reward: Shape `[replicas]`, finite.
        proposer: Shape `[replicas]`, the trial's proposer (see `learning.bandit`), -1 for somebody else; None for the
            first policy.
        outcome: Shape `[replicas]`, the trial's outcome, see `scores.TrialOutcome`; None for finite rewards.
        followed: Shape `[replicas]`, the rewards on the scale that a rule with `reward_scale` follows; None for the
            rewards themselves.
        others: whether somebody else searched, so that their good trials are imitated. A search that goes its own way
            does not imitate a trial that it was made to try.
        waits: whether an off-policy rule waits for the next trial, and learns from both then, at the cost of one.
        numbers: Shape `[replicas, choices]`, the numbers of ranges, see `ReplayBuffer`; None if there are no ranges.
    """
    config, rule, replay, bandit = learner.config, learner.config.rule, learner.replay, learner.bandit
    proposer = np.zeros(learner.replicas, np.int32) if proposer is None else proposer
    scores = Scores.of(reward) if outcome is None else Scores(outcome, reward)
    if bandit is not None:
        bandit = bandit.update(problem, proposer, scores, replay, learner.bandit_config)
    queue = learner.queue.insert(problem, trajectory, scores, config.queue)
    replay = replay.append(problem, trajectory, scores, proposer, numbers) if config.keeps_trials else replay
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
    numbers: Float[np.ndarray, "replicas choices"] | None = None,
) -> Learner:
    """Returns the replicas after a failed trial of each: no policy learns, and the trial is not proposed again.

    It may be where configurations repeat, as in the paper's settings, and where its ranges can have other numbers.

    Args:
        learner: the replicas.
        problem: Shape `[replicas]`, the row of the problem.
        trajectory: Shape `[replicas, ...]`, the failed trial.
        proposer: Shape `[replicas]`, the trial's proposer (see `learning.bandit`).
        numbers: Shape `[replicas, choices]`, the numbers of ranges, see `ReplayBuffer`; None if there are no ranges.
    """
    if not (learner.encoding.grows or learner.config.proposal.repeats):
        numbers = np.empty((learner.replicas, 0)) if numbers is None else numbers
        failed = *learner.failed[1 - MOST_FAILED :], FailedTrial(problem, trajectory, numbers)
        learner = dataclasses.replace(learner, failed=failed)
    if learner.warm_start is None or not (proposer == WARM_START).any():
        return learner
    warm_start = learner.warm_start.without(np.flatnonzero(proposer == WARM_START), problem, trajectory)
    return dataclasses.replace(learner, warm_start=warm_start)


def note(learner: Learner, entries: Iterable[ArchivedProblem]) -> Learner:
    """Returns the learner with entries of others in its archive, such as the numbers for which its actions stand."""
    learner = update_archive(learner)
    return _with_archive(learner, merge_archives(learner.archive, entries))


def update_archive(learner: Learner) -> Learner:
    """Returns the learner with all its trials in its archive."""
    if learner.archived_at == learner.learned:
        return learner
    archive = archive_trials(learner.archive, learner.encoding, learner.replay, learner.queue)
    return dataclasses.replace(_with_archive(learner, archive), archived_at=learner.learned)


def _with_archive(learner: Learner, archive: tuple[ArchivedProblem, ...]) -> Learner:
    """Returns the learner with another archive, in which the sources of its warm start may have other positions."""
    warm_start = None if learner.warm_start is None else learner.warm_start.moved(learner.archive, archive)
    return dataclasses.replace(learner, archive=archive, warm_start=warm_start)


def best_policy(learner: Learner) -> Policy:
    """Returns the network of each replica with the best proposals, as NumPy arrays."""
    kept = np.arange(learner.replicas) * learner.policies
    if learner.bandit is not None:
        kept += learner.bandit.best_policy(learner.bandit_config)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[kept], learner.state.policy)


def select(learner: Learner, replica: int) -> Learner:
    """Returns one of the replicas alone."""

    def alone(array: np.ndarray) -> np.ndarray:
        return array[replica : replica + 1].copy()

    rows = slice(replica * learner.policies, (replica + 1) * learner.policies)
    state = jax.tree.map(lambda leaf: np.asarray(leaf)[rows].copy(), learner.state)
    return dataclasses.replace(
        learner,
        seed=derived_seed(learner.seed, Purpose.REPLICA, replica),
        past=tuple(PastProblem(past.space, past.task, (past.trials[replica],)) for past in learner.past),
        replay=learner.replay.selected(replica),
        queue=map_arrays(learner.queue, alone),
        trial_stats=map_arrays(learner.trial_stats, alone),
        bandit=None if learner.bandit is None else learner.bandit.selected(replica),
        warm_start=None if learner.warm_start is None else map_arrays(learner.warm_start, alone),
        archive=tuple(map_arrays(entry, alone) for entry in learner.archive),
        state=placed(state),
        failed=tuple(one.selected(replica) for one in learner.failed),
        surrogate_cache=SurrogateCache(),
    )


def with_functions(learner: Learner, given: tuple[Problem, ...]) -> Learner:
    """Returns the learner with the given problems in place of its problems of the same names.

    A file holds no functions, so that they are given anew.

    Raises:
        ValueError: the learner has no problem of that name, or the space differs.
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
