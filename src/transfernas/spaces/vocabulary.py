"""Names to indices, shared by every space and task that an agent has met (paper, section 3, figure 1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int

from .choice import START
from .condition import Action
from .families import families, family_of
from .problem import Problem

ActionName = tuple[str, str, Action]  # state, type of the action, action: `True`, `1` and `1.0` are three


def action_name(state: str, action: Action) -> ActionName:
    """Returns what identifies an action: its state, its type, its value."""
    return state, type(action).__name__, action


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Append-only tables of names; the position of a name is its row in the embedding tables.

    The start state S is state 0, and the spaces are its actions, so the embedding of a space is that of an action.

    Attributes:
        states: names of states, S first.
        actions: every action of every state, the spaces among them as actions of S.
        tasks: names of tasks.
    """

    states: tuple[str, ...] = (START,)
    actions: tuple[ActionName, ...] = ()
    tasks: tuple[str, ...] = ()
    _state: dict[str, int] = field(init=False, repr=False, compare=False)
    _action: dict[ActionName, int] = field(init=False, repr=False, compare=False)
    _task: dict[str, int] = field(init=False, repr=False, compare=False)
    # What follows from the names is found once: of an agent of many problems there are many.
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
        """Returns the rows of the actions of each state; do not change them."""
        if "rows" not in self._found:
            rows: dict[str, list[int]] = {}
            for row, (state, _, _) in enumerate(self.actions):
                rows.setdefault(state, []).append(row)
            self._found["rows"] = {state: np.array(found) for state, found in rows.items()}
        return self._found["rows"]

    def renamed(self, names: Mapping[str, str]) -> "Vocabulary":
        """Returns the vocabulary with states under other names, where two names mean the same.

        Args:
            names: from names it has to names it has not.

        Raises:
            ValueError: a state is unknown, or the new name is taken.
        """
        if not names:
            return self
        for old, new in names.items():
            if old not in self._state or old == START:
                known = tuple(name for name in self.states if name != START)
                raise ValueError(f"rename: there is no state {old!r}; those known are {known}")
            if new in self._state:
                raise ValueError(f"rename: {old!r} cannot become {new!r}, which is a state of its own")
            if list(names.values()).count(new) > 1:
                raise ValueError(f"rename: two states cannot both become {new!r}")
        return Vocabulary(
            tuple(names.get(state, state) for state in self.states),
            tuple((names.get(state, state), kind, action) for state, kind, action in self.actions),
            self.tasks,
        )

    def parents(self) -> tuple[Int[np.ndarray, "states"], Int[np.ndarray, "actions"]]:
        """Returns the rows of the families of the states, and of their actions there; -1 where there is none.

        Do not change them.
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
        """Returns the vocabulary with the names of the problems added behind those it has.

        Args:
            problems: whose names.
            with_families: whether the families of their spaces are added as well (see `spaces.families`).
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
    """What an agent had seen of new problems before their first trial, by name.

    What is known keeps its embedding, what is new has one drawn. How many trials taught it is in `Agent.provenance`.

    Attributes:
        known_states: states of the new problems that it had seen in earlier ones.
        new_states: those it had not.
        known_actions: (state, action) pairs of the new problems that it had seen.
        new_actions: those it had not.
        known_spaces: the new problems' spaces whose names it had seen.
        new_spaces: those it had not.
        known_tasks: the new problems' tasks that it had seen.
        new_tasks: those it had not.
        source_spaces: every space of its earlier problems.
        source_tasks: every task of its earlier problems.
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
        """Whether no state, space or task of the new problems was known."""
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


def transfer_report(known: Vocabulary, problems: Iterable[Problem]) -> TransferReport:
    """Compares new problems with what a vocabulary knows."""
    asked = Vocabulary().extended(problems)
    states = [(name, name in known.states) for name in asked.states if name != START]
    actions = [((key[0], key[2]), key in known.actions) for key in asked.actions if key[0] != START]
    spaces = [(str(key[2]), key in known.actions) for key in asked.actions if key[0] == START]
    tasks = [(name, name in known.tasks) for name in asked.tasks]
    return TransferReport(
        known_states=tuple(name for name, hit in states if hit),
        new_states=tuple(name for name, hit in states if not hit),
        known_actions=tuple(name for name, hit in actions if hit),
        new_actions=tuple(name for name, hit in actions if not hit),
        known_spaces=tuple(name for name, hit in spaces if hit),
        new_spaces=tuple(name for name, hit in spaces if not hit),
        known_tasks=tuple(name for name, hit in tasks if hit),
        new_tasks=tuple(name for name, hit in tasks if not hit),
        source_spaces=tuple(str(key[2]) for key in known.actions if key[0] == START),
        source_tasks=known.tasks,
    )


def listed(names: tuple[object, ...], most: int = 8) -> str:
    """Returns names as words of a sentence, the first few of many; a pair is a state and an action."""
    shown = [f"{name[0]}={name[1]!r}" if isinstance(name, tuple) else str(name) for name in names[:most]]
    return ", ".join(shown) + (f", and {len(names) - most} more" if len(names) > most else "") if names else "none"
