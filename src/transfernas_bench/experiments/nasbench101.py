"""NAS-Bench-101 (paper, section 4.2 and appendix B, figure 5): transfer from two sub-spaces of cells to the whole."""

import dataclasses
import itertools
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transfernas.baselines.evolution import RegularizedEvolution
from transfernas.baselines.random import RandomSearch
from transfernas.fields import to_json
from transfernas.learning.config import TrainingConfig
from transfernas.learning.learner import new_learner
from transfernas.learning.randomness import Purpose, derived_seed
from transfernas.learning.transfer import transfer
from transfernas.spaces.problem import Problem

from ..benchmarks.nasbench101 import CellProblem, CellTable, cell_problem, mutate_cell, sub_spaces
from ..optuna_searcher import OptunaSearcher, tpe
from .result import Curve, NamedRatio, NamedReached, Result, TableRow, table_of
from .run_directory import RunDirectory, run_in_parallel
from .runner import AgentReplicas, Replicas, SearcherReplicas, StageFn
from .statistics import mean_interval, reached, trial_ratio
from .trace import Trace

CURVES = ("transfer", "scratch", "evolution", "random")
"""Searches of the paper, which run by default."""

OPTIONAL = ("tpe",)
"""Searches that run on request, because TPE takes hours."""

MILESTONES = (10, 20, 50, 100, 200, 500, 1_000, 2_000)
SAMPLE_SIZES = (2, 4, 8, 16, 32, 64)
CHOICE_REPLICAS = 20
GRID_STEP = 0.001


@dataclass(frozen=True, slots=True)
class CellStudy:
    """Settings and size of the experiment.

    Attributes:
        config: Settings of the agents.
        seed: Seed of all random draws.
        replicas: Number of independent repetitions of every search.
        trials: Trials of each search of the whole space.
        joint_trials: Trials of the joint training on the two sub-spaces.
        curves: Searches to run, of `CURVES` and `OPTIONAL`.
        each_network_once: Whether no search evaluates a cell twice, even under another configuration. In the paper all
            searches may evaluate a cell twice.
    """

    config: TrainingConfig
    seed: int = 0
    replicas: int = 50
    trials: int = 2_000
    joint_trials: int = 2_000
    curves: tuple[str, ...] = CURVES
    each_network_once: bool = False

    def __post_init__(self) -> None:
        """Checks that the agents follow `each_network_once`.

        Raises:
            ValueError: `each_network_once` is True, but the agents may repeat configurations.
        """
        if self.each_network_once and self.config.proposal.repeats:
            raise ValueError(
                "each_network_once needs agents that do not repeat, as with proposal=ProposalConfig(repeats=False)"
            )


def describe(study: CellStudy) -> dict[str, object]:
    """Returns the settings and the size of the experiment, for JSON."""
    return dataclasses.asdict(study) | {"config": to_json(study.config)}


class _StudyRun(NamedTuple):
    """Data that all searches share: settings, target, sources, folder, and function for the progress."""

    study: CellStudy
    target: CellProblem
    sources: tuple[CellProblem, ...]
    run_directory: RunDirectory
    stage: StageFn

    def search(self, name: str, replicas: Replicas, trials: int, tuning: bool = False) -> Trace:
        """Searches the whole space; a search for tuning has its own seed of the rewards' noise."""
        seed = derived_seed(self.study.seed, Purpose.TUNING) if tuning else self.study.seed
        return self.run_directory.search(name, replicas, (self.target,), trials, seed, self.stage(name, trials))

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (self.target.problem,)


def run_nasbench101(study: CellStudy, cells: CellTable, run_directory: RunDirectory, stage: StageFn) -> Result:
    """Runs all searches, two at a time; an interrupt ends the run with the measurements so far.

    Args:
        study: Settings and size of the experiment.
        cells: Table of NAS-Bench-101.
        run_directory: Folder of the stages.
        stage: Function that is called when a stage begins.
    """
    started = time.monotonic()
    once = study.each_network_once
    sources = tuple(cell_problem(cells, space, each_network_once=once) for space in sub_spaces())
    run_context = _StudyRun(study, cell_problem(cells, each_network_once=once), sources, run_directory, stage)
    choice: list[TableRow] = []
    lanes = run_in_parallel(run_directory, lambda: _transferred(run_context), lambda: _others(run_context, choice))
    records = {name: trace for lane in lanes for name, trace in lane.items() if trace.trials}
    curves = {name: _curve(records[name], run_context.target) for name in (*CURVES, *OPTIONAL) if name in records}
    milestones = sorted({count for count in MILESTONES if count < study.trials} | {study.trials})
    grid = _grid(curves)
    return Result(
        command="reproduce nasbench101",
        seed=study.seed,
        seconds=time.monotonic() - started,
        curves=curves,
        table=table_of(curves, milestones),
        ratios=_ratios(curves, grid, study.seed),
        interrupted=run_directory.interrupted,
        settings={
            "resumed": run_directory.resumed,
            "data": cells.name,
            "replicas": study.replicas,
            "joint_trials": study.joint_trials,
            "config": to_json(study.config),
            "best_test": run_context.target.best_test,
            "each_network_once": once,
            "networks": {name: _networks(trace, run_context.target) for name, trace in records.items()},
        },
        reached=tuple(NamedReached(n, reached(t, c.values, study.seed)) for n, c in curves.items() for t in grid),
        choice=tuple(choice),
    )


