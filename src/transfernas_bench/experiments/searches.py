"""The searches of a comparison: the agents and the other methods on every target of the scenarios.

Two searches run at a time: a search by agents, and a search by another method. The search of a method without sources
on a target is shared by all scenarios with this target.
"""

import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfernas.learning.config import TrainingConfig
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.randomness import Purpose, derived_seed
from transfernas.learning.transfer import transfer

from ..benchmarks.nasbench101 import CellTable
from ..benchmarks.tabular import TabularProblem
from .methods import AGENTS, METHODS, SCRATCH, SEEDED, TRANSFER, Starts, best_starts, searcher_replicas
from .run_directory import RunDirectory, run_in_parallel
from .runner import AgentReplicas, Replicas, StageFn, Timed
from .suite import TaskRef, TransferScenario


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scenarios, methods and size of a comparison.

    Attributes:
        config: Settings of the agents.
        scenarios: Scenarios of the suite.
        methods: Names of the methods.
        seed: Seed of all random draws.
        replicas: Number of independent repetitions of every search.
        trials: Trials of each search of a target.
        joint_trials: Trials of the joint training for each source.
    """

    config: TrainingConfig
    scenarios: tuple[TransferScenario, ...]
    methods: tuple[str, ...] = METHODS
    seed: int = 0
    replicas: int = 20
    trials: int = 200
    joint_trials: int = 200


class Run(NamedTuple):
    """A search of a target.

    Attributes:
        values: Shape `[replicas, trials]`, noise-free value of the incumbent.
        seconds: Shape `[trials]`, time to ask and tell for all replicas together.
    """

    values: Float[np.ndarray, "replicas trials"]
    seconds: Float[np.ndarray, "trials"]


Runs = dict[tuple[str, str], Run]
"""Mapping from a place and a method to a search; the place is a scenario, or a target for a shared search."""


def run_key(scenario: TransferScenario, method: str) -> tuple[str, str]:
    """Returns the key in `Runs` of the search of a method on a scenario's target."""
    return (scenario.name if method in (TRANSFER, *SEEDED) else scenario.target.name), method


def run_searches(comparison: Comparison, cells: CellTable | None, run_directory: RunDirectory, stage: StageFn) -> Runs:
    """Runs all searches; an interrupt ends the run with the trials so far.

    Args:
        comparison: Scenarios, methods and size.
        cells: Table of NAS-Bench-101, for scenarios with this benchmark.
        run_directory: Folder of the stages.
        stage: Function that is called when a stage begins.
    """
    run_context = _ComparisonRun(
        comparison, cells, run_directory, stage, {scenario.name: Future() for scenario in comparison.scenarios}
    )
    agents, searchers = run_in_parallel(run_directory, lambda: _agents(run_context), lambda: _searchers(run_context))
    return {key: run for key, run in {**agents, **searchers}.items() if run.values.size}


def shared_stages(comparison: Comparison) -> tuple[str, ...]:
    """Returns the names of the searches that need no agent, which comparisons of the same seed and size share."""
    keys = {
        run_key(s, method) for s in comparison.scenarios for method in comparison.methods if _needs_no_agent(method)
    }
    return tuple(sorted(f"{where}, {method}" for where, method in keys))


def count_stages(comparison: Comparison) -> int:
    """Returns how many searches there are, joint trainings among them."""
    keys = {run_key(scenario, method) for scenario in comparison.scenarios for method in comparison.methods}
    return len(keys) + len(comparison.scenarios) * _needs_joint_training(comparison)


@dataclass(frozen=True, slots=True)
class _ComparisonRun:
    """Data that all searches share: comparison, table, folder, function for the progress, and first configurations."""

    comparison: Comparison
    cells: CellTable | None
    run_directory: RunDirectory
    stage: StageFn
    starts: dict[str, Future[Starts]]
    loading: threading.Lock = field(default_factory=threading.Lock)

    def load(self, task_ref: TaskRef) -> TabularProblem:
        """Returns a benchmark; the lock makes both lanes read a table once."""
        with self.loading:
            return task_ref.load(self.cells)

    def seed(self, name: str, replica: int = 0) -> int:
        """Returns the seed of a search, which does not depend on other searches."""
        return derived_seed(self.comparison.seed, Purpose.REPLICA, zlib.crc32(name.encode()), replica)

    def search(self, where: str, method: str, make: Callable[[str], Replicas], target: TabularProblem) -> Runs:
        """Searches a target with the replicas that `make` returns for the name of the search."""
        name, trials = f"{where}, {method}", self.comparison.trials
        replicas = Timed(make(name))
        trace = self.run_directory.search(name, replicas, (target,), trials, self.seed(name), self.stage(name, trials))
        return {(where, method): Run(trace.values, replicas.seconds)}


