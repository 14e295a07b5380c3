"""The archive: the best trials of every problem that a learner ever learned from, and a spread of its other trials.

A transfer leaves the replay buffer behind. The archive goes along, through transfers, saves and loads. New problems
take their first configurations from the archive (`warm_start.py`). The policy learns from the archive once more before
the next transfer (`rehearsal.py`), so that searches in a row teach as much as all of them together would.

Shapes: `replicas` run side by side, `size` trials are kept of a problem with so many `choices`.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ..spaces.choice import Choice
from ..spaces.condition import Action, action_key
from ..spaces.encoding import Encoding
from ..spaces.trajectory import Trajectory
from .priority_queue import PriorityQueue
from .replay import ReplayBuffer
from .scores import Score, Scores

# Not for tuning. These numbers bound the file, whatever was searched. An agent goes on with the archive of another.
SIZE = 48
"""The largest number of distinct trials that are kept of a problem."""

MOST_PROBLEMS = 256
"""The largest number of problems that are kept: those that were learned from last."""

WITH_NUMBERS = 10
"""The number of a search's best trials whose numbers are archived, where actions stand for several numbers."""

_BEST = 32  # best trials of a problem are kept; the others are spread evenly over the ranks behind them
NOT_MADE = -1
"""The position that stands for no action: the trial did not make the choice."""


@dataclass(frozen=True, slots=True)
class ArchivedProblem:
    """The archived trials of a problem, best first.

    Attributes:
        space: the name of the space.
        task: the name of the task.
        choices: the choices of the space, without their conditions: the trials show which choices were made.
        count: Shape `[replicas]`, the number of trials; the slots behind them are empty.
        action_indices: Shape `[replicas, size, choices]`, the position of the action that each choice took, or
            `NOT_MADE`.
        values: Shape `[replicas, size, choices]`, the number that was tried, if the action stands for several numbers;
            NaN if it does not, or if the number is not known.
        scores: Shape `[replicas, size]`, the scores.
    """

    space: str
    task: str
    choices: tuple[Choice, ...]
    count: Int[np.ndarray, "replicas"]
    action_indices: Int[np.ndarray, "replicas size choices"]
    values: Float[np.ndarray, "replicas size choices"]
    scores: Scores

    @property
    def name(self) -> tuple[str, str]:
        """The names of the space and the task, which identify the problem."""
        return self.space, self.task

    def config(self, replica: int, slot: int) -> dict[str, Action]:
        """Returns a trial as a configuration."""
        pairs = zip(self.choices, self.action_indices[replica, slot].tolist(), strict=True)
        return {choice.name: choice.actions[at] for choice, at in pairs if at != NOT_MADE}

    def numbers(self, replica: int, slot: int) -> dict[str, float]:
        """Returns the known numbers that a trial tried, for actions that stand for several numbers."""
        pairs = zip(self.choices, self.values[replica, slot].tolist(), strict=True)
        return {choice.name: value for choice, value in pairs if value == value}

    def renamed(self, names: Mapping[str, str]) -> "ArchivedProblem":
        """Returns the archived problem with other names of states.

        The choices of a repeated block change their names too, because these begin with the state's.
        """
        if names.keys().isdisjoint(choice.state for choice in self.choices):
            return self
        choices = [
            Choice(
                names.get(one.state, one.state) + one.name.removeprefix(one.state)
                if one.name.startswith(one.state)
                else one.name,
                one.actions,
                state=names.get(one.state, one.state),
            )
            for one in self.choices
        ]
        return dataclasses.replace(self, choices=tuple(choices))


def archive_trials(
    kept: Sequence[ArchivedProblem], encoding: Encoding, replay: ReplayBuffer, queue: PriorityQueue
) -> tuple[ArchivedProblem, ...]:
    """Returns the archive with the trials of the problems that are searched.

    Args:
        kept: the archive so far.
        encoding: the problems that are searched.
        replay: their trials. If the buffer is empty, as with the paper's settings, the queue's trials are archived.
        queue: their best trials.
    """
    told = np.flatnonzero(queue.filled.any(axis=0)).tolist()  # none for a search that asks for one more parameter
    trials = [_by_problem(replay, replica, len(encoding.problems)) for replica in range(len(queue.filled))]
    return merge_archives(kept, (_present(encoding, row, replay, queue, [its[row] for its in trials]) for row in told))


