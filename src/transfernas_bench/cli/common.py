"""What several commands of the laboratory share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from transfernas.cli.common import check_writable, refused
from transfernas.cli.terminal import say
from transfernas.processes.interrupts import advise

if TYPE_CHECKING:
    from rich.console import Console

    from transfernas.learning.config import TrainingConfig

    from ..benchmarks.nasbench101 import CellTable
    from ..experiments.result import Result
    from ..experiments.run_directory import RunDirectory

WITH_RESUME = "the same command with --resume goes on from here."


def changed_config(
    changes: Sequence[str], fast: bool = False, more: Mapping[str, object] | None = None
) -> "TrainingConfig":
    """Returns the paper's settings, or the default ones, with those of `more`, and then those given as FIELD=VALUE.

    A field is given by its path, as in rule.learning_rate=0.001; a part by its kind, as in network=lstm, or by None.

    Raises:
        typer.BadParameter: one is not of that form, there is no such field, or together they are no configuration.
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
    """Makes the folder for results.

    Raises:
        typer.BadParameter: it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise refused(f"{path} cannot be made: {error}", "--out") from None
    check_writable(path)
    return path


def load_table(path: Path | None) -> "CellTable":
    """Returns the table of NAS-Bench-101, that of the cache unless a path is given.

    Raises:
        typer.BadParameter: there is none, or it is not as it should be.
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
    """Opens the stages in a folder, or begins them, and keeps other processes out.

    Raises:
        typer.BadParameter: they cannot be begun or resumed.
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


def say_where(console: "Console", result: "Result", out: Path, files: Sequence[Path]) -> None:
    """Says how long it took, how much memory, and where the results are."""
    from ..experiments.result import peak_memory_mib

    names = ", ".join(str(file.relative_to(out)) for file in files if file.exists())
    resumed = " since it was resumed" if result.settings.get("resumed") else ""
    peak = peak_memory_mib()
    memory = "" if peak is None else f", at most {peak:.0f} MiB"
    say(console, f"{result.seconds:.0f} s{resumed}{memory}. Results in {out.resolve()}: {names}")
