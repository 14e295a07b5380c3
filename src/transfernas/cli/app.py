"""The program `transfernas`, which collects the commands."""

import io
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from ..processes.interrupts import end_at_interrupt
from ..version import __version__
from . import inspect, pretrain, report

COMMANDS = "transfernas.commands"
"""Group of entry points, each a function of the app, by which other packages such as the laboratory add commands."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # also of the commands below
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"transfernas {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, help="Print the version.")] = False,
) -> None:
    """Search architectures and hyperparameters with an agent that keeps what it learned.

    Commands with [bench] need the extra of that name.
    """


for found in entry_points(group=COMMANDS):
    found.load()(app)
app.command("inspect", short_help="Show what an agent's file knows, and what it learned from.")(inspect.inspect)
app.command("pretrain", short_help="Make an agent from the finished trials of old Optuna studies.")(pretrain.pretrain)
app.command("report", short_help="Write one page of HTML about a search.")(report.report)


def run() -> None:
    """Runs the command line as the program of this process; Ctrl-C ends the process unless a command handles it."""
    end_at_interrupt()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # so that a name outside of the terminal's encoding is no error
            stream.reconfigure(errors="backslashreplace")
    app()
