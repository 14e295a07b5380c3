"""What every searcher has in common: ask for a trial, tell its reward."""

import abc
import uuid
from typing import overload

import numpy as np

from .spaces.problem import Problem, Trial, check_problems, check_reward
from .spaces.space import Config


class Searcher(abc.ABC):
    """Proposes configurations and learns from their rewards.

    Several trials may be open at once and are told in any order; each is told once, to the searcher that asked.
    """

    def __init__(self, problems: tuple[Problem, ...] | list[Problem]) -> None:
        """Checks the problems; each trial belongs to one of them, drawn uniformly.

        Raises:
            ValueError: there is none, a pair is there twice, or two different spaces have one name.
        """
        self._problems = check_problems(problems)
        self._name = uuid.uuid4().hex
        self._open: dict[int, Trial] = {}
        self._asked = 0

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems that are searched."""
        return self._problems

    @property
    def open_trials(self) -> tuple[Trial, ...]:
        """The trials that were asked and not told yet, oldest first."""
        return tuple(self._open.values())

    @overload
    def ask(self) -> Trial: ...
    @overload
    def ask(self, n: int) -> list[Trial]: ...
    def ask(self, n: int | None = None) -> Trial | list[Trial]:
        """Returns the next trial to evaluate, or a list of n of them.

        Raises:
            ValueError: n is not a whole number of at least 1, or no valid configuration was found.
        """
        if n is None:
            return self._ask_one()
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
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
        if trial.number not in self._open:
            what = "was told already; a trial is told once" if trial.number < self._asked else "was never asked"
            raise ValueError(f"trial {trial.number} {what}")
        asked = self._open[trial.number]
        if asked.problem.name != trial.problem.name or asked.config != trial.config:
            raise ValueError(f"trial {trial.number} is not as it was asked: its problem or configuration was changed")
        if failed and reward is not None:
            raise ValueError(f"trial {trial.number} was told both a reward and failed=True; tell one of them")
        value = None if failed else check_reward(reward, f"trial {trial.number}")
        self._close(trial, value)
        del self._open[trial.number]

    @abc.abstractmethod
    def _propose(self, number: int) -> tuple[Problem, Config]:
        """Returns the problem and the configuration of the trial of that number."""

    @abc.abstractmethod
    def _close(self, trial: Trial, reward: float | None) -> None:
        """Learns from a trial; the reward is None where it failed."""

    def _ask_one(self) -> Trial:
        problem, config = self._propose(self._asked)
        trial = Trial(self._asked, problem, config, self._name)
        self._asked += 1
        self._open[trial.number] = trial
        return trial


def check_seed(seed: object) -> int:
    """Returns a seed as an int.

    Raises:
        ValueError: it is not a whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, not {seed!r}")
    return int(seed)