def merge_archives(kept: Sequence[ArchivedProblem], more: Iterable[ArchivedProblem]) -> tuple[ArchivedProblem, ...]:
    """Returns the archive with more entries, which come last; entries of one problem are merged."""
    found = {each.name: each for each in kept}
    for new in more:
        found[new.name] = merge_entries([found.pop(new.name), new]) if new.name in found else new
    return tuple(found.values())[-MOST_PROBLEMS:]


def archive_of_trials(
    space: str, task: str, trials: Iterable[tuple[Mapping[str, Action], Mapping[str, float], Score]]
) -> ArchivedProblem:
    """Returns trials of one replica as an archived problem.

    Args:
        space: the name of the space.
        task: the name of the task.
        trials: the actions of each trial, the known numbers for which the actions stand, and the score.
    """
    listed = list(trials)
    actions: dict[str, dict[object, Action]] = {}
    for config, _, _ in listed:
        for name, action in config.items():
            actions.setdefault(name, {})[action_key(action)] = action
    choices = tuple(Choice(name, its.values()) for name, its in actions.items())
    shape = (1, len(listed), len(choices))
    action_indices, values = np.full(shape, NOT_MADE, np.int32), np.full(shape, np.nan)
    for slot, (config, numbers, _) in enumerate(listed):
        for at, choice in enumerate(choices):
            if choice.name in config:
                action_indices[0, slot, at] = choice.index(config[choice.name])
                values[0, slot, at] = numbers.get(choice.name, np.nan)
    grades, rewards = [score.outcome for *_, score in listed], [score.reward for *_, score in listed]
    scores = Scores(np.array([grades], np.int32), np.array([rewards], np.float64))
    return merge_entries(
        [ArchivedProblem(space, task, choices, np.array([len(listed)], np.int32), action_indices, values, scores)]
    )


def merge_entries(entries: Sequence[ArchivedProblem]) -> ArchivedProblem:
    """Returns entries of one problem as one entry.

    Of trials with equal configurations, the best trial is kept. Of equally good ones, the trial with known numbers is.

    Args:
        entries: the entries, oldest first. Their actions may differ.
    """
    choices = union_of_choices(entries)
    parts = [_aligned(each, choices) for each in entries]
    replicas = len(entries[0].count)
    count = np.zeros(replicas, np.int32)
    action_indices = np.full((replicas, SIZE, len(choices)), NOT_MADE, np.int32)
    values = np.full(action_indices.shape, np.nan)
    scores = Scores(np.zeros(action_indices.shape[:2], np.int32), np.zeros(action_indices.shape[:2]))
    for replica in range(replicas):
        filled = [int(each.count[replica]) for each in entries]
        rows = np.concatenate([its[replica, :n] for (its, _), n in zip(parts, filled, strict=True)])
        numbers = np.concatenate([its[replica, :n] for (_, its), n in zip(parts, filled, strict=True)])
        told = Scores(
            *(
                np.concatenate([array[replica, :n] for array, n in zip(arrays, filled, strict=True)])
                for arrays in zip(*(each.scores for each in entries), strict=True)
            )
        )
        # Of equally good trials of a configuration, a trial with known numbers comes first.
        order = np.lexsort((np.isnan(numbers).sum(axis=1), -told.reward, -told.outcome))
        distinct = order[np.sort(np.unique(rows[order], axis=0, return_index=True)[1])]
        chosen = distinct[_spread(len(distinct))]
        here = replica, slice(len(chosen))
        count[replica] = len(chosen)
        action_indices[here], values[here] = rows[chosen], numbers[chosen]
        scores.outcome[here], scores.reward[here] = told.outcome[chosen], told.reward[chosen]
    most = max(1, int(count.max()))
    scores = scores.at((slice(None), slice(most)))
    return ArchivedProblem(*entries[-1].name, choices, count, action_indices[:, :most], values[:, :most], scores)


def _spread(count: int) -> Int[np.ndarray, "kept"]:
    """Returns the ranks that are kept of so many: the first ones, and some that are spread evenly over the others."""
    if count <= SIZE:
        return np.arange(count)
    others = np.linspace(_BEST, count - 1, SIZE - _BEST).round().astype(int)
    return np.concatenate([np.arange(_BEST), others])


def union_of_choices(entries: Sequence[ArchivedProblem]) -> tuple[Choice, ...]:
    """Returns the choices of all entries, each with its actions in all entries."""
    if all(each.choices == entries[0].choices for each in entries):
        return entries[0].choices
    found: dict[str, Choice] = {}
    for choice in (choice for each in entries for choice in each.choices):
        known = found.get(choice.name)
        new = () if known is None else known.actions
        more = [action for action in choice.actions if known is None or not known.has(action)]
        found[choice.name] = Choice(choice.name, (*new, *more), state=choice.state)
    return tuple(found.values())


