"""Which trials of others' records an agent has learned from, so that it learns from none of them twice."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np


class ProcessedTrials:
    """For each record, such as a study in a database, the trials that were learned from.

    A record is known by a name of its own. Its trials count from 0; those up to a mark are all learned from, so that
    the numbers that are kept do not grow with the record, unless a trial before is never finished, or was passed over.

    A trial has a stamp, a number that no other trial has. It is known by its stamp under whatever name its record
    comes: a study may be renamed, copied, and go on in both places.
    """

    def __init__(self, entries: Mapping[str, tuple[Any, ...]] | None = None) -> None:
        """Takes up what `entries` returned.

        Raises:
            ValueError: a number is not a whole one of at least 0, or stamps cannot be read.
        """
        self._below: dict[str, int] = {}
        self._beyond: dict[str, set[int]] = {}
        self._stamps: dict[str, set[int]] = {}
        self._own = set[str]()  # the records whose sets no copy shares
        for record, (below, beyond, stamps) in (entries or {}).items():
            numbers = [below, *beyond]
            if any(type(number) is not int or number < 0 for number in numbers):
                raise ValueError(f"the trials of {record!r} are counted from 0, not {numbers!r}")
            self._below[record], self._beyond[record] = below, set(numbers[1:])
            self._stamps[record] = _unpacked(stamps)

    def __iter__(self) -> Iterator[str]:
        """Iterates over the records."""
        return iter(self._below)

    def __eq__(self, other: object) -> bool:
        """Returns whether two say the same."""
        return isinstance(other, ProcessedTrials) and self.entries() == other.entries()

    __hash__ = None  # type: ignore[assignment]

    def has(self, stamp: int) -> bool:
        """Returns whether the trial that has this stamp was learned from, in whatever record."""
        return any(stamp in known for known in self._stamps.values())

    def add(self, record: str, number: int, stamp: int) -> None:
        """Notes that a trial was learned from.

        Where a record of this name has another trial of the number, the record is a copy that went its own way. Its
        trials are then kept under a name with a mark.

        Args:
            record: the record.
            number: the trial's number there.
            stamp: the trial's stamp.

        Raises:
            ValueError: it was before.
        """
        if self.has(stamp):
            raise ValueError(f"trial {number} of {record!r} was learned from before")
        while self._counts(record, number):
            record += "*"
        if record not in self._own:
            self._own.add(record)
            self._beyond[record] = set(self._beyond.get(record, ()))
            self._stamps[record] = set(self._stamps.get(record, ()))
        self._stamps[record].add(stamp)
        beyond = self._beyond[record]
        beyond.add(number)
        below = self._below.get(record, 0)
        while below in beyond:
            beyond.remove(below)
            below += 1
        self._below[record] = below

    def count(self, record: str) -> int:
        """Returns how many trials of a record were learned from."""
        return self._below.get(record, 0) + len(self._beyond.get(record, ()))

    def entries(self) -> dict[str, tuple[Any, ...]]:
        """Returns for each record a mark, below which all were learned from, the others, and the stamps."""
        return {
            record: (below, sorted(self._beyond[record]), _packed(self._stamps[record]))
            for record, below in self._below.items()
        }

    def copy(self) -> "ProcessedTrials":
        """Returns a copy that goes on by itself; what neither changes they share."""
        copy = ProcessedTrials()
        copy._below, copy._beyond, copy._stamps = dict(self._below), dict(self._beyond), dict(self._stamps)
        self._own = set()
        return copy

    def _counts(self, record: str, number: int) -> bool:
        return number < self._below.get(record, 0) or number in self._beyond.get(record, ())


def _packed(stamps: Iterable[int]) -> str:
    return base64.b64encode(np.array(sorted(stamps), "<u8").tobytes()).decode()


def _unpacked(packed: object) -> set[int]:
    if not isinstance(packed, str):
        raise ValueError(f"{packed!r} holds no stamps")
    return set(np.frombuffer(base64.b64decode(packed, validate=True), "<u8").tolist())
