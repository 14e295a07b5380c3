"""Tasks and spaces in the plane: the policy's embeddings of them in the two directions in which they differ most.

Shapes: `size` is that of an embedding, `names` are those of the tasks or of the spaces.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..learning.bandit import NEW_POLICY
from ..learning.learner import Learner, best_policy
from ..spaces.choice import START

_LEAST = 1e-6
"""A direction in which embeddings differ by less than this part of them is a rounding error of single precision."""


@dataclass(frozen=True, slots=True)
class EmbeddingMap:
    """The embeddings of names in the plane.

    Two names have one direction alone, and a single name has none: then the other coordinates are 0.

    Attributes:
        names: The names of tasks or of spaces.
        places: Two coordinates for each name, without unit.
        explained: The share of the variance of the embeddings that each coordinate has, in [0, 1].
        size: The mean length of the embeddings, in the unit of the coordinates: names that are much nearer to one
            another are near.

    Example:
        ```python
        tasks = agent.beliefs().tasks
        print(dict(zip(tasks.names, tasks.places)))
        ```
    """

    names: tuple[str, ...]
    places: tuple[tuple[float, float], ...]
    explained: tuple[float, float]
    size: float = 0.0


def task_map(learner: Learner) -> EmbeddingMap:
    """Returns all tasks that a learner of one replica knows in the plane.

    Example:
        ```python
        tasks = task_map(agent.learner)
        print(dict(zip(tasks.names, tasks.places)))
        ```
    """
    return embedding_map(task_embeddings(learner))


def space_map(learner: Learner) -> EmbeddingMap:
    """Returns all spaces that a learner of one replica knows in the plane.

    A space is the action taken in the start state, so its embedding is that of an action.

    Example:
        ```python
        spaces = space_map(agent.learner)
        print(dict(zip(spaces.names, spaces.places)))
        ```
    """
    table, vocabulary = best_policy(learner).action[0], learner.vocabulary
    names = [str(action) for state, _, action in vocabulary.actions if state == START]
    return embedding_map({name: table[vocabulary.space(name)] for name in names})


def task_embeddings(learner: Learner) -> dict[str, Float[np.ndarray, "size"]]:
    """Returns the embeddings of all tasks that a learner of one replica knows, of the policy that proposes best."""
    table = best_policy(learner).task[0]
    return {task: table[at] for at, task in enumerate(learner.vocabulary.tasks)}


def has_new_policy(learner: Learner) -> bool:
    """Returns whether the policy that proposes best is the new one, which has learned from this search alone."""
    if learner.bandit is None:
        return False
    return int(learner.bandit.best_policy(learner.bandit_config)[0]) == NEW_POLICY


def embedding_map(embeddings: Mapping[str, Float[np.ndarray, "size"]]) -> EmbeddingMap:
    """Returns embeddings in the two dimensions in which they differ most.

    This is principal component analysis, by the singular value decomposition of the centred embeddings. The largest
    entry of each axis is positive, so that one agent has one picture.
    """
    names = tuple(embeddings)
    if not names:
        return EmbeddingMap((), (), (0.0, 0.0))
    rows = np.stack([np.asarray(embeddings[name], np.float64) for name in names])
    centred = rows - rows.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    smallest = _LEAST * max(float(sizes[0]), float(np.abs(rows).max()))
    axes, total = axes[: min(2, int((sizes > smallest).sum()))], float((sizes**2).sum())
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    places, explained = np.zeros((len(names), 2)), np.zeros(2)
    places[:, : len(axes)] = centred @ (axes * signs[:, None]).T
    if len(axes):
        explained[: len(axes)] = sizes[: len(axes)] ** 2 / total
    found = tuple((float(x), float(y)) for x, y in places)
    size = float(np.linalg.norm(rows, axis=1).mean())
    return EmbeddingMap(names, found, (float(explained[0]), float(explained[1])), size)