def _agents(run_context: _ComparisonRun) -> Runs:
    """Searches every target with agents, from scratch and after the joint training on the sources."""
    found: Runs = {}
    try:
        for scenario in run_context.comparison.scenarios:
            for step in (_scratch, _transferred):
                if run_context.run_directory.interrupted:
                    return found
                found |= step(run_context, scenario, found)
    finally:
        for starts in run_context.starts.values():  # so that the other lane does not wait for ever
            starts.cancel()
    return found


def _scratch(run_context: _ComparisonRun, scenario: TransferScenario, found: Runs) -> Runs:
    where, _ = key = run_key(scenario, SCRATCH)
    if SCRATCH not in run_context.comparison.methods or key in found:
        return {}
    target = run_context.load(scenario.target)
    return run_context.search(
        where, SCRATCH, lambda name: AgentReplicas(_new(run_context, (target,), name), (target,)), target
    )


def _transferred(run_context: _ComparisonRun, scenario: TransferScenario, found: Runs) -> Runs:
    methods = run_context.comparison.methods
    if not _needs_joint_training(run_context.comparison):
        return {}
    sources, target = tuple(map(run_context.load, scenario.sources)), run_context.load(scenario.target)
    name, trials = f"{scenario.name}, joint training", run_context.comparison.joint_trials * len(sources)
    joint = AgentReplicas(_new(run_context, sources, name), sources)
    trace = run_context.run_directory.search(
        name, joint, sources, trials, run_context.seed(name), run_context.stage(name, trials)
    )
    if trace.interrupted:
        return {}
    run_context.starts[scenario.name].set_result(best_starts(trace, scenario, sources, target.problem))
    if TRANSFER not in methods or run_context.run_directory.interrupted:
        return {}
    learner = transferred(joint.learner, scenario, target)
    return run_context.search(scenario.name, TRANSFER, lambda name: AgentReplicas(learner, (target,)), target)


def transferred(learner: Learner, scenario: TransferScenario, target: TabularProblem) -> Learner:
    """Returns the agents of the joint training after the transfer to the target."""
    return transfer(learner, (target.problem,), rename=scenario.rename, fill=scenario.fill)


def _new(run_context: _ComparisonRun, benchmarks: tuple[TabularProblem, ...], name: str) -> Learner:
    problems = tuple(benchmark.problem for benchmark in benchmarks)
    return new_learner(problems, run_context.comparison.config, run_context.seed(name), run_context.comparison.replicas)


def _searchers(run_context: _ComparisonRun) -> Runs:
    """Searches every target with the methods other than agents."""
    found: Runs = {}
    for scenario, method in _ordered_searches(run_context.comparison):
        where, _ = key = run_key(scenario, method)
        if key in found:
            continue
        starts: Starts = [()] * run_context.comparison.replicas
        if method in SEEDED:
            try:
                starts = run_context.starts[scenario.name].result()
            except CancelledError:
                return found
        if run_context.run_directory.interrupted:
            return found
        target = run_context.load(scenario.target)

        def make(name: str, method: str = method, target: TabularProblem = target, starts: Starts = starts) -> Replicas:
            return searcher_replicas(method, target, [run_context.seed(name, r) for r in range(len(starts))], starts)

        found |= run_context.search(where, method, make, target)
    return found


def _needs_joint_training(comparison: Comparison) -> bool:
    """Returns whether a method needs the joint training."""
    return bool({TRANSFER, *SEEDED} & set(comparison.methods))


def _needs_no_agent(method: str) -> bool:
    return method not in (*AGENTS, *SEEDED)


def _ordered_searches(comparison: Comparison) -> Iterator[tuple[TransferScenario, str]]:
    """Yields scenarios with methods other than agents; seeded methods come last, as they wait for the other lane."""
    for scenario in comparison.scenarios:
        for method in sorted(set(comparison.methods) - set(AGENTS), key=lambda name: (name in SEEDED, name)):
            yield scenario, method
