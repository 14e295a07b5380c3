"""A helper process that computes for a process in which JAX cannot run.

JAX's threads do not survive in a forked process, and JAX cannot start again there. So a forked process starts a helper
once, a fresh interpreter, and sends the calls to the helper over pipes. The helper ends when its owner ends. The two
exchange pickles that never leave the pipes.
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
    """Client of the helper process, which the first call starts. Threads may share the client."""

    def __init__(self) -> None:
        """Creates a client without a helper."""
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Calls a function in the helper.

        Args:
            function: A function of a module of this package; the helper imports the module and finds the name.
            arguments: Arguments of the function; JAX arrays are sent as NumPy arrays.

        Returns:
            Result of the function, with NumPy arrays in place of JAX arrays.

        Raises:
            RemoteError: The helper did not start, or ended before it answered.
            Exception: The function raised this error.
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
            except BaseException:  # an interrupt: the late answer would be taken for the answer of the next call
                self._end()
                raise
        if not worked:
            raise result
        return result

    def forget(self) -> None:
        """Forgets a helper that belongs to the parent of this forked process."""
        if (process := self._let_go()) is not None:
            process.returncode = 0  # the helper is no child of this process, which must not wait for it
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
                start_new_session=True,  # so that Ctrl-C in the terminal reaches the owner alone
            )
        return self._process

    def _let_go(self) -> "subprocess.Popen[bytes] | None":
        process, self._process = self._process, None
        return process

    def _end(self) -> None:
        if (process := self._let_go()) is not None:
            _close(process)
            process.kill()
            process.wait()


def on_host(tree: Any) -> Any:
    """Returns a tree with every JAX array replaced by a NumPy array."""
    return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, tree)


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # a dead helper does not read the bytes that are left in the pipe
                pipe.close()
