"""What is new after a transfer: actions of known states that were never met, and how much of a problem was met."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..spaces.choice import START
from ..spaces.encoding import Encoding
from ..spaces.vocabulary import Vocabulary
from .numbers import number_rows


class Novelty(NamedTuple):
    """Which actions are new in states that are not.

    Attributes:
        actions: Shape `[actions]`, 1 for those, room in the table included.
        problems: Shape `[problems]`, whether a problem has any.
        met: Shape `[problems]`, the share of a choice's actions that were met before, whether its state was or not, in
            the mean over the choices of a problem; 0 without a transfer.
    """

    actions: Float[np.ndarray, "actions"]
    problems: Bool[np.ndarray, "problems"]
    met: Float[np.ndarray, "problems"]


def new_actions(
    known: Vocabulary, vocabulary: Vocabulary
) -> dict[str, tuple[Int[np.ndarray, "old"], Int[np.ndarray, "new"]]]:
    """Returns, for each state that was known and has new actions, the rows of its known ones and of its new ones."""
    split = {
        state: (rows[rows < len(known.actions)], rows[rows >= len(known.actions)])
        for state, rows in vocabulary.rows_by_state().items()
        if state != START
    }
    return {state: (old, new) for state, (old, new) in split.items() if len(old) and len(new)}


def novelty(
    encoding: Encoding, known: Vocabulary | None, vocabulary: Vocabulary, room: int, numbers: bool = True
) -> Novelty:
    """Returns what is new.

    Args:
        encoding: the problems.
        known: the names before a transfer; None if there was none.
        vocabulary: all names.
        room: rows of the table of actions.
        numbers: whether new numbers are among them.
    """
    actions, problems = np.zeros(room, np.float32), np.zeros(len(encoding.problems), bool)
    met = np.zeros(len(encoding.problems))
    if known is None:
        return Novelty(actions, problems, met)
    passed_over = {} if numbers else number_rows(vocabulary)
    for state, (_, new) in new_actions(known, vocabulary).items():
        if state not in passed_over:
            actions[new] = 1.0
    for row, problem in enumerate(encoding.problems):
        rows = [np.array([vocabulary.action(c.state, a) for a in c.actions]) for c in problem.space.choices]
        problems[row] = any(actions[each].any() for each in rows)
        met[row] = np.mean([np.mean(each < len(known.actions)) for each in rows])
    return Novelty(actions, problems, met)
