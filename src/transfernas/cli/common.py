"""What several commands share."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import typer

from ..interrupts import INTERRUPTED, advise
from ..terminal import plain, say

if TYPE_CHECKING:
    from rich.console import Console

    from ..benchmarks.nasbench101 import Cells
    from ..experiments.result import Result
    from ..experiments.stages import Stages
    from ..learning.config import TrainingConfig

_WITH_RESUME = "the same command with --resume goes on from here."


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """Ends a command at an error with its message in one line."""
    from rich.console import Console

    try:
        yield
    except BrokenPipeError:  # nobody reads on
        raise
    except (OSError, ValueError, ModuleNotFoundError) as error:
        say(Console(stderr=True), "Error: " + " ".join(str(error).splitlines()))
        sys.exit(1)


def changed_config(
    changes: Sequence[str], fast: bool = False, more: Mapping[str, object] | None = None
) -> "TrainingConfig":
    """Returns the paper's settings, or the default ones, with those of `more`, and then those given as FIELD=VALUE.

    A field is given by its path, as in rule.learning_rate=0.001; a part by its kind, as in network=lstm, or by None.

    Raises:
        typer.BadParameter: one is not of that form, there is no such field, or together they are no configuration.
    """
    from ..fields import flat, parsed
    from ..learning.config import TrainingConfig

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


def check_writable(folder: Path) -> None:
    """Checks that files can be made in a folder, before hours of work are to be written there.

    Raises:
        typer.BadParameter: they cannot.
    """
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise refused(f"{folder} is no folder that can be written to: {error.strerror}", "--out") from None


def refused(text: object, option: str) -> typer.BadParameter:
    """Returns the error for an option's value, see `terminal.plain`."""
    return typer.BadParameter(plain(text), param_hint=option)


def load_table(path: Path | None) -> "Cells":
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
def open_stages(out: Path, settings: Mapping[str, object], resume: bool) -> Iterator["Stages"]:
    """Opens the stages in a folder, or begins them, and keeps other processes out.

    Raises:
        typer.BadParameter: they cannot be begun or resumed.
    """
    from ..experiments.stages import Stages

    with ExitStack() as stack:
        try:
            stages = Stages(out / "stages", settings, resume)
            stack.enter_context(stages.at_work())
        except (OSError, ValueError) as error:
            raise refused(error, "--resume" if resume else "--out") from None
        advise(_WITH_RESUME)
        yield stages


def end(interrupted: bool, advice: str = _WITH_RESUME) -> None:
    """Ends a command that was interrupted, and says how to go on."""
    if interrupted:
        print(f"Interrupted: {plain(advice)}", file=sys.stderr)
        sys.exit(INTERRUPTED)


def say_where(console: "Console", result: "Result", out: Path, files: Sequence[Path]) -> None:
    """Says how long it took, how much memory, and where the results are."""
    from ..experiments.result import peak_memory_mib

    names = ", ".join(str(file.relative_to(out)) for file in files if file.exists())
    resumed = " since it was resumed" if result.settings.get("resumed") else ""
    say(
        console,
        f"{result.seconds:.0f} s{resumed}, at most {peak_memory_mib():.0f} MiB. Results in {out.resolve()}: {names}",
    )
