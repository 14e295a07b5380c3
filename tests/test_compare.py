"""The comparison on the transfer suite: statistics, what seeded methods start from, the searches, the command."""

import json
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from typer.testing import CliRunner

from transfernas import Choice, Problem, RandomSearch, SearchSpace, TrainingConfig
from transfernas.cli.app import app
from transfernas.spaces.condition import Action, Config
from transfernas_bench.benchmarks.tabular import ProductIndex, Table, TabularProblem
from transfernas_bench.experiments.compare import ComparisonResult, limit_trials, run_comparison
from transfernas_bench.experiments.methods import METHODS, best_starts, searcher_replicas
from transfernas_bench.experiments.ranking import ALL, MeasuredScenario, compare_by_scenario, differences, rank_methods
from transfernas_bench.experiments.result import Curve, Result, TableRow, table_of, write_result
from transfernas_bench.experiments.run_directory import RunDirectory
from transfernas_bench.experiments.runner import ProgressFn, SearcherReplicas, StageFn, Timed
from transfernas_bench.experiments.searches import Comparison, count_stages, shared_stages
from transfernas_bench.experiments.statistics import (
    Interval,
    bootstrap_means,
    critical_difference,
    ranks,
    simultaneous_means,
)
from transfernas_bench.experiments.suite import TaskRef, TransferScenario, all_scenarios
from transfernas_bench.experiments.trace import Trace
from transfernas_bench.figures import draw_ranks, draw_regrets
from transfernas_bench.report import comparison_tables, cost_line, write_tables

SPLIT = "nasbench201-cifar10-sub-spaces"


def quiet(name: str, trials: int) -> ProgressFn:
    return lambda done, best: None


# Statistics.


def test_ranks_count_from_the_best_and_are_shared_by_equals() -> None:
    values = np.array([[0.9, 0.1], [0.7, 0.5], [0.9, 0.5], [0.2, 0.5]])
    np.testing.assert_array_equal(ranks(values), [[1.5, 4.0], [3.0, 2.0], [1.5, 2.0], [4.0, 2.0]])


def test_the_critical_difference_is_that_of_demsars_example() -> None:
    assert critical_difference(4, 14) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)
    assert critical_difference(10, 30, 0.90) == pytest.approx(2.920 * np.sqrt(10 * 11 / (6 * 30)), abs=1e-3)


def test_the_bootstrap_resamples_groups_and_replicas_in_them() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 8, 1)) + 3 * rng.normal(size=(6, 1, 1))
    (found,) = bootstrap_means(values, seed=1)
    assert found.mean == pytest.approx(values.mean())
    resampled = []
    for _ in range(4_000):  # literally
        drawn = [rng.choice(values[group, :, 0], 8) for group in rng.integers(6, size=6)]
        resampled.append(np.mean(drawn))
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.12 * (high - low))
    assert found.high == pytest.approx(high, abs=0.12 * (high - low))
    assert bootstrap_means(values, seed=1) == (found,) != bootstrap_means(values, seed=2)


def test_columns_are_resampled_alike() -> None:
    values = np.random.default_rng(0).normal(size=(3, 5, 1))
    both = bootstrap_means(np.concatenate([values, values + 1, np.full_like(values, 0.25)], axis=2), seed=0)
    np.testing.assert_allclose(np.subtract(both[1], both[0]), 1.0)
    np.testing.assert_allclose(both[2], 0.25)


def test_with_one_group_the_interval_is_that_of_its_replicas() -> None:
    values = np.random.default_rng(0).normal(size=(1, 20, 1))
    (found,) = bootstrap_means(values, seed=0)
    seeded = {"random_state": np.random.default_rng(0)}  # `rng` from SciPy 1.15 on, which takes both names
    usual = scipy.stats.bootstrap((values.ravel(),), np.mean, method="percentile", **seeded)
    assert found.low == pytest.approx(usual.confidence_interval.low, abs=0.05)
    assert found.high == pytest.approx(usual.confidence_interval.high, abs=0.05)


