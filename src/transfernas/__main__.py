"""`python -m transfernas`, which unlike `transfernas` does not handle Ctrl-C while the package is imported."""

import sys

try:
    from .cli.app import run
except ModuleNotFoundError as error:
    sys.exit(f"Error: {error}")
run()
