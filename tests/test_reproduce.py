"""The experiment on NAS-Bench-101, on made-up accuracies of all its cells; and its command."""

import dataclasses
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nasbench101_table import MISSING, TABLE
from transfernas import TrainingConfig, __version__
from transfernas.cli.app import app
from transfernas_bench.benchmarks.cell_hash import enumerate_cells
from transfernas_bench.benchmarks.cell_table import OFFICIAL, CellTable
from transfernas_bench.benchmarks.tabular import Table
from transfernas_bench.experiments.nasbench101 import CURVES, SAMPLE_SIZES, CellStudy, run_nasbench101
from transfernas_bench.experiments.result import Curve, NamedRatio, NamedReached, Result, write_result
from transfernas_bench.experiments.run_directory import RunDirectory
from transfernas_bench.experiments.runner import ProgressFn
from transfernas_bench.experiments.statistics import moving_average, reached, trial_ratio
from transfernas_bench.figures import draw_reproduction
from transfernas_bench.report import accuracy_table, incumbent_table, ratio_lines, ratio_table, reached_table


def quiet(name: str, trials: int) -> ProgressFn:
    return lambda done, best: None


@pytest.fixture(scope="module")
def cells() -> CellTable:
    """All cells; the more 3x3 convolutions and edges, the better."""
    adjacency, ops = enumerate_cells()
    quality = (ops == 2).sum(axis=1) / 5 + adjacency.sum(axis=(1, 2)) / 18
    means = 0.90 + 0.03 * quality
    runs = means[:, None] + np.array([[-0.002, 0.0, 0.002]])
    return CellTable(OFFICIAL, adjacency, ops, Table(runs, np.full(len(runs), 3), means), means - 0.005)


@pytest.mark.slow
def test_the_experiment_goes_on_after_an_interrupt_with_the_same_result(cells: CellTable, tmp_path: Path) -> None:
    study = CellStudy(TrainingConfig.paper(), seed=3, replicas=3, trials=16, joint_trials=8)
    whole = run_nasbench101(study, cells, RunDirectory(tmp_path / "whole", {}, resume=False), quiet)
    assert list(whole.curves) == list(CURVES) and not whole.interrupted
    for name, curve in whole.curves.items():
        assert curve.test is not None and curve.values.shape == curve.test.shape == (3, 16), name
        np.testing.assert_allclose(curve.test, curve.values - 0.005, atol=1e-12)  # the incumbent's own
    assert [row.name for row in whole.choice] == [f"sample {size}" for size in SAMPLE_SIZES]
    assert whole.settings["data"] == "NAS-Bench-101" and whole.settings["best_test"] == cells.test.max()
    assert {named.name for named in whole.reached} <= set(CURVES)

    cut = RunDirectory(tmp_path / "cut", {}, resume=False)

    def stop(name: str, trials: int) -> ProgressFn:
        def progress(done: int, best: float) -> None:
            if done == 5 and name in ("scratch", "joint training"):
                cut.stop()

        return progress

    assert run_nasbench101(study, cells, cut, stop).interrupted
    again = run_nasbench101(study, cells, RunDirectory(tmp_path / "cut", {}, resume=True), quiet)
    for name, curve in whole.curves.items():
        np.testing.assert_array_equal(again.curves[name].values, curve.values, err_msg=name)
    assert again.choice == whole.choice


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [TrainingConfig.paper().with_changes({"proposal.repeats": False}), TrainingConfig()],
    ids=["paper", "fast"],
)
def test_no_search_evaluates_a_cell_twice(config: TrainingConfig, cells: CellTable, tmp_path: Path) -> None:
    """The agents go on after an interrupt with the same result, although their file does not hold the key."""
    curves = ("transfer", "scratch", "random", "tpe")
    study = CellStudy(config, 3, replicas=2, trials=30, joint_trials=8, curves=curves, each_network_once=True)
    whole = run_nasbench101(study, cells, RunDirectory(tmp_path / "whole", {}, resume=False), quiet)
    assert whole.settings["networks"] == dict.fromkeys(curves, 30.0) and whole.settings["each_network_once"] is True
    assert list(whole.curves) == list(curves)

    cut = RunDirectory(tmp_path / "cut", {}, resume=False)

    def stop(name: str, trials: int) -> ProgressFn:
        def progress(done: int, best: float) -> None:
            if done == 20 and name == "transfer":
                cut.stop()

        return progress

    assert run_nasbench101(study, cells, cut, stop).interrupted
    again = run_nasbench101(study, cells, RunDirectory(tmp_path / "cut", {}, resume=True), quiet)
    np.testing.assert_array_equal(again.curves["transfer"].values, whole.curves["transfer"].values)


def test_agents_that_repeat_do_not_evaluate_each_network_once() -> None:
    with pytest.raises(
        ValueError, match=r"agents that do not repeat, as with proposal=ProposalConfig\(repeats=False\)"
    ):
        CellStudy(TrainingConfig.paper(), each_network_once=True)


