"""What replicas found best before a transfer, as far as it fits the new problems: it may be tried again as it is.

Shapes: `replicas` run side by side, `problems` searched, `size` of the memory of each, `choices` of a space (S among
them), `steps` of a trajectory.
"""

import functools
import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from ..spaces.choice import Choice
from ..spaces.condition import Action, are_numbers
from ..spaces.encoding import Encoding
from ..spaces.problem import Problem, network_of
from ..spaces.trajectory import Trajectory, blank_trajectories
from ..spaces.vocabulary import action_name
from .archive import Archived
from .gate import MEMORY, RECENT, Record
from .history import History, among_keys, keys
from .portfolio import Pick, Portfolios
from .rollout import Rollout


@dataclass(frozen=True)
class Memory:
    """Configurations of the problems, best first.

    Attributes:
        count: Shape `[replicas, problems]`, how many there are; what lies behind them is room.
        trials: Shape `[replicas, problems, size, ...]`.
        taken: Shape `[replicas, problems, size, choices]`, as in a rollout.
        values: Shape `[replicas, problems, size, choices]`, the number that was tried where an action stands for
            several; NaN where it does not, or nobody knows.
        source: Shape `[replicas, problems, size]`, the earlier problem that a configuration is from.
    """

    count: Int[np.ndarray, "replicas problems"]
    trials: Trajectory
    taken: Int[np.ndarray, "replicas problems size choices"]
    values: Float[np.ndarray, "replicas problems size choices"]
    source: Int[np.ndarray, "replicas problems size"]

    def following(
        self,
        problem: Int[np.ndarray, "replicas"],
        history: History,
        pending: UInt64[np.ndarray, "pending"],
        decay: float,
        allowed: Bool[np.ndarray, "choices options"] | None = None,
        built: Bool[np.ndarray, "replicas size"] | None = None,
    ) -> tuple[Int[np.ndarray, "replicas"], Record]:
        """Returns which configuration of a problem each replica would try next, -1 where none is left.

        It is the first one, but those come last whose earlier problem disappointed here so far.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            history: the trials that were told.
            pending: the keys of those that are being evaluated.
            decay: what the trials of the memory weigh after each trial.
            allowed: Shape `[choices, actions]`, which actions may be taken; None for all.
            built: Shape `[replicas, size]`, which configurations build a network that was evaluated; None for none.

        Returns:
            The configurations, and what is known of where they come from.
        """
        replicas = np.arange(len(problem))
        nothing = Record(np.zeros(len(problem), bool), *np.zeros((2, len(problem))))
        if not self.count.any():
            return np.full(len(problem), -1), nothing
        key, filled = self.slots(problem)
        left = filled & ~history.holds(replicas, key) & ~among_keys(key, pending)
        if built is not None:
            left &= ~built
        if allowed is not None:
            taken = self.taken[replicas, problem]
            inactive = np.ones((len(allowed), 1), bool)
            left &= np.hstack([allowed, inactive])[np.arange(len(allowed)), taken].all(axis=-1)
        count, total = np.zeros((2, *left.shape))
        for replica in np.flatnonzero(left.any(axis=1) & (filled & ~left).any(axis=1)).tolist():
            count[replica], total[replica] = self._record(replica, int(problem[replica]), history, decay)
        which = np.lexsort((total < 0.5 * count, ~left), axis=-1)[:, 0]
        record = Record(left.any(axis=1), count[replicas, which], total[replicas, which])
        return np.where(record.there, which, -1), record

    def _record(
        self, replica: int, row: int, history: History, decay: float
    ) -> tuple[Float[np.ndarray, "size"], Float[np.ndarray, "size"]]:
        """Returns how often trials from the source of each configuration were told, and what share of others they beat.

        Each is compared with those before and behind it that came from elsewhere.
        """
        trials = history.of(replica, row)
        key, source = self._keys[replica, row], self.source[replica, row]
        same = history.key[replica, trials][:, None] == key[None, : self.count[replica, row]]
        told = (history.member[replica, trials] == MEMORY) & same.any(axis=1)
        whose = np.where(told, source[same.argmax(axis=1)] if same.size else 0, -1)
        scores = history.scores.at((replica, trials))
        count, total = np.zeros((2, len(source)))
        for at in np.flatnonzero(told).tolist():
            near = slice(max(0, at - RECENT), at + RECENT)
            others = scores.at(near).at(whose[near] != whose[at])
            if not len(others.reward):
                continue
            one = scores.at(at)
            beaten = 0.5 + 0.5 * (one.above(others).astype(np.float64) - others.above(one)).mean()
            weight = np.where(source == whose[at], decay ** (len(trials) - 1 - at), 0.0)
            count += weight
            total += weight * beaten
        return count, total

    def rollouts(self, problem: Int[np.ndarray, "replicas"], which: Int[np.ndarray, "replicas"]) -> Rollout:
        """Returns one configuration of each replica as if it had been sampled; its log-probability is not known."""
        at = np.arange(len(problem)), problem, which
        trials: Trajectory = jax.tree.map(lambda leaf: leaf[at], self.trials)
        return Rollout(trials, self.taken[at], np.full(len(problem), np.nan, np.float32))

    def numbers(self, replica: int, row: int, key: np.uint64) -> Float[np.ndarray, "choices"]:
        """Returns the `values` of the configuration of a problem that has a key."""
        found: Float[np.ndarray, choices] = self.values[replica, row, self._slot(replica, row, key)]
        return found

    def origin(self, replica: int, row: int, key: np.uint64) -> int:
        """Returns the earlier problem that the configuration of a problem that has a key is from."""
        return int(self.source[replica, row, self._slot(replica, row, key)])

    def _slot(self, replica: int, row: int, key: np.uint64) -> int:
        return int((self._keys[replica, row] == key).argmax())

    def without(
        self, replicas: Int[np.ndarray, "some"], problem: Int[np.ndarray, "replicas"], trial: Trajectory
    ) -> "Memory":
        """Returns the memory of some replicas without one configuration each; what lay behind it moves up.

        Args:
            replicas: those that forget.
            problem: Shape `[replicas]`, row of the problem.
            trial: Shape `[replicas, ...]`.
        """
        memory = Memory(*jax.tree.map(np.copy, (self.count, self.trials, self.taken, self.values, self.source)))
        key, filled = self.slots(problem)
        stays = filled & (key != keys(problem, trial)[:, None])
        for replica in replicas.tolist():
            row, kept = problem[replica], np.flatnonzero(stays[replica])
            for leaf in jax.tree.leaves((memory.trials, memory.taken, memory.values, memory.source)):
                leaf[replica, row, : len(kept)] = leaf[replica, row, kept]
            memory.count[replica, row] = len(kept)
        return memory

    def slots(
        self, problem: Int[np.ndarray, "replicas"]
    ) -> tuple[UInt64[np.ndarray, "replicas size"], Bool[np.ndarray, "replicas size"]]:
        """Returns the keys of each replica's configurations of a problem, and which are no mere room."""
        replicas, size = np.arange(len(problem)), self.taken.shape[2]
        return self._keys[replicas, problem], np.arange(size) < self.count[replicas, problem][:, None]

    @functools.cached_property
    def _keys(self) -> UInt64[np.ndarray, "replicas problems size"]:
        problem = np.arange(self.count.shape[1])[:, None]
        return keys(np.broadcast_to(problem, self.taken.shape[:3]), self.trials)

    def selected(self, replica: int) -> "Memory":
        """Returns the memory of one replica alone."""
        rows = slice(replica, replica + 1)
        trials: Trajectory = jax.tree.map(lambda leaf: leaf[rows].copy(), self.trials)
        arrays = (array[rows].copy() for array in (self.taken, self.values, self.source))
        return Memory(self.count[rows].copy(), trials, *arrays)