MEASURED = (
    # Two methods, two replicas, two numbers of trials.
    MeasuredScenario("related", np.array([[[0.5, 0.2], [0.3, 0.0]], [[0.4, 0.4], [0.6, 0.0]]])),
    MeasuredScenario("related", np.array([[[0.1, 0.1], [0.1, 0.1]], [[0.2, 0.1], [0.2, 0.1]]])),
    MeasuredScenario("unrelated", np.array([[[0.9, 0.6], [0.9, 0.6]], [[0.8, 0.3], [0.8, 0.3]]])),
)


def test_methods_stand_by_mean_regret_and_mean_rank() -> None:
    found = {(row.kind, row.method, row.trials): row for row in rank_methods(MEASURED, ("a", "b"), (1, 5), seed=0)}
    assert list(dict.fromkeys(kind for kind, _, _ in found)) == [ALL, "related", "unrelated"]
    assert found[ALL, "a", 1].scenarios == 3 and found["unrelated", "a", 1].scenarios == 1
    assert found[ALL, "a", 1].regret.mean == pytest.approx((0.4 + 0.1 + 0.9) / 3)
    assert found["related", "b", 5].regret.mean == pytest.approx((0.2 + 0.1) / 2)
    assert found["related", "a", 1].rank.mean == pytest.approx((2 + 1 + 1 + 1) / 4)
    assert found["related", "a", 5].rank.mean == pytest.approx((1 + 1.5 + 1.5 + 1.5) / 4)
    assert found["unrelated", "b", 5].rank == (1.0, 1.0, 1.0)
    assert found["unrelated", "a", 5].regret == pytest.approx((0.6, 0.6, 0.6))


def test_differences_are_paired() -> None:
    found = {(row.kind, row.trials): row for row in differences(MEASURED, ("a", "b"), ("a", "b"), (1, 5), seed=0)}
    assert found["related", 1].regret.mean == pytest.approx((0.1 - 0.3 - 0.1 - 0.1) / 4)
    assert found["related", 1].share == pytest.approx(-0.1 / 0.35)
    assert found["unrelated", 5].regret == pytest.approx((0.3, 0.3, 0.3)) and found["unrelated", 5].share == 1.0
    (alone,) = {row.kind for row in differences(MEASURED[:2], ("a", "b"), ("b", "a"), (1, 5), seed=0)}
    assert alone == ALL  # of one kind there is no more to say
    nothing = MeasuredScenario("x", np.zeros((2, 2, 1)))
    assert np.isnan(differences([nothing], ("a", "b"), ("a", "b"), (1,), seed=0)[0].share)


@pytest.mark.thorough
def test_intervals_that_hold_together_fail_together_once_in_twenty() -> None:
    """Of 40 means that are all 0, in 300 experiments; single intervals fail in almost all of them."""
    rng, failed, single = np.random.default_rng(0), 0, 0
    for seed in range(300):
        values = rng.normal(size=(10, 60, 4)) * rng.uniform(0.1, 10, size=(10, 1, 1))
        failed += any(found.low > 0 or found.high < 0 for rows in simultaneous_means(values, seed) for found in rows)
        if seed < 20:
            single += any(found.low > 0 or found.high < 0 for g in values for found in bootstrap_means(g[None], seed))
    assert single > 10 and 5 <= failed <= 33  # of 15, with more for what is only resampled


def test_an_interval_that_holds_alone_is_the_usual_one() -> None:
    values = np.random.default_rng(1).normal(size=(1, 30, 1))
    ((found,),), (usual,) = simultaneous_means(values, 0), bootstrap_means(values, 0)
    assert found == pytest.approx(usual, abs=0.03)
    constant = np.concatenate([values, np.full_like(values, 2.0)], axis=2)
    assert simultaneous_means(constant, 0)[0][1] == (2.0, 2.0, 2.0)