@pytest.mark.skipif(not TABLE.exists(), reason=MISSING)
@pytest.mark.slow
def test_the_command_leaves_pictures_tables_and_a_result(tmp_path: Path) -> None:
    options = ["--replicas", "2", "--trials", "12", "--joint-trials", "6", "--only", "transfer", "--only", "random"]
    command = ["reproduce", "nasbench101", "--data", str(TABLE), "--out", str(tmp_path), *options]
    done = CliRunner().invoke(app, [*command, "--change", "network.feed_forward=16"], env={"COLUMNS": "150"})
    assert done.exit_code == 0, done.output
    for text in ("validation accuracy of the best cell so far", "trials to reach", "MiB", "curves.svg"):
        assert text in " ".join(done.output.split())
    result = json.loads((tmp_path / "result.json").read_text())
    assert (
        list(result["curves"]) == ["transfer", "random"]
        and result["settings"]["config"]["network"]["feed_forward"] == 16
    )
    assert np.shape(result["curves"]["transfer"]["test"]) == (2, 12)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG") and (tmp_path / "curves.svg").exists()
    refused = CliRunner().invoke(app, [*command, "--resume"], env={"COLUMNS": "150"})
    assert refused.exit_code == 2 and "holds a run with config.network.feed_forward 16" in " ".join(
        refused.output.replace("│", " ").split()
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--only", "gp"], "gp is unknown; choose from transfer"),
        (["--agent", "fast", "--attention", "bidirectional"], "the fast agent attends causally"),
        (
            ["--each-network-once", "--change", "proposal.repeats=True"],
            "proposal.repeats=True contradicts --each-network-once",
        ),
        (["--change", "width=3"], "TrainingConfig has no field 'width'"),
        (["--change", "network.heads=5"], "heads=5 does not divide"),
        (["--change", "proposal.repeats=yes"], "must be True or False, not 'yes'"),
        (["--change", "network.units=3"], "units is a field of LstmConfig"),
        (["--change", "rule"], "is not FIELD=VALUE with a field of network"),
        ([], "foreign.npz is not a table of NAS-Bench-101: array hash is float64 [3]"),
    ],
)
def test_bad_options_are_refused(options: list[str], text: str, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, hash=np.zeros(3))
    command = ["reproduce", "nasbench101", "--data", str(foreign), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*command, *options], env={"COLUMNS": "300"})
    assert done.exit_code == 2, done.output
    assert text in done.output


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    environment = {"COLUMNS": "300", "TRANSFERNAS_CACHE": str(tmp_path)}
    done = CliRunner().invoke(app, ["reproduce", "nasbench101", "--out", str(tmp_path / "out")], env=environment)
    assert done.exit_code == 2 and "nasbench101.npz is missing: transfernas data nasbench101" in done.output


def made_up(values: Callable[[str], np.ndarray]) -> Result:
    curves = {name: Curve(values(name), values(name) - 0.005) for name in ("transfer", "scratch")}
    grid = (0.93, 0.94)
    return Result(
        command="reproduce nasbench101",
        seed=0,
        seconds=1.0,
        curves=curves,
        table=(),
        ratios=tuple(
            NamedRatio("scratch", "transfer", trial_ratio(t, curves["scratch"].values, curves["transfer"].values, 0))
            for t in grid
        ),
        settings={"data": "NAS-Bench-101", "replicas": 4, "best_test": 0.95},
        reached=tuple(NamedReached(n, reached(t, c.values, 0)) for n, c in curves.items() for t in grid),
    )


@pytest.mark.thorough
def test_tables_and_figures_of_a_made_up_result(tmp_path: Path) -> None:
    """Also where a curve never reaches a target, or was stopped early."""
    lengths = {"transfer": 9, "scratch": 3}
    result = made_up(lambda name: np.linspace(0.92, 0.935, lengths[name])[None] + np.arange(4)[:, None] / 1e4)
    files = draw_reproduction(tmp_path / "curves", result, "NAS-Bench-101", 0.95)
    assert [path.name for path in files] == ["curves.png", "curves.svg"] and all(path.exists() for path in files)
    assert draw_reproduction(tmp_path / "again", result, "NAS-Bench-101", 0.95)[1].read_bytes() == files[1].read_bytes()
    for table in (incumbent_table(result, "t"), accuracy_table(result, "t"), reached_table(result, "t")):
        assert len(table.columns) == 3
    ratios = ratio_table(result, "t")
    assert [str(cell) for cell in ratios.columns[2].cells] == [str(result.reached[2].reached.trials), "> 3"]
    written = json.loads(write_result(tmp_path / "result.json", result).read_text())
    assert written["reached"][1] == {"name": "transfer", "target": 0.94, "trials": None, "low": None, "high": None}
    assert dataclasses.replace(result, seed=1) != result


def test_the_moving_average_counts_what_is_missing_as_nothing() -> None:
    values = np.array([[1.0, 1.0, 0.0, 1.0, 0.0]])
    np.testing.assert_allclose(moving_average(values, 2), [[0.5, 1.0, 0.5, 0.5, 0.5]])
    np.testing.assert_allclose(moving_average(values, 4)[:, 3:], [[0.75, 0.5]])


def test_reaching_is_by_the_mean_and_bounded_by_resampling() -> None:
    values = np.array([[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    found = reached(0.5, values, seed=0)
    assert found.trials == 2 and found.low == 2 and found.high == 4
    assert reached(1.5, values, seed=0) == (1.5, None, None, None)


def test_the_command_line_says_its_version() -> None:
    assert __version__ == version("transfernas")
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0 and done.output == f"transfernas {version('transfernas')}\n"


def test_a_ratio_below_one_is_not_called_fewer() -> None:
    fast, slow = np.linspace(0.1, 0.9, 9)[None].repeat(3, 0), np.linspace(0.1, 0.5, 9)[None].repeat(3, 0)
    helps, hurts = (
        NamedRatio("scratch", "transfer", trial_ratio(0.5, *pair, 0)) for pair in ((slow, fast), (fast, slow))
    )
    lines = ratio_lines([helps, hurts])
    assert lines[0].endswith("scratch 9 trials, transfer 5 trials: 1.8 times fewer (95 % interval 1.8 to 1.8)")
    assert lines[1].endswith("a ratio of 0.6 (95 % interval 0.6 to 0.6), transfer needs more")
