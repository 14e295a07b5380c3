"""`python -m transfernas.cli`."""

from .app import app

app()
