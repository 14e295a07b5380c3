"""The comparison of the transferred agent with the other methods, over scenarios of the transfer suite.

Regrets are normalised: 0 for the best configuration of the target, 1 for the median configuration.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from transfernas.fields import to_json

from ..benchmarks.nasbench101 import CellTable
from .methods import SCRATCH, SEEDED, TRANSFER
from .ranking import (
    Difference,
    MeasuredScenario,
    MethodRanking,
    OnScenario,
    compare_by_scenario,
    differences,
    rank_methods,
)
from .result import Curve, NamedRatio, Result, TableRow
from .run_directory import RunDirectory
from .runner import StageFn
from .searches import Comparison, Run, Runs, run_key, run_searches
from .statistics import critical_difference, mean_interval, trial_ratio
from .suite import RegretScale, TransferScenario

MILESTONES = (5, 10, 20, 50, 100, 200, 500, 1_000)
GRID = tuple(sorted({base * 10**power for base in (1, 2, 3, 5, 7) for power in range(4)} | {15, 150}))
"""Numbers of trials that figures show."""

REFERENCE, REFERENCE_TRIALS = "tpe", 100
"""Method and number of trials whose mean value is the target of the ratios."""


PAIRS = ((TRANSFER, SCRATCH), *((TRANSFER, name) for name in ("tpe", *SEEDED)), (SCRATCH, REFERENCE))
"""Pairs of methods whose regrets are compared."""


class ComparisonResult(NamedTuple):
    """Results of a comparison.

    Attributes:
        result: Content of `result.json`; the names of its curves have the scenario and the method, and its table has
            the mean normalised regret of each curve.
        rankings: Rankings of the methods, for each kind and for all, over the scenarios whose searches are complete.
        from_scratch: Rankings of the methods without sources, over the targets, each counted once.
        differences: Differences of the regrets of `PAIRS`; the first pair is the transferred agent and the agent from
            scratch.
        by_scenario: Differences of the first pair on each scenario.
        seconds: Median time of each method to ask and tell a trial of a replica; the replicas of agents share steps.
    """

    result: Result
    rankings: tuple[MethodRanking, ...]
    from_scratch: tuple[MethodRanking, ...]
    differences: tuple[Difference, ...]
    by_scenario: tuple[OnScenario, ...]
    seconds: Mapping[str, float]


def run_comparison(
    comparison: Comparison, cells: CellTable | None, run_directory: RunDirectory, stage: StageFn
) -> ComparisonResult:
    """Runs all searches, two at a time; an interrupt ends the run with the measurements so far.

    Args:
        comparison: Scenarios, methods and size.
        cells: Table of NAS-Bench-101, for scenarios with this benchmark.
        run_directory: Folder of the stages.
        stage: Function that is called when a stage begins.
    """
    started = time.monotonic()
    runs = run_searches(comparison, cells, run_directory, stage)
    scales = {
        scenario.name: RegretScale.of(scenario.target.load(cells))
        for scenario in comparison.scenarios
        if _of(runs, scenario)
    }
    milestones = limit_trials(comparison.trials, MILESTONES)
    grid = limit_trials(comparison.trials, {*GRID, *milestones})
    done = [scenario for scenario in comparison.scenarios if _done(runs, scenario, comparison)]
    methods, seed = comparison.methods, comparison.seed

    def measured(
        scenario: TransferScenario, who: Sequence[str], kind: str, counts: tuple[int, ...] = grid
    ) -> MeasuredScenario:
        values = np.stack([_of(runs, scenario)[method].values for method in who])
        return MeasuredScenario(kind, scales[scenario.name].regret(values[:, :, [count - 1 for count in counts]]))

    every = [measured(scenario, methods, scenario.kind) for scenario in done]
    alone = [method for method in methods if method not in (TRANSFER, *SEEDED)]
    targets = {scenario.target: scenario for scenario in done} if len(alone) > 1 else {}
    rankings = rank_methods(every, methods, grid, seed)
    from_scratch = tuple(
        row._replace(kind="targets")
        for row in rank_methods([measured(scenario, alone, "") for scenario in targets.values()], alone, grid, seed)
    )
    difference = [
        row for pair in PAIRS if set(pair) <= set(methods) for row in differences(every, methods, pair, grid, seed)
    ]
    by_name = {scenario.name: measured(scenario, methods, scenario.kind, milestones) for scenario in done}
    on_splits = (
        compare_by_scenario(by_name, methods, PAIRS[0], milestones, seed) if set(PAIRS[0]) <= set(methods) else ()
    )
    seconds = _seconds(runs, comparison)
    found = {
        f"{scenario.name}/{method}": run
        for scenario in comparison.scenarios
        for method, run in _of(runs, scenario).items()
    }
    result = Result(
        command="compare",
        seed=seed,
        seconds=time.monotonic() - started,
        curves={name: Curve(run.values) for name, run in found.items()},
        table=tuple(row for s in comparison.scenarios for row in _regret_rows(s, _of(runs, s), scales, milestones)),
        ratios=tuple(ratio for scenario in done for ratio in _ratios(scenario.name, _of(runs, scenario), seed)),
        interrupted=run_directory.interrupted,
        settings=_settings(comparison, cells, run_directory, scales),
        summary={
            "rankings": [_document(row) for row in rankings],
            "from_scratch": [_document(row) for row in from_scratch],
            "differences": [_document(row) for row in difference],
            "by_scenario": [_document(row) for row in on_splits],
            "critical_difference": critical_difference(len(methods), len(done)) if done and methods[1:] else None,
            "seconds_a_trial": seconds,
        },
        kept_trials=grid,
    )
    return ComparisonResult(result, rankings, from_scratch, tuple(difference), on_splits, seconds)


def limit_trials(trials: int, counts: tuple[int, ...] | set[int]) -> tuple[int, ...]:
    """Returns the counts below a number of trials, and this number, in ascending order."""
    return tuple(sorted({count for count in counts if count < trials} | {trials}))


def _of(runs: Runs, scenario: TransferScenario) -> dict[str, Run]:
    """Returns the searches of a scenario's target, by method."""
    return {method: run for (where, method), run in runs.items() if (where, method) == run_key(scenario, method)}


