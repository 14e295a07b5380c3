"""Handles Ctrl-C: a command may finish its trial first, or end at once."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = 130
"""Exit status of an interrupted command."""

_advice = "nothing was written."


def end_at_interrupt() -> None:
    """Makes Ctrl-C end this process at once, with a line on stderr and the exit status 130.

    The handler does not raise KeyboardInterrupt. JAX's callback of the garbage collector and callbacks of weak
    references swallow this exception, compiled code turns the exception into others, and a module whose import is
    interrupted can crash. A process that ignores Ctrl-C, such as a process in a shell's background, still ignores it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # the work is done and the status is set


def advise(text: str) -> None:
    """Sets the text after "Interrupted: " in the line that an interrupt prints."""
    global _advice
    _advice = text


@contextmanager
def calling_at_interrupt(call: Callable[[], None]) -> Iterator[None]:
    """Calls a function at the first Ctrl-C; the second Ctrl-C has the effect of the earlier handler.

    Outside of the main thread, which alone receives signals, the context manager does nothing.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        call()
        signal.signal(signal.SIGINT, earlier)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)


def _end(number: int, frame: FrameType | None) -> None:
    try:
        with suppress(RuntimeError):  # the signal came in the middle of a write
            sys.stdout.flush()
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), b"\x1b[?25h\n")  # a progress bar hides the cursor
        os.write(2, f"Interrupted: {_advice}\n".encode())
    finally:
        os._exit(INTERRUPTED)
