"""The commands of the laboratory, with a module for each; `transfernas` finds `add_commands` by an entry point."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from transfernas.cli import report

from . import compare, data, demo, reproduce

if TYPE_CHECKING:
    from transfernas.cli.sections import Page


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of the laboratory, and the report about a run, to those of the library."""
    report.page_of_run = _page_of_run
    app.command("demo", short_help="[bench] Learn on small problems, then search a larger one.")(demo.demo)
    app.command("compare", short_help="[bench] Compare the agent with other methods.")(compare.compare)
    app.add_typer(reproduce.app, name="reproduce", short_help="[bench] Run the paper's experiments.")
    app.add_typer(data.app, name="data", short_help="[bench] Get the data of benchmarks.")


def _page_of_run(folder: Path, out: Path) -> "Page":
    from .runs import run_page  # imported here, so that `transfernas --help` answers at once

    return run_page(folder, out)