def _aligned(
    entry: ArchivedProblem, choices: tuple[Choice, ...]
) -> tuple[Int[np.ndarray, "replicas size choices"], Float[np.ndarray, "replicas size choices"]]:
    """Returns the action indices and the values of an entry for other choices, which include those of the entry."""
    if entry.choices == choices:
        return entry.action_indices, entry.values
    shape = (*entry.action_indices.shape[:2], len(choices))
    action_indices, values = np.full(shape, NOT_MADE, np.int32), np.full(shape, np.nan)
    place = {choice.name: at for at, choice in enumerate(choices)}
    for at, choice in enumerate(entry.choices):
        there = place[choice.name]
        position = np.array([*map(choices[there].index, choice.actions), NOT_MADE], np.int32)
        action_indices[..., there], values[..., there] = position[entry.action_indices[..., at]], entry.values[..., at]
    return action_indices, values


def _by_problem(replay: ReplayBuffer, replica: int, problems: int) -> list[Int[np.ndarray, "trials"]]:
    """Returns the trials of each problem of a replica, oldest first, in one pass over all trials."""
    problem = replay.problem[replica, : replay.count]
    order = np.argsort(problem, kind="stable")
    return np.split(order, np.searchsorted(problem[order], np.arange(1, problems)))


def _present(
    encoding: Encoding, row: int, replay: ReplayBuffer, queue: PriorityQueue, told: Sequence[Int[np.ndarray, "trials"]]
) -> ArchivedProblem:
    """Returns the trials of a problem that is searched, before they are merged with archived trials."""
    problem = encoding.problems[row]
    choices = tuple(
        each if each.when is None and each.range is None else Choice(each.name, each.actions, state=each.state)
        for each in problem.space.choices
    )
    replicas = queue.filled.shape[0]
    ranked = [replay.ranked(replica, trials) for replica, trials in enumerate(told)]
    which = [trials[_spread(len(trials))] for trials in ranked]
    queued = not any(map(len, which))
    if queued:
        which = [queue.best_first(replica, row) for replica in range(replicas)]
    size = max(1, *map(len, which))
    action_indices = np.full((replicas, size, len(choices)), NOT_MADE, np.int32)
    values = np.full(action_indices.shape, np.nan)
    scores = Scores(np.zeros((replicas, size), np.int32), np.zeros((replicas, size)))
    for replica, slots in enumerate(which):
        kept, here = (queue, (replica, row, slots)) if queued else (replay, (replica, slots))
        trials, its = kept.trials.at(here), kept.scores.at(here)
        action_indices[replica, : len(slots)] = indices_of_trials(encoding, row, trials)
        scores.outcome[replica, : len(slots)], scores.reward[replica, : len(slots)] = its
        if not queued and replay.numbers.shape[-1]:
            made = slice(1, 1 + len(choices))
            values[replica, : len(slots)][:WITH_NUMBERS] = replay.numbers[replica, slots[:WITH_NUMBERS], made]
    count = np.array([len(slots) for slots in which], np.int32)
    return ArchivedProblem(*problem.name, choices, count, action_indices, values, scores)


def indices_of_trials(encoding: Encoding, row: int, trials: Trajectory) -> Int[np.ndarray, "trials choices"]:
    """Returns the action of each choice in trials of a problem; `NOT_MADE` for a choice that was not made."""
    choices, tables = encoding.problems[row].space.choices, encoding.tables
    decisions = tables.rules.decision[tables.space[row], 1 : 1 + len(choices)]
    action_indices = np.full((len(trials.length), len(choices)), NOT_MADE, np.int32)
    if len(np.unique(decisions)) < len(decisions):  # repeated choices are one decision: a trial tells them apart
        for number, config in enumerate(encoding.configs(row, trials)):
            its = encoding.action_indices(row, config)[1 : 1 + len(choices)]
            action_indices[number] = np.where(its < tables.decisions.actions.shape[1], its, NOT_MADE)
        return action_indices
    place = np.zeros(len(tables.decisions.state), np.int64)
    place[decisions] = np.arange(len(decisions))
    step = np.arange(trials.actions.shape[1])
    slot, at = np.nonzero((step > 0) & (step < trials.length[:, None]))
    action_indices[slot, place[trials.decisions[slot, at]]] = trials.actions[slot, at]
    return action_indices
