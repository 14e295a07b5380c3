"""Likeness of tasks: by the policy's embeddings of them, and by the trials that an agent remembers of them.

Shapes: `tasks` that are compared, `size` of an embedding.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..learning.archive import NOT_MADE, ArchivedProblem
from ..learning.learner import Learner, update_archive
from ..spaces.condition import Action, action_key
from .importances import mean_ranks
from .plane import has_new_policy, task_embeddings

ValueRanks = Mapping[tuple[str, tuple[type, Action]], float]
"""How good values are, by the name of the parameter and the type and value of the action."""

_LEAST_SHARED = 4
"""Fewer values that both problems tried give no agreement."""

_TWO_SIDED = 1.96
"""Standard deviations that chance alone exceeds in one of twenty cases; that of a rank correlation of n values without
any relation is 1 over the root of n - 1."""

_LEAST_MOVED = 0.1
"""An embedding that is nearer to its start than this part of its length has learned next to nothing."""


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
        too_early: whether the cosine says nothing yet: the task in question is still near the mean of the other tasks,
            where it started, or the policy is a new one, which has not learned the other tasks.

    Example:
        ```python
        for other in agent.beliefs().likeness:
            print(other.task, other.cosine, other.agreement, other.too_early)
        ```
    """

    space: str
    task: str
    trials: int
    cosine: float | None
    agreement: float | None
    shared: int
    too_early: bool = False

    @property
    def by_chance(self) -> bool:
        """Whether so few values in common have such a rank correlation by chance, in one of twenty cases or more."""
        return self.agreement is not None and abs(self.agreement) < _TWO_SIDED / (self.shared - 1) ** 0.5


def ranks_in(learner: Learner) -> dict[tuple[str, str], ValueRanks]:
    """Returns how good the values of each problem are that a learner of one replica remembers."""
    return {entry.name: value_ranks(entry) for entry in update_archive(learner).archive if entry.count[0]}


def likeness_in(
    learner: Learner, row: int, ranks: Mapping[tuple[str, str], ValueRanks] | None = None
) -> tuple[TaskLikeness, ...]:
    """Returns how like all other problems that a learner of one replica knows are to one, the most like first.

    Args:
        learner: the learner.
        row: of the problem.
        ranks: of `ranks_in`, where they are known already.
    """
    name, tasks, found = learner.encoding.problems[row].name, task_embeddings(learner), list[TaskLikeness]()
    entries = ranks_in(learner) if ranks is None else ranks
    here, early = entries.get(name), is_near_start(tasks, name[1]) or has_new_policy(learner)
    for past in learner.provenance:
        there = past.space, past.task
        if there == name:
            continue
        known = past.task in tasks and name[1] in tasks
        near = cosine(tasks[name[1]], tasks[past.task]) if known else None
        same, shared = agreement(here, entries[there]) if here is not None and there in entries else (None, 0)
        found.append(TaskLikeness(*there, past.trials[0], near, same, shared, near is not None and early))
    return tuple(sorted(found, key=lambda each: -np.inf if each.cosine is None else each.cosine, reverse=True))


def is_near_start(tasks: Mapping[str, Float[np.ndarray, "size"]], task: str) -> bool:
    """Returns whether the embedding of a task is still near the mean of the others, where a new task starts."""
    others = [embedding for name, embedding in tasks.items() if name != task]
    if task not in tasks or not others:
        return False
    start = np.mean(others, axis=0)
    return bool(np.linalg.norm(tasks[task] - start) < _LEAST_MOVED * np.linalg.norm(start))


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
