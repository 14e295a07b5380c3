"""`transfernas data nasbench101`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from transfernas.cli.common import end, errors_as_lines, refused
from transfernas.cli.terminal import say
from transfernas.processes.interrupts import advise

if TYPE_CHECKING:
    from rich.console import Console

    from ..benchmarks.nasbench101_data import DataStageFn

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
_OFFICIAL_URL = "https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord"
_ADVICE = "the same command begins the download anew."
_STAGES = {"download": "Downloading", "check": "Checking", "convert": "Converting"}


@app.callback()
def main() -> None:
    """Get the data of benchmarks."""


@app.command(short_help="Download NAS-Bench-101 (499 MB).")
@errors_as_lines()
def nasbench101(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="An official file that you have (nasbench_only108.tfrecord or nasbench_full.tfrecord), or a compact "
            "file (.npz), which is checked. Without this option, the url is downloaded.",
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="Address of the download.")] = _OFFICIAL_URL,
    any_checksum: Annotated[
        bool, typer.Option("--any-checksum", help="Accept a file other than the two official files.")
    ] = False,
) -> None:
    """Make NAS-Bench-101 ready for use: download it (499 MB), check it, and convert it to a compact file."""
    # Imported here, so that `--help` answers at once.
    from rich.console import Console

    from ..benchmarks.nasbench101_data import nasbench101_data

    try:
        urlsplit(url)
    except ValueError as error:
        raise refused(f"{url!r} is not an address: {error}", "--url") from None
    console = Console()
    advise(_ADVICE)
    try:
        with _progress(console) as stage:
            path = nasbench101_data(source, url, progress=stage, trusted=any_checksum)
    except KeyboardInterrupt:
        end(True, _ADVICE)
    say(console, f"NAS-Bench-101 is in {path.resolve()}")


@contextmanager
def _progress(console: "Console") -> Iterator["DataStageFn"]:
    """Shows a bar for each stage: bytes done, rate, time left."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description:<15}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    tasks, progress = dict[str, TaskID](), Progress(*columns, console=console)
    with ExitStack() as stack:

        def stage(name: str, done: int, total: int | None) -> None:
            if not tasks:
                stack.enter_context(progress)
            if name not in tasks:
                tasks[name] = progress.add_task(_STAGES[name], total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield stage
