"""The program of the helper process that `remote` starts."""

import importlib
import os
import pickle
import signal
from typing import Any

from .remote import on_host
from .runtime import run


def serve() -> None:
    """Answers calls from standard input on standard output until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # prints go to stderr, because an answer must not contain them
    while True:
        try:
            module, name, arguments = pickle.load(calls)
        except EOFError:
            return
        answer: tuple[bool, Any]
        try:
            answer = True, on_host(run(getattr(importlib.import_module(module), name), *arguments))
        except Exception as error:
            answer = False, error
        try:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
        except BrokenPipeError:
            return  # its owner has ended