def test_differences_on_scenarios_are_paired() -> None:
    named = dict(zip("xyz", MEASURED, strict=True))
    found = {
        (row.scenario, row.trials): row for row in compare_by_scenario(named, ("a", "b"), ("a", "b"), (1, 5), seed=0)
    }
    assert found["x", 1].regret.mean == found["x", 1].together.mean == pytest.approx((0.1 - 0.3) / 2)
    assert found["z", 5].regret == pytest.approx((0.3, 0.3, 0.3)) and (found["z", 5].of, found["z", 5].to) == ("a", "b")
    assert compare_by_scenario({}, ("a", "b"), ("a", "b"), (1,), seed=0) == ()


def test_trials_that_are_looked_at_end_with_the_last() -> None:
    assert limit_trials(30, (5, 10, 50)) == (5, 10, 30) and limit_trials(10, (5, 10)) == (5, 10)


# What seeded methods start from.


def problem(name: str, choices: dict[str, Sequence[int | str]]) -> TabularProblem:
    space = SearchSpace(name, [Choice(choice, actions) for choice, actions in choices.items()])
    sizes = [len(actions) for actions in choices.values()]
    strides = [int(np.prod(sizes[task_ref + 1 :])) for task_ref in range(len(sizes))]
    adds = tuple(tuple(stride * i for i in range(size)) for stride, size in zip(strides, sizes, strict=True))
    table = Table.of([[float(row)] for row in range(int(np.prod(sizes)))])
    return TabularProblem(Problem(space, "t"), ProductIndex(space, adds), table)


def meaning(rename: Mapping[str, str] | None = None, fill: Mapping[str, Action] | None = None) -> TransferScenario:
    return TransferScenario("u-w", "across spaces", "development", (), TaskRef("w", "t"), rename or {}, fill or {})


def trace(rows: Sequence[tuple[int, tuple[int, ...], float]]) -> Trace:
    """Of one replica: problem, positions, reward."""
    which, taken, reward = (np.array([column]) for column in zip(*rows, strict=True))
    return Trace(which.astype(np.int32), taken.astype(np.int16), reward, reward, which, "{}")


def test_starts_are_a_portfolio_of_the_sources_as_the_target_has_them() -> None:
    sources = [problem("u", {"width": (8, 16, 32), "act": ("relu", "tanh")}), problem("v", {"depth": (1, 2)})]
    target = problem("w", {"units": (16, 32, 64), "act": ("relu", "tanh"), "depth": (1, 3)}).problem
    rows = [
        (0, (0, 0), 0.9),  # width 8, which the target has not
        (0, (2, 1), 0.5),
        (1, (1, 0), 0.8),  # depth 2, which the target has not: nothing is left
        (0, (1, 0), 0.7),
        (1, (0, 0), 0.1),
        (0, (1, 0), 0.6),  # again
        (0, (0, 0), 0.2),
    ]
    starts: list[Config] = [{"act": "relu"}, {"units": 16, "act": "relu"}, {"units": 32, "act": "tanh"}, {"depth": 1}]
    renamed = meaning(rename={"width": "units"})
    assert best_starts(trace(rows), renamed, sources, target) == [starts]
    assert best_starts(trace(rows), renamed, sources, target, count=2) == [starts[:2]]
    assert best_starts(trace(rows), meaning(), sources, target) == [[{"act": "relu"}, {"act": "tanh"}, {"depth": 1}]]


def test_what_a_source_has_not_is_filled_where_that_keeps_its_meaning() -> None:
    sources = [problem("u", {"a": (0, 1)}), problem("v", {"a": (0, 1), "b": (0, 1, 2)})]
    target = problem("w", {"a": (0, 1), "b": (0, 1)}).problem
    rows = [(0, (1, 0), 0.9), (1, (0, 1), 0.5), (1, (0, 2), 0.6)]
    expected: list[Config] = [{"a": 0}, {"a": 1, "b": 0}, {"a": 0, "b": 1}]
    assert best_starts(trace(rows), meaning(fill={"b": 0, "c": 1}), sources, target) == [expected]


def test_whole_configurations_that_the_target_refuses_are_dropped() -> None:
    source = problem("u", {"a": (0, 1), "b": (0, 1)})
    refusing = Problem(source.problem.space, "t", valid=lambda config: config["a"] != config["b"])
    rows = [(0, (0, 0), 0.9), (0, (0, 1), 0.5), (0, (1, 1), 0.4), (0, (1, 0), 0.3)]
    assert best_starts(trace(rows), meaning(), [source], refusing) == [[{"a": 0, "b": 1}, {"a": 1, "b": 0}]]


