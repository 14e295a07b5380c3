"""The comparison on problems of numbers: its problems, its statistics against a plain oracle, and the command."""

import importlib.util
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from typer.testing import CliRunner

from transfernas import TrainingConfig
from transfernas.cli.app import app
from transfernas_bench.benchmarks.number_functions import AskedTrial
from transfernas_bench.benchmarks.number_problems import DEVELOPMENT, HALVES, HELD_OUT, KINDS, PROBLEMS, NumberProblem
from transfernas_bench.experiments.number_methods import search_numbers
from transfernas_bench.experiments.number_ranking import MeasuredProblem, rank_numbers, regret_multiples, regrets_of
from transfernas_bench.experiments.numbers import NumberComparison, run_numbers
from transfernas_bench.experiments.ranking import ALL
from transfernas_bench.experiments.result import write_result
from transfernas_bench.experiments.run_directory import RunDirectory
from transfernas_bench.experiments.runner import ProgressFn, StageFn
from transfernas_bench.experiments.trace import read_arrays
from transfernas_bench.figures import AS_MULTIPLE, draw_ranks, draw_regrets
from transfernas_bench.number_report import number_cost_line, number_tables

SMALL = ("--replicas", "2", "--trials", "12")


def quiet_stage(name: str, trials: int) -> ProgressFn:
    return lambda done, best: None


# The problems.


def test_each_half_has_problems_of_every_kind() -> None:
    for half in HALVES:
        here = [problem for problem in PROBLEMS.values() if problem.half == half]
        assert len(here) == 14 and {problem.kind for problem in here} == set(KINDS)


class Given:
    """A trial with the lowest or the highest whole numbers, and with real numbers at a place of their ranges."""

    number = 1

    def __init__(self, place: float, high: bool) -> None:
        self._place, self._high = place, high

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return low + self._place * (high - low)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        return high if self._high else low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return choices[-1]


# Values of the functions with which results were published, which must not change.
PUBLISHED = {
    "ellipsoid of 5": 56.96581162267098,
    "rosenbrock of 3": 1321.0674928950086,
    "rastrigin of 4": 20.639109896996136,
    "ackley of 20": 10.826476445635366,
    "noisy sphere of 6": 2.0367554970148536,
    "mixed": 2.433286973424411,
    "branches": 1.5339064179419237,
    "rotated ellipsoid of 6": 36.8721219882242,
    "rosenbrock of 5": 3303.422611923649,
    "levy of 6": 23.578030244714075,
    "ackley of 5": 10.852493401146356,
    "3 of 30 matter": 0.4973334681064078,
    "noisy sphere of 4": 1.1502158922468266,
    "layers": 0.7265408029578635,
}


def test_the_functions_are_those_of_the_published_results() -> None:
    assert set(PUBLISHED) == {name for name, problem in PROBLEMS.items() if problem.data is None}
    for name, value in PUBLISHED.items():
        assert PROBLEMS[name].value(Given(0.75, high=True), 3) == pytest.approx(value, rel=1e-9), name
        assert PROBLEMS[name].value(Given(0.75, high=True), 4) != pytest.approx(value), name


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name, problem in PROBLEMS.items() if problem.data is not None])
def test_a_model_has_a_loss_that_its_seed_determines(name: str) -> None:
    pytest.importorskip("sklearn")
    first, again = (PROBLEMS[name].value(Given(0.1, high=False), 3) for _ in range(2))
    assert first == again and 0 < first <= 10 and PROBLEMS[name].least is None


# Statistics.


def made_up() -> dict[str, tuple[str, float | None, dict[str, np.ndarray]]]:
    """Searches of 5 seeds and 20 trials: kind, least value, and least values so far by method."""
    rng = np.random.default_rng(0)

    def searches(*methods: str) -> dict[str, np.ndarray]:
        values = {method: rng.exponential(size=(5, 20)) * (1 + row) for row, method in enumerate(methods)}
        return {method: np.minimum.accumulate(each, axis=1) for method, each in values.items()}

    found = {
        "smooth": ("functions", 0.0, searches("agent", "tpe", "random")),
        "rugged": ("functions", None, searches("agent", "tpe", "random")),
        "branches": ("conditional", -1.0, searches("agent", "tpe", "tpe group", "random")),
    }
    found["smooth"][2]["random"][:3] = found["smooth"][2]["tpe"][:3]  # ties
    found["rugged"][2]["agent"][:, 15:] = found["rugged"][2]["agent"][:, 15:].min()  # no regret
    return found


