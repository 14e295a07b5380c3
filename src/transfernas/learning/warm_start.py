"""The warm start: the best configurations of earlier problems that fit the new problems, which are tried first.

Shapes: `replicas` run side by side, `problems` are searched, the warm start of each has `size` slots, a space has
`choices` (S among them), trajectories have `steps`.
"""

import dataclasses
import functools
import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from ..arrays import map_arrays
from ..spaces.choice import Choice
from ..spaces.condition import Action, are_numbers
from ..spaces.domain import NumericDomain, Range
from ..spaces.encoding import Encoding
from ..spaces.problem import Problem, network_of
from ..spaces.trajectory import Trajectory, blank_trajectories
from ..spaces.vocabulary import action_name
from .archive import MOST_PROBLEMS, ArchivedProblem
from .bandit import RECENT_TRIALS, WARM_START, SourceRecord
from .portfolio import Pick, Portfolios
from .replay import ReplayBuffer, are_among, fingerprints
from .rollout import Rollout


@dataclass(frozen=True)
class WarmStartConfigs:
    """Configurations for the problems, in the order in which they are tried.

    Attributes:
        count: Shape `[replicas, problems]`, the number of configurations; the slots behind them are empty.
        trials: Shape `[replicas, problems, size, ...]`, the configurations as trajectories.
        action_indices: Shape `[replicas, problems, size, choices]`, the configurations as in a `Rollout`.
        values: Shape `[replicas, problems, size, choices]`, the number that was tried, if the action stands for several
            numbers; NaN if it does not, or if the number is not known.
        source: Shape `[replicas, problems, size]`, the position of the earlier problem in the archive.
    """

    count: Int[np.ndarray, "replicas problems"]
    trials: Trajectory
    action_indices: Int[np.ndarray, "replicas problems size choices"]
    values: Float[np.ndarray, "replicas problems size choices"]
    source: Int[np.ndarray, "replicas problems size"]

    def next_configs(
        self,
        problem: Int[np.ndarray, "replicas"],
        replay: ReplayBuffer,
        pending: UInt64[np.ndarray, "pending"],
        decay: float,
        allowed: Bool[np.ndarray, "choices options"] | None = None,
        evaluated: Bool[np.ndarray, "replicas size"] | None = None,
    ) -> tuple[Int[np.ndarray, "replicas"], SourceRecord]:
        """Returns the configuration of a problem that each replica would try next.

        This is the first configuration that is left. Configurations from an earlier problem that disappointed here come
        last.

        Args:
            problem: Shape `[replicas]`, the row of the problem.
            replay: the trials that were told.
            pending: the fingerprints of the trials that are being evaluated.
            decay: the factor by which the weight of the warm start's trials falls with each trial.
            allowed: Shape `[choices, actions]`, whether an action may be taken; None for all actions.
            evaluated: Shape `[replicas, size]`, whether a configuration builds an evaluated network; None for none.

        Returns:
            The slots of the configurations, -1 if none is left, and the success of their earlier problems.
        """
        replicas = np.arange(len(problem))
        nothing = SourceRecord(np.zeros(len(problem), bool), *np.zeros((2, len(problem))))
        if not self.count.any():
            return np.full(len(problem), -1), nothing
        fingerprint, filled = self.slots(problem)
        left = filled & ~replay.contains(replicas, fingerprint) & ~are_among(fingerprint, pending)
        if evaluated is not None:
            left &= ~evaluated
        if allowed is not None:
            action_indices = self.action_indices[replicas, problem]
            inactive = np.ones((len(allowed), 1), bool)
            left &= np.hstack([allowed, inactive])[np.arange(len(allowed)), action_indices].all(axis=-1)
        count, total = np.zeros((2, *left.shape))
        for replica in np.flatnonzero(left.any(axis=1) & (filled & ~left).any(axis=1)).tolist():
            count[replica], total[replica] = self._source_record(replica, int(problem[replica]), replay, decay)
        which = np.lexsort((total < 0.5 * count, ~left), axis=-1)[:, 0]
        source_record = SourceRecord(left.any(axis=1), count[replicas, which], total[replicas, which])
        return np.where(source_record.has_next, which, -1), source_record

    def _source_record(
        self, replica: int, row: int, replay: ReplayBuffer, decay: float
    ) -> tuple[Float[np.ndarray, "size"], Float[np.ndarray, "size"]]:
        """Returns, for the source of each configuration, the weight of its trials and the weight of those that won.

        A trial is compared with the trials before and behind it that came from elsewhere.
        """
        trials = replay.of(replica, row)
        fingerprint, source = self._fingerprints[replica, row], self.source[replica, row]
        same = replay.fingerprint[replica, trials][:, None] == fingerprint[None, : self.count[replica, row]]
        told = (replay.proposer[replica, trials] == WARM_START) & same.any(axis=1)
        whose = np.where(told, source[same.argmax(axis=1)] if same.size else 0, -1)
        scores = replay.scores.at((replica, trials))
        count, total = np.zeros((2, len(source)))
        for at in np.flatnonzero(told).tolist():
            near = slice(max(0, at - RECENT_TRIALS), at + RECENT_TRIALS)
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
        """Returns a configuration of each replica as a rollout, with NaN for the log-probability.

        Args:
            problem: Shape `[replicas]`, the row of the problem.
            which: Shape `[replicas]`, the slot of the configuration.
        """
        at = np.arange(len(problem)), problem, which
        trials = self.trials.at(at)
        return Rollout(trials, self.action_indices[at], np.full(len(problem), np.nan, np.float32))

    def numbers(self, replica: int, row: int, fingerprint: np.uint64) -> Float[np.ndarray, "choices"]:
        """Returns the `values` of the configuration of a problem that has a fingerprint."""
        return self.values[replica, row, self._slot(replica, row, fingerprint)]

    def origin(self, replica: int, row: int, fingerprint: np.uint64) -> int:
        """Returns the `source` of the configuration of a problem that has a fingerprint."""
        return int(self.source[replica, row, self._slot(replica, row, fingerprint)])

    def moved(self, before: Sequence[ArchivedProblem], after: Sequence[ArchivedProblem]) -> "WarmStartConfigs":
        """Returns the warm start for an archive whose problems have other positions.

        Different sources stay different: the source of a problem that is no longer archived becomes a problem that is
        archived since then, which is no other configuration's source.

        Args:
            before: The archive so far.
            after: The archive from now on.
        """
        names, rows = [each.name for each in before], np.arange(MOST_PROBLEMS, dtype=np.int32)
        place = {each.name: at for at, each in enumerate(after)}
        new = iter([at for name, at in place.items() if name not in names])
        rows[: len(names)] = [place[name] if name in place else next(new) for name in names]
        return dataclasses.replace(self, source=rows[self.source])

    def _slot(self, replica: int, row: int, fingerprint: np.uint64) -> int:
        return int((self._fingerprints[replica, row] == fingerprint).argmax())

    def without(
        self, replicas: Int[np.ndarray, "some"], problem: Int[np.ndarray, "replicas"], trial: Trajectory
    ) -> "WarmStartConfigs":
        """Returns the warm start of some replicas without a configuration each; those behind it move up.

        Args:
            replicas: the replicas that forget a configuration.
            problem: Shape `[replicas]`, the row of the problem.
            trial: Shape `[replicas, ...]`, the configuration as a trajectory.
        """
        warm_start = map_arrays(self, np.copy)
        fingerprint, filled = self.slots(problem)
        stays = filled & (fingerprint != fingerprints(problem, trial)[:, None])
        for replica in replicas.tolist():
            row, kept = problem[replica], np.flatnonzero(stays[replica])
            for leaf in jax.tree.leaves(
                (warm_start.trials, warm_start.action_indices, warm_start.values, warm_start.source)
            ):
                leaf[replica, row, : len(kept)] = leaf[replica, row, kept]
            warm_start.count[replica, row] = len(kept)
        return warm_start

    def slots(
        self, problem: Int[np.ndarray, "replicas"]
    ) -> tuple[UInt64[np.ndarray, "replicas size"], Bool[np.ndarray, "replicas size"]]:
        """Returns the fingerprints of each replica's configurations of a problem, and whether a slot is filled."""
        replicas, size = np.arange(len(problem)), self.action_indices.shape[2]
        return self._fingerprints[replicas, problem], np.arange(size) < self.count[replicas, problem][:, None]

    @functools.cached_property
    def _fingerprints(self) -> UInt64[np.ndarray, "replicas problems size"]:
        problem = np.arange(self.count.shape[1])[:, None]
        return fingerprints(np.broadcast_to(problem, self.action_indices.shape[:3]), self.trials)


