"""Families of states: names that differ in their numbers alone, such as `units_0` and `units_1`.

A program asks for the parameters of layer after layer under names of one form. What is learned of one layer says
something of the next, which may never have been asked for; and yet each may have a best value of its own. So a
family is a state of its own, the parent of its members: a member is what its parent is, plus what it is by itself.
"""

import re
from collections.abc import Iterator

from .choice import Choice
from .condition import Action
from .space import SearchSpace

_NUMBER = re.compile(r"\d+")


def family_of(state: str) -> str | None:
    """Returns the name of the family that a state would be of, by its name; None where that has no number."""
    family, numbers = _NUMBER.subn("#", state)
    return family if numbers else None


def families(space: SearchSpace) -> dict[str, tuple[Action, ...]]:
    """Returns the families of a space, by name, with the actions of their members.

    Two states at least are of one form, have the same actions, and are not always made together. Numbers of a function
    that are asked for in every trial (`x0`, `x1`) are none: they rather differ than agree.
    """
    forms: dict[str, list[Choice]] = {}
    for choice in space.choices:
        if (family := family_of(choice.state)) is not None:
            forms.setdefault(family, []).append(choice)
    return {family: _actions(members) for family, members in forms.items() if any(_alike(members))}


def _alike(members: list[Choice]) -> Iterator[bool]:
    """Yields, for each member behind the first, whether one before it is like it, but not always made where it is."""
    for number, choice in enumerate(members):
        for other in members[:number]:
            yield choice.actions == other.actions and choice.when != other.when


def _actions(members: list[Choice]) -> tuple[Action, ...]:
    found: dict[tuple[type, Action], Action] = {}
    for choice in members:
        found |= {(type(action), action): action for action in choice.actions}
    return tuple(found.values())