def oracle(names: list[str], method: str, count: int) -> tuple[float, float]:
    """Returns the multiple of TPE's regret and the share of pairs ahead of TPE, seed by seed and problem by problem."""
    ratios, ahead = [], []
    for name in names:
        _, known, best = made_up()[name]
        mine, its, early = [], [], []
        for seed in range(5):
            least = min(runs[seed][-1] for runs in best.values()) if known is None else known
            mine.append(best[method][seed][count - 1] - least)
            its.append(best["tpe"][seed][count - 1] - least)
            early.append(best["tpe"][seed][9] - least)
            ahead.append(0.5 if abs(mine[-1] - its[-1]) <= 1e-9 else float(mine[-1] < its[-1]))
        floor = 1e-3 * float(np.median(early)) + 1e-9
        ratios.append(max(float(np.median(mine)), floor) / max(float(np.median(its)), floor))
    return float(np.prod(ratios)) ** (1 / len(ratios)), float(np.mean(ahead))


def measured() -> list[MeasuredProblem]:
    return [MeasuredProblem(kind, regrets_of(values, least)) for kind, least, values in made_up().values()]


def test_multiples_and_shares_are_those_of_a_plain_count() -> None:
    found = {(row.kind, row.method, row.trials): row for row in rank_numbers(measured(), (5, 10, 20), seed=0)}
    names = [*made_up()]
    groups = {ALL: names, "functions": names[:2], "conditional": names[2:]}
    assert {kind for kind, _, _ in found} == set(groups)
    assert {method for kind, method, _ in found if kind == ALL} == {"agent", "tpe", "random"}
    assert {method for kind, method, _ in found if kind == "conditional"} == {"agent", "tpe", "tpe group", "random"}
    for (kind, method, count), row in found.items():
        multiple, ahead = oracle(groups[kind], method, count)
        assert row.regret.mean == pytest.approx(multiple, rel=1e-9) and row.ahead.mean == pytest.approx(ahead)
        assert row.scenarios == len(groups[kind])
        assert row.regret.low <= row.regret.mean <= row.regret.high
    for count in (5, 10, 20):
        assert found[ALL, "tpe", count].regret == (1.0, 1.0, 1.0) and found[ALL, "tpe", count].ahead.mean == 0.5
        assert sum(found[ALL, method, count].rank.mean for method in ("agent", "tpe", "random")) == pytest.approx(6)


@pytest.mark.thorough
def test_the_interval_of_a_multiple_is_that_of_a_literal_bootstrap() -> None:
    problems, rng = measured()[:2], np.random.default_rng(1)
    ((found,),) = regret_multiples(problems, ["random"], [20], seed=0)
    resampled = []
    for _ in range(3_000):
        ratios = []
        for which in rng.integers(2, size=2):
            regrets, rows = problems[which].regrets, rng.integers(5, size=5)
            floor = 1e-3 * float(np.median(regrets["tpe"][:, 9])) + 1e-9
            mine, its = (max(float(np.median(regrets[name][rows, 19])), floor) for name in ("random", "tpe"))
            ratios.append(np.log(mine / its))
        resampled.append(np.mean(ratios))
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert np.log(found.low) == pytest.approx(low, abs=0.12 * (high - low))
    assert np.log(found.high) == pytest.approx(high, abs=0.12 * (high - low))


def test_a_search_of_few_trials_has_multiples_too() -> None:
    regrets = {"tpe": np.array([[4.0, 2.0]] * 2), "random": np.array([[4.0, 3.0]] * 2)}
    (intervals,) = regret_multiples([MeasuredProblem("functions", regrets)], ["random"], [1, 2], seed=0)
    assert [each.mean for each in intervals] == pytest.approx([1.0, 1.5])


# The searches and the command.


def test_a_search_is_that_of_a_study_and_leaves_the_log_as_it_was(quiet: None) -> None:
    problem, told = PROBLEMS["branches"], list[tuple[int, float]]()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=5))
    study.optimize(lambda trial: problem.value(trial, 5), n_trials=14)
    optuna.logging.set_verbosity(optuna.logging.INFO)

    def after_trial(done: int, least: float) -> bool:
        told.append((done, least))
        return done == 14

    found = search_numbers(problem, "tpe", TrainingConfig(), 5, 40, after_trial)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    np.testing.assert_array_equal(
        found.values, np.minimum.accumulate([float(trial.value or 0) for trial in study.trials])
    )
    assert told == [(done, value) for done, value in enumerate(found.values, 1)] and found.cpu_seconds >= 0


