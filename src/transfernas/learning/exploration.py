"""Unseen actions after a transfer: the new actions of known states, and the share of a problem that was seen."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..spaces.choice import START
from ..spaces.encoding import Encoding
from ..spaces.vocabulary import Vocabulary
from .number_embeddings import number_rows


class UnseenActions(NamedTuple):
    """The new actions of known states.

    Attributes:
        actions: Shape `[actions]`, 1 for a new action of a known state, else 0; spare rows of the table are included.
        problems: Shape `[problems]`, whether a problem has such an action.
        seen_fraction: Shape `[problems]`, the share of a choice's actions that were seen before the transfer, as the
            mean over the choices of a problem; 0 without a transfer.
    """

    actions: Float[np.ndarray, "actions"]
    problems: Bool[np.ndarray, "problems"]
    seen_fraction: Float[np.ndarray, "problems"]


def new_actions(
    known: Vocabulary, vocabulary: Vocabulary
) -> dict[str, tuple[Int[np.ndarray, "old"], Int[np.ndarray, "new"]]]:
    """Returns the rows of the known and of the new actions of each known state that has new actions.

    Args:
        known: the names before the transfer.
        vocabulary: all names.
    """
    split = {
        state: (rows[rows < len(known.actions)], rows[rows >= len(known.actions)])
        for state, rows in vocabulary.rows_by_state().items()
        if state != START
    }
    return {state: (old, new) for state, (old, new) in split.items() if len(old) and len(new)}


def find_unseen(
    encoding: Encoding, known: Vocabulary | None, vocabulary: Vocabulary, room: int, numbers: bool = True
) -> UnseenActions:
    """Returns the actions that were never seen, and the share of each problem that was.

    Args:
        encoding: the problems.
        known: the names before a transfer; None if there was none.
        vocabulary: all names.
        room: the number of rows in the table of actions.
        numbers: whether a new number counts as a new action.
    """
    actions, problems = np.zeros(room, np.float32), np.zeros(len(encoding.problems), bool)
    seen_fraction = np.zeros(len(encoding.problems))
    if known is None:
        return UnseenActions(actions, problems, seen_fraction)
    passed_over = set[str]() if numbers else set(number_rows(vocabulary))
    passed_over |= {choice.state for problem in encoding.problems for choice in problem.space.choices if choice.numbers}
    for state, (_, new) in new_actions(known, vocabulary).items():
        if state not in passed_over:
            actions[new] = 1.0
    for row, problem in enumerate(encoding.problems):
        choices = problem.space.choices
        rows = [np.array([vocabulary.action(c.state, a) for a in c.actions]) for c in choices]
        problems[row] = any(actions[each].any() for each in rows)
        # The parts of a range may differ from those of an earlier range with the same numbers.
        shares = (
            c.state in known.states if c.numbers else np.mean(each < len(known.actions))
            for c, each in zip(choices, rows, strict=True)
        )
        seen_fraction[row] = np.mean([*shares])
    return UnseenActions(actions, problems, seen_fraction)
