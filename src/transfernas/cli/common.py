"""What several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..experiments.result import Result
    from ..learning.config import TrainingConfig

INTERRUPTED = 130


def changed_config(changes: Sequence[str], **more: object) -> "TrainingConfig":
    """Returns the paper's hyperparameters with those given as FIELD=VALUE, and more.

    Raises:
        typer.BadParameter: one is not of that form, there is no such field, or together they are no configuration.
    """
    import dataclasses

    from ..learning.config import TrainingConfig

    defaults, found = dataclasses.asdict(TrainingConfig.paper()), dict[str, object]()
    for change in changes:
        name, _, text = change.partition("=")
        if name not in defaults or not text:
            known = ", ".join(defaults)
            raise typer.BadParameter(f"{change!r} is not FIELD=VALUE with a field of {known}", param_hint="--change")
        try:
            kind = type(defaults[name])
            found[name] = {"True": True, "False": False}[text] if kind is bool else kind(text)
        except (KeyError, ValueError):
            raise typer.BadParameter(
                f"{change!r} needs a value like {defaults[name]!r}", param_hint="--change"
            ) from None
    try:
        return TrainingConfig.paper(**{**more, **found})
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--change") from None


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
    resumed = " since it was resumed" if result.settings.get("resumed") else ""
    console.print(
        f"{result.seconds:.0f} s{resumed}, at most {peak_memory_mib():.0f} MiB. Results in {out.resolve()}: {names}",
        highlight=False,
        soft_wrap=True,
    )