def test_an_interrupted_comparison_goes_on_with_the_same_result(tmp_path: Path) -> None:
    wanted = NumberComparison(TrainingConfig(), ("mixed", "branches"), ("tpe", "tpe group", "random"), 4, 3, 8)
    assert [*wanted.pairs()] == [
        *(("mixed", "tpe"), ("mixed", "random")),
        *(("branches", "tpe"), ("branches", "tpe group"), ("branches", "random")),
    ]
    whole = run_numbers(wanted, RunDirectory(tmp_path / "whole", {}, resume=False), quiet_stage)
    assert not whole.result.interrupted and set(whole.cpu_seconds) == {"tpe", "tpe group", "random"}
    cut = RunDirectory(tmp_path / "cut", {}, resume=False)

    def stage(name: str, trials: int) -> ProgressFn:
        return lambda done, best: cut.stop() if name == "branches, tpe" and done == 8 + 3 else None

    partial = run_numbers(wanted, cut, stage)
    assert partial.result.interrupted and {row.scenarios for row in partial.rankings} == {1}
    assert partial.result.curves["branches/tpe"].values.shape == (1, 8)  # of the seeds that are complete
    told = list[tuple[str, int]]()

    def heard(name: str, trials: int) -> ProgressFn:
        assert trials == 24
        return lambda done, best: told.append((name, done))

    resumed = run_numbers(wanted, RunDirectory(tmp_path / "cut", {}, resume=True), heard)
    assert resumed.rankings == whole.rankings and resumed.result.table == whole.result.table
    assert [done for name, done in told if name == "mixed, tpe"] == [24]
    assert [done for name, done in told if name == "branches, tpe"] == [8, *range(9, 25)]
    for name, curve in whole.result.curves.items():
        np.testing.assert_array_equal(resumed.result.curves[name].values, curve.values, err_msg=name)


def test_a_search_whose_first_trials_fail_has_a_result_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def value(trial: AskedTrial, seed: int) -> float:
        return trial.suggest_float("x", 0.0, 1.0) if trial.number > 2 else float("nan")

    problem = NumberProblem(value, DEVELOPMENT, "a function", least=0.0)
    monkeypatch.setattr("transfernas_bench.experiments.numbers.PROBLEMS", {"late": problem})
    wanted = NumberComparison(TrainingConfig(), ("late",), ("tpe", "random"), 0, 2, 5)
    outcome = run_numbers(wanted, RunDirectory(tmp_path / "stages", {}, resume=False), quiet_stage)
    written = json.loads(write_result(tmp_path / "result.json", outcome.result).read_text())
    for row in written["curves"]["late/tpe"]["values"]:
        assert row[:3] == [None] * 3 and 0 <= row[3] <= 1  # after 1, 2, 3 and 5 trials
    rankings = {(row["method"], row["trials"]): row for row in written["summary"]["rankings"]}
    assert rankings["random", 3]["regret"]["mean"] is None and rankings["random", 5]["regret"]["mean"] == 1
    assert rankings["random", 3]["rank"]["mean"] == 1.5
    assert draw_regrets(tmp_path / "regrets", outcome.rankings, 2, AS_MULTIPLE)[1].exists()
    assert len(number_tables(outcome)) == 4


def compare(*options: str) -> str:
    done = CliRunner().invoke(app, ["compare", "--suite", "numbers", *options], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.slow
def test_the_command_goes_on_after_ctrl_c_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = ("--scenario", "rosenbrock of 3", "--scenario", "branches", "--method", "agent", *SMALL, "--seed", "3")
    said = compare(*size, "--out", str(tmp_path / "whole"))
    for text in (
        "2 problems, 2 methods, 2 replicas of 12 trials, seeds 3 to 4.",
        "Best value",
        "Regret as a multiple of TPE's",
        "Mean rank (1 is best)",
        "CPU time of a trial",
        "ranks.svg",
    ):
        assert text in said

    @contextmanager
    def ctrl_c(console: object, percent: bool = True, stages: int = 0) -> Iterator[StageFn]:
        def stage(name: str, trials: int) -> ProgressFn:
            def progress(done: int, best: float) -> None:
                if done == 5 and name == "branches, agent":
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.5)

            return progress

        yield stage

    out = ("--out", str(tmp_path / "cut"))
    with monkeypatch.context() as patch:
        patch.setattr("transfernas_bench.report.progress_bars", ctrl_c)
        cut = CliRunner().invoke(app, ["compare", "--suite", "numbers", *size, *out])
    assert cut.exit_code == 130 and "the same command with --resume goes on" in " ".join(cut.output.split())
    again = CliRunner().invoke(app, ["compare", "--suite", "numbers", *size, *out], env={"COLUMNS": "300"})
    assert again.exit_code == 2 and "add --resume" in again.output
    compare(*size, *out, "--resume")
    whole, resumed = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "cut"))
    for part in ("curves", "table"):
        assert resumed[part] == whole[part], part
    assert resumed["summary"]["rankings"] == whole["summary"]["rankings"]
    assert whole["command"] == "compare --suite numbers" and whole["settings"]["methods"] == ["agent", "tpe"]

    curve = whole["curves"]["branches/tpe"]
    assert curve["trials"] == [1, 2, 3, 5, 7, 10, 12] and np.shape(curve["values"]) == (2, 7)
    record = read_arrays(tmp_path / "whole" / "stages" / "branches, tpe.2" / "record.npz")
    assert [row[-1] for row in curve["values"]] == record["values"][:, -1].tolist()
    (row,) = [row for row in whole["table"] if row["name"] == "branches/agent" and row["trials"] == 12]
    lasts = [np.median([values[-1] for values in whole["curves"][f"branches/{m}"]["values"]]) for m in ("agent", "tpe")]
    assert row["mean"] == pytest.approx(lasts[0] / lasts[1]) and row["low"] <= row["mean"] <= row["high"]
    for name in ("regrets.png", "ranks.png"):
        assert (tmp_path / "whole" / name).read_bytes().startswith(b"\x89PNG")
    assert "Share of the pairs" in (tmp_path / "whole" / "tables.txt").read_text()

    # The agent's settings change the agent's searches alone.
    changed = ("--change", "proposal.middle_first=False", "--out", str(tmp_path / "changed"))
    compare(*size, *changed)
    other = json.loads((tmp_path / "changed" / "result.json").read_text())
    assert other["curves"]["branches/tpe"] == curve
    assert other["curves"]["branches/agent"] != whole["curves"]["branches/agent"]


