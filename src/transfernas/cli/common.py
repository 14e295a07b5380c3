"""Functions that several commands share."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import typer

from ..files import holds_studies, is_agent
from ..processes.interrupts import INTERRUPTED
from .terminal import plain, say


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """Ends a command at an error, with the message in a single line and the exit status 1."""
    from rich.console import Console

    try:
        yield
    except BrokenPipeError:  # the reader of a pipe has ended
        raise
    except (OSError, ValueError, ModuleNotFoundError) as error:
        say(Console(stderr=True), "Error: " + " ".join(str(error).splitlines()))
        sys.exit(1)


def check_writable(folder: Path) -> None:
    """Checks that a folder can be written to, before hours of work.

    Raises:
        typer.BadParameter: No file can be created in the folder.
    """
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise refused(f"{folder} is not a writable folder: {error.strerror}", "--out") from None


def holds_knowledge(path: Path) -> bool:
    """Returns whether a file is that of an agent, or holds studies."""
    return holds_studies(path) or is_agent(path)


def refused(text: object, option: str) -> typer.BadParameter:
    """Returns the error of a wrong value of an option; `terminal.plain` escapes the text."""
    return typer.BadParameter(plain(text), param_hint=option)


def end(interrupted: bool, advice: str) -> None:
    """Ends a command with the status of an interrupt and a line of advice, if `interrupted`."""
    if interrupted:
        print(f"Interrupted: {plain(advice)}", file=sys.stderr)
        sys.exit(INTERRUPTED)
