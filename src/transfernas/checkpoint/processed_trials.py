"""Remembers the trials of other records that an agent has learned from, so that it learns from each once."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..spaces.schema import Json

_DIRECTIONS = ("maximize", "minimize")
_NOTE = "directions"  # the key of the directions among the notes of a file


class ProcessedTrials:
    """Trials of each record, such as a study in a database, that the agent has learned from.

    A record has a unique name, and its trials are numbered from 0. All trials below a mark are processed, so the list
    of further numbers stays short unless an early trial never finishes or was skipped.

    Each trial has a unique stamp. The stamp identifies the trial under any name of its record, because a study may be
    renamed, or copied and continued in both places.

    Attributes:
        directions: For each task of the records, "maximize" or "minimize"; none of records without a direction.
    """

    def __init__(self, entries: Mapping[str, tuple[Any, ...]] | None = None) -> None:
        """Restores the result of `entries`.

        Raises:
            ValueError: A number is not a whole number of at least 0, or the stamps cannot be read.
        """
        self.directions: dict[str, str] = {}
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
        """Returns an iterator over the names of the records."""
        return iter(self._below)

    def __eq__(self, other: object) -> bool:
        """Returns whether both have the same entries."""
        return (
            isinstance(other, ProcessedTrials)
            and self.entries() == other.entries()
            and self.directions == other.directions
        )

    __hash__ = None  # type: ignore[assignment]

    def has(self, stamp: int) -> bool:
        """Returns whether the agent has learned from the trial of a stamp, in any record."""
        return any(stamp in known for known in self._stamps.values())

    def add(self, record: str, number: int, stamp: int) -> None:
        """Adds a trial.

        If the record already has another trial of this number, the record is a copy that has diverged. Its trials are
        kept under the name with an appended "*".

        Args:
            record: Name of the record.
            number: Number of the trial in the record.
            stamp: Stamp of the trial.

        Raises:
            ValueError: The stamp was added before.
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

    def direction_warning(self, task: str, maximize: bool) -> str | None:
        """Returns a warning if a task had the other direction so far; None if it had not, or is new.

        Args:
            task: Name of the task.
            maximize: Whether the task is to be maximized now.
        """
        before, now = self.directions.get(task), _direction(maximize)
        if before in (None, now):
            return None
        return (
            f"Task {task!r} is to be {now}d, and was to be {before}d in the trials that the agent knows. Old and new "
            f"results are compared under this name: give another task, unless one is the other with the opposite sign"
        )

    def note_direction(self, task: str, maximize: bool) -> None:
        """Takes up the direction of a task."""
        self.directions[task] = _direction(maximize)

    def noted(self, notes: Json) -> Json:
        """Returns the notes of a file, a mapping or None, with the directions, if there are any."""
        return {**(notes or {}), _NOTE: self.directions} if self.directions else notes

    def read_notes(self, notes: Json) -> Json:
        """Takes up the directions of the notes of a file, and returns the other notes; None without others.

        Raises:
            ValueError: A direction is unknown.
        """
        if not isinstance(notes, dict) or _NOTE not in notes:
            return notes
        found = dict(notes)
        self.directions = dict(found.pop(_NOTE))
        for task, direction in self.directions.items():
            if direction not in _DIRECTIONS:
                raise ValueError(f"the direction of task {task!r} is {direction!r}, not one of {_DIRECTIONS}")
        return found or None

    def count(self, record: str) -> int:
        """Returns the number of trials of a record that the agent has learned from."""
        return self._below.get(record, 0) + len(self._beyond.get(record, ()))

    def entries(self) -> dict[str, tuple[Any, ...]]:
        """Returns for each record the mark below which all trials are processed, further numbers, and the stamps."""
        return {
            record: (below, sorted(self._beyond[record]), _packed(self._stamps[record]))
            for record, below in self._below.items()
        }

    def copy(self) -> "ProcessedTrials":
        """Returns an independent copy; both share the sets of records until one changes a record."""
        copy = ProcessedTrials()
        copy.directions = dict(self.directions)
        copy._below, copy._beyond, copy._stamps = dict(self._below), dict(self._beyond), dict(self._stamps)
        self._own.clear()
        return copy

    def _counts(self, record: str, number: int) -> bool:
        return number < self._below.get(record, 0) or number in self._beyond.get(record, ())


def _direction(maximize: bool) -> str:
    return _DIRECTIONS[0 if maximize else 1]


def _packed(stamps: Iterable[int]) -> str:
    return base64.b64encode(np.array(sorted(stamps), "<u8").tobytes()).decode()


def _unpacked(packed: object) -> set[int]:
    if not isinstance(packed, str):
        raise ValueError(f"{packed!r} holds no stamps")
    return set(np.frombuffer(base64.b64decode(packed, validate=True), "<u8").tolist())
