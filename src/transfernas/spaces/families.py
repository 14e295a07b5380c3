"""Families of states: names that differ in their numbers alone, such as `units_0` and `units_1`.

A program asks for the parameters of successive layers under names of the same form. Knowledge of a layer helps with
the next layer, which may be new, and yet each layer may have its own best value. So a family is a state, the parent of
its members: the embedding of a member is the embedding of its parent plus a part of its own.
"""

import re
from collections.abc import Iterator

from .choice import Choice
from .condition import Action
from .space import SearchSpace

_NUMBER = re.compile(r"\d+")


def family_of(state: str) -> str | None:
    """Returns the name of the family of a state, with `#` for each number; None if the state has no number."""
    family, numbers = _NUMBER.subn("#", state)
    return family if numbers else None


def families(space: SearchSpace) -> dict[str, tuple[Action, ...]]:
    """Returns the actions of the families of a space, by the name of the family.

    A family needs two states of the same form that have the same actions and different conditions. The arguments of a
    function that every trial has (`x0`, `x1`) are no family: their best values are likely to differ.
    """
    forms: dict[str, list[Choice]] = {}
    for choice in space.choices:
        if (family := family_of(choice.state)) is not None:
            forms.setdefault(family, []).append(choice)
    return {family: _actions(members) for family, members in forms.items() if any(_alike(members))}


def _alike(members: list[Choice]) -> Iterator[bool]:
    """Yields for each pair of members whether they have the same actions and different conditions."""
    for number, choice in enumerate(members):
        for other in members[:number]:
            yield choice.actions == other.actions and choice.when != other.when


def _actions(members: list[Choice]) -> tuple[Action, ...]:
    found: dict[tuple[type, Action], Action] = {}
    for choice in members:
        found |= {(type(action), action): action for action in choice.actions}
    return tuple(found.values())
