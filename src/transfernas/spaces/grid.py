"""Grids of bins: the parts into which ranges of numbers are cut, at places that do not depend on a range."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .condition import Action

# Not for tuning: bins name the actions of an agent, so agents with other bins would share no names.
MOST_BINS = 16
"""Largest number of bins of a linear range, which has at least half as many; few values have a bin each."""

BINS_PER_DECADE = 4
_LEAST_BINS = 8  # of a logarithmic range; if there are fewer, the bins of a decade are doubled
_LEAST_NAMES = 5  # of integers, which may be bins among other names
_LONGEST = 12  # decades; if a range has more, the bins of a decade are halved
_LAST_DECADE = 308.2  # of the numbers that a float can hold
_LARGEST = 1e300  # of the names that are looked at
EDGE = 1e-9  # in bins; a bound that is closer to the edge of a bin lies on the edge


class Bin(NamedTuple):
    """A part of a range.

    Attributes:
        action: Name of the bin.
        low: Least value of the bin.
        high: Largest value of the bin.
    """

    action: int | float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid of bins over all numbers, at positions that do not depend on a range.

    Attributes:
        width: Width of a bin on a linear scale; 0 on a logarithmic scale.
        per_decade: Number of bins in a decade on a logarithmic scale; 0 on a linear scale.
        integer: Whether the numbers are integers.
    """

    width: float
    per_decade: float
    integer: bool

    def edge(self, index: int) -> float:
        """Returns the number at which a bin begins."""
        if self.per_decade:
            return 10.0 ** min(index / self.per_decade, _LAST_DECADE)
        return index * self.width

    def index(self, value: float) -> int:
        """Returns the bin that contains a value; a value on an edge belongs to the bin above."""
        return math.floor(self._position(value) + EDGE)

    def last(self, value: float) -> int:
        """Returns the bin that contains the end of a range; an end on an edge belongs to the bin below."""
        return math.ceil(self._position(value) - EDGE) - 1

    def middle(self, index: int) -> int | float:
        """Returns the name of a bin, a number in its middle."""
        if self.integer:
            first, behind = math.ceil(self.edge(index) - EDGE), math.ceil(self.edge(index + 1) - EDGE)
            return (first + max(behind - 1, first)) // 2
        return float(f"{self.edge(index + 0.5):.{self._digits}g}") if self.per_decade else self.edge(index + 0.5)  # type: ignore[arg-type]

    def bin(self, index: int) -> Bin:
        """Returns a bin as a whole, as if no range began or ended in the bin."""
        low, high = self.edge(index), self.edge(index + 1)
        if self.integer:
            first = math.ceil(low - EDGE)
            low, high = first, max(math.ceil(high - EDGE) - 1, first)
        return Bin(self.middle(index), low, high)

    @property
    def _digits(self) -> int:
        """Number of digits that distinguish the names of neighbours."""
        return max(4, 2 + math.ceil(math.log10(self.per_decade)))

    def _position(self, value: float) -> float:
        return math.log10(value) * self.per_decade if self.per_decade else value / self.width


def grid_of(low: float, high: float, log: bool, integer: bool) -> Grid | None:
    """Returns the grid that cuts a range.

    Args:
        low: Least number of the range.
        high: Largest number of the range.
        log: Whether the scale is logarithmic.
        integer: Whether the numbers are integers.

    Returns:
        The grid; None if the range is so short that its length counts as zero.
    """
    if log:
        decades, per_decade = math.log10(high) - math.log10(low), float(BINS_PER_DECADE)
        while 0 < decades * per_decade < _LEAST_BINS and not integer:
            per_decade *= 2
        while decades * per_decade > _LONGEST * BINS_PER_DECADE:
            per_decade /= 2
        return Grid(0.0, per_decade, integer)
    length = high / MOST_BINS - low / MOST_BINS  # `high - low` may be too large for a float
    if not length:
        return None
    width = 2.0 ** math.ceil(math.log2(length) - EDGE)
    return Grid(max(width, 1.0) if integer else width, 0.0, integer)


