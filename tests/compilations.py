"""Counts what JAX compiles."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax.monitoring

_seen: list[float] = []
_listening: list[bool] = []


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _seen.append(duration_secs)


@contextmanager
def counted() -> Iterator[list[float]]:
    """Yields a list that holds, after the block, the duration of each compilation in it."""
    if not _listening:
        jax.monitoring.register_event_duration_secs_listener(_listen)
        _listening.append(True)
    found: list[float] = []
    before = len(_seen)
    yield found
    found.extend(_seen[before:])
