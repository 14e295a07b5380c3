"""What several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..experiments.result import Result

INTERRUPTED = 130


def make_folder(path: Path) -> Path:
    """Makes the folder for results.

    Raises:
        typer.BadParameter: it can not be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{path} can not be made: {error}", param_hint="--out") from None
    return path


def say_where(console: "Console", result: "Result", out: Path, files: Sequence[Path]) -> None:
    """Says how long it took, how much memory, and where the results are."""
    from ..experiments.result import peak_memory_mib

    names = ", ".join(str(file.relative_to(out)) for file in files if file.exists())
    console.print(
        f"{result.seconds:.0f} s, at most {peak_memory_mib():.0f} MiB. Results in {out.resolve()}: {names}",
        highlight=False,
        soft_wrap=True,
    )