def empty_memory(replicas: int, problems: int, size: int, steps: int, choices: int) -> Memory:
    """Returns a memory of nothing."""
    shape = (replicas, problems, size)
    count, trials = np.zeros((replicas, problems), np.int32), blank_trajectories(shape, steps)
    taken, values = np.zeros((*shape, choices), np.int32), np.full((*shape, choices), np.nan)
    return Memory(count, trials, taken, values, np.zeros(shape, np.int32))


def remember(
    entries: Sequence[Archived], picks: Portfolios, encoding: Encoding, size: int, fill: Mapping[str, Action]
) -> Memory:
    """Returns what fits new problems of the best trials of earlier ones.

    A configuration fits if its choices and `fill` give at least half of those that it takes to make one of the new
    problem's. The other choices are as they were in the best of the other trials; what no trial has is the first action
    of its choice, or the middle one of numbers. The configuration must be valid. Of those that build one network there,
    the first is remembered.

    Args:
        entries: the earlier problems, under the names that their choices have in the new ones.
        picks: trials of theirs, in the order in which they are to be tried.
        encoding: the new problems.
        size: so many at most, for each problem.
        fill: the actions of choices that the earlier spaces had not.
    """
    choices = encoding.tables.rules.decision.shape[1]
    memory = empty_memory(len(picks), len(encoding.tables.task), size, encoding.steps, choices)
    for replica, by_problem in enumerate(picks):
        for row, ordered in enumerate(by_problem):
            others = _others(entries, replica, ordered)
            problem, distinct = encoding.problems[row], set[Hashable]()
            for pick in ordered:
                entry = entries[pick.entry]
                config = _fitted({**fill, **entry.config(replica, pick.slot)}, problem, others)
                if config is None or (identity := _identity(problem, config)) in distinct:
                    continue
                at = replica, row, len(distinct)
                _put(memory, at, encoding, config, entry.numbers(replica, pick.slot))
                memory.source[at] = pick.entry
                distinct.add(identity)
                if len(distinct) == size:
                    break
            memory.count[replica, row] = len(distinct)
    return memory


