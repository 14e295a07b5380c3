"""Problems as padded arrays: their decisions, and the rules that determine the next decision.

Shapes: `problems`, `spaces` and `decisions` are the numbers of these. The others are largest numbers: `actions` of the
actions of a decision, `steps` of the decisions of a trajectory, `choices` of the choices of a space (S among them),
`terms` of the alternatives of a condition, `literals` of the comparisons of an alternative. All are padded to powers of
two.
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
_MOST_BYTES = 1 << 26  # far beyond any feasible search: each draw reads every entry
_MOST_ROOM, _MOST_ROOM_BYTES = 16, 1 << 22  # arrays of more than 16 times the needed size may take up to 4 MiB


class Decisions(NamedTuple):
    """All decisions that can occur; trajectories refer to their rows.

    Attributes:
        state: Shape `[decisions]`, the vocabulary's row of the state.
        actions: Shape `[decisions, actions]`, the vocabulary's rows of the available actions.
        available: Shape `[decisions, actions]`, False where padded.
    """

    state: Int[AnyArray, "decisions"]
    actions: Int[AnyArray, "decisions actions"]
    available: Bool[AnyArray, "decisions actions"]


class Rules(NamedTuple):
    """Conditions of the choices of each space.

    A choice is active if some term of the choice has literals that all allow the actions taken. An action is the
    position within the decision; the last position, `actions`, stands for an inactive choice.

    Attributes:
        decision: Shape `[spaces, choices]`, the row of the decision of a choice; choice 0 is S.
        choice: Shape `[spaces, choices, terms, literals]`, the choice that a literal reads.
        allows: Shape `[spaces, choices, terms, literals, actions + 1]`, True for the actions that satisfy a literal.
    """

    decision: Int[AnyArray, "spaces choices"]
    choice: Int[AnyArray, "spaces choices terms literals"]
    allows: Bool[AnyArray, "spaces choices terms literals actions_or_none"]


class Lineage(NamedTuple):
    """Families of states and actions (see `spaces.families`), as rows of the vocabulary.

    Attributes:
        states: Shape `[states]`, the row of the family; -1 for a state without a family and for padding.
        actions: Shape `[names]`, the row of the same action of the family; -1 likewise.
    """

    states: Int[AnyArray, "states"]
    actions: Int[AnyArray, "names"]


class Tables(NamedTuple):
    """A tuple of problems as arrays.

    Attributes:
        decisions: All decisions of all spaces.
        rules: Conditions of the choices of each space.
        space: Shape `[problems]`, the row of each problem's space in `rules`; padded.
        task: Shape `[problems]`, the vocabulary's row of each problem's task; padded.
        problems: Shape `[]`, the number of problems without padding.
        longest: Shape `[]`, an upper bound of the number of steps of a trajectory, S among them.
        slots: Shape `[candidates]`, the numbers from 0. The length is an upper bound of the number of available actions
            of all steps of a trajectory together.
        lineage: Families; None if there are no families and no room for them.
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
    """Least sizes of arrays, all powers of two; problems that grow within these sizes need no new compilation.

    Attributes:
        states: Rows of states in the vocabulary.
        names: Rows of actions and spaces in the vocabulary.
        tasks: Rows of tasks in the vocabulary.
        choices: Choices of a space, S among them.
        steps: Steps of a trajectory.
        decisions: Rows of `Decisions`.
        actions: Actions of a decision.
        terms: Alternatives of a condition.
        literals: Comparisons of an alternative.
        slots: Available actions of all steps of a trajectory together.
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
    """Returns the arrays of problems.

    Args:
        problems: The problems.
        vocabulary: A vocabulary with the names of the problems.
        min_shapes: Least sizes of the arrays.

    Raises:
        KeyError: The vocabulary lacks a name.
        ValueError: The arrays would take more than 64 MiB, or more than 4 MiB because of `min_shapes`.
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
    """Returns the rules of a space with some choices always made first; the other choices follow under their rules.

    A choice that is not in `asked`, but comes before the last of `asked` in the space, was passed over and stays
    inactive.

    Args:
        rules: Rules of all spaces.
        space: Row of the space.
        asked: Positions of the choices to be made first, in their order, without S.

    Returns:
        The rules, and the order: Shape `[choices]`, the old position of the choice at each new position.
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
    available[:, 0] = True  # a padded decision never occurs, but its softmax must be finite
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
    """Checks the size of arrays before they are allocated, because a file may ask for any size.

    Args:
        size: Bytes of the arrays.
        needed: Bytes of arrays without the room of `MinShapes`.

    Raises:
        ValueError: The arrays are too large.
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