@pytest.mark.parametrize("method", ["evolution seeded", "tpe seeded"])
def test_seeded_methods_try_their_starts_first(method: str) -> None:
    target = problem("w", {"a": (0, 1, 2), "b": (0, 1)})
    starts: list[list[Config]] = [[{"a": 2, "b": 1}, {"a": 0, "b": 1}], [{"a": 1, "b": 0}, {"b": 1}]]
    replicas = searcher_replicas(method, target, [3, 4], starts)
    np.testing.assert_array_equal(replicas.ask().action_indices, [[2, 1], [1, 0]])
    replicas.tell(np.zeros(2))
    second = replicas.ask().action_indices
    assert second[0].tolist() == [0, 1] and second[1, 1] == 1  # the rest of a part is drawn


# The searches and the command.


def random_searches(target: TabularProblem) -> SearcherReplicas:
    return SearcherReplicas([RandomSearch([target.problem], seed) for seed in range(2)])


def test_times_survive_an_interrupt(tmp_path: Path) -> None:
    target = problem("w", {"a": tuple(range(9))})
    run_directory = RunDirectory(tmp_path, {}, resume=False)

    def stop(done: int, best: float) -> None:
        if done == 3:
            run_directory.stop()

    cut = Timed(random_searches(target))
    assert run_directory.search("x", cut, [target], 8, 0, stop).trials == len(cut.seconds) == 3
    again = Timed(random_searches(target))
    trace = RunDirectory(tmp_path, {}, resume=True).search("x", again, [target], 8, 0, lambda done, best: None)
    assert len(again.seconds) == 8 and (again.seconds > 0).all()
    np.testing.assert_array_equal(again.seconds[:3], cut.seconds)
    done = Timed(random_searches(target))
    same = RunDirectory(tmp_path, {}, resume=True).search("x", done, [target], 8, 0, lambda done, best: None)
    np.testing.assert_array_equal(done.seconds, again.seconds)
    np.testing.assert_array_equal(same.reward, trace.reward)


def test_stages_of_an_earlier_run_are_taken_over(tmp_path: Path) -> None:
    target = problem("w", {"a": tuple(range(9))})
    first = RunDirectory(tmp_path / "first", {"seed": 1, "config": "x"}, resume=False)
    found = first.search("u, random", random_searches(target), [target], 4, 0, lambda done, best: None)
    second = RunDirectory(tmp_path / "second", {"seed": 1, "config": "y"}, resume=False)
    second.adopt(tmp_path / "first", ["u, random", "u, tpe"], ["seed"])
    assert [path.name for path in (tmp_path / "second").glob("u*")] == ["u, random.4"]
    told: list[int] = []
    taken = second.search("u, random", random_searches(target), [target], 4, 0, lambda done, best: told.append(done))
    np.testing.assert_array_equal(taken.reward, found.reward)
    assert told == [4]  # nothing was searched
    second.adopt(tmp_path / "first", ["u, random"], ["seed"])  # what is there stays
    with pytest.raises(ValueError, match="config 'x', not 'y'"):
        second.adopt(tmp_path / "first", [], ["seed", "config"])
    with pytest.raises(FileNotFoundError):
        second.adopt(tmp_path / "third", [], [])


def comparison(*methods: str, scenarios: Sequence[str] = (SPLIT,), trials: int = 12) -> Comparison:
    # A policy as small as can be: most of the time goes into compiling it.
    config = TrainingConfig.paper().with_changes(
        {"network.embedding_size": 4, "network.feed_forward": 8, "network.layers": 1}
    )
    chosen: tuple[TransferScenario, ...] = tuple(scenario for scenario in all_scenarios() if scenario.name in scenarios)
    return Comparison(config, chosen, methods, seed=3, replicas=2, trials=trials, joint_trials=4)