def empty_warm_start(replicas: int, problems: int, size: int, steps: int, choices: int) -> WarmStartConfigs:
    """Returns a warm start without configurations."""
    shape = (replicas, problems, size)
    count, trials = np.zeros((replicas, problems), np.int32), blank_trajectories(shape, steps)
    action_indices, values = np.zeros((*shape, choices), np.int32), np.full((*shape, choices), np.nan)
    return WarmStartConfigs(count, trials, action_indices, values, np.zeros(shape, np.int32))


def fit_warm_start(
    entries: Sequence[ArchivedProblem],
    picks: Portfolios,
    encoding: Encoding,
    size: int,
    fill: Mapping[str, Action],
    fill_numbers: Mapping[str, float] = MappingProxyType({}),
    domains: Mapping[str, NumericDomain] = MappingProxyType({}),
) -> WarmStartConfigs:
    """Returns the best trials of earlier problems that fit new problems.

    A configuration fits if it and `fill` give at least half of the choices that a configuration of the new problem
    makes. A number outside of the new range is given by the nearer end of it. Each other choice is as in the best other
    trial that has a fitting action. If none has, the choice takes its first action, or the middle action of numbers.
    The configuration must be valid. Of configurations that build one network, the first is remembered.

    Args:
        entries: the earlier problems, under the names that their choices have in the new problems.
        picks: trials of the earlier problems, in the order in which they are tried.
        encoding: the new problems.
        size: the largest number of configurations for each problem.
        fill: the actions of choices that the earlier spaces did not have.
        fill_numbers: the numbers for which actions of `fill` stand, where these stand for several.
        domains: the ranges of choices whose actions are parts of a range, unless the choices have them.
    """
    choices = encoding.tables.rules.decision.shape[1]
    warm_start = empty_warm_start(len(picks), len(encoding.tables.task), size, encoding.steps, choices)
    for replica, by_problem in enumerate(picks):
        for row, ordered in enumerate(by_problem):
            others = _others(entries, replica, ordered)
            problem, distinct = encoding.problems[row], set[Hashable]()
            for pick in ordered:
                entry = entries[pick.entry]
                earlier = entry.config(replica, pick.slot)
                placed, numbers = _placed(problem, earlier, entry.numbers(replica, pick.slot), domains)
                config = _fit({**fill, **placed}, problem, others)
                if config is None or (identity := _identity(problem, config)) in distinct:
                    continue
                at = replica, row, len(distinct)
                filled = {name: number for name, number in fill_numbers.items() if name not in earlier}
                _put(warm_start, at, encoding, config, {**filled, **numbers})
                warm_start.source[at] = pick.entry
                distinct.add(identity)
                if len(distinct) == size:
                    break
            warm_start.count[replica, row] = len(distinct)
    return warm_start


