"""Grids: benchmarks whose configurations are the product of all choices, or of some of their actions."""

from collections.abc import Mapping, Sequence

from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.space import SearchSpace
from .tabular import ProductIndex


def grid_space(
    benchmark: str,
    actions: Mapping[str, tuple[Action, ...]],
    only: Mapping[str, Sequence[Action]] | None,
    name: str,
) -> SearchSpace:
    """Returns the product of a benchmark's choices, some with fewer actions.

    Args:
        benchmark: its name, for errors.
        actions: from the names of its choices to their actions.
        only: from names to the actions allowed; those not named keep all.
        name: of the space.

    Raises:
        ValueError: a choice or an action is unknown.
    """
    only = {} if only is None else only
    for choice in only:
        if choice not in actions:
            raise ValueError(f"{benchmark} has no choice {choice!r}; it has {tuple(actions)}")
    space = SearchSpace(name, [Choice(choice, only.get(choice, known)) for choice, known in actions.items()])
    grid_index(benchmark, actions, space)
    return space


def grid_index(benchmark: str, actions: Mapping[str, tuple[Action, ...]], space: SearchSpace) -> ProductIndex:
    """Returns the index from a space's configurations to the rows of a table in the order of the product of actions.

    Args:
        benchmark: its name, for errors.
        actions: from the names of its choices to their actions.
        space: as `grid_space` makes it.

    Raises:
        ValueError: the space's choices are not the benchmark's, or one has an action unknown to it.
    """
    choices = tuple(choice.name for choice in space.choices)
    if choices != tuple(actions) or any(choice.when is not None for choice in space.choices):
        raise ValueError(
            f'search space "{space.name}" is none of {benchmark}: its choices are {tuple(actions)}, always'
        )
    stride, adds = 1, list[tuple[int, ...]]()
    for choice in reversed(space.choices):
        whole = Choice(choice.name, actions[choice.name])
        for action in choice.actions:
            if action not in whole.actions:
                raise ValueError(f"{benchmark} has no {choice.name} {action!r}; it has {whole.actions}")
        adds.append(tuple(stride * whole.index(action) for action in choice.actions))
        stride *= len(whole.actions)
    return ProductIndex(space, tuple(reversed(adds)))
