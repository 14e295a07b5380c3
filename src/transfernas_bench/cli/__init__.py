"""The commands of the laboratory, with a module for each; `transfernas` finds `add_commands` by an entry point."""

import typer

from . import compare, data, demo, reproduce


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of the laboratory to those of the library."""
    app.command("demo")(demo.demo)
    app.command("compare")(compare.compare)
    app.add_typer(reproduce.app, name="reproduce")
    app.add_typer(data.app, name="data")
