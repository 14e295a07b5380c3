"""The commands under one name."""

import typer

from . import data, demo, reproduce

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Search architectures and hyperparameters with an agent that keeps what it learned."""


app.command("demo")(demo.demo)
app.add_typer(reproduce.app, name="reproduce")
app.add_typer(data.app, name="data")
