"""Runs replicas in lockstep, a trial of each at a time, so that replicas of an agent share the compiled functions.

Shapes: `replicas` run in lockstep, `trials` is their length, `choices` the number of choices of a space.
"""

import abc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from transfernas.checkpoint.snapshot import Snapshot, read_snapshot, write_snapshot
from transfernas.learning.eligibility import ActionIndices, RowIndices
from transfernas.learning.learner import Learner, learn, with_functions
from transfernas.learning.proposal import propose
from transfernas.learning.randomness import Purpose, generator
from transfernas.searcher import Searcher
from transfernas.spaces.problem import Problem

from .trace import Trace, TraceRecorder

ProgressFn = Callable[[int, float], None]
"""Function that receives, after every trial, the number of trials done and the mean best value over the replicas."""

StageFn = Callable[[str, int], ProgressFn]
"""Function from the name and the number of trials of a stage to the function that receives its progress."""

AfterTrialFn = Callable[[TraceRecorder], bool]
"""Function that receives the record after every trial and returns whether to stop."""

_LEARNER, _SECONDS = "learner.safetensors", "seconds.npy"


@runtime_checkable
class Benchmark(Protocol):
    """A problem whose configurations are evaluated in batches."""

    @property
    def problem(self) -> Problem:
        """The problem."""

    def reward(
        self, action_indices: Int[np.ndarray, "configs choices"], rng: np.random.Generator
    ) -> Float[np.ndarray, "configs"]:
        """Returns the reward of an evaluation of each configuration, which searchers see."""

    def value(self, action_indices: Int[np.ndarray, "configs choices"]) -> Float[np.ndarray, "configs"]:
        """Returns the value of each configuration without noise, which reports show."""


@runtime_checkable
class Restricted(Protocol):
    """A benchmark that checks the validity of configurations in batches."""

    def valid(self, action_indices: Int[np.ndarray, "configs choices"]) -> Bool[np.ndarray, "configs"]:
        """Returns whether each configuration may be proposed."""


class Batch(NamedTuple):
    """A trial of each replica.

    Attributes:
        problem: Shape `[replicas]`, row of the problem.
        action_indices: Shape `[replicas, choices]`, position of the action of each choice.
    """

    problem: Int[np.ndarray, "replicas"]
    action_indices: Int[np.ndarray, "replicas choices"]


class Replicas(abc.ABC):
    """Independent searchers of the same problems, in lockstep."""

    @abc.abstractmethod
    def ask(self) -> Batch:
        """Returns the next trial of each replica."""

    @abc.abstractmethod
    def tell(self, reward: Float[np.ndarray, "replicas"]) -> None:
        """Tells the rewards of the last trials from `ask`."""

    @abc.abstractmethod
    def save(self, folder: Path) -> None:
        """Writes to a folder the state from which `resume` continues."""

    @abc.abstractmethod
    def resume(self, folder: Path, trace: Trace) -> None:
        """Restores new searchers to the end of a record, from the files of `save`.

        Raises:
            ValueError: The searchers do not propose the recorded trials.
        """

    def finish(self, folder: Path, trace: Trace) -> None:  # noqa: B027  (most replicas have nothing to restore)
        """Restores new searchers after the last trial, as far as their results are needed, from the files of `save`."""


class AgentReplicas(Replicas):
    """Replicas of the agent.

    Attributes:
        learner: Learner of all replicas after the trials so far.
    """

    def __init__(self, learner: Learner, benchmarks: Sequence[Benchmark] = ()) -> None:
        """Starts from a learner.

        Args:
            learner: The learner.
            benchmarks: Benchmarks of the learner's problems, in the order of their rows. If all benchmarks that refuse
                configurations check them in batches, the batches are used; otherwise `valid` of the problems.
        """
        self.learner = learner
        in_batches = all(isinstance(b, Restricted) or b.problem.valid is None for b in benchmarks)
        self._benchmarks = tuple(benchmarks) if in_batches else ()

    def ask(self) -> Batch:
        """Returns the next trial of each replica."""
        self.learner, self._proposal = propose(self.learner, self._first_valid if self._benchmarks else None)
        widest = max(len(problem.space.choices) for problem in self.learner.encoding.problems)
        return Batch(self._proposal.problem, self._proposal.rollout.action_indices[:, 1 : 1 + widest])

    def tell(self, reward: Float[np.ndarray, "replicas"]) -> None:
        """Updates each replica with the reward of its last trial."""
        problem, rollout, proposer = self._proposal
        self.learner = learn(self.learner, problem, rollout.trajectory, reward, proposer)

    def save(self, folder: Path) -> None:
        """Writes the learner."""
        problems = self.learner.encoding.problems
        restricted = tuple(row for row, problem in enumerate(problems) if problem.valid is not None)
        keyed = tuple(row for row, problem in enumerate(problems) if problem.key is not None)
        write_snapshot(folder / _LEARNER, Snapshot(self.learner, "replicas", 0, (), restricted, keyed=keyed))

    def resume(self, folder: Path, trace: Trace) -> None:
        """Reads the learner from its file.

        Raises:
            ValueError: The file holds a search with other settings.
        """
        found, problems = read_snapshot(folder / _LEARNER).learner, self.learner.encoding.problems
        for name in ("config", "seed", "replicas"):
            if getattr(found, name) != getattr(self.learner, name):
                raise ValueError(f"{folder} holds agents with another {name}; start the search afresh")
        self.learner = with_functions(found, problems)

    def finish(self, folder: Path, trace: Trace) -> None:
        """Reads the learner from its file, as `resume` does."""
        self.resume(folder, trace)

    def _first_valid(self, rows: RowIndices, action_indices: ActionIndices) -> RowIndices:
        count = action_indices.shape[1]
        valid = np.ones(action_indices.shape[:2], bool)
        for row, benchmark in enumerate(self._benchmarks):
            here = rows == row
            if isinstance(benchmark, Restricted) and here.any():
                choices = len(benchmark.problem.space.choices)
                valid[here] = benchmark.valid(action_indices[here, :, 1 : 1 + choices].reshape(-1, choices)).reshape(
                    -1, count
                )
        return np.where(valid.any(axis=1), valid.argmax(axis=1), count)