def _identity(problem: Problem, config: Mapping[str, Action]) -> Hashable:
    """Returns what two configurations share if they are one to a search."""
    if problem.key is not None:
        return network_of(problem, config)
    return frozenset(itertools.starmap(action_name, config.items()))


def _put(
    memory: Memory,
    at: tuple[int, int, int],
    encoding: Encoding,
    config: dict[str, Action],
    numbers: Mapping[str, float],
) -> None:
    row = at[1]
    for leaf, value in zip(memory.trials, encoding.trajectory(row, config), strict=True):
        leaf[at] = value
    memory.taken[at] = encoding.taken(row, config)
    for index, choice in enumerate(encoding.problems[row].space.choices, start=1):
        memory.values[(*at, index)] = numbers.get(choice.name, np.nan) if choice.name in config else np.nan


def _others(entries: Sequence[Archived], replica: int, picks: Sequence[Pick]) -> dict[str, list[Action]]:
    """Returns what each choice was in the trials, in their order."""
    found: dict[str, list[Action]] = {}
    for pick in picks:
        for name, action in entries[pick.entry].config(replica, pick.slot).items():
            found.setdefault(name, []).append(action)
    return found


def _fitted(
    given: Mapping[str, Action], problem: Problem, others: Mapping[str, Sequence[Action]]
) -> dict[str, Action] | None:
    """Returns a configuration as one of a problem's; None if it does not fit or is not valid."""
    fitted: dict[str, Action] = {}
    kept = 0
    while (choice := problem.space.next_choice(fitted)) is not None:
        fits = choice.name in given and choice.has(given[choice.name])
        kept += fits
        fitted[choice.name] = given[choice.name] if fits else _usual(choice, others.get(choice.name, ()))
    return fitted if 2 * kept >= len(fitted) and (problem.valid is None or problem.valid(fitted)) else None


def _usual(choice: Choice, others: Sequence[Action]) -> Action:
    """Returns an action for a choice of which a configuration says nothing."""
    for action in others:
        if choice.has(action):
            return action
    return choice.actions[len(choice.actions) // 2 if are_numbers(choice.actions) else 0]
