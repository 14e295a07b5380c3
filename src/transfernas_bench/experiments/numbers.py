"""The comparison of the agent with samplers of Optuna on problems of numbers, all from scratch.

Each method has the same seeds. One search runs at a time, because the CPU time of the process is measured.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfernas.fields import to_json
from transfernas.learning.config import TrainingConfig

from ..benchmarks.number_problems import KINDS, PROBLEMS, NumberProblem
from .compare import GRID, limit_trials
from .number_methods import DEFAULT_METHODS, GROUPED, AfterTrialFn, NumberSearch, check_methods, search_numbers
from .number_ranking import MeasuredProblem, NumberRanking, rank_numbers, regret_multiples, regrets_of
from .result import Curve, Result, TableRow
from .run_directory import RunDirectory
from .runner import ProgressFn, StageFn
from .statistics import Interval
from .trace import read_arrays, write_arrays

MILESTONES = (10, 20, 50, 100, 200, 500, 1_000)

_RECORD = "record.npz"


@dataclass(frozen=True, slots=True)
class NumberComparison:
    """Problems, methods and size of a comparison.

    Attributes:
        config: Settings of the agents.
        problems: Names of the problems.
        methods: Names of the methods, with that of TPE.
        seed: Seed of the first replica; the next replica has the next seed.
        replicas: Number of independent repetitions of every search.
        trials: Trials of each search.
    """

    config: TrainingConfig
    problems: tuple[str, ...]
    methods: tuple[str, ...] = DEFAULT_METHODS
    seed: int = 0
    replicas: int = 20
    trials: int = 100

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yields the problem and the method of each stage; TPE with groups runs on conditional problems alone."""
        for name in self.problems:
            for method in self.methods:
                if method != GROUPED or PROBLEMS[name].conditional:
                    yield name, method

    def check_packages(self) -> None:
        """Checks that the packages of the methods and of the problems are installed.

        Raises:
            ModuleNotFoundError: A package is missing.
        """
        check_methods(self.methods)
        for name in self.problems:
            PROBLEMS[name].load()


class NumberResult(NamedTuple):
    """Results of a comparison.

    Attributes:
        result: Content of `result.json`; the names of its curves have the problem and the method. Its table has the
            regret of each curve as a multiple of that of TPE.
        rankings: Comparisons of the methods with TPE, for all problems and each kind, over the problems whose searches
            are complete.
        cpu_seconds: Median CPU seconds of each method for a trial, beside those of the objective.
    """

    result: Result
    rankings: tuple[NumberRanking, ...]
    cpu_seconds: Mapping[str, float]


def run_numbers(comparison: NumberComparison, run_directory: RunDirectory, stage: StageFn) -> NumberResult:
    """Runs all searches, one at a time; an interrupt ends the run with the replicas so far.

    Args:
        comparison: Problems, methods and size.
        run_directory: Folder of the stages.
        stage: Function that is called when a stage begins.
    """
    started, searches = time.monotonic(), dict[tuple[str, str], _Searches]()
    for name, method in comparison.pairs():
        if run_directory.interrupted:
            break
        found = _run_stage(comparison, name, method, run_directory, stage)
        if found.cpu_seconds.size:
            searches[name, method] = found
    with np.errstate(invalid="ignore"):  # the regret of a search is infinite until a trial of it succeeds
        return _result(comparison, searches, run_directory, started)


def _result(
    comparison: NumberComparison,
    searches: Mapping[tuple[str, str], "_Searches"],
    run_directory: RunDirectory,
    started: float,
) -> NumberResult:
    milestones = limit_trials(comparison.trials, MILESTONES)
    grid = limit_trials(comparison.trials, {*GRID, *milestones})
    measured = _measured(comparison, searches)
    by_kind = sorted(measured.values(), key=lambda problem: KINDS.index(problem.kind))
    rankings = rank_numbers(by_kind, grid, comparison.seed)
    cpu_seconds = {
        method: float(np.median(np.concatenate(costs))) / comparison.trials
        for method in comparison.methods
        if (costs := [found.cpu_seconds for (_, name), found in searches.items() if name == method])
    }
    result = Result(
        command="compare --suite numbers",
        seed=comparison.seed,
        seconds=time.monotonic() - started,
        curves={f"{name}/{method}": Curve(found.values) for (name, method), found in searches.items()},
        table=tuple(row for name, problem in measured.items() for row in _rows(name, problem, milestones, comparison)),
        ratios=(),
        interrupted=run_directory.interrupted,
        settings=_settings(comparison, run_directory),
        summary={"rankings": [_document(row) for row in rankings], "cpu_seconds_a_trial": cpu_seconds},
        kept_trials=grid,
        decimals=None,  # regrets may be small
    )
    return NumberResult(result, rankings, cpu_seconds)


