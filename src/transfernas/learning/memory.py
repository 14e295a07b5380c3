"""What replicas found best before a transfer, as far as it fits the new problems: it may be tried again as it is.

Shapes: `replicas` run side by side, `problems` searched, `size` of the memory of each, `choices` of a space (S among
them), `steps` of a trajectory.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Bool, Int, UInt64

from ..spaces.condition import Action
from ..spaces.encoding import Encoding, Trajectory, blank_trajectories
from ..spaces.problem import Problem
from ..spaces.vocabulary import ActionName, action_name
from .history import History, among_keys, keys
from .queue import Queue
from .rollout import Rollout


@dataclass(frozen=True)
class Memory:
    """Configurations of the problems, best first.

    Attributes:
        count: Shape `[replicas, problems]`, how many there are; what lies behind them is room.
        trials: Shape `[replicas, problems, size, ...]`.
        taken: Shape `[replicas, problems, size, choices]`, as in a rollout.
    """

    count: Int[np.ndarray, "replicas problems"]
    trials: Trajectory
    taken: Int[np.ndarray, "replicas problems size choices"]

    def following(
        self,
        problem: Int[np.ndarray, "replicas"],
        history: History,
        pending: UInt64[np.ndarray, "pending"],
        allowed: Bool[np.ndarray, "choices options"] | None = None,
    ) -> Int[np.ndarray, "replicas"]:
        """Returns which configuration of a problem each replica would try next, -1 where none is left.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            history: the trials that were told.
            pending: the keys of those that are being evaluated.
            allowed: Shape `[choices, actions]`, which actions may be taken; None for all.
        """
        if not self.count.any():
            return np.full(len(problem), -1)
        key, filled = self._slots(problem)
        left = filled & ~history.holds(np.arange(len(problem)), key) & ~among_keys(key, pending)
        if allowed is not None:
            taken = self.taken[np.arange(len(problem)), problem]
            inactive = np.ones((len(allowed), 1), bool)
            left &= np.hstack([allowed, inactive])[np.arange(len(allowed)), taken].all(axis=-1)
        return np.where(left.any(axis=1), left.argmax(axis=1), -1)

    def rollouts(self, problem: Int[np.ndarray, "replicas"], which: Int[np.ndarray, "replicas"]) -> Rollout:
        """Returns one configuration of each replica as if it had been sampled; its log-probability is not known."""
        at = np.arange(len(problem)), problem, which
        trials: Trajectory = jax.tree.map(lambda leaf: leaf[at], self.trials)
        return Rollout(trials, self.taken[at], np.full(len(problem), np.nan, np.float32))

    def without(
        self, replicas: Int[np.ndarray, "some"], problem: Int[np.ndarray, "replicas"], trial: Trajectory
    ) -> "Memory":
        """Returns the memory of some replicas without one configuration each; what lay behind it moves up.

        Args:
            replicas: those that forget.
            problem: Shape `[replicas]`, row of the problem.
            trial: Shape `[replicas, ...]`.
        """
        memory = Memory(*jax.tree.map(np.copy, (self.count, self.trials, self.taken)))
        key, filled = self._slots(problem)
        stays = filled & (key != keys(problem, trial)[:, None])
        for replica in replicas.tolist():
            row, kept = problem[replica], np.flatnonzero(stays[replica])
            for leaf in jax.tree.leaves((memory.trials, memory.taken)):
                leaf[replica, row, : len(kept)] = leaf[replica, row, kept]
            memory.count[replica, row] = len(kept)
        return memory

    def _slots(
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
        return Memory(self.count[rows].copy(), trials, self.taken[rows].copy())


def empty_memory(replicas: int, problems: int, size: int, steps: int, choices: int) -> Memory:
    """Returns a memory of nothing."""
    shape = (replicas, problems, size)
    trials = blank_trajectories(shape, steps)
    return Memory(np.zeros((replicas, problems), np.int32), trials, np.zeros((*shape, choices), np.int32))


def remember(
    queue: Queue,
    sources: Encoding,
    encoding: Encoding,
    size: int,
    rename: Mapping[str, str],
    fill: Mapping[str, Action],
    rng: np.random.Generator,
) -> Memory:
    """Returns what fits new problems of the best trials of earlier ones.

    The sources are those earlier problems that have the new one's space or task: what was best on another task, in
    another space, says less than the policy does of what is new there. They give in turn, each its best that was not
    given yet. A configuration fits if its choices and `fill` give at least half of those that it takes to make one of
    the new problem's; the others are drawn. It must be valid there.

    Args:
        queue: of each replica.
        sources: the earlier problems.
        encoding: the new ones.
        size: so many at most, for each problem.
        rename: from states of the sources to states of the new problems.
        fill: the actions of choices that the earlier spaces had not.
        rng: for what is drawn.
    """
    replicas, choices = queue.filled.shape[0], encoding.tables.rules.decision.shape[1]
    memory = empty_memory(replicas, len(encoding.tables.task), size, encoding.steps, choices)
    for replica in range(replicas):
        for row, problem in enumerate(encoding.problems):
            alike = [
                _best(queue, sources, replica, its, rename)
                for its, source in enumerate(sources.problems)
                if source.task == problem.task or source.space.name == problem.space.name
            ]
            turns = (config for turn in itertools.zip_longest(*alike) for config in turn if config is not None)
            fitting = (_fitted(config, problem, fill, rng) for config in turns)
            for slot, config in enumerate(itertools.islice(_distinct(fitting), size)):
                at = replica, row, slot
                for leaf, value in zip(memory.trials, encoding.trajectory(row, config), strict=True):
                    leaf[at] = value
                memory.taken[at] = encoding.taken(row, config)
                memory.count[replica, row] = slot + 1
    return memory


def _best(
    queue: Queue, sources: Encoding, replica: int, row: int, rename: Mapping[str, str]
) -> Iterator[dict[str, Action]]:
    """Yields the configurations of a problem's queue under the new names, best first."""
    # States are renamed; the choices of a repeated block are called by their state and a number.
    states = {choice.name: choice.state for choice in sources.problems[row].space.choices}
    names = {
        name: rename.get(state, state) + name.removeprefix(state)
        for name, state in states.items()
        if name.startswith(state)
    }
    for config in queue.configs(replica, row, sources):
        yield {names.get(name, name): action for name, action in config.items()}


def _distinct(configs: Iterable[dict[str, Action] | None]) -> Iterator[dict[str, Action]]:
    """Yields each configuration once, and looks no further than is asked for."""
    seen = set[frozenset[ActionName]]()
    for config in configs:
        if config is not None and (name := frozenset(itertools.starmap(action_name, config.items()))) not in seen:
            seen.add(name)
            yield config


def _fitted(
    config: Mapping[str, Action],
    problem: Problem,
    fill: Mapping[str, Action],
    rng: np.random.Generator,
) -> dict[str, Action] | None:
    """Returns a configuration as one of a problem's; None if it does not fit or is not valid."""
    given = {**fill, **config}
    fitted: dict[str, Action] = {}
    kept = 0
    while (choice := problem.space.next_choice(fitted)) is not None:
        fits = choice.name in given and choice.has(given[choice.name])
        kept += fits
        fitted[choice.name] = given[choice.name] if fits else choice.actions[rng.integers(len(choice.actions))]
    return fitted if 2 * kept >= len(fitted) and (problem.valid is None or problem.valid(fitted)) else None
