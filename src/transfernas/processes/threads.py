"""Linear algebra in one thread.

Matrices of a few hundred rows gain nothing from several threads. But OpenBLAS's threads wait for more work at full
speed, so that a trial costs three times the CPU time, and the compiled functions of the library wait for a core.
"""

import contextlib
import functools
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

from .locks import Lock

# Two threads that limit at a time would each restore what the other one set.
_LOCK = Lock()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limits NumPy's and SciPy's linear algebra, in all threads of the process, and gives it back as it was."""
    with _LOCK, _controller().limit(limits=1):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