def _placed(
    problem: Problem, earlier: Mapping[str, Action], numbers: Mapping[str, float], domains: Mapping[str, NumericDomain]
) -> tuple[dict[str, Action], dict[str, float]]:
    """Returns an earlier configuration and its numbers, at their places in the ranges and the lists of a problem.

    The parts of a range may differ from those of the earlier range, so that the number decides, not the part. People
    narrow a range on the side of good values, so that the nearer end is the best guess for a number outside.
    """
    found, exact = dict(earlier), dict(numbers)
    for choice in problem.space.choices:
        value, domain = numbers.get(choice.name, earlier.get(choice.name)), domains.get(choice.name, choice.range)
        if type(value) not in (int, float):
            continue
        if domain is not None:
            near = domain.near(value, 0.0, 0.0)  # type: ignore[arg-type]
            found[choice.name] = domain.action(near) if choice.range is None else domain.number(near)
            if not domain.low <= value <= domain.high:  # type: ignore[operator]
                exact[choice.name] = float(near)
        elif choice.name in numbers and are_numbers(choice.actions) and not choice.has(earlier[choice.name]):
            found[choice.name] = _nearest(choice.actions, value)  # type: ignore[arg-type]
    return found, exact


def _nearest(actions: Sequence[Action], value: float) -> Action:
    """Returns the number of a list that is nearest to a value, by the ratio if all are above 0."""
    numbers = np.array(actions, np.float64)
    if min(numbers.min(), value) > 0:
        return actions[int(np.abs(np.log(numbers) - np.log(value)).argmin())]
    return actions[int(np.abs(numbers - value).argmin())]


