"""Locks that hold through a fork and through the end of a program.

A process that forks while another thread holds a lock leaves the child with a lock that nobody gives back. A program
that ends while a daemon thread computes aborts, because the thread loses the interpreter inside compiled code. Both
are avoided alike: whoever forks or ends the program takes every lock first, so that no other thread is at work.
"""

import atexit
import copy
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NoReturn, Self

# Whoever forks or ends the program waits so long in all. A thread may be compiling, for seven seconds on a machine that
# does nothing else; one that waits for the fork itself must not hang it.
_WAIT_SECONDS = 30.0


# The built-in type: its `with` takes and gives back in one step, so that an interrupt leaves no lock behind.
_RLock: Any = type(threading.RLock())


class Lock(_RLock):  # type: ignore[misc]
    """A reentrant lock, used as `with lock:`; it is free in a forked child."""

    def __init__(self) -> None:
        """Creates a lock that is free."""
        super().__init__()
        self.owner: Callable[[], Locked | None] = lambda: None
        with _REGISTERING:
            _ALL.add(self)


class Locked:
    """An object with a lock that threads share; copies and pickles get a lock of their own.

    Copies and pickles are of one moment: while they are made, no other thread changes anything. If another thread of
    the parent held the lock all the time that a fork waited, the object may be half changed in the child, and every use
    of it there is an error.
    """

    def __init__(self) -> None:
        """Creates the lock."""
        super().__init__()
        self._share()

    def __getstate__(self) -> dict[str, Any]:
        """Copies what is pickled, for it must not change until then."""
        with self._lock:
            return copy.deepcopy(self._copied())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Makes a copy with a lock of its own."""
        found = memo[id(self)] = type(self).__new__(type(self))
        with self._lock:
            found.__setstate__(copy.deepcopy(self._copied(), memo))
        return found

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Creates a new lock."""
        self.__dict__.update(state)
        self._share()

    def _copied(self) -> dict[str, Any]:
        """Lists what copies have, which is not the lock; the caller holds it."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def _share(self) -> None:
        self._lock: Lock | _Torn = Lock()
        self._lock.owner = weakref.ref(self)


class _Torn:
    """Stands for the lock of an object that a fork found in the middle of a change."""

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
_TAKEN: list[Lock] = []  # what the thread that forks holds
_MISSED: list[Lock] = []


def _take_all() -> None:
    """Takes every lock, as far as their threads give them back in time; no lock is made until they are given back.

    It waits for a lock only while it holds no other one: a thread that has an agent's lock may be about to take that of
    the runtime, or to make a lock, and would wait for this thread as this thread waits for it.
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
