"""Replicas in lockstep: one trial of each at a time, so that an agent's replicas share their compiled steps.

Shapes: `replicas` run side by side, `trials` one after the other, `choices` of a space.
"""

import abc
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..benchmarks.tabular import TabularProblem
from ..learning.learner import Learner, learn, propose
from ..learning.randomness import Use, generator
from ..searcher import Searcher
from .result import Curve

ProgressFn = Callable[[int, float], None]
"""Told, after every trial, how many are done and the mean over the replicas of the best value so far."""


class Batch(NamedTuple):
    """One trial of each replica.

    Attributes:
        problem: Shape `[replicas]`, row of the problem.
        taken: Shape `[replicas, choices]`, the position of the action that each choice took.
    """

    problem: Int[np.ndarray, "replicas"]
    taken: Int[np.ndarray, "replicas choices"]


class Replicas(abc.ABC):
    """Independent searchers of the same problems, in lockstep."""

    @abc.abstractmethod
    def ask(self) -> Batch:
        """Returns the next trial of each."""

    @abc.abstractmethod
    def tell(self, reward: Float[np.ndarray, "replicas"]) -> None:
        """Takes the rewards of the trials asked last."""


class AgentReplicas(Replicas):
    """Replicas of the agent; `learner` is what they know so far."""

    def __init__(self, learner: Learner) -> None:
        """Starts from a learner."""
        self.learner = learner

    def ask(self) -> Batch:
        """Returns the next trial of each replica."""
        self.learner, self._proposal = propose(self.learner)
        return Batch(self._proposal.problem, self._proposal.rollout.taken[:, 1:])

    def tell(self, reward: Float[np.ndarray, "replicas"]) -> None:
        """Lets each replica learn from the trial asked last."""
        problem, rollout = self._proposal
        self.learner = learn(self.learner, problem, rollout.trajectory, reward)


class SearcherReplicas(Replicas):
    """Replicas of any searcher, one object each."""

    def __init__(self, searchers: Sequence[Searcher]) -> None:
        """Takes the searchers, which must have the same problems."""
        self._searchers = tuple(searchers)

    def ask(self) -> Batch:
        """Returns the next trial of each searcher."""
        self._trials = [searcher.ask() for searcher in self._searchers]
        names = [problem.name for problem in self._searchers[0].problems]
        problem = np.array([names.index(trial.problem.name) for trial in self._trials], np.int32)
        taken = [
            [c.index(t.config[c.name]) if c.name in t.config else len(c.actions) for c in t.problem.space.choices]
            for t in self._trials
        ]
        return Batch(problem, np.array(taken, np.int32))

    def tell(self, reward: Float[np.ndarray, "replicas"]) -> None:
        """Tells each searcher the reward of its trial."""
        for searcher, trial, value in zip(self._searchers, self._trials, reward.tolist(), strict=True):
            searcher.tell(trial, value)


def search(
    replicas: Replicas,
    problems: Sequence[TabularProblem],
    trials: int,
    seed: int,
    progress: ProgressFn = lambda done, best: None,
) -> Curve:
    """Runs a search; Ctrl-C ends it after the trials that are done.

    Args:
        replicas: the searchers.
        problems: what they search, in the order of their rows.
        trials: how many trials each replica may spend.
        seed: of the rewards' noise.
        progress: told after every trial.
    """
    rng, values = generator(seed, Use.REWARD), []
    incumbents: _Incumbents | None = None
    try:
        for trial in range(trials):
            problem, taken = batch = replicas.ask()
            reward, value = _evaluate(batch, problems, rng)
            incumbents = incumbents or _Incumbents.none(len(problem), len(problems))
            incumbents = incumbents.after(problem, reward, value)
            replicas.tell(reward)
            values.append(incumbents.value[np.arange(len(problem)), problem])
            progress(trial + 1, float(values[-1].mean()))
    except KeyboardInterrupt:
        return Curve(_stacked(values), interrupted=True)
    return Curve(_stacked(values))


class _Incumbents(NamedTuple):
    """The best observation of each replica and problem, and its noise-free value; Shape `[replicas, problems]`."""

    reward: Float[np.ndarray, "replicas problems"]
    value: Float[np.ndarray, "replicas problems"]

    @classmethod
    def none(cls, replicas: int, problems: int) -> "_Incumbents":
        return cls(np.full((replicas, problems), -np.inf), np.zeros((replicas, problems)))

    def after(self, problem: np.ndarray, reward: np.ndarray, value: np.ndarray) -> "_Incumbents":
        rows = np.arange(len(problem))
        better = rows[reward > self.reward[rows, problem]]
        best_reward, best_value = self.reward.copy(), self.value.copy()
        best_reward[better, problem[better]] = reward[better]
        best_value[better, problem[better]] = value[better]
        return _Incumbents(best_reward, best_value)


def _evaluate(
    batch: Batch, problems: Sequence[TabularProblem], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "replicas"], Float[np.ndarray, "replicas"]]:
    reward, value = np.zeros(len(batch.problem)), np.zeros(len(batch.problem))
    for row, problem in enumerate(problems):
        here = batch.problem == row
        taken = batch.taken[here, : len(problem.problem.space.choices)]
        reward[here], value[here] = problem.reward(taken, rng), problem.value(taken)
    return reward, value


def _stacked(values: list[np.ndarray]) -> Float[np.ndarray, "replicas trials"]:
    return np.stack(values, axis=1) if values else np.zeros((0, 0))
