"""The demonstration: learn two sub-spaces of NAS-Bench-201 on two tasks, then search the whole space on a third."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from transfernas.agent import Agent
from transfernas.learning.config import TrainingConfig
from transfernas.learning.learner import Learner, new_learner, select
from transfernas.learning.randomness import Purpose, derived_seed
from transfernas.learning.transfer import transfer
from transfernas.processes.interrupts import calling_at_interrupt

from ..benchmarks.nasbench201 import sub_spaces, tabular_problem
from ..benchmarks.tabular import TabularProblem
from .methods import searcher_replicas
from .result import Curve, NamedRatio, Result, table_of
from .runner import AgentReplicas, Replicas, StageFn, search
from .statistics import trial_ratio
from .trace import Trace

MILESTONES = (10, 20, 50, 100, 200, 300)
STAGES = ("joint training", "transfer", "scratch", "tpe", "evolution", "random")


@dataclass(frozen=True, slots=True)
class Demo:
    """Size of the demonstration.

    Attributes:
        seed: Seed of all random draws.
        replicas: Number of independent repetitions of every search.
        joint_trials: Trials of the joint training, over all its problems.
        trials: Trials of each search of the target.
    """

    seed: int = 0
    replicas: int = 20
    joint_trials: int = 800
    trials: int = 200


def source_problems() -> list[TabularProblem]:
    """Returns the problems of the joint training: two sub-spaces, each on two tasks."""
    return [tabular_problem(task, space) for space in sub_spaces() for task in ("cifar10", "cifar100")]


def target_problem() -> TabularProblem:
    """Returns the problem to transfer to: the whole space on an unseen task."""
    return tabular_problem("imagenet16-120")


def run_demo(demo: Demo, stage: StageFn, agent_path: Path) -> Result:
    """Runs all searches; the first Ctrl-C ends the run after the trial, with the measurements so far.

    Args:
        demo: Size of the demonstration.
        stage: Function that is called when a stage begins.
        agent_path: Path to which the agent of the first replica is written after the joint training.
    """
    started, stop = time.monotonic(), Event()
    config, sources, target = TrainingConfig(), source_problems(), target_problem()
    joint = AgentReplicas(new_learner(tuple(p.problem for p in sources), config, demo.seed, demo.replicas))
    curves: dict[str, Curve] = {}

    def run(name: str, replicas: Replicas, problems: Sequence[TabularProblem], trials: int) -> Trace:
        trace = search(replicas, problems, trials, demo.seed, stage(name, trials), after_trial=lambda _: stop.is_set())
        if trace.interrupted:
            stop.set()
        return trace

    with calling_at_interrupt(stop.set):
        run(STAGES[0], joint, sources, demo.joint_trials)
        Agent.of(select(joint.learner, 0)).save(agent_path)
        for name in STAGES[1:]:
            if stop.is_set():
                break
            trace = run(name, _replicas(name, target, config, demo, joint.learner), [target], demo.trials)
            if trace.trials:
                curves[name] = Curve(trace.values)
    milestones = sorted({count for count in MILESTONES if count < demo.trials} | {demo.trials})
    return Result(
        command="demo",
        seed=demo.seed,
        seconds=time.monotonic() - started,
        curves=curves,
        table=table_of(curves, milestones),
        ratios=_ratios(curves, demo.seed),
        interrupted=stop.is_set(),
    )


def _replicas(name: str, target: TabularProblem, config: TrainingConfig, demo: Demo, trained: Learner) -> Replicas:
    problems = (target.problem,)
    match name:
        case "transfer":
            return AgentReplicas(transfer(trained, problems))
        case "scratch":
            return AgentReplicas(new_learner(problems, config, demo.seed, demo.replicas))
        case method:
            seeds = [derived_seed(demo.seed, Purpose.WEIGHTS, replica) for replica in range(demo.replicas)]
            return searcher_replicas(method, target, seeds, [()] * demo.replicas)


def _ratios(curves: dict[str, Curve], seed: int) -> tuple[NamedRatio, ...]:
    """Returns the ratio of the trials that each method and the transferred agent need for scratch's value at 100."""
    if "transfer" not in curves or "scratch" not in curves or curves["scratch"].values.shape[1] < 100:
        return ()
    target = float(curves["scratch"].values[:, 99].mean())
    faster = curves["transfer"].values
    return tuple(
        NamedRatio(name, "transfer", trial_ratio(target, curve.values, faster, seed))
        for name, curve in curves.items()
        if name != "transfer"
    )
