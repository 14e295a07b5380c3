"""The actions of a hyperparameter of ConfigSpace: its values, its range, or the parts of its range."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import ConfigSpace as cs
import numpy as np
from ConfigSpace.hyperparameters import FloatHyperparameter, IntegerHyperparameter

from ..spaces.condition import Action, set_fields
from ..spaces.domain import EXACT, CategoricalDomain, NumericDomain, Range

Cut = tuple[float, float]
"""A place in a range: in front of a number, `(number, FRONT)`, or behind it, `(number, BEHIND)`."""

FRONT, _ON, BEHIND = 0.0, 0.5, 1.0
_PLACES = 13  # to which ConfigSpace rounds numbers
_FEW = 64  # whole numbers of a range on which a condition depends: each is a part

# The side of its value on which a rule changes; both sides for a rule that is not listed. By the names of the classes,
# because not all releases of ConfigSpace have all of them.
_SIDES = {
    "GreaterThanCondition": (BEHIND,),
    "LessThanCondition": (FRONT,),
    "ForbiddenGreaterThanClause": (BEHIND,),
    "ForbiddenGreaterThanEqualsClause": (FRONT,),
    "ForbiddenLessThanClause": (FRONT,),
    "ForbiddenLessThanEqualsClause": (BEHIND,),
}


class ListedValues:
    """The values of a categorical, an ordinal, or a constant hyperparameter.

    Attributes:
        actions: The action of each value.
        has_range: False, because an action has one value.
    """

    has_range = False

    def __init__(self, values: Iterable[object]) -> None:
        """Takes the values, in order."""
        self._categories = CategoricalDomain(values)
        self.actions = self._categories.actions

    def action(self, value: object) -> Action:
        """Returns the action of a value.

        Raises:
            ValueError: There is no such value.
        """
        return self._categories.action(value)

    def representative(self, at: int) -> Any:
        """Returns the value of the action at a position, as plain Python."""
        value = self._categories.values[at]
        return value.item() if isinstance(value, np.generic) else value

    def draw(self, at: int, rng: np.random.Generator) -> Any:
        """Returns the only value of an action, without a draw."""
        return self.representative(at)


class WholeRange:
    """The numbers of a range.

    Attributes:
        actions: The range.
        has_range: False, because a configuration has one number of the range.
    """

    has_range = False

    def __init__(self, numbers: Range) -> None:
        """Takes the range."""
        self.actions = numbers

    def action(self, value: object) -> Action:
        """Returns a number of the range as plain Python.

        Raises:
            ValueError: The range has no such number.
        """
        number = self.actions.contained(value)
        if number is None:
            raise _no_number(value, self.actions)
        return number

    def representative(self, number: float) -> Any:
        """Returns a number as ConfigSpace has it."""
        return number if self.actions.integer else min(max(round(number, _PLACES), self.actions.low), self.actions.high)

    def draw(self, number: float, rng: np.random.Generator) -> Any:
        """Returns a number as ConfigSpace has it, without a draw."""
        return self.representative(number)


class _Interval(NamedTuple):
    """A part of a range, with all numbers between two cuts.

    Attributes:
        action: The action of the part.
        start: The cut at the begin.
        end: The cut at the end.
        low: The least number, or a lower bound that is not in the part.
        high: The largest number, or an upper bound that is not in the part.
        representative: The number that stands for the part.
    """

    action: int | float
    start: Cut
    end: Cut
    low: float
    high: float
    representative: float

    def has(self, number: float) -> bool:
        return self.start < (number, _ON) < self.end


@dataclass(frozen=True, slots=True, init=False)
class RangedValues:
    """The parts of a range on which a condition depends: the bins of a `NumericDomain`, cut where a rule changes.

    So a condition on a number, or a clause that forbids a number, holds for all numbers of an action or for none.

    Attributes:
        actions: The action of each part: that of the bin if its number lies in the part, else a number in the middle of
            the part.
        has_range: Whether a part has several numbers.
    """

    actions: tuple[Action, ...]
    has_range: bool
    _numbers: NumericDomain
    _parts: tuple[_Interval, ...]
    _starts: tuple[Cut, ...]

    def __init__(self, numbers: NumericDomain, cuts: Iterable[Cut]) -> None:
        """Cuts a range.

        Args:
            numbers: The range in bins.
            cuts: The further cuts. Those outside of the range change nothing.
        """
        found = _parts(numbers, cuts)
        actions, starts = tuple(part.action for part in found), tuple(part.start for part in found)
        has_range = any(part.low < part.high for part in found)
        set_fields(self, actions=actions, has_range=has_range, _numbers=numbers, _parts=found, _starts=starts)

    def action(self, value: object) -> Action:
        """Returns the action of the part of a number.

        Raises:
            ValueError: The range has no such number.
        """
        low, high = self._numbers.low, self._numbers.high
        if isinstance(value, np.generic):
            value = value.item()
        whole = not self._numbers.integer or (isinstance(value, (int, float)) and value == round(value))
        if not (isinstance(value, (int, float)) and low <= value <= high and whole):
            raise _no_number(value, self._numbers)
        return self.actions[max(bisect_right(self._starts, (value, _ON)) - 1, 0)]

    def representative(self, at: int) -> Any:
        """Returns the number that stands for a part."""
        return self._parts[at].representative

    def draw(self, at: int, rng: np.random.Generator) -> Any:
        """Returns a random number of a part: log-uniform for floats of a logarithmic range, else uniform."""
        part = self._parts[at]
        if self._numbers.integer:
            return int(rng.integers(int(part.low), int(part.high) + 1))
        chance, low, high = rng.random(), part.low, part.high
        number = low * (high / low) ** chance if self._numbers.log else low + chance * (high - low)
        rounded = round(min(max(number, low), high), _PLACES)
        return rounded if part.has(rounded) else part.representative


def _no_number(value: object, numbers: NumericDomain) -> ValueError:
    kind = "whole number" if numbers.integer else "number"
    return ValueError(f"{value!r} is no {kind} from {numbers.low!r} to {numbers.high!r}")


Values = ListedValues | WholeRange | RangedValues


def values_of(hyperparameter: Any, rules: Iterable[Any]) -> Values:
    """Returns the values of a hyperparameter.

    Args:
        hyperparameter: The hyperparameter of ConfigSpace. Of a distribution over a range, the range alone counts.
        rules: The conditions on its value, and the clauses that forbid values.

    Raises:
        TypeError: The kind of the hyperparameter is not known.
    """
    match hyperparameter:
        case cs.CategoricalHyperparameter():
            return ListedValues(hyperparameter.choices)
        case cs.OrdinalHyperparameter():
            return ListedValues(hyperparameter.sequence)
        case cs.Constant():
            return ListedValues((hyperparameter.value,))
        case IntegerHyperparameter() | FloatHyperparameter():
            integer = isinstance(hyperparameter, IntegerHyperparameter)
            low, high, log = hyperparameter.lower, hyperparameter.upper, bool(hyperparameter.log)
            conditions = [rule for rule in rules if hasattr(rule, "child")]
            if not conditions and low < high and (not integer or max(-low, high) <= EXACT):
                return WholeRange(Range(low, high, log))  # a configuration with a forbidden number is not valid
            cuts = [cut for rule in rules for cut in _cuts(rule, integer)]
            if integer and high - low < _FEW:
                cuts += [(number, FRONT) for number in range(int(low) + 1, int(high) + 1)]
            return RangedValues(NumericDomain(low, high, log, integer=integer), cuts)
    raise TypeError(
        f'hyperparameter "{hyperparameter.name}" is a {type(hyperparameter).__name__}, which cannot be searched; it '
        f"should be a categorical, an ordinal, a constant, or an integer or a float with bounds"
    )


def _cuts(rule: Any, integer: bool) -> Iterable[Cut]:
    for value in rule.values if hasattr(rule, "values") else (rule.value,):
        for side in _SIDES.get(type(rule).__name__, (FRONT, BEHIND)):
            # Behind one integer is in front of the next one.
            yield (round(value) + side, FRONT) if integer else (float(value), side)


def _parts(numbers: NumericDomain, cuts: Iterable[Cut]) -> tuple[_Interval, ...]:
    begin, end = (numbers.low, FRONT), (numbers.high, BEHIND)
    starts = [(part.low, FRONT) for part in numbers.bins]
    bounds = sorted({begin, *starts, *(cut for cut in cuts if begin < cut < end)})
    whole = set(pairwise([*starts, end]))
    found = []
    for first, last in pairwise([*bounds, end]):
        high = last[0] - 1 if numbers.integer and last != end else last[0]
        middle = numbers.bins[bisect_right(starts, first) - 1].action
        if numbers.integer and first[0] == high:
            middle = int(high)
        elif (first, last) not in whole and not first < (middle, _ON) < last:
            middle = _middle(numbers, first[0], high)
        representative = min(max(middle, first[0]), high)
        representative = int(representative) if numbers.integer else round(representative, _PLACES)
        part = _Interval(middle, first, last, first[0], high, representative)
        # A part that is narrower than the resolution of ConfigSpace belongs to the part before.
        if part.has(representative):
            found.append(part)
    return tuple(found)


def _middle(numbers: NumericDomain, low: float, high: float) -> int | float:
    if numbers.integer:
        return int(low + high) // 2
    middle = (low * high) ** 0.5 if numbers.log else (low + high) / 2
    rounded = float(f"{middle:.4g}")
    return rounded if low < rounded < high else middle
