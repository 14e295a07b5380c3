"""Domains of the parameters of other tools: categories and ranges of numbers, as actions that spaces share.

A range of numbers is cut into bins on an absolute grid. A logarithmic range has a fixed number of bins in each decade,
and the bins of a linear range have a power of two as their width. Each bin is an action, named by the number in its
middle. Two ranges have the same actions where they overlap, so the agent shares knowledge of a learning rate between
them. If a range is much longer than another, their grids differ. Their numbers are close even then, and embeddings of
close numbers start close (`learning.number_embeddings`).
"""

import math
import operator
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from .condition import Action, as_tuple, set_fields, to_builtin
from .grid import EDGE, MOST_BINS, Bin, Grid, grid_of


@dataclass(frozen=True, slots=True)
class CategoricalDomain:
    """A set of values without order.

    Attributes:
        values: The values, of any type.
        actions: Names of the values: the value itself if it is None, bool, int, float or str, and its `repr` or
            qualified name otherwise.
    """

    values: tuple[object, ...]
    actions: tuple[Action, ...] = field(init=False)

    def __init__(self, values: Iterable[object]) -> None:
        """Checks and names the values.

        Raises:
            ValueError: There is no value.
        """
        found = as_tuple(values, "the values of a categorical parameter")
        if not found:
            raise ValueError("a categorical parameter needs at least one value")
        set_fields(self, values=found, actions=_distinct([_name(value) for value in found]))

    def position(self, value: object) -> int:
        """Returns the position of a value in `values`.

        Raises:
            ValueError: The value is not in `values`.
        """
        for position, known in enumerate(self.values):
            if known is value:
                return position
        if isinstance(value, np.generic):  # NumPy's `True` is rather `True` than 1
            held = value.item()
            for position, known in enumerate(self.values):
                if type(known) is type(held) and _equal(known, held):
                    return position
        for same_type in (True, False):
            for position, known in enumerate(self.values):
                if (type(known) is type(value) or not same_type) and _equal(known, value):
                    return position
        if _name(value) in self.actions:  # nan does not equal itself
            return self.actions.index(_name(value))
        raise ValueError(f"{value!r} is not one of the values {self.values}")

    def action(self, value: object) -> Action:
        """Returns the name of a value."""
        return self.actions[self.position(value)]


