"""Problems as padded arrays: their decisions, and the rules of what comes next.

Shapes: `problems`, `spaces`, `decisions` count those; `actions` is the largest number of actions of a decision,
`steps` of decisions in a trajectory, `choices` of choices in a space (S among them), `terms` of alternatives in a
condition, `literals` of comparisons in an alternative. All are padded to powers of two.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from ..arrays import AnyArray
from .choice import START, Choice
from .condition import Term, disjunction
from .counting import bounds
from .problem import Problem
from .space import SearchSpace
from .vocabulary import Vocabulary

_INT = np.int32
_MOST_BYTES = 1 << 26  # far beyond what can be searched: each draw looks at every entry
_MOST_ROOM, _MOST_ROOM_BYTES = 16, 1 << 22  # times what is needed, unless it is little


class Decisions(NamedTuple):
    """Every decision that can occur; trajectories refer to it by row.

    Attributes:
        state: Shape `[decisions]`, the vocabulary's row of the state.
        actions: Shape `[decisions, actions]`, the vocabulary's rows of the available actions.
        available: Shape `[decisions, actions]`, False where padded.
    """

    state: Int[AnyArray, "decisions"]
    actions: Int[AnyArray, "decisions actions"]
    available: Bool[AnyArray, "decisions actions"]


class Rules(NamedTuple):
    """What comes next in each space, given the choices so far.

    Choice c of a space is active when, in one of its terms, every literal allows the action that its choice took. An
    action is the position within the decision; the last position, `actions`, stands for a choice that is not active.

    Attributes:
        decision: Shape `[spaces, choices]`, the decision that a choice is; choice 0 is S.
        choice: Shape `[spaces, choices, terms, literals]`, the choice that a literal looks at.
        allows: Shape `[spaces, choices, terms, literals, actions + 1]`.
    """

    decision: Int[AnyArray, "spaces choices"]
    choice: Int[AnyArray, "spaces choices terms literals"]
    allows: Bool[AnyArray, "spaces choices terms literals actions_or_none"]


class Lineage(NamedTuple):
    """Which states and actions are members of a family (see `spaces.families`), by the vocabulary's rows.

    Attributes:
        states: Shape `[states]`, the row of the family; -1 where there is none, as where padded.
        actions: Shape `[names]`, the row of the same action of the family; -1 likewise.
    """

    states: Int[AnyArray, "states"]
    actions: Int[AnyArray, "names"]


class Tables(NamedTuple):
    """A tuple of problems as arrays.

    Attributes:
        decisions: every decision of every space.
        rules: what comes next, per space.
        space: Shape `[problems]`, the row of each problem's space in `rules`; padded.
        task: Shape `[problems]`, the vocabulary's row of each problem's task; padded.
        problems: Shape `[]`, how many of them are real.
        longest: Shape `[]`, an upper bound of the number of steps of a trajectory, S among them.
        slots: Shape `[candidates]`, 0, 1, ...: its length is an upper bound of the available actions of all steps of a
            trajectory together.
        lineage: the families; None where there can be none.
    """

    decisions: Decisions
    rules: Rules
    space: Int[AnyArray, "problems"]
    task: Int[AnyArray, "problems"]
    problems: Int[AnyArray, ""]
    longest: Int[AnyArray, ""]
    slots: Int[AnyArray, "candidates"]
    lineage: Lineage | None = None


class MinShapes(NamedTuple):
    """The least sizes of arrays: what grows within them needs nothing compiled anew. All are powers of two.

    Attributes:
        states: of the vocabulary; as are
        names: of actions and spaces, and
        tasks.
        choices: of a space, S among them.
        steps: of a trajectory.
        decisions: as in the tables; as are `actions`, `terms`, `literals` and `slots`.
    """

    states: int = 1
    names: int = 1
    tasks: int = 1
    choices: int = 1
    steps: int = 1
    decisions: int = 1
    actions: int = 1
    terms: int = 1
    literals: int = 1
    slots: int = 1


EXACT = MinShapes()


def tables_of(problems: tuple[Problem, ...], vocabulary: Vocabulary, min_shapes: MinShapes) -> Tables:
    """Returns the arrays of problems whose names the vocabulary holds.

    Raises:
        KeyError: the vocabulary lacks a name.
        ValueError: the arrays would take more than 64 MiB.
    """
    spaces = tuple({problem.space.name: problem.space for problem in problems}.values())
    table: dict[tuple[int, tuple[int, ...]], int] = {}
    decision = [_space_decisions(space, vocabulary, table) for space in spaces]
    width = max(power_of_two(max(len(actions) for _, actions in table)), min_shapes.actions)
    order = {space.name: index for index, space in enumerate(spaces)}
    padding = (0, power_of_two(len(problems)) - len(problems))
    sizes = [bounds(space.choices) for space in spaces]
    return Tables(
        decisions=_decision_arrays(table, width, min_shapes),
        rules=_rule_arrays(spaces, decision, width, min_shapes),
        space=np.pad(np.array([order[problem.space.name] for problem in problems], _INT), padding),
        task=np.pad(np.array([vocabulary.task(problem.task) for problem in problems], _INT), padding),
        problems=np.array(len(problems), _INT),
        longest=np.array(1 + max(longest for longest, _ in sizes), _INT),
        slots=np.arange(max(power_of_two(1 + max(widest for _, widest in sizes)), min_shapes.slots), dtype=_INT),
        lineage=_lineage(vocabulary, min_shapes),
    )


def reorder_rules(rules: Rules, space: int, asked: Sequence[int]) -> tuple[Rules, Int[np.ndarray, "choices"]]:
    """Returns the rules of a space as if some choices always came first; the others follow as they would.

    What comes before the last of them in the space, and is none of them, was passed over, and stays so.

    Args:
        rules: of every space.
        space: which of them.
        asked: these choices, S not among them, in their order.

    Returns:
        The rules, and the order: which choice is where now.
    """
    choices = rules.decision.shape[1]
    rest = [index for index in range(1, choices) if index not in asked]
    order = np.array([0, *asked, *rest])
    position = np.argsort(order)
    allows = rules.allows[space, order]
    allows[1 : 1 + len(asked), 0] = True
    passed = [position[index] for index in rest if asked and index < max(asked)]
    allows[passed] = False
    decision, choice, changed = (array.copy() for array in rules)
    decision[space] = rules.decision[space, order]
    choice[space] = position[rules.choice[space, order]]
    changed[space] = allows
    return Rules(decision, choice, changed), order


def power_of_two(number: int) -> int:
    """Returns the smallest power of two that is at least the number."""
    return 1 << max(0, number - 1).bit_length()


def _lineage(vocabulary: Vocabulary, min_shapes: MinShapes) -> Lineage | None:
    states, actions = vocabulary.parents()
    if min_shapes == EXACT and states.max() < 0:
        return None
    sizes = (max(power_of_two(len(states)), min_shapes.states), max(power_of_two(len(actions)), min_shapes.names))
    padded = (np.pad(a, (0, n - len(a)), constant_values=-1) for a, n in zip((states, actions), sizes, strict=True))
    return Lineage(*padded)


def _space_decisions(
    space: SearchSpace, vocabulary: Vocabulary, table: dict[tuple[int, tuple[int, ...]], int]
) -> list[int]:
    start = (vocabulary.state(START), (vocabulary.space(space.name),))
    keys = [start] + [
        (vocabulary.state(choice.state), tuple(vocabulary.action(choice.state, action) for action in choice.actions))
        for choice in space.choices
    ]
    return [table.setdefault(key, len(table)) for key in keys]


def _decision_arrays(table: dict[tuple[int, tuple[int, ...]], int], width: int, min_shapes: MinShapes) -> Decisions:
    rows = max(power_of_two(len(table)), min_shapes.decisions)
    _check_size(rows * width * 5, power_of_two(len(table)) * power_of_two(max(len(a) for _, a in table)) * 5)
    state, actions, available = np.zeros(rows, _INT), np.zeros((rows, width), _INT), np.zeros((rows, width), bool)
    available[:, 0] = True  # a padded decision is never seen, but its softmax must be finite
    for (row_state, row_actions), row in table.items():
        state[row] = row_state
        actions[row, : len(row_actions)] = row_actions
        available[row, : len(row_actions)] = True
    return Decisions(state, actions, available)


def _rule_arrays(
    spaces: tuple[SearchSpace, ...], decision: list[list[int]], width: int, min_shapes: MinShapes
) -> Rules:
    terms = [[_alternatives(space, choice) for choice in space.choices] for space in spaces]
    needed = (
        len(spaces),
        max(len(rows) for rows in decision),
        max(len(alternatives) for space in terms for alternatives in space),
        max([1, *(len(term) for space in terms for alternatives in space for term in alternatives)]),
    )
    padded = tuple(map(power_of_two, needed))
    shape = tuple(map(max, padded, (1, min_shapes.choices, min_shapes.terms, min_shapes.literals)))
    _check_size(math.prod(shape) * (width + 5), math.prod(padded) * (width + 5))
    rules = Rules(np.zeros(shape[:2], _INT), np.zeros(shape, _INT), np.zeros((*shape, width + 1), bool))
    for row, space in enumerate(spaces):
        rules.decision[row, : len(decision[row])] = decision[row]
        rules.allows[row, 0, 0] = True
        position = {choice.name: index + 1 for index, choice in enumerate(space.choices)}
        for index, alternatives in enumerate(terms[row]):
            for number, term in enumerate(alternatives):
                _write_term(rules, (row, index + 1, number), term, position)
    return rules


def _check_size(size: int, needed: int) -> None:
    """Checks the bytes of arrays before they are made: a file may ask for any.

    Args:
        size: of the arrays.
        needed: of arrays without room.
    """
    most = _MOST_BYTES if size <= _MOST_ROOM * needed else _MOST_ROOM_BYTES
    if size > most:
        raise ValueError(
            f"the problems would take arrays of {size >> 20:,} MiB, more than {most >> 20}: their spaces have too many "
            f"choices, actions or alternatives of conditions, or there is too much room"
        )


def _alternatives(space: SearchSpace, choice: Choice) -> list[Term]:
    return disjunction(choice.when, lambda name: space[name].actions)


def _write_term(rules: Rules, where: tuple[int, int, int], term: Term, position: dict[str, int]) -> None:
    rules.allows[where] = True
    for number, (name, allowed) in enumerate(term.items()):
        rules.choice[(*where, number)] = position[name]
        rules.allows[(*where, number)] = False
        rules.allows[(*where, number)][: len(allowed) - 1] = allowed[:-1]
        rules.allows[(*where, number)][-1] = allowed[-1]