@pytest.mark.thorough
def test_tables_and_pictures_of_a_made_up_outcome(tmp_path: Path) -> None:
    wanted = NumberComparison(TrainingConfig(), ("mixed", "branches"), ("tpe", "tpe group", "random"), 0, 2, 12)
    outcome = run_numbers(wanted, RunDirectory(tmp_path / "stages", {}, resume=False), quiet_stage)
    regrets = draw_regrets(tmp_path / "regrets", outcome.rankings, 2, AS_MULTIPLE)
    ranks = draw_ranks(tmp_path / "ranks", outcome.rankings, 2, "problem")
    for picture in (regrets[1], ranks[1]):
        assert picture.suffix == ".svg" and "<svg" in picture.read_text()
    values, multiples, ahead, rank = number_tables(outcome)
    assert list(map(str, values.columns[0].cells)) == ["mixed", "mixed", "branches", "branches"]
    assert list(map(str, values.columns[3].cells))[:2] == ["", ""]  # TPE with groups is on conditional problems alone
    rows = list(zip(*(map(str, column.cells) for column in list(multiples.columns)[:2]), strict=True))
    assert rows[:2] == [("all (2)", "tpe"), ("all (2)", "random")] and ("conditional (1)", "tpe group") in rows
    assert list(map(str, multiples.columns[-1].cells))[0] == "1" and "12 trials" in str(multiples.columns[-1].header)
    assert list(map(str, ahead.columns[-1].cells))[0] == "0.5" and "1 is best" in str(rank.title)
    assert "random" in number_cost_line(outcome)


def test_the_problems_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = compare("--list")
    listed = [name for name, problem in PROBLEMS.items() if name in said and problem.half == DEVELOPMENT]
    assert len(listed) == 14 and "14 problems" in said and "log loss of a support vector machine" in said
    held = compare("--list", "--half", "held-out", "--scenario", "layers")
    assert "1 problem " in held and HELD_OUT in held and "conditional" in held
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--scenario", "rosenbrock"], "rosenbrock is not a problem of numbers; --list shows the problems"),
        (["--scenario", "layers", "--half", "development"], "no problem has this half and name"),
        (["--method", "transfer"], "transfer is unknown; choose from agent, policy alone, tpe, tpe group, random"),
        (["--change", "width=3"], "TrainingConfig has no field 'width'"),
        (["--kind", "unrelated"], "--kind is an option of --suite tables; leave it out for --suite numbers"),
        (["--paper"], "--paper is an option of --suite tables"),
        (["--joint-trials", "200"], "--joint-trials is an option of --suite tables"),
        (["--data", __file__], "--data is an option of --suite tables"),
        (["--methods-from", "."], "--methods-from is an option of --suite tables"),
        (["--trials", "0"], "Invalid value for '--trials'"),
    ],
)
def test_bad_options_are_refused(options: list[str], text: str, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    done = CliRunner().invoke(app, ["compare", "--suite", "numbers", *options, *out], env={"COLUMNS": "300"})
    assert done.exit_code == 2 and text in " ".join(done.output.split()), done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("method", "package"), [("gp", "torch"), ("cmaes", "cmaes")])
def test_a_method_names_the_package_that_it_needs(
    method: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == package else found(name))
    options = ["--scenario", "mixed", "--method", method, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["compare", "--suite", "numbers", *options], env={"COLUMNS": "300"})
    assert done.exit_code == 1 and f"Error: the method {method} needs {package}: pip install {package}" in done.output
    assert not (tmp_path / "out").exists()