def _identity(problem: Problem, config: Mapping[str, Action]) -> Hashable:
    """Returns an identity that two configurations share if a search evaluates only one of them."""
    if problem.key is not None:
        return network_of(problem, config)
    return frozenset(itertools.starmap(action_name, config.items()))


def _put(
    warm_start: WarmStartConfigs,
    at: tuple[int, int, int],
    encoding: Encoding,
    config: dict[str, Action],
    numbers: Mapping[str, float],
) -> None:
    row = at[1]
    for leaf, value in zip(warm_start.trials, encoding.trajectory(row, config), strict=True):
        leaf[at] = value
    warm_start.action_indices[at] = encoding.action_indices(row, config)
    if encoding.has_ranges:
        warm_start.values[at] = encoding.numbers(row, config)
    for index, choice in enumerate(encoding.problems[row].space.choices, start=1):
        if choice.range is None and choice.name in config:
            warm_start.values[(*at, index)] = numbers.get(choice.name, np.nan)


def _others(entries: Sequence[ArchivedProblem], replica: int, picks: Sequence[Pick]) -> dict[str, list[Action]]:
    """Returns the actions of each choice in the trials, in their order."""
    found: dict[str, list[Action]] = {}
    for pick in picks:
        for name, action in entries[pick.entry].config(replica, pick.slot).items():
            found.setdefault(name, []).append(action)
    return found


def _fit(
    given: Mapping[str, Action], problem: Problem, others: Mapping[str, Sequence[Action]]
) -> dict[str, Action] | None:
    """Returns a configuration of the problem from a given one; None if that does not fit or is not valid."""
    fitted: dict[str, Action] = {}
    kept = 0
    while (choice := problem.space.next_choice(fitted)) is not None:
        fits = choice.name in given and choice.has(given[choice.name])
        kept += fits
        action = given[choice.name] if fits else _representative(choice, others.get(choice.name, ()))
        fitted[choice.name] = action if choice.range is None else _number(choice, choice.range, action)
    return fitted if 2 * kept >= len(fitted) and (problem.valid is None or problem.valid(fitted)) else None


def _number(choice: Choice, numbers: Range, action: Action) -> Action:
    """Returns a number of a range, or a number in the middle of the part that the action names."""
    number = numbers.contained(action)
    return numbers.value(choice.index(action), 0.5) if number is None else number


def _representative(choice: Choice, others: Sequence[Action]) -> Action:
    """Returns an action for a choice that a configuration does not make."""
    for action in others:
        if choice.has(action):
            return action
    return choice.actions[len(choice.actions) // 2 if are_numbers(choice.actions) else 0]