def test_searches_are_counted_once_a_target() -> None:
    both = comparison(*METHODS, scenarios=(SPLIT, "nasbench201-cifar10-other-tasks"))
    assert count_stages(both) == 2 * (1 + 3) + 4
    assert shared_stages(both) == tuple(f"nasbench201 cifar10, {name}" for name in ("evolution", "random", "tpe"))
    assert count_stages(comparison("random")) == 1


def assert_same(left: ComparisonResult, right: ComparisonResult) -> None:
    assert left.rankings == right.rankings and left.differences == right.differences
    assert left.result.table == right.result.table and list(left.result.curves) == list(right.result.curves)
    for name, curve in left.result.curves.items():
        np.testing.assert_array_equal(curve.values, right.result.curves[name].values, err_msg=name)


@pytest.mark.slow
def test_a_comparison_goes_on_after_an_interrupt_with_the_same_result(tmp_path: Path) -> None:
    wanted = comparison(*METHODS)
    whole = run_comparison(wanted, None, RunDirectory(tmp_path / "whole", {}, resume=False), quiet)
    assert {name.rpartition("/")[2] for name in whole.result.curves} == set(METHODS)
    assert all(curve.values.shape == (2, 12) for curve in whole.result.curves.values())
    assert set(whole.seconds) == set(METHODS) and len(whole.rankings) > len(METHODS)
    assert not whole.result.interrupted

    for name, trial in (("joint training", 5), ("transfer", 7), ("tpe seeded", 3)):
        folder = tmp_path / name
        cut = RunDirectory(folder, {}, resume=False)

        def stage(started: str, trials: int, at: str = name, last: int = trial, cut: RunDirectory = cut) -> ProgressFn:
            return lambda done, best: cut.stop() if started.endswith(f", {at}") and done == last else None

        partial = run_comparison(wanted, None, cut, stage)
        assert partial.result.interrupted and not partial.rankings
        assert_same(run_comparison(wanted, None, RunDirectory(folder, {}, resume=True), quiet), whole)


@pytest.mark.slow
def test_agents_do_not_depend_on_who_else_is_compared(tmp_path: Path) -> None:
    scenarios = ("nasbench201-cifar10-adversarial", SPLIT)
    few = run_comparison(
        comparison("transfer", "random"), None, RunDirectory(tmp_path / "few", {}, resume=False), quiet
    )
    more = run_comparison(
        comparison("transfer", "scratch", "random", scenarios=scenarios),
        None,
        RunDirectory(tmp_path / "more", {}, False),
        quiet,
    )
    for name, curve in few.result.curves.items():
        np.testing.assert_array_equal(curve.values, more.result.curves[name].values, err_msg=name)
    assert list(more.result.curves)[0].startswith(SPLIT)  # in the order of the suite
    assert {row.kind for row in more.rankings} == {ALL, "sub-space, same task", "adversarial"}


def test_an_error_in_one_lane_is_told_and_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **more: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("transfernas_bench.experiments.searches.new_learner", fail)
    with pytest.raises(MemoryError, match="no room"):
        run_comparison(comparison("transfer", "tpe seeded"), None, RunDirectory(tmp_path, {}, resume=False), quiet)


