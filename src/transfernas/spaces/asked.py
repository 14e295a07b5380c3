"""Evaluates the conditions of a space for many configurations at once."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

from .choice import Choice
from .condition import And, Condition, Equal, In, Not, Or, literals
from .space import SearchSpace

Columns = Mapping[str, tuple[Choice, int]]


def columns_of_conditions(space: SearchSpace) -> frozenset[str]:
    """Returns the names of the choices that conditions of the space read."""
    return frozenset(literal.choice for choice in space.choices for literal in literals(choice.when))


def asked_choices(
    space: SearchSpace, actions: Int[np.ndarray, "configs choices"]
) -> Bool[np.ndarray, "configs choices"]:
    """Returns a mask of the choices that each configuration makes, of shape `[configs, choices]`.

    Args:
        space: The space, whose choices are the columns, in their order.
        actions: Shape `[configs, choices]`, the position of the action that each choice takes if the choice is active.
            Only the columns of choices in `columns_of_conditions` are read.
    """
    columns = {choice.name: (choice, at) for at, choice in enumerate(space.choices)}
    made = np.ones(actions.shape, bool)
    for at, choice in enumerate(space.choices):
        if choice.when is not None:
            made[:, at] = _holds(choice.when, columns, actions, made)
    return made


def _holds(
    condition: Condition,
    columns: Columns,
    actions: Int[np.ndarray, "configs choices"],
    made: Bool[np.ndarray, "configs choices"],
) -> Bool[np.ndarray, "configs"]:
    """Returns a mask of the configurations for which a condition is true; `condition.holds` gives the rules."""
    match condition:
        case Equal(name, action):
            choice, at = columns[name]
            return made[:, at] & (actions[:, at] == choice.index(action))
        case In(name, several):
            choice, at = columns[name]
            allowed = np.zeros(len(choice.actions), bool)
            allowed[[choice.index(action) for action in several]] = True
            return made[:, at] & allowed[actions[:, at]]
        case Not(inner):
            return ~_holds(inner, columns, actions, made)
        case And(parts):
            return np.logical_and.reduce([_holds(part, columns, actions, made) for part in parts])
        case Or(parts):
            return np.logical_or.reduce([_holds(part, columns, actions, made) for part in parts])
