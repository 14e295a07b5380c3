"""Likeness of tasks: by the policy's embeddings of them, and by the trials that an agent remembers of them.

Shapes: `tasks` that are compared, `size` of an embedding.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..learning.archive import NOT_MADE, ArchivedProblem
from ..spaces.condition import Action, action_key
from .importances import mean_ranks

ValueRanks = Mapping[tuple[str, tuple[type, Action]], float]
"""How good values are, by the name of the parameter and the type and value of the action."""

_LEAST_SHARED = 4
"""Fewer values that both problems tried give no agreement."""


@dataclass(frozen=True, slots=True)
class TaskLikeness:
    """How like another problem is to the problem in question.

    Attributes:
        space: the name of the other problem's space.
        task: the name of its task.
        trials: how many of its trials the agent learned from.
        cosine: of the angle between the embeddings of the two tasks, in [-1, 1]; None where the policy has lost one.
        agreement: the rank correlation, in [-1, 1], of how good the values are that both problems tried; None where
            they are fewer than four.
        shared: the number of those values.

    Example:
        ```python
        for other in agent.beliefs().likeness:
            print(other.task, other.cosine, other.agreement)
        ```
    """

    space: str
    task: str
    trials: int
    cosine: float | None
    agreement: float | None
    shared: int


@dataclass(frozen=True, slots=True)
class TaskMap:
    """Tasks in two dimensions.

    Attributes:
        tasks: their names.
        places: two coordinates for each task, without unit.
        explained: the share of the variance of the embeddings that each coordinate has, in [0, 1].

    Example:
        ```python
        tasks = agent.beliefs().tasks
        print(dict(zip(tasks.tasks, tasks.places)))
        ```
    """

    tasks: tuple[str, ...]
    places: tuple[tuple[float, float], ...]
    explained: tuple[float, float]


def cosine(one: Float[np.ndarray, "size"], other: Float[np.ndarray, "size"]) -> float:
    """Returns the cosine of the angle between two embeddings; 0 if one of them is 0."""
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.clip(one @ other / size, -1.0, 1.0)) if size > 0 else 0.0


def value_ranks(entry: ArchivedProblem) -> ValueRanks:
    """Returns how good the values are of parameters of which a problem tried several.

    The value of a parameter is as good as the mean rank of the remembered trials that have it, from 0 to 1.
    """
    count = int(entry.count[0])
    scores = entry.scores.at((0, slice(count)))
    ranks = mean_ranks(scores.outcome, scores.reward)
    found: dict[tuple[str, tuple[type, Action]], float] = {}
    for at, choice in enumerate(entry.choices):
        taken = entry.action_indices[0, :count, at]
        tried = np.unique(taken[taken != NOT_MADE]).tolist()
        if len(tried) > 1:
            found |= {(choice.name, action_key(choice.actions[a])): float(ranks[taken == a].mean()) for a in tried}
    return found


def agreement(here: ValueRanks, there: ValueRanks) -> tuple[float | None, int]:
    """Returns how far two problems agree on which values are good, and on how many values that is based.

    Spearman's rank correlation compares how good the values are that both problems tried.
    """
    shared = [key for key in here if key in there]
    if len(shared) < _LEAST_SHARED:
        return None, len(shared)
    left, right = ([means[key] for key in shared] for means in (here, there))
    if min(left) == max(left) or min(right) == max(right):
        return None, len(shared)
    from scipy.stats import spearmanr  # which takes half a second: an agent is imported without

    return float(spearmanr(left, right).statistic), len(shared)


def task_map(embeddings: Mapping[str, Float[np.ndarray, "size"]]) -> TaskMap:
    """Returns the embeddings of tasks in the two dimensions in which they differ most.

    This is principal component analysis, by the singular value decomposition of the centred embeddings. The largest
    entry of each axis is positive, so that one agent has one picture.
    """
    tasks = tuple(embeddings)
    if not tasks:
        return TaskMap((), (), (0.0, 0.0))
    rows = np.stack([np.asarray(embeddings[task], np.float64) for task in tasks])
    _, sizes, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    axes = axes[:2]
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    found = np.zeros((len(tasks), 2))
    found[:, : len(axes)] = (rows - rows.mean(axis=0)) @ (axes * np.where(signs == 0, 1.0, signs)[:, None]).T
    total, shares = float((sizes**2).sum()), np.zeros(2)
    if total > 0:
        shares[: len(axes)] = sizes[:2] ** 2 / total
    places = tuple((float(x), float(y)) for x, y in found)
    return TaskMap(tasks, places, (float(shares[0]), float(shares[1])))