def compare(*options: str) -> str:
    done = CliRunner().invoke(app, ["compare", *options], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.thorough
def test_the_command_leaves_tables_pictures_and_a_result(tmp_path: Path) -> None:
    size = ("--scenario", SPLIT, "--method", "tpe", "--method", "random", "--replicas", "3", "--seed", "4")
    said = compare(*size, "--trials", "12", "--out", str(tmp_path / "first"))
    for text in (
        "1 scenario, 2 methods, 3 replicas",
        "Mean rank (1 is best)",
        "after 12 trials",
        "Ask and tell",
        "ranks.svg",
    ):
        assert text in said
    result = json.loads((tmp_path / "first" / "result.json").read_text())
    curve = result["curves"][f"{SPLIT}/tpe"]
    assert curve["trials"] == [1, 2, 3, 5, 7, 10, 12] and np.shape(curve["values"]) == (3, 7)
    settings = result["settings"]["scenarios"][SPLIT]
    assert settings["target"] == "nasbench201 cifar10" and settings["best"] > settings["median"] > 0.5
    rows = result["summary"]["rankings"]
    assert {row["kind"] for row in rows} == {"all"} and {row["method"] for row in rows} == {"tpe", "random"}
    last = next(row for row in rows if row["method"] == "tpe" and row["trials"] == 12)
    lost = (settings["best"] - np.array(curve["values"])[:, -1]) / (settings["best"] - settings["median"])
    assert last["regret"]["mean"] == pytest.approx(lost.mean(), abs=1e-4)
    named = next(row for row in result["table"] if row["name"] == f"{SPLIT}/tpe" and row["trials"] == 12)
    assert named["mean"] == pytest.approx(lost.mean(), abs=1e-4)
    assert result["summary"]["seconds_a_trial"]["random"] > 0 and result["summary"]["differences"] == []
    for name in ("regrets.png", "ranks.png"):
        assert (tmp_path / "first" / name).read_bytes().startswith(b"\x89PNG")

    # What depends on no agent is taken over by another run.
    taken = ("--methods-from", str(tmp_path / "first"), "--out", str(tmp_path / "second"))
    compare(*size, "--trials", "12", *taken, "--change", "network.feed_forward=16")
    again = json.loads((tmp_path / "second" / "result.json").read_text())
    assert again["curves"] == result["curves"]
    assert again["summary"]["seconds_a_trial"] == result["summary"]["seconds_a_trial"]


@pytest.mark.slow
def test_the_command_goes_on_after_ctrl_c_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (
        "--scenario",
        SPLIT,
        "--replicas",
        "2",
        "--trials",
        "12",
        "--joint-trials",
        "4",
        "--change",
        "network.feed_forward=8",
    )
    compare(*size, "--out", str(tmp_path / "whole"))

    @contextmanager
    def ctrl_c(console: object, percent: bool = True, stages: int = 0) -> Iterator[StageFn]:
        def stage(name: str, trials: int) -> ProgressFn:
            def progress(done: int, best: float) -> None:
                if done == 3 and name.endswith(", transfer"):
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.5)  # the main thread has to see it

            return progress

        yield stage

    out = ("--out", str(tmp_path / "cut"))
    with monkeypatch.context() as patch:
        patch.setattr("transfernas_bench.report.progress_bars", ctrl_c)
        cut = CliRunner().invoke(app, ["compare", *size, *out])
    assert cut.exit_code == 130 and "the same command with --resume goes on" in " ".join(cut.output.split())
    refused = CliRunner().invoke(app, ["compare", *size, *out], env={"COLUMNS": "300"})
    assert refused.exit_code == 2 and "add --resume" in refused.output
    compare(*size, *out, "--resume")
    whole, resumed = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "cut"))
    for part in ("curves", "table", "ratios"):
        assert resumed[part] == whole[part], part
    assert resumed["summary"]["rankings"] == whole["summary"]["rankings"]
    assert len(whole["summary"]["from_scratch"]) == 4 * 7 and whole["summary"]["differences"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--scenario", "hpolib"], "hpolib is not a scenario; --list shows the scenarios"),
        (["--kind", "related"], "related is unknown; choose from leave one out, sub-space, same task"),
        (["--method", "sgd"], "sgd is unknown; choose from transfer, scratch, tpe"),
        (["--scenario", SPLIT, "--half", "held-out"], "no scenario has this half, kind and name"),
        (["--scenario", "nasbench101-cifar10-sub-spaces"], "nasbench101.npz is missing: transfernas data nasbench101"),
        (["--scenario", SPLIT, "--change", "width=3"], "TrainingConfig has no field 'width'"),
        (["--scenario", SPLIT, "--methods-from", "."], "settings.json"),
    ],
)
def test_bad_options_are_refused(options: list[str], text: str, tmp_path: Path) -> None:
    environment = {"COLUMNS": "300", "TRANSFERNAS_CACHE": str(tmp_path)}
    done = CliRunner().invoke(app, ["compare", *options, "--out", str(tmp_path / "out")], env=environment)
    assert done.exit_code == 2, done.output
    assert text in done.output


