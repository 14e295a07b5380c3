"""A helper process that computes for a process in which JAX cannot run.

JAX's threads do not live on in a forked process, and JAX cannot be started anew there. A forked process therefore has
its calls made by a helper: a fresh interpreter that it starts once and talks to over pipes. The helper ends when its
owner does. The two exchange pickles that never leave the pipes.
"""

import contextlib
import logging
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .locks import Lock

_LOGGER = logging.getLogger(__name__)

_SCRIPT = "import sys; sys.path[:] = {path!r}; from transfernas.processes.helper import serve; serve()"


class RemoteError(RuntimeError):
    """The helper process could not be started, or ended before it answered."""


class Remote:
    """The helper process of this process; it is started by the first call. Threads may share it."""

    def __init__(self) -> None:
        """Creates a client without a helper."""
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Calls a function in the helper.

        Args:
            function: A function of a module of this package; the helper finds it by its name.
            arguments: Its arguments; arrays of JAX are sent as NumPy arrays.

        Returns:
            The result, with NumPy arrays in place of JAX's.

        Raises:
            RemoteError: The helper did not start, or ended before it answered.
            Exception: The error of the function itself.
        """
        call = function.__module__, function.__qualname__, on_host(arguments)
        with self._lock:
            process = self._started()
            assert process.stdin is not None and process.stdout is not None
            try:
                pickle.dump(call, process.stdin, pickle.HIGHEST_PROTOCOL)
                process.stdin.flush()
                worked, result = pickle.load(process.stdout)
            except (OSError, EOFError) as error:
                self._end()
                raise RemoteError(
                    "the helper process, which computes because this process was forked from one that uses JAX, ended "
                    f"with exit code {process.poll()}; start processes by spawn or forkserver, which need no helper"
                ) from error
            except BaseException:  # an interrupt: what the helper answers now would be taken for the next answer
                self._end()
                raise
        if not worked:
            raise result
        return result

    def forget(self) -> None:
        """Lets go of a helper that belongs to the process that this one was forked from."""
        process, self._process = self._process, None
        if process is not None:
            process.returncode = 0  # it is no child of this process, and nobody here waits for it
            _close(process)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            _LOGGER.info(
                "this process was forked from one that uses JAX; a helper process computes for it. Processes that are "
                "started by spawn or forkserver need none"
            )
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SCRIPT.format(path=sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in the terminal is for its owner
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _close(process)
            process.kill()
            process.wait()


def on_host(tree: Any) -> Any:
    """Replaces every array of JAX in a tree by the NumPy array of its values."""
    return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, tree)


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # it held bytes that a dead helper will not read
                pipe.close()
