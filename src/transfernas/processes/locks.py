"""Locks that hold through a fork and through the end of a program.

A process that forks while another thread holds a lock leaves the child with a lock that no thread releases. A program
that ends while a daemon thread computes aborts, because the thread loses the interpreter inside compiled code. The
remedy is the same: the thread that forks or ends the program takes all locks first, so that no other thread computes.
"""

import atexit
import copy
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NoReturn, Self

# Longest total wait of a thread that forks or ends the program. Another thread may compile for seven seconds on
# an idle machine; a thread that waits for the fork itself must not block the fork for ever.
_WAIT_SECONDS = 30.0


# The built-in type, whose `with` acquires and releases atomically, so that an interrupt leaves no lock behind.
_RLock: Any = type(threading.RLock())


class Lock(_RLock):  # type: ignore[misc]
    """A reentrant lock, used as `with lock:`, which is free in a forked child."""

    def __init__(self) -> None:
        """Creates a free lock."""
        super().__init__()
        self.owner: Callable[[], Locked | None] = lambda: None
        with _REGISTERING:
            _ALL.add(self)


class Locked:
    """Base of objects with a lock that threads share; a copy or a pickle gets its own lock.

    A copy or a pickle is consistent, because no other thread changes the object in the meantime. If another thread of
    the parent held the lock for the whole wait of a fork, the object may be half changed in the child, and every use of
    the object in the child raises RuntimeError.
    """

    def __init__(self) -> None:
        """Creates the lock."""
        super().__init__()
        self._share()

    def __getstate__(self) -> dict[str, Any]:
        """Returns a copy of the state, which must not change before the pickle is written."""
        with self._lock:
            return copy.deepcopy(self._copied())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Returns a copy with its own lock."""
        found = memo[id(self)] = type(self).__new__(type(self))
        with self._lock:
            found.__setstate__(copy.deepcopy(self._copied(), memo))
        return found

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores the state and creates a new lock."""
        self.__dict__.update(state)
        self._share()

    def _copied(self) -> dict[str, Any]:
        """Returns the attributes of a copy, all but the lock; the caller holds the lock."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def _share(self) -> None:
        self._lock: Lock | _Torn = Lock()
        self._lock.owner = weakref.ref(self)


class _Torn:
    """Replaces the lock of an object that a fork found in the middle of a change."""

    def __enter__(self) -> NoReturn:
        raise RuntimeError(
            "this process was forked while another thread was using the same agent, sampler or search, which may "
            "be half changed here; load it from its file, make a new one, or start the process by spawn or "
            "forkserver"
        )

    def __exit__(self, *error: object) -> None:
        pass


_REGISTERING = threading.RLock()  # guards the set of all locks
_ALL: weakref.WeakSet[Lock] = weakref.WeakSet()
_TAKEN: list[Lock] = []  # the locks that the forking thread holds
_MISSED: list[Lock] = []


def _take_all() -> None:
    """Acquires all locks whose threads release them in time; no lock is created until `_release`.

    The function waits for a lock only while it holds no other lock. A thread with the lock of an agent may be about to
    take the lock of the runtime, or to create a lock, and the two threads would wait for each other.
    """
    end, awaited = time.monotonic() + _WAIT_SECONDS, None
    while True:
        if awaited is not None and awaited.acquire(timeout=max(0.0, end - time.monotonic())):
            _TAKEN.append(awaited)
        _REGISTERING.acquire()
        busy = list[Lock]()
        for lock in list(_ALL):
            (_TAKEN if lock.acquire(blocking=False) else busy).append(lock)
        if not busy or time.monotonic() >= end:
            _MISSED.extend(busy)
            return
        awaited = busy[0]
        _release()


def _give_back(child: bool) -> None:
    for lock in _MISSED if child else ():
        if (owner := lock.owner()) is not None:
            owner._lock = _Torn()
    _MISSED.clear()
    _release()


def _release() -> None:
    while _TAKEN:
        _TAKEN.pop().release()
    _REGISTERING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_take_all,
        after_in_parent=lambda: _give_back(child=False),
        after_in_child=lambda: _give_back(child=True),
    )
atexit.register(_take_all)
