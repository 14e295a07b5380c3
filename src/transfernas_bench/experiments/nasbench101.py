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
from transfernas.learning.randomness import Use, derived_seed
from transfernas.learning.transfer import transfer
from transfernas.spaces.problem import Problem

from ..benchmarks.nasbench101 import CellProblem, Cells, cell_problem, mutate_cell, sub_spaces
from ..optuna_searcher import OptunaSearcher, tpe
from .result import Curve, NamedRatio, NamedReached, Result, Row, table_of
from .run_directory import Stages, side_by_side
from .runner import AgentReplicas, Replicas, SearcherReplicas, StageFn
from .statistics import mean_interval, reached, trial_ratio
from .trace import Record

CURVES = ("transfer", "scratch", "evolution", "random")
"""Those of the paper, which run unless told otherwise."""

OPTIONAL = ("tpe",)
"""Those that run only if told so: TPE takes hours."""

MILESTONES = (10, 20, 50, 100, 200, 500, 1_000, 2_000)
SAMPLE_SIZES = (2, 4, 8, 16, 32, 64)
CHOICE_REPLICAS = 20
GRID_STEP = 0.001


@dataclass(frozen=True, slots=True)
class CellStudy:
    """How large the experiment is.

    Attributes:
        config: the agents' hyperparameters.
        seed: of everything random.
        replicas: independent repetitions of every search.
        trials: of each search of the whole space.
        joint_trials: of the joint training on the two sub-spaces.
        curves: those to run, of `CURVES` and `OPTIONAL`.
        each_network_once: whether no search evaluates a cell twice, however it is written; in the paper all may.
    """

    config: TrainingConfig
    seed: int = 0
    replicas: int = 50
    trials: int = 2_000
    joint_trials: int = 2_000
    curves: tuple[str, ...] = CURVES
    each_network_once: bool = False

    def __post_init__(self) -> None:
        """Checks that the agents keep to what is asked of all.

        Raises:
            ValueError: they may repeat, but each network is to be evaluated once.
        """
        if self.each_network_once and self.config.proposal.repeats:
            raise ValueError(
                "each_network_once takes agents that do not repeat, as with proposal=ProposalConfig(repeats=False)"
            )


def describe(study: CellStudy) -> dict[str, object]:
    """Returns how large the experiment is, for JSON."""
    return dataclasses.asdict(study) | {"config": to_json(study.config)}


class _Lab(NamedTuple):
    """What the searches need: how large they are, the whole space, the sub-spaces, where and to whom they tell."""

    study: CellStudy
    target: CellProblem
    sources: tuple[CellProblem, ...]
    stages: Stages
    stage: StageFn

    def search(self, name: str, replicas: Replicas, trials: int, tuning: bool = False) -> Record:
        """Searches the whole space; what is only for tuning has noise of its own."""
        seed = derived_seed(self.study.seed, Use.TUNING) if tuning else self.study.seed
        return self.stages.search(name, replicas, (self.target,), trials, seed, self.stage(name, trials))

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (self.target.problem,)


def run_nasbench101(study: CellStudy, cells: Cells, stages: Stages, stage: StageFn) -> Result:
    """Runs everything, two searches at a time; an interrupt ends it with what was measured so far.

    Args:
        study: how large.
        cells: the table.
        stages: where it is kept.
        stage: told when a stage begins.
    """
    started = time.monotonic()
    once = study.each_network_once
    sources = tuple(cell_problem(cells, space, each_network_once=once) for space in sub_spaces())
    lab = _Lab(study, cell_problem(cells, each_network_once=once), sources, stages, stage)
    choice: list[Row] = []
    lanes = side_by_side(stages, lambda: _transferred(lab), lambda: _others(lab, choice))
    records = {name: record for lane in lanes for name, record in lane.items() if record.trials}
    curves = {name: _curve(records[name], lab.target) for name in (*CURVES, *OPTIONAL) if name in records}
    milestones = sorted({count for count in MILESTONES if count < study.trials} | {study.trials})
    grid = _grid(curves)
    return Result(
        command="reproduce nasbench101",
        seed=study.seed,
        seconds=time.monotonic() - started,
        curves=curves,
        table=table_of(curves, milestones),
        ratios=_ratios(curves, grid, study.seed),
        interrupted=stages.interrupted,
        settings={
            "resumed": stages.resumed,
            "data": cells.name,
            "replicas": study.replicas,
            "joint_trials": study.joint_trials,
            "config": to_json(study.config),
            "best_test": lab.target.best_test,
            "each_network_once": once,
            "networks": {name: _networks(record, lab.target) for name, record in records.items()},
        },
        reached=tuple(NamedReached(n, reached(t, c.values, study.seed)) for n, c in curves.items() for t in grid),
        choice=tuple(choice),
    )


