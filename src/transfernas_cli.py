"""The command `transfernas`, which handles Ctrl-C from its start, even while the package is imported."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Runs the command line."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
    try:
        from transfernas.cli.app import run
    except ModuleNotFoundError as error:
        sys.exit(f"Error: {error}")
    run()


def _end(number: int, frame: FrameType | None) -> None:
    """Ends the process at once, because an exception would be lost in some imports and crash others."""
    try:
        os.write(2, b"Interrupted: nothing was written.\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
