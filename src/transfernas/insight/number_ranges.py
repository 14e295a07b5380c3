"""Ranges of numbers in place of the actions that stand for them, for people who see an agent's values."""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ..learning.archive import ArchivedProblem
from ..learning.learner import Learner, update_archive
from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.grid import Bin, bins_among_names, bins_of_names


class NumberRange(NamedTuple):
    """The numbers for which an action stands.

    Attributes:
        low: The least number.
        high: The largest number; integers if both are.
        about: Whether an end may lie beyond the range of the parameter, because an agent does not keep that range.

    Example:
        ```python
        assert str(NumberRange(0.00562341, 0.01)) == "0.00562 to 0.01"
        assert (str(NumberRange(32, 35)), str(NumberRange(7, 7))) == ("32 to 35", "7")
        assert str(NumberRange(10, 17, about=True)) == "about 10 to 17"
        ```
    """

    low: float
    high: float
    about: bool = False

    def __str__(self) -> str:
        """Returns the range in words, with so many digits that both ends differ."""
        return f"{'about ' if self.about else ''}{self.words(' to ')}"

    def words(self, between: str) -> str:
        """Returns the range with other words between its ends, without "about"; a single number if both are equal."""
        shown = number_words((self.low, self.high))
        return shown[0] if self.low == self.high else between.join(shown)


Ranges = Mapping[str, Mapping[Action, NumberRange]]
"""By the name of a parameter, the ranges of its actions. There is no entry if each action stands for itself."""

NO_RANGES: Ranges = MappingProxyType({})
ENDS = (
    "About: an agent keeps the parts into which a range of numbers is cut, and not where your range begins and ends. "
    "So the first part and the last one may reach beyond your range. If studies with other ranges share a space, a "
    "part may also stand for a single number in some of them."
)
"""Explains the word "about" before a range to people."""

_MOST_DIGITS = 6


def ranges_in(learner: Learner, row: int) -> Ranges:
    """Returns the ranges of the actions of a problem that stand for several numbers.

    If the space was discovered, the agent keeps the names of bins, which determine the bins. The first bin and the last
    one may reach beyond the range of the parameter, because the agent does not keep the ends of the range. These two
    have `about`, unless a kept trial had the number at the end of the bin. If studies with several ranges share the
    space, all bins have `about`: the name of a bin may be a value in some of the studies.

    Args:
        learner: A learner of a single replica.
        row: The row of the problem.
    """
    if not learner.encoding.grows:
        ranges = {choice.name: choice.numbers for choice in learner.encoding.problems[row].space.choices}
        return {
            name: {part.action: NumberRange(part.low, part.high) for part in its.bins}
            for name, its in ranges.items()
            if its is not None
        }
    archive, found = update_archive(learner).archive, dict[str, Mapping[Action, NumberRange]]()
    for choice in learner.encoding.problems[row].space.choices:
        bins, tried = bins_of_names(choice.actions), _tried(choice, archive)
        if bins is None and (some := bins_among_names(choice.actions)) is not None:
            if _determined(some) or not tried <= set(choice.actions):
                of = {each.action: NumberRange(each.low, each.high, about=True) for each in some}
                found[choice.name] = {one: of.get(one, NumberRange(one, one)) for one in choice.actions}  # type: ignore[arg-type]
            continue
        if bins is not None and (_determined(bins) or not tried <= set(choice.actions)):
            ends = {min(each.low for each in bins), max(each.high for each in bins)} - tried
            found[choice.name] = {
                each.action: NumberRange(each.low, each.high, not ends.isdisjoint(each[1:])) for each in bins
            }
    return found


def with_ranges(config: Mapping[str, object], ranges: Ranges) -> dict[str, object]:
    """Returns a configuration with ranges in place of the actions that stand for them.

    If one of the numbers is the name of no action, the numbers are those that were tried, and stay as they are.

    Example:
        ```python
        ranges = {"units": {12: NumberRange(12, 15), 17: NumberRange(16, 19)}}
        assert with_ranges({"units": 12, "act": "relu"}, ranges) == {"units": NumberRange(12, 15), "act": "relu"}
        assert with_ranges({"units": 13}, ranges) == {"units": 13}
        ```
    """
    if any(name in ranges and value not in ranges[name] for name, value in config.items()):
        return dict(config)
    return {name: ranges[name][value] if name in ranges else value for name, value in config.items()}  # type: ignore[index]


def within_ranges(config: Mapping[str, object], ranges: Ranges) -> dict[str, object]:
    """Returns a configuration of another range, with the nearest number of the range in place of numbers beyond it.

    If the end of the range is not known, the nearest part stands in place of the number.

    Example:
        ```python
        ranges = {"units": {12: NumberRange(12, 15), 17: NumberRange(16, 19)}}
        assert within_ranges({"units": 44, "act": "relu"}, ranges) == {"units": 19, "act": "relu"}
        ranges = {"units": {17: NumberRange(16, 19, about=True)}}
        assert within_ranges({"units": 44}, ranges) == {"units": NumberRange(16, 19, about=True)}
        ```
    """
    found = dict(config)
    for name, value in config.items():
        if name in ranges and type(value) in (int, float):
            first, last = min(ranges[name].values()), max(ranges[name].values(), key=lambda each: each.high)
            if value > last.high:  # type: ignore[operator]
                found[name] = last if last.about else last.high
            elif value < first.low:  # type: ignore[operator]
                found[name] = first if first.about else first.low
    return found


