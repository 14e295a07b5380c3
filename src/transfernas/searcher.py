"""What every searcher has in common: ask for a trial, tell its reward."""

import abc
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, overload

import numpy as np

from .processes.locks import Locked
from .spaces.condition import Config
from .spaces.problem import Problem, Trial, check_problems, check_reward


class Searcher(Locked, abc.ABC):
    """Proposes configurations and learns from their rewards.

    Several trials may be open at once and are told in any order; each is told once, to the searcher that asked. Threads
    may share a searcher; while an objective runs, no lock is held. An interrupt leaves nothing half done: a trial is
    open and teaches nothing, or it is told and was learned from.
    """

    _now: "SearcherState"  # one assignment replaces it whole; what it holds is never changed

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Checks the problems; each trial belongs to one of them, drawn uniformly.

        Raises:
            ValueError: there is none, a pair is there twice, or two different spaces have one name.
        """
        super().__init__()
        self._problems = check_problems(problems)
        self._name = uuid.uuid4().hex
        self._now = SearcherState()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems that are searched."""
        return self._problems

    @property
    def open_trials(self) -> tuple[Trial, ...]:
        """The trials that were asked and not told yet, oldest first."""
        return tuple(self._trial(number, opened) for number, opened in self._open.items())

    @overload
    def ask(self) -> Trial: ...
    @overload
    def ask(self, n: int) -> list[Trial]: ...
    def ask(self, n: int | None = None) -> Trial | list[Trial]:
        """Returns the next trial to evaluate, or a list of n of them.

        Raises:
            ValueError: n is not a whole number of at least 1, or no valid configuration was found; what was found
                before is in `open_trials`.
        """
        if n is None:
            return self._ask_one()
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"ask(n) takes a whole number of at least 1, not {n!r}")
        return [self._ask_one() for _ in range(n)]

    def tell(self, trial: Trial, reward: float | None = None, *, failed: bool = False) -> None:
        """Takes the reward of a trial, higher is better, or that it failed.

        A failed trial is closed and teaches nothing.

        Raises:
            ValueError: the trial was told before or asked by another searcher, the reward is not a finite number, or
                both or neither of reward and failed are given. The trial stays open where it was.
        """
        if not isinstance(trial, Trial):
            raise TypeError(f"tell takes a Trial that ask returned, not {trial!r}")
        if trial.searcher != self._name:
            raise ValueError(f"trial {trial.number} was asked by another searcher; tell it there")
        if not isinstance(failed, bool):
            raise ValueError(f"trial {trial.number} was told failed={failed!r}; it takes True or False")
        if failed and reward is not None:
            raise ValueError(f"trial {trial.number} was told both a reward and failed=True; tell one of them")
        value = None if failed else check_reward(reward, f"trial {trial.number}")
        with self._lock:
            knowledge = self._close(self._found(trial), value)
            left = dict(self._open)
            del left[trial.number]
            self._now = SearcherState(self._asked, left, knowledge)

    @abc.abstractmethod
    def _propose(self) -> "tuple[OpenTrial, Any]":
        """Returns a problem with a configuration, and what the searcher knows after that; it changes nothing."""

    @abc.abstractmethod
    def _passed_over(self) -> Any:
        """Returns what the searcher knows after a proposal that failed; else the next one would fail likewise."""

    @abc.abstractmethod
    def _close(self, trial: "OpenTrial", reward: float | None) -> Any:
        """Returns what the searcher knows after a trial, whose reward is None if it failed; it changes nothing."""

    @property
    def _open(self) -> "Mapping[int, OpenTrial]":
        return self._now.open

    @property
    def _asked(self) -> int:
        return self._now.asked

    def _ask_one(self) -> Trial:
        with self._lock:
            try:
                opened, knowledge = self._propose()
            except Exception:
                self._now = self._now._replace(knowledge=self._passed_over())
                raise
            number = self._asked
            self._now = SearcherState(number + 1, {**self._open, number: opened}, knowledge)
            return self._trial(number, opened)

    def _trial(self, number: int, opened: "OpenTrial") -> Trial:
        # The configuration is a copy: what its owner does to it must not reach what is learned.
        return Trial(number, opened.problem, dict(opened.config), self._name)

    def _found(self, trial: Trial) -> "OpenTrial":
        """Returns the open trial that is told.

        Raises:
            ValueError: there is none, or it is not as it was asked.
        """
        if trial.number not in self._open:
            what = "was told already; a trial is told once" if trial.number < self._asked else "was never asked"
            raise ValueError(f"trial {trial.number} {what}")
        opened = self._open[trial.number]
        if opened.problem.name != trial.problem.name or opened.config != trial.config:
            raise ValueError(
                f"trial {trial.number} is not as it was asked, {opened.config}: its problem or configuration was "
                f"changed; an agent takes other configurations by learn_from"
            )
        return opened


class OpenTrial(NamedTuple):
    """A trial that was asked and not told: its configuration, and what the searcher keeps of it."""

    problem: Problem
    config: Config
    kept: Any = None


class SearcherState(NamedTuple):
    """Where a searcher stands.

    Attributes:
        asked: how many trials were asked for.
        open: those that were not told yet, by their numbers, oldest first.
        knowledge: what the searcher proposes from, of a type of its own.
    """

    asked: int = 0
    open: Mapping[int, OpenTrial] = {}
    knowledge: Any = None


def check_seed(seed: object) -> int:
    """Returns a seed as an int.

    Raises:
        ValueError: it is not a whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, not {seed!r}")
    return int(seed)
