import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from transfernas import Agent, Choice, Problem, SearchSpace
from transfernas_bench.benchmarks.nasbench201 import EDGES, OPERATIONS, TASKS, cell_space, tabular_problem
from transfernas_bench.benchmarks.tabular import ProductIndex, Table, TabularProblem
from transfernas_bench.experiments.demo import STAGES, Demo, run_demo
from transfernas_bench.experiments.result import Curve, NamedRatio, Result, table_of, write_result
from transfernas_bench.experiments.runner import Batch, ProgressFn, Replicas, search
from transfernas_bench.experiments.statistics import mean_interval, trial_ratio, trials_to
from transfernas_bench.experiments.trace import Trace
from transfernas_bench.report import ratio_lines


def small_problem(name: str, means: list[float]) -> TabularProblem:
    """One choice of three actions; two runs around each mean."""
    space = SearchSpace(name, [Choice("a", (0, 1, 2))])
    table = Table.of([[mean - 0.05, mean + 0.05] for mean in means])
    return TabularProblem(Problem(space, "t"), ProductIndex(space, ((0, 1, 2),)), table)


class Scripted(Replicas):
    """Plays given actions of given problems and keeps the rewards it is told."""

    def __init__(self, script: list[tuple[list[int], list[int]]]) -> None:
        self.script, self.told = list(script), list[np.ndarray]()

    def ask(self) -> Batch:
        problem, actions = self.script.pop(0)
        return Batch(np.array(problem, np.int32), np.array(actions, np.int32)[:, None])

    def tell(self, reward: np.ndarray) -> None:
        self.told.append(reward)

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    def resume(self, folder: Path, trace: Trace) -> None:
        raise NotImplementedError


def test_a_curve_holds_the_mean_of_the_best_single_observation() -> None:
    problem = small_problem("s", [0.5, 0.52, 0.9])
    replicas = Scripted([([0, 0], [0, 2]), ([0, 0], [1, 0]), ([0, 0], [2, 1]), ([0, 0], [0, 0])])
    curve = search(replicas, [problem], 4, seed=5)
    assert curve.values.shape == (2, 4) and not curve.interrupted
    seen = np.array(replicas.told)
    assert set(np.round(np.abs(seen - [[0.5, 0.9], [0.52, 0.5], [0.9, 0.52], [0.5, 0.5]]), 6).ravel()) == {0.05}
    np.testing.assert_allclose(curve.values[1], 0.9)
    # The first replica's incumbent after two trials is whichever of 0.5 and 0.52 was luckier.
    np.testing.assert_allclose(curve.values[0], [0.5, 0.52 if seen[1, 0] > seen[0, 0] else 0.5, 0.9, 0.9])


def test_incumbents_of_different_problems_are_kept_apart() -> None:
    problems = [small_problem("s", [0.5, 0.6, 0.7]), small_problem("u", [0.1, 0.2, 0.3])]
    replicas = Scripted([([0], [2]), ([1], [0]), ([0], [0]), ([1], [2])])
    np.testing.assert_allclose(search(replicas, problems, 4, seed=0).values, [[0.7, 0.1, 0.7, 0.3]])


def test_an_interrupt_keeps_the_trials_that_are_done() -> None:
    def stop(done: int, best: float) -> None:
        if done == 2:
            raise KeyboardInterrupt

    curve = search(Scripted([([0], [2])] * 5), [small_problem("s", [0.5, 0.6, 0.7])], 5, 0, stop)
    assert curve.interrupted and curve.values.shape == (1, 2)


def test_the_interval_is_students() -> None:
    values = np.array([0.1, 0.4, 0.35, 0.8])
    expected = scipy.stats.t.interval(0.95, 3, loc=values.mean(), scale=scipy.stats.sem(values))
    assert mean_interval(values) == pytest.approx((values.mean(), *expected))
    assert mean_interval(values[:1])[0] == 0.1 and math.isnan(mean_interval(values[:1]).low)


def test_trials_to_a_target_and_their_ratio() -> None:
    slow = np.tile(np.arange(1, 101) / 100, (10, 1))
    fast = np.minimum(4 * slow, 1)
    assert (trials_to(0.8, slow), trials_to(0.8, fast), trials_to(1.5, slow)) == (80, 20, None)
    ratio = trial_ratio(0.8, slow, fast, seed=0)
    assert (ratio.trials_of, ratio.trials_to, ratio.ratio, ratio.low, ratio.high) == (80, 20, 4.0, 4.0, 4.0)

    rng = np.random.default_rng(0)
    slow, fast = (curve + 0.05 * rng.standard_normal((10, 1)) for curve in (slow, fast))
    ratio = trial_ratio(0.8, slow, fast, seed=0)
    assert ratio.low is not None and ratio.high is not None and ratio.ratio is not None
    assert 3.2 < ratio.low < ratio.ratio < ratio.high < 5.5
    assert trial_ratio(0.8, slow, fast, seed=0) == ratio


def test_a_target_out_of_reach_has_no_ratio_but_a_bound() -> None:
    slow = np.tile(np.arange(1, 51) / 100, (10, 1))
    fast = np.minimum(4 * slow, 1)
    ratio = trial_ratio(0.8, slow, fast, seed=0)
    assert (ratio.trials_of, ratio.trials_to, ratio.ratio, ratio.low, ratio.high) == (None, 20, None, None, None)
    (line,) = ratio_lines([NamedRatio("scratch", "transfer", ratio)])
    assert line == "To reach 80.00 %: scratch more trials than were run, transfer 20 trials"


