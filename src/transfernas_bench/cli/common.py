"""Functions that several commands of the laboratory share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from transfernas.cli.common import check_writable, end, refused
from transfernas.cli.terminal import say
from transfernas.processes.interrupts import advise

if TYPE_CHECKING:
    from rich.console import Console

    from transfernas.cli.terminal import PlainTable
    from transfernas.learning.config import TrainingConfig

    from ..benchmarks.nasbench101 import CellTable
    from ..experiments.result import Result
    from ..experiments.run_directory import RunDirectory

WITH_RESUME = "the same command with --resume goes on from here."


def changed_config(
    changes: Sequence[str], fast: bool = False, more: Mapping[str, object] | None = None
) -> "TrainingConfig":
    """Returns settings of agents with changes.

    Args:
        changes: Changes of the form FIELD=VALUE. The path names a field, as in rule.learning_rate=0.001. The value of a
            part is its kind, as in network=lstm, or None.
        fast: Whether to start from the default settings instead of the paper's.
        more: Changes by the path of the field, applied first.

    Raises:
        typer.BadParameter: A change does not have this form, a field does not exist, or the settings are invalid.
    """
    from transfernas.fields import flat, parsed
    from transfernas.learning.config import TrainingConfig

    config = (TrainingConfig() if fast else TrainingConfig.paper()).with_changes(more or {})
    for change in changes:
        path, _, text = change.partition("=")
        if not text:
            raise refused(f"{change!r} is not FIELD=VALUE with a field of {', '.join(flat(config))}", "--change")
        try:
            config = config.with_changes({path: parsed(config, path, text)})
        except ValueError as error:
            raise refused(error, "--change") from None
    return config


def make_folder(path: Path) -> Path:
    """Creates the folder for results, and returns its path.

    Raises:
        typer.BadParameter: The folder cannot be created or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise refused(f"{path} cannot be made: {error}", "--out") from None
    check_writable(path)
    return path


def load_table(path: Path | None) -> "CellTable":
    """Returns the table of NAS-Bench-101 from a path, or from the cache for None.

    Raises:
        typer.BadParameter: The file is missing or damaged.
    """
    from ..benchmarks.nasbench101 import load_cells
    from ..benchmarks.nasbench101_data import compact_file

    try:
        return load_cells(path or compact_file())
    except FileNotFoundError as error:
        raise typer.BadParameter(
            f"{error.filename} is missing: transfernas data nasbench101", param_hint="--data"
        ) from None
    except ValueError as error:
        raise refused(error, "--data") from None


@contextmanager
def open_run_directory(out: Path, settings: Mapping[str, object], resume: bool) -> Iterator["RunDirectory"]:
    """Opens the stages in a folder, or begins them, and locks the folder for this process.

    Raises:
        typer.BadParameter: The stages cannot be begun or resumed.
    """
    from ..experiments.run_directory import RunDirectory

    with ExitStack() as stack:
        try:
            stages = RunDirectory(out / "stages", settings, resume)
            stack.enter_context(stages.at_work())
        except (OSError, ValueError) as error:
            raise refused(error, "--resume" if resume else "--out") from None
        advise(WITH_RESUME)
        yield stages


def end_comparison(
    console: "Console", result: "Result", out: Path, files: Sequence[Path], tables: Sequence["PlainTable"], cost: str
) -> None:
    """Writes and prints the tables of a comparison, says where the results are, and ends the command.

    Args:
        console: To print to.
        result: The result of the comparison.
        out: The folder of the results.
        files: The files so far.
        tables: The tables.
        cost: The line about the cost of a trial.
    """
    from ..report import write_tables

    written = write_tables(out / "tables.txt", tables)
    for table in tables:
        console.print(table)
    say(console, cost)
    say_where(console, result, out, [*files, written])
    end(result.interrupted, WITH_RESUME)


def say_where(console: "Console", result: "Result", out: Path, files: Sequence[Path]) -> None:
    """Prints the duration, the peak memory, and the paths of the results."""
    from ..experiments.result import peak_memory_mib

    names = ", ".join(str(file.relative_to(out)) for file in files if file.exists())
    resumed = " since it was resumed" if result.settings.get("resumed") else ""
    peak = peak_memory_mib()
    memory = "" if peak is None else f", at most {peak:.0f} MiB"
    say(console, f"{result.seconds:.0f} s{resumed}{memory}. Results in {out.resolve()}: {names}")