def do_meet(one: object, other: object) -> bool:
    """Returns whether two values of a parameter may be equal, of which either may be the range of a number.

    Example:
        ```python
        assert do_meet(NumberRange(12, 15), 13) and not do_meet("relu", "tanh")
        ```
    """
    if isinstance(one, NumberRange) and isinstance(other, NumberRange):
        return one[:2] == other[:2]
    if isinstance(other, NumberRange):
        one, other = other, one
    if isinstance(one, NumberRange):
        return isinstance(other, (int, float)) and one.low <= other <= one.high
    return type(one) is type(other) and one == other


def with_actions(config: Mapping[str, object], ranges: Ranges) -> dict[str, Action]:
    """Returns a configuration with actions in place of the numbers and the ranges for which the actions stand.

    A number or a range of no action stays as given, and so does a fraction in a range of integers.

    Example:
        ```python
        ranges = {"units": {12: NumberRange(12, 15), 17: NumberRange(16, 19)}}
        assert with_actions({"units": 13, "act": "relu"}, ranges) == {"units": 12, "act": "relu"}
        assert with_actions({"units": NumberRange(16, 19)}, ranges) == {"units": 17}
        ```
    """

    def action(value: object, its: Mapping[Action, NumberRange]) -> Action:
        if isinstance(value, bool) or not isinstance(value, (int, float, NumberRange)) or value in its:
            return value  # type: ignore[return-value]
        low, high = value[:2] if isinstance(value, NumberRange) else (value, value)
        between = isinstance(value, float) and not value.is_integer()
        parts = (
            one
            for one, part in its.items()
            if part.low <= low <= high <= part.high and not (between and isinstance(part.low, int))
        )
        # A number on the edge of two parts belongs to the upper one.
        return max(parts, default=value)  # type: ignore[return-value, type-var]

    return {name: action(value, ranges.get(name, {})) for name, value in config.items()}


def union(several: Iterable[Ranges]) -> Ranges:
    """Returns the ranges of several problems, whose parameters of one name are one parameter."""
    found: dict[str, dict[Action, NumberRange]] = {}
    for each in several:
        for name, ranges in each.items():
            found.setdefault(name, {}).update(ranges)
    return found


def merged(actions: Iterable[Action], ranges: Mapping[Action, NumberRange]) -> list[NumberRange]:
    """Returns the ranges of some of the actions of a parameter, in ascending order, with neighbours as one range.

    Args:
        actions: The actions.
        ranges: The ranges of all actions of the parameter.

    Example:
        ```python
        ranges = {0: NumberRange(0, 1), 2: NumberRange(2, 3), 4: NumberRange(4, 5), 6: NumberRange(6, 7)}
        assert merged([0, 2, 6], ranges) == [NumberRange(0, 3), NumberRange(6, 7)]
        ```
    """
    wanted, found, follows = {ranges[action] for action in actions}, list[NumberRange](), False
    for each in sorted(ranges.values()):
        if each in wanted and follows:
            found[-1] = found[-1]._replace(high=each.high, about=found[-1].about or each.about)
        elif each in wanted:
            found.append(each)
        follows = each in wanted
    return found


def number_words(numbers: Sequence[float]) -> list[str]:
    """Returns ascending numbers as text, with three digits, or with as many more as neighbours need to differ.

    Numbers below a million have all digits before the point.

    Example:
        ```python
        assert number_words((0.0001, 0.00056234)) == ["0.0001", "0.000562"]
        assert number_words((0.017783, 562.34, 1778.28)) == ["0.0178", "562", "1778"]
        assert number_words((100.0, 100.0625)) == ["100", "100.062"]
        ```
    """
    pairs = [(before, after) for before, after in zip(numbers, numbers[1:], strict=False) if after > before]
    gap = min((abs(1 - before / after if after else 1) for before, after in pairs), default=1.0)
    digits = min(max(3, 2 + math.ceil(-math.log10(gap or 1.0))), _MOST_DIGITS)
    return [
        f"{number:,}" if type(number) is int else f"{number:z.{max(digits, _whole(number))}g}" for number in numbers
    ]


def _whole(number: float) -> int:
    """Returns the number of digits before the point; 0 for numbers that are written with an exponent."""
    size = abs(round(number)) if math.isfinite(number) else 0
    return len(str(size)) if 1 <= size < 10**_MOST_DIGITS else 0


def _determined(bins: Sequence[Bin]) -> bool:
    """Returns whether the names alone determine the bins: even integers may also stand for themselves."""
    return not all(type(each.action) is int and each.low == each.action and each.high <= each.low + 2 for each in bins)


def _tried(choice: Choice, archive: Iterable[ArchivedProblem]) -> set[float]:
    """Returns the known numbers of a choice in all archived trials."""
    found = set[float]()
    for entry in archive:
        for at, its in enumerate(entry.choices):
            if its.state == choice.state:
                numbers = entry.values[0, :, at]
                found.update(numbers[~np.isnan(numbers)].tolist())
    return found