class SearcherReplicas(Replicas):
    """Replicas of any searcher, with an object for each replica."""

    def __init__(self, searchers: Sequence[Searcher]) -> None:
        """Creates replicas from searchers of the same problems."""
        self._searchers = tuple(searchers)

    def ask(self) -> Batch:
        """Returns the next trial of each searcher."""
        self._trials = [searcher.ask() for searcher in self._searchers]
        names = [problem.name for problem in self._searchers[0].problems]
        problem = np.array([names.index(trial.problem.name) for trial in self._trials], np.int32)
        action_indices = [
            [c.index(t.config[c.name]) if c.name in t.config else len(c.actions) for c in t.problem.space.choices]
            for t in self._trials
        ]
        return Batch(problem, np.array(action_indices, np.int32))

    def tell(self, reward: Float[np.ndarray, "replicas"]) -> None:
        """Tells each searcher the reward of its trial."""
        for searcher, trial, value in zip(self._searchers, self._trials, reward.tolist(), strict=True):
            searcher.tell(trial, value)

    def save(self, folder: Path) -> None:
        """Writes nothing, because `resume` repeats the search, in a minute or two for 100,000 trials."""

    def resume(self, folder: Path, trace: Trace) -> None:
        """Repeats the recorded search.

        Raises:
            ValueError: A searcher does not propose the recorded trials.
        """
        for trial in range(trace.trials):
            if not np.array_equal(self.ask().action_indices, trace.action_indices[:, trial]):
                raise ValueError(
                    f"trial {trial + 1} in {folder} is not the proposal of this search; start the search afresh"
                )
            self.tell(trace.reward[:, trial])


class Timed(Replicas):
    """Replicas with measured times of ask and tell."""

    def __init__(self, replicas: Replicas) -> None:
        """Starts with new replicas."""
        self._replicas, self._seconds, self._asking = replicas, list[float](), 0.0

    @property
    def seconds(self) -> Float[np.ndarray, "trials"]:
        """Seconds of each trial for all replicas together, without the evaluation."""
        return np.array(self._seconds)

    def ask(self) -> Batch:
        """Returns the next trial of each replica."""
        started = time.perf_counter()
        batch = self._replicas.ask()
        self._asking = time.perf_counter() - started
        return batch

    def tell(self, reward: Float[np.ndarray, "replicas"]) -> None:
        """Tells the rewards of the last trials."""
        started = time.perf_counter()
        self._replicas.tell(reward)
        self._seconds.append(self._asking + time.perf_counter() - started)

    def save(self, folder: Path) -> None:
        """Writes the times and the state of the replicas."""
        np.save(folder / _SECONDS, self.seconds)
        self._replicas.save(folder)

    def resume(self, folder: Path, trace: Trace) -> None:
        """Restores the times and the replicas to the end of a record."""
        self._replicas.resume(folder, trace)
        self._seconds = np.load(folder / _SECONDS).tolist()

    def finish(self, folder: Path, trace: Trace) -> None:
        """Restores the times and the results of the replicas."""
        self._replicas.finish(folder, trace)
        self._seconds = np.load(folder / _SECONDS).tolist()


def search(
    replicas: Replicas,
    benchmarks: Sequence[Benchmark],
    trials: int,
    seed: int,
    progress: ProgressFn = lambda done, best: None,
    start: Trace | None = None,
    after_trial: AfterTrialFn = lambda recorder: False,
) -> Trace:
    """Runs a search and returns its record; Ctrl-C ends the search.

    Args:
        replicas: The searchers.
        benchmarks: Benchmarks of the search, in the order of their rows.
        trials: Number of trials of each replica.
        seed: Seed of the rewards' noise.
        progress: Function that is called after every trial.
        start: Record of the trials so far, if the replicas were resumed.
        after_trial: Function that is called after every trial and may end the search.

    Raises:
        ValueError: A searcher finds no valid configuration.
    """
    rng = generator(seed, Purpose.REWARD)
    recorder = TraceRecorder(len(benchmarks), rng, start)
    try:
        while recorder.trials < trials:
            batch = replicas.ask()
            reward, value = _evaluate(batch, benchmarks, rng)
            replicas.tell(reward)
            recorder.add(batch.problem, batch.action_indices, reward, value)
            progress(recorder.trials, recorder.best)
            if after_trial(recorder):
                return recorder.trace(interrupted=recorder.trials < trials)
    except KeyboardInterrupt:
        return recorder.trace(interrupted=True)
    return recorder.trace()


def _evaluate(
    batch: Batch, benchmarks: Sequence[Benchmark], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "replicas"], Float[np.ndarray, "replicas"]]:
    reward, value = np.zeros(len(batch.problem)), np.zeros(len(batch.problem))
    for row, benchmark in enumerate(benchmarks):
        here = batch.problem == row
        action_indices = batch.action_indices[here, : len(benchmark.problem.space.choices)]
        reward[here], value[here] = benchmark.reward(action_indices, rng), benchmark.value(action_indices)
    return reward, value
