"""Which trials of others' records an agent has learned from, so that it learns from none of them twice."""

from collections.abc import Iterable, Iterator, Mapping


class Ledger:
    """For each record, such as a study in a database, the numbers of the trials that were learned from.

    A record is known by a name of its own. Its trials count from 0; those up to a mark are all learned from, so that
    what is kept does not grow with the record, unless a trial before is never finished, or was passed over.
    """

    def __init__(self, entries: Mapping[str, tuple[int, Iterable[int]]] | None = None) -> None:
        """Takes up what `entries` returned.

        Raises:
            ValueError: a number is not a whole one of at least 0.
        """
        self._below: dict[str, int] = {}
        self._beyond: dict[str, set[int]] = {}
        for record, (below, beyond) in (entries or {}).items():
            numbers = [below, *beyond]
            if any(type(number) is not int or number < 0 for number in numbers):
                raise ValueError(f"the trials of {record!r} are counted from 0, not {numbers!r}")
            self._below[record], self._beyond[record] = below, set(numbers[1:])

    def __iter__(self) -> Iterator[str]:
        """Iterates over the records."""
        return iter(self._below)

    def __eq__(self, other: object) -> bool:
        """Returns whether two ledgers say the same."""
        return isinstance(other, Ledger) and self.entries() == other.entries()

    __hash__ = None  # type: ignore[assignment]

    def has(self, record: str, number: int) -> bool:
        """Returns whether a trial was learned from."""
        return number < self._below.get(record, 0) or number in self._beyond.get(record, ())

    def add(self, record: str, number: int) -> None:
        """Notes that a trial was learned from.

        Raises:
            ValueError: it was before.
        """
        if self.has(record, number):
            raise ValueError(f"trial {number} of {record!r} was learned from before")
        beyond = self._beyond.setdefault(record, set())
        beyond.add(number)
        below = self._below.get(record, 0)
        while below in beyond:
            beyond.remove(below)
            below += 1
        self._below[record] = below

    def count(self, record: str) -> int:
        """Returns how many trials of a record were learned from."""
        return self._below.get(record, 0) + len(self._beyond.get(record, ()))

    def entries(self) -> dict[str, tuple[int, list[int]]]:
        """Returns for each record a mark, below which all were learned from, and the others."""
        return {record: (below, sorted(self._beyond[record])) for record, below in self._below.items()}

    def copy(self) -> "Ledger":
        """Returns a ledger that goes on by itself."""
        return Ledger(self.entries())
