"""Ctrl-C: what a command does at the first one, and how a process ends at once."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = 130
"""The exit status of a command that was interrupted."""

_advice = "nothing was written."


def end_at_interrupt() -> None:
    """Lets Ctrl-C end this process at once, with one line on stderr and the exit status 130.

    The handler raises no KeyboardInterrupt. JAX's callback of the garbage collector and callbacks of weak references
    swallow one, compiled code turns one into other errors, and a module whose import one cuts off can crash. A process
    that ignores Ctrl-C, as one in a shell's background does, goes on to ignore it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # all is done then, and the status is known


def advise(text: str) -> None:
    """Sets what the line at an interrupt says after "Interrupted: "."""
    global _advice
    _advice = text


@contextmanager
def calling_at_interrupt(call: Callable[[], None]) -> Iterator[None]:
    """Calls a function at the first Ctrl-C; the second one does what Ctrl-C did before.

    In a thread other than the main one, which alone has signals, it does nothing.
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
