"""Functions that several commands share."""

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


def is_database(path: Path) -> bool:
    """Returns whether a file is a database of SQLite's."""
    return _begin(path) == b"SQLite format 3\0"


def holds_studies(path: Path) -> bool:
    """Returns whether a file is a database of SQLite's, or a journal of Optuna's."""
    return is_database(path) or _begin(path).startswith(b'{"op_code"')


def holds_knowledge(path: Path) -> bool:
    """Returns whether a file is that of an agent, or holds studies."""
    return holds_studies(path) or is_agent(path)


def is_agent(path: Path) -> bool:
    """Returns whether a file begins as those of safetensors do: a size of eight bytes, then JSON."""
    return _begin(path)[8:9] == b"{"


def _begin(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(16)


def refused(text: object, option: str) -> typer.BadParameter:
    """Returns the error of a wrong value of an option; `terminal.plain` escapes the text."""
    return typer.BadParameter(plain(text), param_hint=option)


def end(interrupted: bool, advice: str) -> None:
    """Ends a command with the status of an interrupt and a line of advice, if `interrupted`."""
    if interrupted:
        print(f"Interrupted: {plain(advice)}", file=sys.stderr)
        sys.exit(INTERRUPTED)