def _transferred(lab: _Lab) -> dict[str, Record]:
    """Trains jointly on the sub-spaces, then searches the whole one."""
    study = lab.study
    if "transfer" not in study.curves:
        return {}
    problems = tuple(source.problem for source in lab.sources)
    joint = AgentReplicas(new_learner(problems, study.config, study.seed, study.replicas), lab.sources)
    name = "joint training"
    lab.stages.search(name, joint, lab.sources, study.joint_trials, study.seed, lab.stage(name, study.joint_trials))
    if lab.stages.interrupted:
        return {}
    replicas = AgentReplicas(transfer(joint.learner, lab.problems), (lab.target,))
    return {"transfer": lab.search("transfer", replicas, study.trials)}


def _others(lab: _Lab, choice: list[Row]) -> dict[str, Record]:
    """Searches the whole space from scratch."""
    study, found = lab.study, dict[str, Record]()
    seeds = [derived_seed(study.seed, Use.WEIGHTS, replica) for replica in range(study.replicas)]
    for name in study.curves:
        if lab.stages.interrupted or name == "transfer":
            continue
        replicas: Replicas
        if name == "scratch":
            learner = new_learner(lab.problems, study.config, study.seed, study.replicas)
            replicas = AgentReplicas(learner, (lab.target,))
        elif name == "random":
            replicas = SearcherReplicas([RandomSearch(lab.problems, seed) for seed in seeds])
        elif name == "tpe":
            replicas = SearcherReplicas([OptunaSearcher(lab.problems, tpe, seed) for seed in seeds])
        else:
            choice += _choose_sample_size(lab)
            if lab.stages.interrupted:
                continue
            best = SAMPLE_SIZES[int(np.argmax([row.mean for row in choice]))]
            replicas = _evolution(lab, best, seeds)
        found[name] = lab.search(name, replicas, study.trials)
    return found


def _evolution(lab: _Lab, sample_size: int, seeds: list[int]) -> Replicas:
    return SearcherReplicas(
        [RegularizedEvolution(lab.problems, sample_size=sample_size, seed=seed, mutation=mutate_cell) for seed in seeds]
    )


def _choose_sample_size(lab: _Lab) -> list[Row]:
    """Returns the final test accuracy of each sample size, by which the paper chose; with seeds of their own."""
    seeds = [derived_seed(lab.study.seed, Use.TUNING, replica) for replica in range(CHOICE_REPLICAS)]
    rows, trials = [], lab.study.trials
    for size in SAMPLE_SIZES:
        record = lab.search(f"evolution, sample {size}", _evolution(lab, size, seeds), trials, tuning=True)
        if record.interrupted:
            return []
        rows.append(Row(f"sample {size}", trials, *mean_interval(lab.target.test(record.incumbents[:, -1]))))
    return rows


def _networks(record: Record, target: CellProblem) -> float:
    """Returns how many different cells a replica evaluated, on average."""
    return float(np.mean([len(np.unique(target.index.rows(taken))) for taken in record.taken]))


def _curve(record: Record, target: CellProblem) -> Curve:
    replicas, trials, choices = record.taken.shape
    test = target.test(record.incumbents.reshape(-1, choices)).reshape(replicas, trials)
    return Curve(record.values, test)


def _grid(curves: dict[str, Curve]) -> tuple[float, ...]:
    """Returns validation accuracies from what the worst curve has after 10 trials to the best that any reaches."""
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
