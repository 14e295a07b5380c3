"""Limits linear algebra to a single thread.

Matrices of a few hundred rows gain nothing from several threads. The idle threads of OpenBLAS spin, so a trial costs
three times the CPU time, and the compiled functions of the library wait for a core.
"""

import contextlib
import functools
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

from .locks import Lock

# Two threads that limit at the same time would each restore the limit of the other.
_LOCK = Lock()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limits the linear algebra of NumPy and SciPy to a thread, in the whole process, and restores the limit after."""
    with _LOCK, _controller().limit(limits=1):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