def _transferred(run_context: _StudyRun) -> dict[str, Trace]:
    """Trains jointly on the sub-spaces, then searches the whole space."""
    study = run_context.study
    if "transfer" not in study.curves:
        return {}
    problems = tuple(source.problem for source in run_context.sources)
    joint = AgentReplicas(new_learner(problems, study.config, study.seed, study.replicas), run_context.sources)
    name = "joint training"
    run_context.run_directory.search(
        name, joint, run_context.sources, study.joint_trials, study.seed, run_context.stage(name, study.joint_trials)
    )
    if run_context.run_directory.interrupted:
        return {}
    replicas = AgentReplicas(transfer(joint.learner, run_context.problems), (run_context.target,))
    return {"transfer": run_context.search("transfer", replicas, study.trials)}


def _others(run_context: _StudyRun, choice: list[TableRow]) -> dict[str, Trace]:
    """Searches the whole space from scratch."""
    study, found = run_context.study, dict[str, Trace]()
    seeds = [derived_seed(study.seed, Purpose.WEIGHTS, replica) for replica in range(study.replicas)]
    for name in study.curves:
        if run_context.run_directory.interrupted or name == "transfer":
            continue
        replicas: Replicas
        if name == "scratch":
            learner = new_learner(run_context.problems, study.config, study.seed, study.replicas)
            replicas = AgentReplicas(learner, (run_context.target,))
        elif name == "random":
            replicas = SearcherReplicas([RandomSearch(run_context.problems, seed) for seed in seeds])
        elif name == "tpe":
            replicas = SearcherReplicas([OptunaSearcher(run_context.problems, tpe, seed) for seed in seeds])
        else:
            choice += _choose_sample_size(run_context)
            if run_context.run_directory.interrupted:
                continue
            best = SAMPLE_SIZES[int(np.argmax([row.mean for row in choice]))]
            replicas = _evolution(run_context, best, seeds)
        found[name] = run_context.search(name, replicas, study.trials)
    return found


def _evolution(run_context: _StudyRun, sample_size: int, seeds: list[int]) -> Replicas:
    return SearcherReplicas(
        [
            RegularizedEvolution(run_context.problems, sample_size=sample_size, seed=seed, mutation=mutate_cell)
            for seed in seeds
        ]
    )


def _choose_sample_size(run_context: _StudyRun) -> list[TableRow]:
    """Returns the final test accuracy of each sample size, the criterion of the paper, with separate seeds."""
    seeds = [derived_seed(run_context.study.seed, Purpose.TUNING, replica) for replica in range(CHOICE_REPLICAS)]
    rows, trials = [], run_context.study.trials
    for size in SAMPLE_SIZES:
        trace = run_context.search(
            f"evolution, sample {size}", _evolution(run_context, size, seeds), trials, tuning=True
        )
        if trace.interrupted:
            return []
        rows.append(
            TableRow(f"sample {size}", trials, *mean_interval(run_context.target.test(trace.incumbents[:, -1])))
        )
    return rows


def _networks(trace: Trace, target: CellProblem) -> float:
    """Returns the number of different cells that a replica evaluated, averaged over the replicas."""
    return float(
        np.mean([len(np.unique(target.index.rows(action_indices))) for action_indices in trace.action_indices])
    )


def _curve(trace: Trace, target: CellProblem) -> Curve:
    replicas, trials, choices = trace.action_indices.shape
    test = target.test(trace.incumbents.reshape(-1, choices)).reshape(replicas, trials)
    return Curve(trace.values, test)


def _grid(curves: dict[str, Curve]) -> tuple[float, ...]:
    """Returns validation accuracies from that of the worst curve after 10 trials to the best of all curves."""
    if not curves:
        return ()
    low = min(float(curve.values.mean(axis=0)[:10][-1]) for curve in curves.values())
    high = max(float(curve.values.mean(axis=0).max()) for curve in curves.values())
    steps = range(int(np.ceil(low / GRID_STEP)), int(np.floor(high / GRID_STEP)) + 1)
    return tuple(round(step * GRID_STEP, 6) for step in steps)


def _ratios(curves: dict[str, Curve], grid: tuple[float, ...], seed: int) -> tuple[NamedRatio, ...]:
    if "transfer" not in curves:
        return ()
    fast = curves["transfer"].values
    pairs = itertools.product(grid, (name for name in curves if name != "transfer"))
    return tuple(NamedRatio(name, "transfer", trial_ratio(t, curves[name].values, fast, seed)) for t, name in pairs)
