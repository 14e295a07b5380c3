"""`python -m transfernas.cli`, which unlike `transfernas` does not handle Ctrl-C while the package is imported."""

from .app import run

run()
