"""What several commands share."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import typer

from ..processes.interrupts import INTERRUPTED
from .terminal import plain, say


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


def end(interrupted: bool, advice: str) -> None:
    """Ends a command that was interrupted, and says how to go on."""
    if interrupted:
        print(f"Interrupted: {plain(advice)}", file=sys.stderr)
        sys.exit(INTERRUPTED)
