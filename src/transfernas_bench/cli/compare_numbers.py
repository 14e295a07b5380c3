"""`transfernas compare --suite numbers`: the agent and samplers of Optuna on problems of numbers."""

from collections.abc import Sequence
from pathlib import Path

from transfernas.cli.common import refused
from transfernas.cli.terminal import say
from transfernas.spaces.vocabulary import counted

from .common import changed_config, end_comparison, make_folder, open_run_directory

FOLDER, TRIALS = Path("runs/compare-numbers"), 100
"""Folder of the results and trials of a search by default."""


def compare_numbers(
    half: str | None,
    names: Sequence[str] | None,
    methods: Sequence[str] | None,
    replicas: int,
    trials: int | None,
    changes: Sequence[str],
    seed: int,
    out: Path | None,
    resume: bool,
    show: bool,
) -> None:
    """Compares the methods and writes the results.

    Args:
        half: A half of the suite; None for the development half, unless there are names.
        names: Names of problems; None for all of the half.
        methods: Names of methods; None for those that need no further package.
        replicas: Number of independent repetitions of every search.
        trials: Trials of each search; None for the default.
        changes: Changes of the agents' settings, as FIELD=VALUE.
        seed: Seed of the first replica.
        out: Folder for the results; None for the default.
        resume: Whether to continue the run in the folder.
        show: Whether to print the chosen problems instead.

    Raises:
        typer.BadParameter: A name, a method, a change or the folder is invalid.
        ModuleNotFoundError: A package that a method or a problem needs is missing.
    """
    # Imported here, so that `transfernas --help` answers at once.
    from rich.console import Console

    from transfernas.fields import to_json

    from ..experiments.numbers import NumberComparison, run_numbers
    from ..experiments.result import write_result
    from ..figures import AS_MULTIPLE, draw_ranks, draw_regrets
    from ..number_report import list_problems, number_cost_line, number_tables
    from ..report import progress_bars

    console, problems = Console(), _chosen(half, names)
    if show:
        list_problems(console, problems)
        return
    config, trials = changed_config(changes, fast=True), trials or TRIALS
    comparison = NumberComparison(config, problems, _methods(methods), seed, replicas, trials)
    comparison.check_packages()  # before any folder is created
    out = make_folder(out or FOLDER)
    # Searches do not depend on one another, so you may add problems and methods to a run.
    settings = {"command": "compare --suite numbers", "config": to_json(config), "seed": seed, "replicas": replicas}
    size = f"{counted(len(problems), 'problem')}, {counted(len(comparison.methods), 'method')}"
    say(console, f"{size}, {replicas} replicas of {counted(trials, 'trial')}, seeds {seed} to {seed + replicas - 1}.")
    with (
        open_run_directory(out, {**settings, "trials": trials}, resume) as run_directory,
        progress_bars(console, percent=False, stages=len([*comparison.pairs()])) as stage,
    ):
        outcome = run_numbers(comparison, run_directory, stage)
    files = [write_result(out / "result.json", outcome.result)]
    if outcome.rankings:
        files += draw_regrets(out / "regrets", outcome.rankings, replicas, AS_MULTIPLE)
        files += draw_ranks(out / "ranks", outcome.rankings, replicas, "problem", (20, 50, 100, trials))
    end_comparison(console, outcome.result, out, files, number_tables(outcome), number_cost_line(outcome))


def _chosen(half: str | None, names: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the problems of given names, or those of a half.

    Raises:
        typer.BadParameter: A name is unknown, or no problem is left.
    """
    from ..benchmarks.number_problems import DEVELOPMENT, HALVES, PROBLEMS

    if unknown := [name for name in names or () if name not in PROBLEMS]:
        raise refused(f"{unknown[0]} is not a problem of numbers; --list shows the problems", "--scenario")
    halves = [half] if half else HALVES if names else [DEVELOPMENT]
    found = tuple(name for name, problem in PROBLEMS.items() if problem.half in halves and (not names or name in names))
    if not found:
        raise refused("no problem has this half and name; --list shows the problems", "--scenario")
    return found


def _methods(names: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the methods of given names and TPE in the order of tables.

    Raises:
        typer.BadParameter: A name is unknown.
    """
    from ..experiments.number_methods import DEFAULT_METHODS, METHODS
    from ..experiments.number_ranking import REFERENCE

    if unknown := [name for name in names or () if name not in METHODS]:
        raise refused(f"{unknown[0]} is unknown; choose from {', '.join(METHODS)}", "--method")
    wanted = {REFERENCE, *(names or DEFAULT_METHODS)}
    return tuple(name for name in METHODS if name in wanted)