def bins_of_names(names: Sequence[Action]) -> tuple[Bin, ...] | None:
    """Returns the bins that have given names, in the order of the names.

    The names determine the grid, but not the number of the first bin at which the range begins, nor that of the last
    bin at which the range ends. The last bin of integers includes the integer behind the bin, since a range that ends
    there has no further bin. Even numbers are also the names of the bins of two integers each.

    Returns:
        The bins; None if the names are not those of successive bins of one grid that have several numbers each.

    Example:
        ```python
        rates = NumericDomain(1e-4, 1e-1, log=True)
        print(bins_of_names(rates.actions)[0])  # Bin(action=0.0001334, low=0.0001, high=0.00017782794100389227)
        ```
    """
    if set(map(type, names)) not in ({int}, {float}):
        return None
    numbers: list[float] = sorted(names)  # type: ignore[arg-type]
    if len(numbers) < 2 or not max(-numbers[0], numbers[-1]) < _LARGEST:
        return None
    grid = _linear(numbers)
    grid = _logarithmic(numbers) if grid is None else grid
    if grid is None:
        return None
    bins = [grid.bin(grid.index(name)) for name in names]  # type: ignore[arg-type]
    last = names.index(numbers[-1])
    if grid.integer:
        bins[last] = bins[last]._replace(high=bins[last].high + 1)
    return tuple(bins)


def bins_among_names(names: Sequence[Action]) -> tuple[Bin, ...] | None:
    """Returns the bins that some of the names have, if the others are values or bins of another range.

    A parameter has such names if studies with several ranges share its space: a short range of integers has a name for
    each value, and a long one has names of bins.

    Returns:
        The bins of the grid that most names fit, in ascending order; None if no grid fits eight real numbers or five
        integers.

    Example:
        ```python
        from transfernas.spaces.domain import NumericDomain

        long, short = NumericDomain(2, 60, log=True, integer=True), NumericDomain(2, 13, log=True, integer=True)
        print(bins_among_names(sorted({*long.actions, *short.actions}))[-1])  # Bin(action=78, low=57, high=100)
        ```
    """
    if set(map(type, names)) not in ({int}, {float}):
        return None
    numbers: list[float] = sorted(names)  # type: ignore[arg-type]
    integer, found = type(numbers[0]) is int, list[tuple[Bin, ...]]()
    if not max(-numbers[0], numbers[-1]) < _LARGEST:
        return None
    gaps = {after - before for before, after in zip(numbers, numbers[1:], strict=False)}
    grids = [Grid(float(gap), 0.0, integer) for gap in sorted(gaps) if gap > integer and math.frexp(gap)[0] == 0.5]
    if numbers[0] > 0:
        grids += [Grid(0.0, BINS_PER_DECADE * 2.0**power, integer) for power in ((0, -1) if integer else (0, 1, 2, -1))]
    for grid in grids:
        its = [name for name in numbers if grid.middle(grid.index(name)) == name]
        if len(its) >= (_LEAST_NAMES if integer else _LEAST_BINS) and (bins := bins_of_names(its)) is not None:
            found.append(bins)
    return max(found, key=len, default=None)


def _linear(names: Sequence[float]) -> Grid | None:
    width, integer = names[1] - names[0], type(names[0]) is int
    if len(names) < MOST_BINS // 2 or math.frexp(width)[0] != 0.5 or (integer and width == 1):
        return None
    grid = Grid(float(width), 0.0, integer)
    return grid if _names_bins(names, grid) else None


def _logarithmic(names: Sequence[float]) -> Grid | None:
    integer = type(names[0]) is int
    if names[0] <= 0 or (len(names) < _LEAST_BINS and not integer):
        return None
    decades = math.log10(names[-1]) - math.log10(names[0])
    if not decades > 0:
        return None
    grid = Grid(0.0, 2.0 ** round(math.log2((len(names) - 1) / decades)), integer)
    if (integer and grid.per_decade > BINS_PER_DECADE) or not _names_bins(names, grid):
        return None
    whole = grid.bin(grid.index(names[-1])).high - grid.bin(grid.index(names[0])).low
    return grid if not integer or whole >= MOST_BINS else None


def _names_bins(names: Sequence[float], grid: Grid) -> bool:
    """Returns whether ascending names are those of successive bins of a grid."""
    first = grid.index(names[0])
    return all(grid.middle(at) == name for at, name in enumerate(names, start=first))