class _Searches(NamedTuple):
    """Searches of a problem by a method, with a row for each complete replica."""

    values: Float[np.ndarray, "replicas trials"]
    cpu_seconds: Float[np.ndarray, "replicas"]

    @classmethod
    def read(cls, folder: Path) -> "_Searches":
        return cls(**read_arrays(folder / _RECORD))

    def write(self, folder: Path) -> None:
        write_arrays(folder / _RECORD, self._asdict())

    def and_then(self, search: NumberSearch) -> "_Searches":
        return _Searches(np.vstack([self.values, search.values]), np.append(self.cpu_seconds, search.cpu_seconds))


def _run_stage(
    comparison: NumberComparison, name: str, method: str, run_directory: RunDirectory, stage: StageFn
) -> _Searches:
    """Runs the replicas of a method on a problem, as far as they are not in the folder."""
    label, trials = f"{name}, {method}", comparison.trials
    folder = run_directory.kept(label)
    found = _Searches.read(folder) if folder else _Searches(np.zeros((0, trials)), np.zeros(0))
    progress = stage(label, comparison.replicas * trials)
    if folder:
        progress(found.values.size, float(found.values[:, -1].mean()))
    for replica in range(len(found.values), comparison.replicas):
        seed = comparison.seed + replica
        after_trial = _after_trial(run_directory, progress, found.values)
        search = search_numbers(PROBLEMS[name], method, comparison.config, seed, trials, after_trial)
        if len(search.values) < trials:
            break
        found = found.and_then(search)
        run_directory.keep(label, len(found.values), found.write)
        if run_directory.interrupted:
            break
    return found


def _after_trial(
    run_directory: RunDirectory, progress: ProgressFn, values: Float[np.ndarray, "replicas trials"]
) -> AfterTrialFn:
    """Returns the function that reports the progress after a trial, and ends the search after an interrupt."""

    def after_trial(trials: int, least: float) -> bool:
        progress(values.size + trials, float(np.mean([*values[:, -1], least])))
        return run_directory.interrupted

    return after_trial


def _measured(
    comparison: NumberComparison, searches: Mapping[tuple[str, str], _Searches]
) -> dict[str, MeasuredProblem]:
    """Returns the problems whose searches by all methods are complete."""
    found = dict[str, MeasuredProblem]()
    for name in comparison.problems:
        pairs = [pair for pair in comparison.pairs() if pair[0] == name]
        if all(pair in searches and len(searches[pair].values) == comparison.replicas for pair in pairs):
            values = {method: searches[name, method].values for _, method in pairs}
            found[name] = MeasuredProblem(PROBLEMS[name].kind, regrets_of(values, PROBLEMS[name].least))
    return found


def _rows(
    name: str, problem: MeasuredProblem, milestones: tuple[int, ...], comparison: NumberComparison
) -> Iterator[TableRow]:
    methods = [*problem.regrets]
    for method, intervals in zip(
        methods, regret_multiples([problem], methods, milestones, comparison.seed), strict=True
    ):
        for trials, interval in zip(milestones, intervals, strict=True):
            yield TableRow(f"{name}/{method}", trials, *interval)


def _settings(comparison: NumberComparison, run_directory: RunDirectory) -> dict[str, object]:
    return {
        "resumed": run_directory.resumed,
        "replicas": comparison.replicas,
        "trials": comparison.trials,
        "config": to_json(comparison.config),
        "methods": comparison.methods,
        "scenarios": {name: _description(PROBLEMS[name]) for name in comparison.problems},
    }


def _description(problem: NumberProblem) -> dict[str, object]:
    return {"kind": problem.kind, "half": problem.half, "minimised": problem.text, "least": problem.least}


def _document(row: NumberRanking) -> dict[str, object]:
    """Returns a row for JSON, with its intervals as objects, and null for a number that is not finite."""
    found = dict[str, object]()
    for name, value in row._asdict().items():
        ends = value._asdict().items() if isinstance(value, Interval) else ()
        found[name] = {end: number if math.isfinite(number) else None for end, number in ends} if ends else value
    return found
