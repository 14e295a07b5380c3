"""`transfernas compare`: the agent and the other methods on the suite of tables, or on that of numbers."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfernas.cli.common import errors_as_lines, refused
from transfernas.cli.terminal import say
from transfernas.spaces.vocabulary import counted

from .common import changed_config, end_comparison, load_table, make_folder, open_run_directory
from .compare_numbers import FOLDER as NUMBERS_FOLDER
from .compare_numbers import TRIALS as NUMBERS_TRIALS
from .compare_numbers import compare_numbers

if TYPE_CHECKING:
    from ..experiments.run_directory import RunDirectory
    from ..experiments.suite import TransferScenario


FOLDER, TRIALS = Path("runs/compare"), 200
"""Folder of the results and trials of a search by default."""


class Suite(StrEnum):
    """Suites of problems."""

    tables = "tables"
    numbers = "numbers"


class Half(StrEnum):
    """Halves of the suite."""

    development = "development"
    held_out = "held-out"


@errors_as_lines()
def compare(
    context: typer.Context,
    suite: Annotated[
        Suite,
        typer.Option(
            help="tables: problems from tables of real trainings, with sources to transfer from. numbers: functions "
            "and models that are trained, from scratch."
        ),
    ] = Suite.tables,
    half: Annotated[
        Half | None,
        typer.Option(
            help="development: for the choice of methods and settings, the default unless you name scenarios. "
            "held-out: for the report."
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A scenario, or a problem of numbers; may be repeated. --list shows them."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help='Of tables: scenarios of a kind, such as "leave one out"; may be repeated.'),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="transfer, scratch, tpe, tpe seeded, evolution, evolution seeded, random or gp; may be repeated. All "
            "but gp by default. Of numbers: agent, policy alone, tpe, tpe group, random, gp or cmaes; all but gp and "
            "cmaes by default, and tpe always runs.",
        ),
    ] = None,
    replicas: Annotated[int, typer.Option(min=2, help="Independent repetitions of every search.")] = 20,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, help="Trials of each search of a target.", show_default=f"{TRIALS}; of numbers {NUMBERS_TRIALS}"
        ),
    ] = None,
    joint_trials: Annotated[
        int, typer.Option(min=1, help="Of tables: trials of the joint training, for each source.")
    ] = 200,
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Of tables: a compact file of NAS-Bench-101, for the scenarios that need this table. Without this "
            "option, they are left out, unless you name them and `transfernas data nasbench101` made the file.",
        ),
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Of tables: give the agents the paper's settings, not the default settings.")
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="A setting of the agents (TrainingConfig), as in rule.learning_rate=0.001; may be repeated.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of all random draws; of numbers, seed of the first replica.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results.", show_default=f"{FOLDER}; of numbers {NUMBERS_FOLDER}"),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the run in the folder; you may choose other scenarios and methods than before."
        ),
    ] = False,
    methods_from: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Of tables: the --out of an earlier run with the same seed, replicas and trials. Its searches by "
            "random search, evolution and TPE from scratch, which depend on no agent, are copied.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Print the scenarios that are chosen, and run nothing.")] = False,
) -> None:
    """Compare the agent with other methods: transferred on tables of real trainings, or from scratch on numbers."""
    if suite is Suite.numbers:
        _refuse_options_of_tables(context)
        halves = half and half.value
        compare_numbers(halves, scenario, method, replicas, trials, change or (), seed, out, resume, show)
        return
    trials = TRIALS if trials is None else trials
    # Imported here, so that `transfernas --help` answers at once.
    from rich.console import Console

    from transfernas.fields import to_json

    from ..experiments.compare import run_comparison
    from ..experiments.methods import METHODS, OPTIONAL
    from ..experiments.result import write_result
    from ..experiments.searches import Comparison, count_stages, shared_stages
    from ..experiments.suite import load_one_each
    from ..figures import draw_ranks, draw_regrets
    from ..report import comparison_tables, cost_line, list_scenarios, progress_bars

    console = Console()
    scenarios = _chosen(half, scenario, kind, data is not None or show)
    if show:
        list_scenarios(console, scenarios)
        return
    known = (*METHODS, *OPTIONAL)
    if unknown := [name for name in method or () if name not in known]:
        raise refused(f"{unknown[0]} is unknown; choose from {', '.join(known)}", "--method")
    methods = tuple(name for name in known if name in (method or METHODS))
    cells = load_table(data) if any(each.target.needs_cells for each in scenarios) else None
    if methods_from is not None and not (methods_from / "stages" / "settings.json").is_file():
        raise refused(
            f"{methods_from} is not the --out of an earlier run: it has no stages/settings.json", "--methods-from"
        )
    config = changed_config(change or (), fast=not paper)
    load_one_each(scenarios, cells)  # before any folder is created, because a missing package is an error
    out = make_folder(FOLDER if out is None else out)
    comparison = Comparison(config, scenarios, methods, seed, replicas, trials, joint_trials)
    # Searches do not depend on one another, so you may add scenarios and methods to a run.
    fixed = {"config": to_json(config), "seed": seed, "replicas": replicas, "trials": trials}
    data_used = {} if cells is None else {"data": cells.name, "checksum": cells.checksum}
    settings = {"command": "compare", "joint_trials": joint_trials, **fixed, **data_used}
    say(
        console,
        f"{counted(len(scenarios), 'scenario')}, {counted(len(methods), 'method')}, {replicas} replicas, seed {seed}; "
        "two searches run at a time.",
    )
    with open_run_directory(out, settings, resume) as run_directory:
        if methods_from is not None:
            _adopt(run_directory, methods_from, shared_stages(comparison))
        with progress_bars(console, percent=False, stages=count_stages(comparison)) as stage:
            outcome = run_comparison(comparison, cells, run_directory, stage)
    files = [write_result(out / "result.json", outcome.result)]
    if outcome.rankings:
        files += draw_regrets(out / "regrets", outcome.rankings, replicas)
        files += draw_ranks(out / "ranks", outcome.rankings, replicas)
    end_comparison(console, outcome.result, out, files, comparison_tables(outcome), cost_line(outcome))


def _refuse_options_of_tables(context: typer.Context) -> None:
    """Refuses the options that have no effect on the suite of numbers.

    Raises:
        typer.BadParameter: Such an option is given.
    """
    for name in ("kind", "joint_trials", "data", "paper", "methods_from"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise refused(f"{option} is an option of --suite tables; leave it out for --suite numbers", option)


def _adopt(run_directory: "RunDirectory", run: Path, names: tuple[str, ...]) -> None:
    try:
        run_directory.adopt(run / "stages", names, ("seed", "replicas", "trials", "checksum"))
    except (OSError, ValueError) as error:
        raise refused(error, "--methods-from") from None


def _chosen(
    half: Half | None, names: list[str] | None, kinds: list[str] | None, cells: bool
) -> tuple["TransferScenario", ...]:
    """Returns the scenarios of given names, or those of a half and of given kinds.

    Raises:
        typer.BadParameter: A name or a kind is unknown, or no scenario is left.
    """
    from ..experiments.suite import KINDS, all_scenarios

    every = all_scenarios()
    known = [scenario.name for scenario in every]
    if unknown := [name for name in names or () if name not in known]:
        raise refused(f"{unknown[0]} is not a scenario; --list shows the scenarios", "--scenario")
    if unknown := [kind for kind in kinds or () if kind not in KINDS]:
        raise refused(f"{unknown[0]} is unknown; choose from {', '.join(KINDS)}", "--kind")
    halves = [half] if half else list(Half) if names else [Half.development]
    found = tuple(
        scenario
        for scenario in every
        if scenario.half in halves
        and (not kinds or scenario.kind in kinds)
        and (scenario.name in names if names else cells or not scenario.target.needs_cells)
    )
    if not found:
        raise refused("no scenario has this half, kind and name; --list shows the scenarios", "--scenario")
    return found
