"""Reads the values of a file's header; a value that no agent has is a ValueError or a TypeError that names it."""

from collections.abc import Iterable
from typing import TypeVar

from ..spaces.schema import Json

_MOST_COUNT = 1 << 62
T = TypeVar("T")


def read_whole(value: Json) -> int:
    """Returns a whole number of at least 0."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a whole number of at least 0")
    return value


def read_count(value: Json) -> int:
    """Returns a count, which must be small enough to be possible."""
    if read_whole(value) > _MOST_COUNT:
        raise ValueError(f"{value:,} is too large for a count")
    return value


def read_power_of_two(value: Json) -> int:
    """Returns a power of two from 1 to 2^20."""
    if read_whole(value) < 1 or value & (value - 1) or value > 1 << 20:
        raise ValueError(f"{value!r} is not a power of two from 1 to {1 << 20:,}")
    return value


def read_share(value: Json) -> float:
    """Returns a number from 0 to 1."""
    if type(value) is not float or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is not a number from 0 to 1")
    return value


def read_name(value: Json) -> str:
    """Returns a name."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a name")
    return value


def read_names(value: Json) -> tuple[str, ...]:
    """Returns names, of which none is there twice."""
    return distinct(map(read_name, value))


def distinct(names: Iterable[T]) -> tuple[T, ...]:
    """Returns values, of which none is there twice."""
    found = tuple(names)
    if len(set(found)) < len(found):
        raise ValueError("a name is there twice")
    return found


def read_one_of(what: str, count: int, value: Json) -> int:
    """Returns the number of one of so many things."""
    if read_whole(value) >= count:
        raise ValueError(f"there is no {what} {value}")
    return read_whole(value)
