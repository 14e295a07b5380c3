"""Maps names to rows of the embedding tables, for all spaces and tasks of an agent (paper, section 3, figure 1)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int

from ..notebook import html_table
from .choice import START
from .condition import Action
from .families import families, family_of
from .problem import Problem

T = TypeVar("T")
ActionName = tuple[str, str, Action]  # state, type of the action, action: `True`, `1` and `1.0` are three actions

_MOST = 8  # names that a sentence lists
_DIGITS = re.compile("[0-9]+")


def action_name(state: str, action: Action) -> ActionName:
    """Returns the identity of an action: its state, type and value."""
    return state, type(action).__name__, action


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Append-only tables of names; the position of a name is its row in the embedding tables.

    The start state S is state 0, and the spaces are its actions, so the embedding of a space is that of an action.

    Attributes:
        states: Names of states, S first.
        actions: Actions of all states; the spaces are the actions of S.
        tasks: Names of tasks.
    """

    states: tuple[str, ...] = (START,)
    actions: tuple[ActionName, ...] = ()
    tasks: tuple[str, ...] = ()
    _state: dict[str, int] = field(init=False, repr=False, compare=False)
    _action: dict[ActionName, int] = field(init=False, repr=False, compare=False)
    _task: dict[str, int] = field(init=False, repr=False, compare=False)
    # Caches arrays that follow from the names, because an agent of many problems has many names.
    _found: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name, table in (("_state", self.states), ("_action", self.actions), ("_task", self.tasks)):
            object.__setattr__(self, name, {key: index for index, key in enumerate(table)})

    def state(self, name: str) -> int:
        """Returns the row of a state."""
        return self._state[name]

    def action(self, state: str, action: Action) -> int:
        """Returns the row of an action of a state."""
        return self._action[action_name(state, action)]

    def space(self, name: str) -> int:
        """Returns the row of a space, which is an action of S."""
        return self.action(START, name)

    def task(self, name: str) -> int:
        """Returns the row of a task."""
        return self._task[name]

    def rows_by_state(self) -> dict[str, Int[np.ndarray, "actions"]]:
        """Returns the rows of the actions of each state; the arrays are shared, so do not change them."""
        if "rows" not in self._found:
            rows: dict[str, list[int]] = {}
            for row, (state, _, _) in enumerate(self.actions):
                rows.setdefault(state, []).append(row)
            self._found["rows"] = {state: np.array(found) for state, found in rows.items()}
        return self._found["rows"]

    def renamed(self, names: Mapping[str, str]) -> "Vocabulary":
        """Returns the vocabulary with some states renamed.

        Args:
            names: Mapping from names of the vocabulary to new names; two states may swap their names.

        Raises:
            ValueError: A state is unknown, a new name is that of another state, or two states would have the same name.
        """
        if not names:
            return self
        for old, new in names.items():
            if old not in self._state or old == START:
                known = resolve_renamed([name for name in self.states if name != START], str(old), new)
                raise ValueError(f"rename: there is no state {old!r}; the known states are {known}")
            if new in self._state and new not in names:
                raise ValueError(
                    f"rename: the agent knows {new!r} already, so {old!r} cannot become {new!r}; leave {old!r} out, or "
                    f"rename {new!r} as well"
                )
            if list(names.values()).count(new) > 1:
                raise ValueError(f"rename: two states cannot both become {new!r}")
        return Vocabulary(
            tuple(names.get(state, state) for state in self.states),
            tuple((names.get(state, state), kind, action) for state, kind, action in self.actions),
            self.tasks,
        )

    def parents(self) -> tuple[Int[np.ndarray, "states"], Int[np.ndarray, "actions"]]:
        """Returns the rows of the families of states and of actions; the arrays are shared, so do not change them.

        Returns:
            Shape `[states]`, the row of the family of each state, and shape `[actions]`, the row of the same action of
            the family. Names without a family have -1.
        """
        if "parents" not in self._found:
            self._found["parents"] = self._parents()
        return self._found["parents"]

    def _parents(self) -> tuple[Int[np.ndarray, "states"], Int[np.ndarray, "actions"]]:
        family = {state: family_of(state) for state in self.states}
        states = [self._state.get(family[state] or "", -1) for state in self.states]
        actions = [
            self._action.get((family.get(state) or "", kind, action), -1) for state, kind, action in self.actions
        ]
        return np.array(states, np.int32), np.array(actions, np.int32)

    def extended(self, problems: Iterable[Problem], with_families: bool = False) -> "Vocabulary":
        """Returns the vocabulary with the names of problems appended.

        Args:
            problems: The problems.
            with_families: Whether to append the families of their spaces as well (see `spaces.families`).
        """
        states, actions, tasks = dict.fromkeys(self.states), dict.fromkeys(self.actions), dict.fromkeys(self.tasks)
        for problem in problems:
            tasks[problem.task] = None
            actions[action_name(START, problem.space.name)] = None
            for choice in problem.space.choices:
                states[choice.state] = None
                actions |= {action_name(choice.state, action): None for action in choice.actions}
            for family, its in families(problem.space).items() if with_families else ():
                states[family] = None
                actions |= {action_name(family, action): None for action in its}
        return Vocabulary(tuple(states), tuple(actions), tuple(tasks))


