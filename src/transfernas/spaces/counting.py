"""Counts the configurations of a space exactly, with their greatest length and the steps between choices.

The count goes through the choices in their order. Partial configurations are merged if they reduce every later
condition to the same rest. So the cost grows with the number of distinct rests, not with the size of the space.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from .choice import END, START, Choice
from .condition import Condition, literals, reduce

# The rests of the conditions of later choices, by position; a condition that has become true is dropped.
_Left = tuple[tuple[int, Condition | bool], ...]

_MOST_PARTIALS = 10_000
K = TypeVar("K")
V = TypeVar("V")


class Edge(NamedTuple):
    """A step that a space allows: from a choice (or START) to the next (or END)."""

    source: str
    target: str


class SpaceSize(NamedTuple):
    """Size of a set of configurations.

    Attributes:
        size: Number of configurations.
        longest: Largest number of choices that a configuration makes.
        widest: Largest number of actions that the choices of a configuration have together.
    """

    size: int
    longest: int
    widest: int


def count_space(choices: tuple[Choice, ...]) -> SpaceSize:
    """Counts configurations exactly.

    Groups of choices that no condition connects are counted separately, and their sizes are multiplied.

    Raises:
        ValueError: The conditions tell more than 10,000 combinations of earlier choices apart.
    """
    total = SpaceSize(1, 0, 0)
    for group in _connected(choices):
        part = _count_connected(group)
        total = SpaceSize(total.size * part.size, total.longest + part.longest, total.widest + part.widest)
    return total


def bounds(choices: tuple[Choice, ...]) -> tuple[int, int]:
    """Returns `longest` and `widest` of `SpaceSize`, or upper bounds of them if `count_space` fails."""
    try:
        exact = count_space(choices)
    except ValueError:
        return len(choices), sum(len(choice.actions) for choice in choices)
    return exact.longest, exact.widest


def edges(choices: tuple[Choice, ...]) -> tuple[Edge, ...]:
    """Returns every step between two choices that some configuration takes, START and END included.

    Raises:
        ValueError: The conditions tell more than 10,000 combinations of earlier choices apart.
    """
    found: dict[Edge, None] = {}
    lasts, readers = {(START, _conditions(choices)): None}, _readers(choices)
    for index, choice in enumerate(choices):
        grown: dict[tuple[str, _Left], None] = {}
        for last, left in lasts:
            for active, after in _decide(choice, index, left, readers[choice.name]):
                if active:
                    found[Edge(last, choice.name)] = None
                grown[choice.name if active else last, after] = None
        lasts = _bounded(grown)
    return tuple(found | {Edge(last, END): None for last, _ in lasts})


def _count_connected(choices: tuple[Choice, ...]) -> SpaceSize:
    tallies, readers = {_conditions(choices): SpaceSize(1, 0, 0)}, _readers(choices)
    for index, choice in enumerate(choices):
        grown: dict[_Left, SpaceSize] = {}
        for left, (size, longest, widest) in tallies.items():
            for at, (active, after) in enumerate(_decide(choice, index, left, readers[choice.name])):
                old = grown.get(after, SpaceSize(0, 0, 0))
                grown[after] = SpaceSize(
                    old.size + size * (_count(choice, at) if active else 1),
                    max(old.longest, longest + active),
                    max(old.widest, widest + active * len(choice.actions)),
                )
        tallies = _bounded(grown)
    sizes, lengths, widths = zip(*tallies.values(), strict=True)
    return SpaceSize(sum(sizes), max(lengths), max(widths))


def _count(choice: Choice, at: int) -> int:
    """Returns the number of values of an action: those of a part of a range with steps, else one."""
    if choice.range is None or choice.range.step is None:
        return 1
    return round((choice.range.bins[at].high - choice.range.bins[at].low) / choice.range.step) + 1


def _decide(choice: Choice, index: int, left: _Left, readers: set[int]) -> Iterator[tuple[bool, _Left]]:
    """Yields for each action of a choice whether the choice is active, and the rests of the later conditions.

    Args:
        choice: The choice; an inactive choice has a single outcome.
        index: Position of the choice.
        left: Rests of the conditions before the choice.
        readers: Positions of the conditions that read the choice.
    """
    mine = next((condition for position, condition in left if position == index), True)
    active = bool(mine)
    later = tuple(item for item in left if item[0] != index)
    for action in choice.actions if active else (None,):
        after = (
            (position, reduce(each, choice.name, action, active) if position in readers else each)
            for position, each in later
        )
        yield active, tuple(item for item in after if item[1] is not True)


def _conditions(choices: tuple[Choice, ...]) -> _Left:
    return tuple((index, choice.when) for index, choice in enumerate(choices) if choice.when is not None)


def _readers(choices: tuple[Choice, ...]) -> dict[str, set[int]]:
    readers: dict[str, set[int]] = {choice.name: set() for choice in choices}
    for index, choice in enumerate(choices):
        for literal in literals(choice.when):
            readers[literal.choice].add(index)
    return readers


def _bounded(partials: dict[K, V]) -> dict[K, V]:
    if len(partials) > _MOST_PARTIALS:
        raise ValueError(
            f"later conditions tell more than {_MOST_PARTIALS} combinations of earlier choices apart: too many to "
            f"follow; put choices next to those that depend on them"
        )
    return partials


def _connected(choices: tuple[Choice, ...]) -> list[tuple[Choice, ...]]:
    """Returns the choices in groups that no condition connects; each group keeps the order of the space."""
    group = {choice.name: {choice.name} for choice in choices}
    for choice in choices:
        for literal in literals(choice.when):
            if group[literal.choice] is not group[choice.name]:
                merged = group[literal.choice] | group[choice.name]
                group |= dict.fromkeys(merged, merged)
    apart = {id(names): names for names in group.values()}.values()
    return [tuple(choice for choice in choices if choice.name in names) for names in apart]