def _done(runs: Runs, scenario: TransferScenario, comparison: Comparison) -> bool:
    """Returns whether the searches of all methods on the target are complete."""
    found = _of(runs, scenario)
    return all(method in found and found[method].values.shape[1] == comparison.trials for method in comparison.methods)


def _regret_rows(
    scenario: TransferScenario, found: Mapping[str, Run], scales: Mapping[str, RegretScale], milestones: tuple[int, ...]
) -> list[TableRow]:
    return [
        TableRow(
            f"{scenario.name}/{method}", count, *mean_interval(scales[scenario.name].regret(run.values[:, count - 1]))
        )
        for method, run in found.items()
        for count in milestones
        if count <= run.values.shape[1]
    ]


def _ratios(name: str, found: Mapping[str, Run], seed: int) -> list[NamedRatio]:
    """Returns the ratio of the trials that the reference and each method need for the value of the reference."""
    if REFERENCE not in found or found[REFERENCE].values.shape[1] < REFERENCE_TRIALS:
        return []
    slow = found[REFERENCE].values
    target = float(slow[:, REFERENCE_TRIALS - 1].mean())
    return [
        NamedRatio(f"{name}/{REFERENCE}", f"{name}/{method}", trial_ratio(target, slow, run.values, seed))
        for method, run in found.items()
        if method != REFERENCE
    ]


def _seconds(runs: Runs, comparison: Comparison) -> dict[str, float]:
    """Returns the seconds of each method for a trial of a replica, the median over all trials of all targets."""
    found = dict[str, float]()
    for method in comparison.methods:
        times = [run.seconds for (_, name), run in runs.items() if name == method]
        if times:
            found[method] = float(np.median(np.concatenate(times))) / comparison.replicas
    return found


def _settings(
    comparison: Comparison, cells: CellTable | None, run_directory: RunDirectory, scales: Mapping[str, RegretScale]
) -> dict[str, object]:
    return {
        "resumed": run_directory.resumed,
        "data": None if cells is None else cells.name,
        "replicas": comparison.replicas,
        "trials": comparison.trials,
        "joint_trials": comparison.joint_trials,
        "config": to_json(comparison.config),
        "methods": comparison.methods,
        "scenarios": {
            scenario.name: {
                "kind": scenario.kind,
                "half": scenario.half,
                "sources": [task_ref.name for task_ref in scenario.sources],
                "target": scenario.target.name,
                "rename": dict(scenario.rename),
                **(scales[scenario.name]._asdict() if scenario.name in scales else {}),
            }
            for scenario in comparison.scenarios
        },
    }


def _document(row: MethodRanking | Difference | OnScenario) -> dict[str, object]:
    """Returns a row for JSON, with its intervals as objects and nan as null."""
    found = dict[str, object]()
    for name, value in row._asdict().items():
        found[name] = value._asdict() if hasattr(value, "_asdict") else value
        if value != value:
            found[name] = None
    return found