@dataclass(frozen=True, slots=True)
class TransferReport:
    """Names of new problems that an agent knew, and names that were new, before the first trial.

    A known name keeps its embedding, and a new name has a random embedding. `Agent.provenance` counts the trials of the
    earlier problems.

    Attributes:
        known_states: States of the new problems that earlier problems had.
        new_states: States of the new problems that no earlier problem had.
        known_actions: (state, action) pairs of the new problems that earlier problems had.
        new_actions: (state, action) pairs of the new problems that no earlier problem had.
        known_spaces: Names of spaces of the new problems that earlier problems had.
        new_spaces: Names of spaces of the new problems that no earlier problem had.
        known_tasks: Tasks of the new problems that earlier problems had.
        new_tasks: Tasks of the new problems that no earlier problem had.
        source_spaces: All spaces of the earlier problems.
        source_tasks: All tasks of the earlier problems.

    Example:
        ```python
        filters, dropout = Choice("filters", (16, 32)), Choice("dropout", (0.0, 0.5))
        agent = Agent([Problem(SearchSpace("cnn", [filters]), "digits")])
        agent = agent.transfer_to([Problem(SearchSpace("cnn", [filters, dropout]), "faces")])
        print(agent.transfer_report.known_states)  # ('filters',)
        print(agent.transfer_report.new_states)  # ('dropout',)
        ```
    """

    known_states: tuple[str, ...]
    new_states: tuple[str, ...]
    known_actions: tuple[tuple[str, Action], ...]
    new_actions: tuple[tuple[str, Action], ...]
    known_spaces: tuple[str, ...]
    new_spaces: tuple[str, ...]
    known_tasks: tuple[str, ...]
    new_tasks: tuple[str, ...]
    source_spaces: tuple[str, ...]
    source_tasks: tuple[str, ...]

    @property
    def nothing_in_common(self) -> bool:
        """Whether no state, no space and no task of the new problems was known."""
        return not (self.known_states or self.known_spaces or self.known_tasks)

    def __str__(self) -> str:
        """Returns the report as a few lines of text."""
        lines = [f"Transfer from spaces {listed(self.source_spaces)}, tasks {listed(self.source_tasks)}"]
        for kind in ("states", "actions", "spaces", "tasks"):
            known, new = getattr(self, f"known_{kind}"), getattr(self, f"new_{kind}")
            lines.append(f"  {kind}: {len(known)} known, {len(new)} new" + (f": {listed(new)}" if new else ""))
        if self.nothing_in_common:
            lines.append("  nothing in common: the search starts as if from scratch")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Returns a table of the numbers of known and new names, which notebooks show."""
        words = f"from spaces {listed(self.source_spaces)}, tasks {listed(self.source_tasks)}"
        kinds = ("states", "actions", "spaces", "tasks")
        both = [(kind, getattr(self, f"known_{kind}"), getattr(self, f"new_{kind}")) for kind in kinds]
        rows = [(kind, len(known), len(new), listed(new)) for kind, known, new in both]
        return html_table("Transfer", words, ("", "known", "new", "which are new"), rows)


def transfer_report(known: Vocabulary, problems: Iterable[Problem]) -> TransferReport:
    """Returns the names of new problems that a vocabulary has, and the names that it lacks."""
    asked = Vocabulary().extended(problems)
    return TransferReport(
        *_parted((name, name in known.states) for name in asked.states if name != START),
        *_parted(((key[0], key[2]), key in known.actions) for key in asked.actions if key[0] != START),
        *_parted((str(key[2]), key in known.actions) for key in asked.actions if key[0] == START),
        *_parted((name, name in known.tasks) for name in asked.tasks),
        source_spaces=tuple(str(key[2]) for key in known.actions if key[0] == START),
        source_tasks=known.tasks,
    )


def _parted(names: Iterable[tuple[T, bool]]) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """Returns the names that are known, and those that are not."""
    found = list(names)
    return tuple(name for name, known in found if known), tuple(name for name, known in found if not known)


def listed(names: tuple[object, ...]) -> str:
    """Returns names as a list in a sentence: eight of them, and the number of the others.

    Args:
        names: Names; a pair is a state and an action.
    """
    shown = [f"{name[0]}={name[1]!r}" if isinstance(name, tuple) else str(name) for name in names[:_MOST]]
    return ", ".join(shown) + (f", and {len(names) - _MOST} more" if len(names) > _MOST else "") if names else "none"


def counted(count: int, noun: str) -> str:
    """Returns a number with its noun, in the plural unless there is one.

    Example:
        ```python
        assert (counted(1, "study"), counted(1200, "study")) == ("1 study", "1,200 studies")
        ```
    """
    several = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{count:,} {noun if count == 1 else several}"


def resolve_name(known: Sequence[str], meant: str) -> str:
    """Returns the known names as text, with the known name that is closest to a misspelt name.

    Example:
        ```python
        assert resolve_name(["units", "rate"], "unit") == "units, rate. Did you mean 'units'?"
        ```
    """
    close = get_close_matches(meant, known, n=1)
    return (", ".join(known) or "none") + (f". Did you mean {close[0]!r}?" if close else "")


def resolve_renamed(known: Sequence[str], old: str, new: str) -> str:
    """Returns the known names as text, with what may be wrong with the renaming of a name that is none of them.

    Example:
        ```python
        assert "the names are the wrong way round, or" in resolve_renamed(["penalty"], "ridge", "penalty")
        assert resolve_renamed(["ridge"], "rigde", "penalty") == "ridge. Did you mean 'ridge'?"
        ```
    """
    if new not in known:
        return resolve_name(known, old)
    return (
        f"{', '.join(known)}. {new!r} is known, so either the names are the wrong way round, or the file was saved "
        f"after this rename, and then leave {old!r} out of rename"
    )


def close_name(known: Iterable[str], meant: str) -> str | None:
    """Returns the known name that is closest to a misspelt name; None if none is close but for its numbers.

    Example:
        ```python
        assert close_name(["learning_rate", "units_1"], "learning_rat") == "learning_rate"
        assert close_name(["units_1"], "units_2") is None
        ```
    """
    close = get_close_matches(meant, list(known), n=3, cutoff=0.75)
    return next((name for name in close if _DIGITS.sub("", name) != _DIGITS.sub("", meant)), None)
