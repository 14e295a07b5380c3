"""Learners between compiled steps: what they know, and learning from rewards (`proposing.py` says what they propose).

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
from ..spaces.tables import NO_ROOM, Room, Tables, power_of_two
from ..spaces.trajectory import Trajectory
from ..spaces.vocabulary import Vocabulary
from .archive import Archived, added, archived
from .builds import Builds
from .config import GateConfig, TrainingConfig
from .gate import MEMORY, POLICIES, Gate
from .history import History
from .inheritance import begun
from .memory import Memory
from .novelty import Novelty, novelty
from .pairs import draw_pairs
from .queue import Queue
from .randomness import Use, derived_seed, generator
from .rules import Reinforce
from .scores import Scores
from .steps import LearnerState, init_state, prefer, update
from .tally import Tally


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
        queue: the best of them.
        tally: how many they were, and their mean reward.
        gate: which policy of each replica proposes, where it has two; the state then has a row for each of them, those
            of a replica side by side.
        memory: what was best before a transfer, where there is a gate.
        known: the names it had learned of before these problems, if it came to them by a transfer; equation (1)
            applies then.
        past: what it learned from before these problems.
        archive: what it keeps of problems for good; of these ones, what the history does not hold.
        archived_at: how many trials of these problems were learned from when all was archived last.
        sampled: trials proposed for these problems so far.
        learned: trials of these problems learned from so far.
        acceptance: running share of candidates that were valid; it sets how many are drawn at once.
        novel: which actions are new where it knew others.
        builds: what the configurations build that were looked at, where a problem has a key.
    """

    config: TrainingConfig
    seed: int
    vocabulary: Vocabulary
    encoding: Encoding
    tables: Tables
    state: LearnerState
    history: History
    queue: Queue
    tally: Tally
    novel: Novelty
    known: Vocabulary | None = None
    past: tuple["Past", ...] = ()
    sampled: int = 0
    learned: int = 0
    acceptance: float = 0.5
    gate: Gate | None = None
    memory: Memory | None = None
    archive: tuple[Archived, ...] = ()
    archived_at: int = 0
    builds: Builds = field(default_factory=Builds)

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
        return len(self.tally.trials)

    @property
    def members(self) -> int:
        """How many policies each replica has."""
        return 1 if self.gate is None else POLICIES

    @property
    def gate_config(self) -> GateConfig:
        """What the gate goes by, where there is one."""
        assert self.config.transfer.gate is not None  # else there is no gate
        return self.config.transfer.gate

    @property
    def capacity(self) -> Capacity:
        """The room in the networks' tables."""
        return self.state.policy.capacity

    @property
    def provenance(self) -> tuple["Past", ...]:
        """What it learned from: earlier problems first, the present ones last."""
        trials = self.tally.trials
        present = [Past(*p.name, tuple(trials[:, row].tolist())) for row, p in enumerate(self.encoding.problems)]
        return self.past + tuple(past for past in present if any(past.trials))

    @property
    def restricted(self) -> bool:
        """Whether any of the problems refuses configurations."""
        return any(problem.valid is not None for problem in self.encoding.problems)

    @property
    def keyed(self) -> bool:
        """Whether it proposes each network once: any of the problems has a key, and the replicas do not repeat."""
        return not self.config.proposal.repeats and any(problem.key is not None for problem in self.encoding.problems)


class Past(NamedTuple):
    """How many trials of a problem each replica has learned from."""

    space: str
    task: str
    trials: tuple[int, ...]


def _placed(fields: tuple[Any, ...]) -> Learner:
    learner = Learner(*fields)
    tables, state = placed((learner.tables, learner.state))
    return dataclasses.replace(learner, tables=tables, state=state)


def new_learner(
    problems: tuple[Problem, ...], config: TrainingConfig, seed: int, replicas: int = 1, room: Room = NO_ROOM
) -> Learner:
    """Returns replicas that know nothing of the problems; `room` is for what these will grow to."""
    vocabulary = Vocabulary().extended(problems, with_families=room != NO_ROOM)
    encoding = encode(problems, vocabulary, room)
    rng = generator(seed, Use.WEIGHTS)
    state = init_state(rng, replicas, capacity_for(vocabulary, encoding), config)
    policy = begun(state.policy, vocabulary, Vocabulary(), config.network.number_length)
    state = dataclasses.replace(state, policy=policy)
    return restore(config, seed, vocabulary, encoding, state, *nothing_told(replicas, encoding, config))


def nothing_told(replicas: int, encoding: Encoding, config: TrainingConfig) -> tuple[History, Queue, Tally]:
    """Returns what replicas that were told nothing keep of trials."""
    rows, steps = len(encoding.tables.task), encoding.steps
    queue = Queue.empty(replicas, rows, config.queue.size, steps)
    return History.empty(replicas, steps), queue, Tally.empty(replicas, rows)


def restore(
    config: TrainingConfig,
    seed: int,
    vocabulary: Vocabulary,
    encoding: Encoding,
    state: LearnerState,
    history: History,
    queue: Queue,
    tally: Tally,
    known: Vocabulary | None = None,
    past: tuple[Past, ...] = (),
    sampled: int = 0,
    learned: int = 0,
    acceptance: float = 0.5,
    gate: Gate | None = None,
    memory: Memory | None = None,
    archive: tuple[Archived, ...] = (),
    archived_at: int = 0,
) -> Learner:
    """Returns a learner of these parts, its arrays placed where the network computes; see `Learner`."""
    tables, state = placed((encoding.tables, state))
    numbers = config.transfer.curious_of_numbers(encoding.grows)
    novel = novelty(encoding, known, vocabulary, state.policy.capacity.actions, numbers)
    parts = (config, seed, vocabulary, encoding, tables, state, history, queue, tally, novel, known, past)
    return Learner(*parts, sampled, learned, acceptance, gate, memory, archive, archived_at)