def made_up() -> ComparisonResult:
    """Of two kinds; a method without regret, another that was stopped early on a second scenario."""
    rng, methods, grid = np.random.default_rng(0), ("transfer", "scratch", "tpe seeded"), (1, 5, 10, 20, 100)
    measured = [
        MeasuredScenario(kind, rng.random((3, 4, 5)) * (np.arange(3) > 0)[:, None, None]) for kind in ("x", "y", "y")
    ]
    swapped = measured[0]._replace(regret=measured[0].regret[[1, 0, 2]])
    curves = {f"{scenario}/{method}": Curve(rng.random((4, 100))) for scenario in ("u-v", "w") for method in methods}
    curves["w/transfer"] = Curve(rng.random((4, 3)))
    result = Result("compare", 0, 1.0, curves, table_of(curves, (5, 20, 100)), ())
    return ComparisonResult(
        Result(
            **{name: getattr(result, name) for name in Result.__slots__} | {"summary": {"critical_difference": 1.5}}
        ),
        rank_methods(measured, methods, grid, 0),
        rank_methods([each._replace(kind="targets") for each in measured], methods, grid, 0),
        differences(measured, methods, ("scratch", "tpe seeded"), grid, 0),
        compare_by_scenario({"u-v": measured[0], "w": swapped}, methods, ("scratch", "transfer"), grid, 0),
        dict.fromkeys(methods, 0.0025),
    )


def texts(cells: Iterable[object]) -> list[str]:
    return list(map(str, cells))


@pytest.mark.thorough
def test_tables_and_pictures_of_a_made_up_outcome(tmp_path: Path) -> None:
    outcome = made_up()
    for draw in (draw_regrets, draw_ranks):
        files = draw(tmp_path / draw.__name__, outcome.rankings, 4)
        assert [path.suffix for path in files] == [".png", ".svg"]
        again = draw(tmp_path / "again", outcome.rankings, 4)
        assert again[1].read_bytes() == files[1].read_bytes()
    early, regrets, standing, lost, alone, difference, table = comparison_tables(outcome)
    assert texts(regrets.columns[0].cells) == ["u-v", "w"] and "100 trials" in str(regrets.title)
    assert "20 trials" in str(early.title)
    assert texts(regrets.columns[1].cells)[1] == ""  # it did not get there
    assert texts(standing.columns[0].cells)[::4] == ["all (3)", "x (1)", "y (2)"]
    assert texts(standing.columns[1].cells)[:4] == ["5", "10", "20", "100"]
    assert texts(lost.columns[2].cells)[0] == "0.00 ± 0.00" and "1.50" in str(standing.caption)
    assert texts(alone.columns[0].cells) == ["all (3)"] * 4 and "without sources" in str(alone.title)
    assert len(difference.columns) == 6 and texts(difference.columns[2].cells)[0].endswith("%)")
    assert texts(table.columns[0].cells) == ["u-v", "w"] and "worse beyond it: 5 of 10" in str(table.caption)
    for column in list(table.columns)[1:]:
        worse, better = map(str, column.cells)
        assert "*" in worse and "*" not in better and better.startswith("-")
    written = write_tables(tmp_path / "tables.txt", [regrets, standing]).read_text()
    assert "tpe seeded" in written and "Mean rank (1 is best)" in written
    assert "tpe seeded 2.5 ms" in cost_line(outcome)


def test_a_row_without_a_number_is_written_as_null(tmp_path: Path) -> None:
    row = TableRow("x", 1, *Interval(0.5, float("nan"), float("nan")))
    result = Result("compare", 0, 1.0, {"x": Curve(np.array([[0.1, 0.2, 0.3]]))}, (row,), (), kept_trials=(1, 3, 9))
    written = json.loads(write_result(tmp_path / "result.json", result).read_text())
    assert written["curves"]["x"] == {"trials": [1, 3], "values": [[0.1, 0.3]]}
    assert written["table"][0]["low"] is None and written["summary"] == {}
