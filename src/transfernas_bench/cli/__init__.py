"""The commands of the laboratory, with a module for each; `transfernas` finds `add_commands` by an entry point."""

import typer

from . import compare, data, demo, reproduce


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of the laboratory to those of the library."""
    app.command("demo", short_help="[bench] Learn on small problems, then search a larger one.")(demo.demo)
    app.command("compare", short_help="[bench] Compare the agent with other methods.")(compare.compare)
    app.add_typer(reproduce.app, name="reproduce", short_help="[bench] Run the paper's experiments.")
    app.add_typer(data.app, name="data", short_help="[bench] Get the data of benchmarks.")
