"""Base of all searchers: you ask for a trial, evaluate its configuration, and tell its reward."""

import abc
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, overload

import numpy as np

from .processes.locks import Locked
from .spaces.condition import Config
from .spaces.problem import Problem, Trial, check_problems, check_reward


class Searcher(Locked, abc.ABC):
    """Base class that proposes configurations and learns from their rewards.

    Several trials may be open at once. You tell them in any order, each exactly once, to the searcher that proposed it.
    Threads may share a searcher, and no lock is held while you evaluate. After an interrupt, a trial is either open and
    not learned from, or told and learned from.

    Example:
        The same loop runs with every searcher:

        ```python
        def search(searcher: Searcher, trials: int) -> None:
            for _ in range(trials):
                trial = searcher.ask()
                searcher.tell(trial, reward=-trial.config["depth"])

        problem = Problem(SearchSpace("mlp", [Choice("depth", (1, 2, 3))]), task="digits")
        search(RandomSearch([problem]), trials=3)
        search(RegularizedEvolution([problem], population_size=2, sample_size=1), trials=3)
        ```
    """

    _now: "SearcherState"  # one assignment replaces it whole; what it holds is never changed

    def __init__(self, problems: Iterable[Problem], knowledge: Any = None) -> None:
        """Checks the problems; the problem of each trial is drawn uniformly.

        Args:
            problems: Problems to search.
            knowledge: Knowledge before the first trial.

        Raises:
            ValueError: There is no problem, a (space, task) pair occurs twice, or two different spaces have the same
                name.
        """
        super().__init__()
        self._problems = check_problems(problems)
        self._name = uuid.uuid4().hex
        self._now = SearcherState(knowledge=knowledge)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Problems of the search."""
        return self._problems

    @property
    def open_trials(self) -> tuple[Trial, ...]:
        """Trials that `ask` returned and that are not told yet, oldest first."""
        return tuple(self._trial(number, opened) for number, opened in self._open.items())

    @overload
    def ask(self) -> Trial: ...
    @overload
    def ask(self, n: int) -> list[Trial]: ...
    def ask(self, n: int | None = None) -> Trial | list[Trial]:
        """Returns the next trial to evaluate, or a list of the next n trials.

        Raises:
            ValueError: n is not a whole number of at least 1, or no valid configuration was found. Trials that were
                found before are in `open_trials`.
        """
        if n is None:
            return self._ask_one()
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"ask(n) takes a whole number of at least 1, not {n!r}")
        return [self._ask_one() for _ in range(n)]

    def tell(self, trial: Trial, reward: float | None = None, *, failed: bool = False) -> None:
        """Closes a trial with its reward, or as failed.

        Args:
            trial: An open trial of this searcher.
            reward: Measured reward; higher is better.
            failed: True if the evaluation failed. The searcher does not learn from a failed trial.

        Raises:
            ValueError: The trial was told before or belongs to another searcher, the reward is not a finite number, or
                both or neither of `reward` and `failed` are given. An open trial stays open.
            TypeError: `trial` is not a Trial.
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
        """Returns a proposed trial and the knowledge of the searcher after the proposal, without side effects."""

    @abc.abstractmethod
    def _passed_over(self) -> Any:
        """Returns the knowledge of the searcher after `_propose` failed, so that the next proposal differs."""

    @abc.abstractmethod
    def _close(self, trial: "OpenTrial", reward: float | None) -> Any:
        """Returns the knowledge of the searcher after a trial, whose reward is None if the trial failed."""

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
        # A copy, because a change of the trial's configuration must not reach the learner.
        return Trial(number, opened.problem, dict(opened.config), self._name)

    def _found(self, trial: Trial) -> "OpenTrial":
        """Returns the open trial of a trial that is told.

        Raises:
            ValueError: The trial is not open, or its problem or configuration has changed.
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
    """An open trial: its problem and configuration, and data that the searcher needs when the reward is told."""

    problem: Problem
    config: Config
    kept: Any = None


class SearcherState(NamedTuple):
    """State of a searcher.

    Attributes:
        asked: Number of trials that `ask` has returned.
        open: Open trials by their numbers, oldest first.
        knowledge: Data that the searcher proposes from, of a type that depends on the searcher.
    """

    asked: int = 0
    open: Mapping[int, OpenTrial] = {}
    knowledge: Any = None


def check_seed(seed: object) -> int:
    """Returns a seed as an int.

    Raises:
        ValueError: The seed is not a whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, not {seed!r}")
    return int(seed)