def learn(
    learner: Learner,
    problem: Int[np.ndarray, "replicas"],
    trajectory: Trajectory,
    reward: Float[np.ndarray, "replicas"],
    member: Int[np.ndarray, "replicas"] | None = None,
    grade: Int[np.ndarray, "replicas"] | None = None,
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
        member: Shape `[replicas]`, which policy of the replica proposed it, -1 for none; None for the first.
        grade: Shape `[replicas]`, what each came to, see `scores.Grade`; None for finite rewards.
        followed: Shape `[replicas]`, what REINFORCE follows in the rewards' place; None for the rewards.
        others: whether somebody else searched, so that what they found good is imitated; a search that goes its own way
            does not imitate what it was made to try.
        waits: whether learning by preferences from this trial waits for the next one, which costs nothing then.
    """
    config, history, gate, number = learner.config, learner.history, learner.gate, learner.learned
    member = np.zeros(learner.replicas, np.int32) if member is None else member
    scores = Scores.of(reward) if grade is None else Scores(grade, reward)
    followed = scores.reward if followed is None else followed
    queue = learner.queue.inserted(problem, trajectory, scores, config.queue)
    if isinstance(rule := config.rule, Reinforce):
        pick = generator(learner.seed, Use.QUEUE, number).random(learner.replicas, np.float32)
        advantage = learner.tally.advantage(problem, followed, member >= 0)
        queued = queue.drawn(problem, pick)
        state = run(update, learner.state, learner.tables, trajectory, advantage, queued, rule)
        history = history if config.proposal.repeats else history.appended(problem, trajectory, scores, member)
        tally = learner.tally.after(problem, followed, member >= 0, rule.baseline_decay)
    else:
        if gate is not None:
            gate = gate.told(problem, member, scores, history, learner.gate_config)
        history = history.appended(problem, trajectory, scores, member)
        state = learner.state
        if not waits:
            rng, encoding = generator(learner.seed, Use.PAIRS, number), learner.encoding
            new_task, imitated = config.transfer.new_task, np.full(learner.replicas, others)
            of = encoding.steps_made, encoding.grows, new_task, imitated
            pairs = draw_pairs(history, problem, rng, rule, learner.members, *of)
            state = run(prefer, state, learner.tables, pairs, rule)
        tally = learner.tally.counted(problem)
    return dataclasses.replace(
        learner, state=state, history=history, queue=queue, tally=tally, gate=gate, learned=number + 1
    )


def fail(
    learner: Learner, problem: Int[np.ndarray, "replicas"], trajectory: Trajectory, member: Int[np.ndarray, "replicas"]
) -> Learner:
    """Returns the replicas after a trial of each that failed: no policy learns, the memory does not try it again.

    Args:
        learner: the replicas.
        problem: Shape `[replicas]`, row of the problem.
        trajectory: Shape `[replicas, ...]`, what was to be evaluated.
        member: Shape `[replicas]`, which policy of the replica, or its memory, proposed it.
    """
    if learner.memory is None or not (member == MEMORY).any():
        return learner
    memory = learner.memory.without(np.flatnonzero(member == MEMORY), problem, trajectory)
    return dataclasses.replace(learner, memory=memory)


def noted(learner: Learner, entries: Iterable[Archived]) -> Learner:
    """Returns the learner that keeps what others know of its trials, such as numbers for which its actions stand."""
    learner = with_archive(learner)
    return dataclasses.replace(learner, archive=added(learner.archive, entries))


def with_archive(learner: Learner) -> Learner:
    """Returns the learner whose archive has all that it was told."""
    if learner.archived_at == learner.learned:
        return learner
    archive = archived(learner.archive, learner.encoding, learner.history, learner.queue)
    return dataclasses.replace(learner, archive=archive, archived_at=learner.learned)


def best_policy(learner: Learner) -> Policy:
    """Returns the network of each replica whose proposals did best, as NumPy arrays."""
    kept = np.arange(learner.replicas) * learner.members
    if learner.gate is not None:
        kept += learner.gate.most_promising(learner.gate_config)
    policy: Policy = jax.tree.map(lambda leaf: np.asarray(leaf)[kept], learner.state.policy)
    return policy


def select(learner: Learner, replica: int) -> Learner:
    """Returns one of the replicas alone."""
    rows = slice(replica * learner.members, (replica + 1) * learner.members)
    state = jax.tree.map(lambda leaf: np.asarray(leaf)[rows].copy(), learner.state)
    return dataclasses.replace(
        learner,
        seed=derived_seed(learner.seed, Use.REPLICA, replica),
        past=tuple(Past(past.space, past.task, (past.trials[replica],)) for past in learner.past),
        history=learner.history.selected(replica),
        queue=learner.queue.selected(replica),
        tally=learner.tally.mapped(lambda array: array[replica : replica + 1].copy()),
        gate=None if learner.gate is None else learner.gate.selected(replica),
        memory=None if learner.memory is None else learner.memory.selected(replica),
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
    return dataclasses.replace(learner, encoding=encoding, builds=Builds())


def capacity_for(vocabulary: Vocabulary, encoding: Encoding) -> Capacity:
    """Returns the room that a network needs for the names of a vocabulary and the trajectories of an encoding."""
    names, room = (vocabulary.states, vocabulary.actions, vocabulary.tasks), encoding.room
    states, actions, tasks = (power_of_two(len(found)) for found in names)
    return Capacity(max(states, room.states), max(actions, room.names), max(tasks, room.tasks), encoding.steps)