@dataclass(frozen=True, slots=True)
class NumericDomain:
    """A range of numbers, both ends included.

    Attributes:
        low: Least number.
        high: Largest number.
        log: Whether the scale is logarithmic.
        step: Distance between neighbouring numbers, counted from `low`; None for all numbers between the ends. Integers
            have a step of at least 1.
        integer: Whether the numbers are integers.
        bins: Parts of the range.
        actions: Names of the bins.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    integer: bool = False
    bins: tuple[Bin, ...] = field(init=False, repr=False, compare=False)
    actions: tuple[Action, ...] = field(init=False, repr=False, compare=False)
    _first: int = field(init=False, repr=False, compare=False)
    _grid: Grid | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Checks the range and cuts it into bins.

        Raises:
            ValueError: An end is not finite, the ends are in the wrong order, a logarithmic range begins at 0 or below,
                or the step is not a finite number above 0.
        """
        if not (_finite(self.low) and _finite(self.high) and self.low <= self.high):
            raise ValueError(f"a range has finite ends in ascending order, not from {self.low!r} to {self.high!r}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range is above 0, and cannot begin at {self.low!r}")
        if self.step is not None and not (_finite(self.step) and self.step > 0):
            raise ValueError(f"the step of a range is a finite number above 0, not {self.step!r}")
        if self.integer and self.step is None:
            set_fields(self, step=1)
        few = self.count is not None and self.count <= MOST_BINS
        grid = None if few or self.low == self.high else grid_of(self.low, self.high, self.log, self.integer)
        bins = self._cut(grid) if grid else self._each()
        if not bins or len({part.action for part in bins}) < len(bins):  # too narrow for bins of different names
            grid, bins = None, (Bin(self.low, self.low, self.high),)
        first = grid.index(self.low) if grid else 0
        set_fields(self, bins=bins, actions=tuple(part.action for part in bins), _first=first, _grid=grid)

    @property
    def continuous(self) -> bool:
        """Whether some bin has several values."""
        return any(part.low < part.high for part in self.bins)

    def position(self, value: float) -> int:
        """Returns the position of the bin that contains a value, or of the nearest bin if none does.

        Args:
            value: A number of any type, for example a NumPy scalar.

        Raises:
            ValueError: The value is not a finite number.
        """
        value = self.number(value)
        if self._grid is None:
            return min(range(len(self.bins)), key=lambda at: abs(self.bins[at].low - value))
        if self.log and value <= 0:
            return 0
        wanted = self._grid.index(value) - self._first
        return min(max(wanted, 0), len(self.bins) - 1) if self.step is None else self._nearest(value)

    def number(self, value: object) -> int | float:
        """Returns a number of any type as a Python int or float.

        Raises:
            ValueError: The value is not a finite number.
        """
        number = value if type(value) in (int, float) else _of_python(value)
        if number is None or not _finite(number):  # type: ignore[arg-type]
            raise ValueError(f"{value!r} is not a number for a range from {self.low} to {self.high}")
        return number  # type: ignore[return-value]

    def contained(self, value: object) -> float | None:
        """Returns the number of the range that equals a value, in the value's precision; None if there is none.

        A number between the steps of a range is accepted, and stays as given.

        Args:
            value: A value of any type, for example a NumPy scalar.
        """
        if isinstance(value, bool) or not isinstance(value, Real | Decimal):
            return None
        try:
            number = int(value) if isinstance(value, Integral) else float(value)
        except (OverflowError, ValueError):  # too large, or Decimal("sNaN")
            return None
        if number != number:
            return None
        inside = min(max(number, self.low), self.high)
        near = inside if self.step is None else self.near(inside, 0.0, 0.0)
        with np.errstate(over="ignore"):
            rounded = type(value)(near) if isinstance(value, np.floating) else near
        whole = number == round(inside)
        if rounded == value and math.isfinite(number):
            number = near
        elif not self.low <= number <= self.high or (self.integer and not whole):
            return None
        return int(number) if self.integer else float(number)

    def action(self, value: float) -> Action:
        """Returns the name of the bin of a value."""
        return self.actions[self.position(value)]

    def value(self, position: int, chance: float) -> float:
        """Returns a value drawn from a bin, uniformly on the scale of the range.

        Args:
            position: Position of the bin.
            chance: Uniform draw from [0, 1).
        """
        _, low, high = self.bins[position]
        if self.step is not None:
            first, last = self._number(low), self._number(high)
            return self._numbered(min(first + int(chance * (last - first + 1)), last))
        if low == high:
            return low
        if self.log and high / low < math.inf:
            drawn = low * (high / low) ** chance
        elif self.log:
            drawn = 10.0 ** (math.log10(low) * (1.0 - chance) + math.log10(high) * chance)
        else:
            drawn = low * (1.0 - chance) + high * chance if math.isinf(high - low) else low + chance * (high - low)
        return min(max(drawn, low), high)

    def near(self, value: float, spread: float, chance: float) -> float:
        """Returns a value of the range near another value, on the scale of the range.

        Args:
            value: The other value.
            spread: Standard deviation of the distance, in widths of a bin.
            chance: Draw from a standard normal distribution.
        """
        away = spread * chance
        if self._grid is None:
            moved = value + away * (self.step or 0)
        elif self.log:
            moved = value * 10 ** (away / self._grid.per_decade)
        else:
            moved = value + away * self._grid.width
        inside = min(max(moved, self.low), self.high)
        return inside if self.step is None else self._numbered(self._number(inside))

    @property
    def count(self) -> int | None:
        """Number of values; None if there is no step."""
        if self.step is None:
            return None
        return (
            int((self.high - self.low) // self.step if self.integer else (self.high - self.low) / self.step + EDGE) + 1
        )

    def values(self) -> Iterator[float]:
        """Yields the values of a range with steps, in ascending order."""
        return (self._numbered(number) for number in range(self.count or 0))

    def _number(self, value: float) -> int:
        assert self.step is not None and self.count is not None
        return min(max(round((value - self.low) / self.step), 0), self.count - 1)

    def _numbered(self, number: int) -> float:
        """Returns the value that is a number of steps above `low`."""
        assert self.step is not None
        value = self.low + number * self.step
        return int(value) if self.integer else min(float(value), self.high)

    def _each(self) -> tuple[Bin, ...]:
        """Returns a bin for each value."""
        values = [self._numbered(number) for number in range(self.count or 1)] if self.step else [self.low]
        return tuple(Bin(value if self.integer else float(f"{value:.10g}"), value, value) for value in values)

    def _cut(self, grid: "Grid") -> tuple[Bin, ...]:
        parts = list[Bin]()
        number, last = 0, grid.last(self.high)
        for at in range(grid.index(self.low), last + 1):
            low, high = grid.edge(at), grid.edge(at + 1)
            if self.step is None:
                # The first edge may be a rounding error above the range's start, and the last one below its end.
                start, end = low if parts else self.low, high if at < last else self.high
                parts.append(Bin(grid.middle(at), start, end))
                continue
            behind = math.ceil((high - self.low) / self.step - EDGE) if at < last else self.count or 1
            if behind > number:  # otherwise the first bin of the range has no value
                parts.append(Bin(grid.middle(at), self._numbered(number), self._numbered(behind - 1)))
                number = behind
        return tuple(parts)

    def _nearest(self, value: float) -> int:
        """Returns the position of the bin of the nearest value of a range with steps."""
        value = self._numbered(self._number(value))
        return next(at for at, part in enumerate(self.bins) if value <= part.high)


EXACT = 2**53
"""The largest size of whole numbers that a float holds exactly."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Range(NumericDomain):
    """A range of numbers for a `Choice`, both ends included.

    The numbers are whole if `low`, `high` and `step` are; otherwise they are floats. The policy sees a range as a few
    parts of it, and a configuration has a number of the range.

    Example:
        ```python
        rate = Choice("learning rate", Range(1e-5, 1e-1, log=True))
        units = Choice("units", Range(16, 512, log=True))
        agent = Agent([Problem(SearchSpace("mlp", [rate, units]), task="digits")])
        print(agent.ask().config)  # such as {'learning rate': 0.0021, 'units': 78}
        ```
    """

    def __init__(self, low: float, high: float, log: bool = False, step: float | None = None) -> None:
        """Checks the range.

        Args:
            low: Least number.
            high: Largest number.
            log: Whether the scale is logarithmic.
            step: Distance between neighbouring numbers, counted from `low`; None for all numbers, or all whole numbers.

        Raises:
            TypeError: An end or the step is not a number, or `log` is not a bool.
            ValueError: An end is not finite, the ends are not in ascending order, a logarithmic range begins at 0 or
                below, the step is not above 0, or a whole number has a size beyond 2**53.
        """
        given = {"low": low, "high": high} | ({} if step is None else {"step": step})
        found = {
            name: None if isinstance(value, bool | np.bool) else _of_python(value) for name, value in given.items()
        }
        if wrong := [name for name, number in found.items() if number is None]:
            raise TypeError(f"a Range has numbers, as in Range(0.1, 1.0); its {wrong[0]} is {given[wrong[0]]!r}")
        if not isinstance(log, bool):
            raise TypeError(f"the log of a Range is True or False, not {log!r}")
        integer = all(type(number) is int for number in found.values())
        if integer and max(map(abs, found.values())) > EXACT:  # type: ignore[arg-type]
            raise ValueError(f"whole numbers of a Range have a size of at most 2**53, unlike {low!r} to {high!r}")
        if not integer:
            found = {name: _as_float(number) for name, number in found.items()}
        if not found["low"] < found["high"]:  # type: ignore[operator]
            raise ValueError(f"a Range has ends in ascending order, not from {low!r} to {high!r}")
        NumericDomain.__init__(self, found["low"], found["high"], log, found.get("step"), integer)  # type: ignore[arg-type]

    def contained(self, value: object) -> float | None:
        """Returns the number of the range that equals a value; None for a number between the steps, too."""
        number = NumericDomain.contained(self, value)
        if number is None or self.step is None:
            return number
        near = self.near(number, 0.0, 0.0)
        return near if abs(near - number) <= EDGE * self.step else None

    def __repr__(self) -> str:
        """Returns the arguments that are not defaults."""
        step = "" if self.step is None or (self.integer and self.step == 1) else f", step={self.step!r}"
        return f"Range({self.low!r}, {self.high!r}{', log=True' if self.log else ''}{step})"


Domain = CategoricalDomain | NumericDomain


def _of_python(value: object) -> int | float | None:
    """Returns a number of another type as a Python int or float, or None if the value is not a number."""
    try:
        if hasattr(value, "__index__") and not isinstance(value, np.bool):  # `operator.index` of NumPy's bool warns
            return operator.index(value)
        return float(value) if hasattr(value, "__float__") else None
    except (TypeError, ValueError, OverflowError):  # an array of several numbers; a fraction too large for a float
        return None


def _as_float(number: float | None) -> float:
    try:
        return float(number)  # type: ignore[arg-type]
    except OverflowError:  # an integer too large for a float
        return math.inf


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def _name(value: object) -> Action:
    try:
        return to_builtin(value)
    except (TypeError, ValueError):
        if callable(value) and hasattr(value, "__qualname__"):
            return f"{value.__module__}.{value.__qualname__}"
        return re.sub(r" at 0x[0-9a-f]+", "", repr(value))  # the address differs between processes


def _equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # arrays have no truth value
        return False


def _distinct(names: list[Action]) -> tuple[Action, ...]:
    """Returns the names with a number appended to every repeated name, so that all differ."""
    found: dict[tuple[type, Action], Action] = {}
    for number, name in enumerate(names):
        unique = name if (type(name), name) not in found else f"{name!r} [{number}]"
        found[type(unique), unique] = unique
    return tuple(found.values())
