"""`transfernas compare`: the transferred agent and its rivals on the transfer suite."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfernas.cli.common import end, errors_as_lines, refused
from transfernas.cli.terminal import say

from .common import WITH_RESUME, changed_config, load_table, make_folder, open_stages, say_where

if TYPE_CHECKING:
    from ..experiments.run_directory import Stages
    from ..experiments.suite import Split


class Half(StrEnum):
    """The halves of the suite."""

    development = "development"
    held_back = "held-back"


@errors_as_lines()
def compare(
    half: Annotated[
        Half | None,
        typer.Option(
            help="development: for choosing methods and settings, the default unless splits are named. held-back: for "
            "the report."
        ),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A split; may be repeated. --list shows them.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help='Splits of a kind, such as "leave one out"; may be repeated.'),
    ] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="transfer, scratch, tpe, tpe seeded, evolution, evolution seeded, random or gp; may be repeated. All "
            "but gp by default.",
        ),
    ] = None,
    replicas: Annotated[int, typer.Option(min=2, help="Independent repetitions of every search.")] = 20,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each search of a target.")] = 200,
    joint_trials: Annotated[int, typer.Option(min=1, help="Trials of the joint training, for each source.")] = 200,
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A compact file of NAS-Bench-101, for the splits that need it; they are left out without it unless "
            "they are named and `transfernas data nasbench101` made one.",
        ),
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Agents with the paper's settings, not the default ones.")
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="A setting of the agents (TrainingConfig), as in rule.learning_rate=0.001; may be repeated.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("runs/compare"),
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with what the folder holds; splits and rivals may be others than before."),
    ] = False,
    rivals_from: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="The --out of an earlier run with that seed, replicas and trials: its random search, evolution and "
            "TPE from scratch are taken over, which depend on no agent.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Print the splits that are chosen, and run nothing.")] = False,
) -> None:
    """Compare the transferred agent with its rivals, on problems from tables of real trainings."""
    # Imported here, so that `transfernas --help` answers at once.
    from rich.console import Console

    from transfernas.fields import to_json

    from ..experiments.compare import run_comparison
    from ..experiments.methods import OPTIONAL, RIVALS
    from ..experiments.result import write_result
    from ..experiments.searches import Comparison, count_stages, shared_stages
    from ..experiments.suite import load_one_each
    from ..figures import draw_ranks, draw_regrets
    from ..report import comparison_tables, cost_line, progress_bars, split_table, write_tables

    console = Console()
    splits = _chosen(half, split, kind, data is not None or show)
    if show:
        console.print(split_table(splits))
        return
    known = (*RIVALS, *OPTIONAL)
    if unknown := [name for name in rival or () if name not in known]:
        raise refused(f"{unknown[0]} is none of {', '.join(known)}", "--rival")
    rivals = tuple(name for name in known if name in (rival or RIVALS))
    cells = load_table(data) if any(each.target.of_cells for each in splits) else None
    if rivals_from is not None and not (rivals_from / "stages" / "settings.json").is_file():
        raise refused(f"{rivals_from} is no --out of an earlier run: it has no stages/settings.json", "--rivals-from")
    config = changed_config(change or (), fast=not paper)
    load_one_each(splits, cells)  # what is missing is said before anything is made
    out = make_folder(out)
    comparison = Comparison(config, splits, rivals, seed, replicas, trials, joint_trials)
    # Searches do not depend on one another, so that splits and rivals may be added to what is there.
    fixed = {"config": to_json(config), "seed": seed, "replicas": replicas, "trials": trials}
    data_used = {} if cells is None else {"data": cells.name, "checksum": cells.checksum}
    settings = {"command": "compare", "joint_trials": joint_trials, **fixed, **data_used}
    say(
        console,
        f"{len(splits)} splits, {len(rivals)} rivals, {replicas} replicas, seed {seed}; two searches run at a time.",
    )
    with open_stages(out, settings, resume) as stages:
        if rivals_from is not None:
            _adopt(stages, rivals_from, shared_stages(comparison))
        with progress_bars(console, percent=False, stages=count_stages(comparison)) as stage:
            outcome = run_comparison(comparison, cells, stages, stage)
    files = [write_result(out / "result.json", outcome.result)]
    if outcome.standings:
        files += draw_regrets(out / "regrets", outcome.standings, replicas)
        files += draw_ranks(out / "ranks", outcome.standings, replicas)
    tables = comparison_tables(outcome)
    files.append(write_tables(out / "tables.txt", tables))
    for table in tables:
        console.print(table)
    say(console, cost_line(outcome))
    say_where(console, outcome.result, out, files)
    end(outcome.result.interrupted, WITH_RESUME)


def _adopt(stages: "Stages", run: Path, names: tuple[str, ...]) -> None:
    try:
        stages.adopt(run / "stages", names, ("seed", "replicas", "trials", "checksum"))
    except (OSError, ValueError) as error:
        raise refused(error, "--rivals-from") from None


def _chosen(half: Half | None, names: list[str] | None, kinds: list[str] | None, cells: bool) -> tuple["Split", ...]:
    """Returns the splits that are named, or those of a half and some kinds.

    Raises:
        typer.BadParameter: there is none.
    """
    from ..experiments.suite import KINDS, all_splits

    every = all_splits()
    known = [split.name for split in every]
    if unknown := [name for name in names or () if name not in known]:
        raise refused(f"{unknown[0]} is no split; --list shows them", "--split")
    if unknown := [kind for kind in kinds or () if kind not in KINDS]:
        raise refused(f"{unknown[0]} is none of {', '.join(KINDS)}", "--kind")
    halves = [half] if half else list(Half) if names else [Half.development]
    found = tuple(
        split
        for split in every
        if split.half in halves
        and (not kinds or split.kind in kinds)
        and (split.name in names if names else cells or not split.target.of_cells)
    )
    if not found:
        raise refused("no split is of that half, kind and name; --list shows them", "--split")
    return found
