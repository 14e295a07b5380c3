"""The command line, `transfernas`, with a module for each command."""

from ..extras import needed

with needed("cli", "the command line"):
    import rich as rich
    import typer as typer