@pytest.mark.thorough
def test_nasbench201_is_what_it_should_be() -> None:
    for task, best in zip(TASKS, (0.9161, 0.7349, 0.4673), strict=True):
        problem = tabular_problem(task)
        assert problem.problem.space.size == len(problem.table.means) == 15_625
        assert problem.table.means.max() == pytest.approx(best, abs=5e-5)
        assert set(problem.table.counts.tolist()) == {2, 3}
    conv3x3 = {f"edge {edge}": "nor_conv_3x3" for edge in EDGES}
    whole = tabular_problem("imagenet16-120")
    runs = {0.4033333317057292, 0.40633333272298174, 0.4136666653442383}
    assert whole.problem.objective is not None
    assert {round(whole.problem.objective(conv3x3), 9) for _ in range(30)} == {round(run, 9) for run in runs}


def test_a_sub_space_finds_the_same_cells() -> None:
    rng = np.random.default_rng(0)
    whole = tabular_problem("cifar100")
    operations = ("avg_pool_3x3", "none", "skip_connect")
    part = tabular_problem("cifar100", cell_space(operations, "part"))
    action_indices = rng.integers(3, size=(50, 6))
    same = np.array([[OPERATIONS.index(operations[position]) for position in row] for row in action_indices])
    np.testing.assert_array_equal(part.value(action_indices), whole.value(same))
    configs = [
        {c.name: c.actions[p] for c, p in zip(part.problem.space.choices, row, strict=True)}
        for row in action_indices.tolist()
    ]
    assert [part.index.row(config) for config in configs] == part.index.rows(action_indices).tolist()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: cell_space(("conv7x7",)), "NAS-Bench-201 has no operation 'conv7x7'"),
        (lambda: tabular_problem("mnist"), "NAS-Bench-201 has no task 'mnist'"),
    ],
)
def test_unknown_names_are_refused(call: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


SMALL = ("--replicas", "2", "--joint-trials", "6", "--trials", "12")


def demo(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "transfernas", "demo", "--out", str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | {"COLUMNS": "120"})


@pytest.mark.thorough
def test_the_demo_leaves_a_table_a_picture_a_result_and_an_agent(tmp_path: Path) -> None:
    done = [demo(tmp_path / name, "--seed", "3", *SMALL) for name in ("first", "again")]
    assert [each.returncode for each in done] == [0, 0], done[0].stderr
    for text in ("joint training", "transfer", "evolution", str(tmp_path / "first")):
        assert text in done[0].stdout

    result, again = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("first", "again"))
    assert list(result["curves"]) == ["transfer", "scratch", "tpe", "evolution", "random"]
    assert result["curves"] == again["curves"]  # reproducible from the seed
    assert np.shape(result["curves"]["transfer"]["values"]) == (2, 12)
    assert result["curves"]["transfer"]["trials"] == list(range(1, 13))
    assert [(row["name"], row["trials"]) for row in result["table"]][:3] == [
        ("transfer", 10),
        ("transfer", 12),
        ("scratch", 10),
    ]
    assert (result["command"], result["seed"], result["interrupted"], result["ratios"]) == ("demo", 3, False, [])
    assert result["peak_memory_mib"] > 100 and result["seconds"] > 0

    assert (tmp_path / "first" / "curves.png").read_bytes().startswith(b"\x89PNG")
    agent = Agent.load(tmp_path / "first" / "agent.safetensors")
    assert sum(trials for _, _, trials in agent.provenance) == 6
    assert {problem.task for problem in agent.problems} == {"cifar10", "cifar100"}
    assert not list((tmp_path / "first").glob(".*"))


@pytest.mark.thorough
def test_the_demo_replaces_no_agent_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "agent.safetensors").write_bytes(b"knowledge")
    done = demo(tmp_path, *SMALL)
    assert done.returncode == 2 and "has an agent that is not of a demo" in " ".join(done.stderr.split())
    assert (tmp_path / "agent.safetensors").read_bytes() == b"knowledge"


@pytest.mark.thorough
def test_an_interrupted_demo_writes_what_it_has(tmp_path: Path) -> None:
    stages: list[str] = []

    def stage(name: str, trials: int) -> ProgressFn:
        stages.append(name)

        def progress(done: int, best: float) -> None:
            if name == "scratch" and done == 5:
                signal.raise_signal(signal.SIGINT)

        return progress

    result = run_demo(Demo(0, 2, 6, 12), stage, tmp_path / "agent.safetensors")
    assert stages == list(STAGES[:3]) and result.interrupted
    assert {name: curve.values.shape[1] for name, curve in result.curves.items()} == {"transfer": 12, "scratch": 5}
    written = json.loads(write_result(tmp_path / "result.json", result).read_text())
    assert written["interrupted"] and len(written["curves"]["scratch"]["values"][0]) == 5
    assert Agent.load(tmp_path / "agent.safetensors").provenance


@pytest.mark.thorough
@pytest.mark.parametrize("option", [("--replicas", "1"), ("--seed", "-1"), ("--trials", "0"), ("--out", "/dev/null/x")])
def test_options_out_of_range_are_refused(option: tuple[str, str], tmp_path: Path) -> None:
    done = demo(tmp_path, *option)
    assert done.returncode == 2 and option[0] in done.stderr


def test_values_that_are_not_finite_are_null(tmp_path: Path) -> None:
    curves = {"random": Curve(np.array([[0.5, 0.6]]))}
    result = Result("test", 0, 1.0, curves, table_of(curves, (1, 2, 5)), ())
    rows = json.loads(write_result(tmp_path / "r.json", result).read_text())["table"]
    assert rows == [
        {"name": "random", "trials": n, "mean": m, "low": None, "high": None} for n, m in ((1, 0.5), (2, 0.6))
    ]
