"""Evaluates the conditions of a space for many configurations at once."""

import functools

import numpy as np
from jaxtyping import Bool, Int

from .condition import literals
from .space import SearchSpace
from .tables import alternatives

Masks = list[tuple[int, Bool[np.ndarray, "actions_or_inactive"]]]
"""A `condition.Term` with the column of each choice in place of its name."""

_INACTIVE = -1  # the last entry of a mask


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
    taken = actions.copy()
    for at, terms in _terms(space):
        made = np.zeros(len(actions), bool)
        for masks in terms:
            made |= np.logical_and.reduce([allows[taken[:, read]] for read, allows in masks])
        taken[~made, at] = _INACTIVE
    return taken != _INACTIVE


@functools.lru_cache(maxsize=1_000)
def _terms(space: SearchSpace) -> list[tuple[int, list[Masks]]]:
    """Returns the terms of each condition by the column of its choice."""
    columns, found = {choice.name: at for at, choice in enumerate(space.choices)}, []
    for at, choice in enumerate(space.choices):
        if choice.when is not None:
            terms = [term.items() for term in alternatives(space, choice)]
            found.append((at, [[(columns[name], np.array(allows)) for name, allows in term] for term in terms]))
    return found
