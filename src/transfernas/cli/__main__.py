"""`python -m transfernas.cli`; only `transfernas` answers Ctrl-C while the package is imported."""

from .app import run

run()
