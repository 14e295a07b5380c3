"""Conditions on earlier choices: equal, in, not, and, or.

A condition states when a choice of a search space is active. An inactive choice has no action, so `Equal("kernel", 3)`
is false while "kernel" is inactive, and `~Equal("kernel", 3)` is true.
"""

import zlib
from collections.abc import Callable, Iterable, KeysView, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

Action = None | bool | int | float | str
Config = Mapping[str, Action]
T = TypeVar("T")

# A conjunction maps each choice that it names to a mask of the actions that satisfy it; the last entry is "inactive".
Term = dict[str, tuple[bool, ...]]

_MAX_TERMS = 256


class _Operators:
    """Gives every condition `&`, `|` and `~`."""

    __slots__ = ()

    def __and__(self, other: "Condition") -> "And":
        return And((self, other))  # type: ignore[arg-type]

    def __or__(self, other: "Condition") -> "Or":
        return Or((self, other))  # type: ignore[arg-type]

    def __invert__(self) -> "Not":
        return Not(self)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        raise TypeError("a condition has no truth value; combine conditions with &, | and ~, not with and, or, not")


def stable_hash(value: object) -> int:
    """Returns a hash of the `repr` of a value, which is the same in every process, unlike Python's hash of a string."""
    return zlib.crc32(repr(value).encode())


def set_fields(part: object, **values: object) -> None:
    """Sets fields of a frozen dataclass that is being made."""
    for name, value in values.items():
        object.__setattr__(part, name, value)


class Typed:
    """Base of classes that compare by type as well as by value: `Equal("a", 1)` is not `Equal("a", True)`."""

    __slots__ = ()
    _hash: int

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._hash == hash(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True, eq=False)
class Equal(Typed, _Operators):
    """Condition that is true when a choice takes a given action, by value and type.

    Attributes:
        choice: Name of an earlier choice.
        action: The action.

    Example:
        ```python
        momentum = Choice("momentum", (0.0, 0.9), when=Equal("optimizer", "sgd"))
        ```
    """

    choice: str
    action: Action
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        set_fields(self, action=to_builtin(self.action))
        set_fields(self, _hash=stable_hash(self))


@dataclass(frozen=True, slots=True, eq=False)
class In(Typed, _Operators):
    """Condition that is true when a choice takes any of several actions.

    Attributes:
        choice: Name of an earlier choice.
        actions: The actions, at least one.

    Example:
        ```python
        third = Choice("units 3", (32, 64), when=In("layers", (3, 4)))
        ```
    """

    choice: str
    actions: tuple[Action, ...]
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        actions = tuple(to_builtin(action) for action in as_tuple(self.actions, "the actions of In"))
        set_fields(self, actions=actions)
        set_fields(self, _hash=stable_hash(self))
        if not self.actions:
            raise ValueError(f'In("{self.choice}", ()) names no action, so it could never be true')


@dataclass(frozen=True, slots=True)
class Not(_Operators):
    """Condition that is true when another condition is false, for example because the choice there is inactive.

    Attributes:
        condition: The condition to negate. `~condition` is a shorter form.

    Example:
        ```python
        print(Not(Equal("pooling", "none")) == ~Equal("pooling", "none"))  # True
        ```
    """

    condition: "Condition"

    def __post_init__(self) -> None:
        set_fields(self, condition=_member(self.condition))


@dataclass(frozen=True, slots=True)
class And(_Operators):
    """Condition that is true when all of several conditions are true.

    Attributes:
        conditions: The conditions. `left & right` is a shorter form for two.

    Example:
        ```python
        momentum = Choice("momentum", (0.0, 0.9), when=Equal("optimizer", "sgd") & In("layers", (3, 4)))
        ```
    """

    conditions: tuple["Condition", ...]

    def __post_init__(self) -> None:
        set_fields(self, conditions=tuple(map(_member, self.conditions)))


@dataclass(frozen=True, slots=True)
class Or(_Operators):
    """Condition that is true when any of several conditions is true.

    Attributes:
        conditions: The conditions. `left | right` is a shorter form for two.

    Example:
        ```python
        momentum = Choice("momentum", (0.0, 0.9), when=Equal("optimizer", "sgd") | In("layers", (3, 4)))
        ```
    """

    conditions: tuple["Condition", ...]

    def __post_init__(self) -> None:
        set_fields(self, conditions=tuple(map(_member, self.conditions)))


Condition = Equal | In | Not | And | Or


def as_condition(when: Condition | Config | Mapping[str, object] | None) -> Condition | None:
    """Returns the argument `when=` of a choice as a condition.

    All entries of a mapping must hold. A tuple or list as a value stands for any of its members:
    `{"layers": 2, "kind": ("conv", "pool")}`.

    Raises:
        TypeError: `when` is neither a mapping, a condition nor None.
        ValueError: The mapping is empty.
    """
    if when is None or isinstance(when, Condition):
        return when
    if not isinstance(when, Mapping):
        raise TypeError(f'when={when!r} is not a condition; write {{"choice": action}} or Equal("choice", action)')
    if not when:
        raise ValueError("when={} names no choice; leave it out for a choice that is always active")
    parts: list[Condition] = [
        In(name, tuple(value)) if isinstance(value, (tuple, list)) else Equal(name, value)  # type: ignore[arg-type]
        for name, value in when.items()
    ]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def as_tuple(values: Iterable[T], what: str) -> tuple[T, ...]:
    """Returns values as a tuple.

    Args:
        values: The values.
        what: Name of the values in the error.

    Raises:
        TypeError: The values are a string, are not iterable, or are a set, whose order differs between processes.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{what} must be a tuple or list, not {values!r}; write ({values!r},)")
    if isinstance(values, Set) and not isinstance(values, KeysView):
        raise TypeError(f"{what} must be a tuple or list, not {values!r}: a set has no order")
    return tuple(values)


def to_builtin(value: object) -> Action:
    """Returns an action as a plain Python value, also from a NumPy scalar or a member of a str or int enumeration.

    Raises:
        TypeError: The value is not None, bool, int, float or str.
        ValueError: The value is nan.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is not None and not isinstance(value, (bool, int, float, str)):
        kind = type(value).__name__
        raise TypeError(f"{value!r} of type {kind} cannot be an action; use None, bool, int, float or str")
    if isinstance(value, float) and value != value:
        raise ValueError("nan cannot be an action: it does not equal itself")
    if value is None or isinstance(value, bool):
        return value
    return str.__str__(value) if isinstance(value, str) else int(value) if isinstance(value, int) else float(value)


def is_same_action(left: Action, right: Action) -> bool:
    """Returns whether two actions are the same by type and value: `True`, `1` and `1.0` are three actions."""
    return type(left) is type(right) and left == right


def action_key(action: Action) -> tuple[type, Action]:
    """Returns the type and the value of an action, which are equal for two actions exactly if they are the same."""
    return type(action), action


def is_any_of(action: Action, actions: Iterable[Action]) -> bool:
    """Returns whether an action is one of several, by value and type."""
    return any(is_same_action(action, other) for other in actions)


def are_numbers(actions: Sequence[Action]) -> bool:
    """Returns whether actions are at least three numbers; the order of two numbers carries no information."""
    return len(actions) > 2 and all(type(action) in (int, float) for action in actions)


def holds(condition: Condition | None, config: Config) -> bool:
    """Returns whether the condition is true of the choices made so far."""
    match condition:
        case None:
            return True
        case Equal(choice, action):
            return choice in config and is_same_action(config[choice], action)
        case In(choice, actions):
            return choice in config and any(is_same_action(config[choice], action) for action in actions)
        case Not(inner):
            return not holds(inner, config)
        case And(parts):
            return all(holds(part, config) for part in parts)
        case Or(parts):
            return any(holds(part, config) for part in parts)


def reduce(condition: Condition | bool, choice: str, action: Action, active: bool = True) -> Condition | bool:
    """Returns a condition simplified by the outcome of a choice: a condition on other choices, or True or False.

    Args:
        condition: The condition.
        choice: Name of the choice.
        action: Action that the choice took.
        active: False if the choice was not made; `action` is ignored then.
    """
    match condition:
        case bool():
            return condition
        case Equal(choice=name) | In(choice=name):
            if name != choice:
                return condition
            return active and holds(condition, {choice: action})
        case Not(inner):
            left = reduce(inner, choice, action, active)
            return not left if isinstance(left, bool) else Not(left)
        case And(parts) | Or(parts):
            decisive = isinstance(condition, Or)  # the value of one part that decides the whole
            reduced = [reduce(part, choice, action, active) for part in parts]
            if any(part is decisive for part in reduced):
                return decisive
            rest = tuple(part for part in reduced if not isinstance(part, bool))
            return not decisive if not rest else rest[0] if len(rest) == 1 else type(condition)(rest)


def literals(condition: Condition | None) -> tuple[Equal | In, ...]:
    """Returns the comparisons of a condition, in reading order."""
    match condition:
        case None:
            return ()
        case Equal() | In():
            return (condition,)
        case Not(inner):
            return literals(inner)
        case And(parts) | Or(parts):
            return tuple(literal for part in parts for literal in literals(part))


def rename(condition: Condition, names: Mapping[str, str]) -> Condition:
    """Returns the condition with its choices renamed; a name that `names` lacks stays."""
    match condition:
        case Equal(choice, action):
            return Equal(names.get(choice, choice), action)
        case In(choice, actions):
            return In(names.get(choice, choice), actions)
        case Not(inner):
            return Not(rename(inner, names))
        case And(parts) | Or(parts):
            return type(condition)(tuple(rename(part, names) for part in parts))


def disjunction(condition: Condition | None, actions: Callable[[str], tuple[Action, ...]]) -> list[Term]:
    """Returns the terms of a condition in disjunctive normal form; the condition is true when any term is true.

    Args:
        condition: The condition. None is always true and gives a single empty term.
        actions: Function from the name of a choice to its actions.

    Raises:
        ValueError: The normal form has more than 256 terms.
    """
    if condition is None:
        return [{}]
    return _terms(condition, actions, negated=False)


def _member(condition: object) -> "Condition":
    found = as_condition(condition)  # type: ignore[arg-type]
    if found is None:
        raise TypeError("None is not a condition")
    return found


def _terms(condition: Condition, actions: Callable[[str], tuple[Action, ...]], negated: bool) -> list[Term]:
    match condition:
        case Equal(choice, action):
            return _literal(choice, (action,), actions, negated)
        case In(choice, members):
            return _literal(choice, members, actions, negated)
        case Not(inner):
            return _terms(inner, actions, not negated)
        case And(parts) | Or(parts):
            branches = [_terms(part, actions, negated) for part in parts]
            if isinstance(condition, And) is not negated:
                return _conjunction(branches)
            return _distinct([term for branch in branches for term in branch])


def _literal(
    choice: str, members: tuple[Action, ...], actions: Callable[[str], tuple[Action, ...]], negated: bool
) -> list[Term]:
    wanted = set(map(action_key, members))
    chosen = [action_key(action) in wanted for action in actions(choice)]
    allowed = tuple(hit is not negated for hit in (*chosen, False))
    return [{choice: allowed}] if any(allowed) else []


def _conjunction(branches: list[list[Term]]) -> list[Term]:
    terms: list[Term] = [{}]
    for branch in branches:
        merged = [_merge(left, right) for left in terms for right in branch]
        terms = _distinct([term for term in merged if term is not None])
    return terms


def _merge(left: Term, right: Term) -> Term | None:
    term = dict(left)
    for choice, allowed in right.items():
        # A mask that only the right term has is shared, not copied: a choice of many actions has a long mask.
        both = tuple(a and b for a, b in zip(term[choice], allowed, strict=True)) if choice in term else allowed
        if not any(both):
            return None
        term[choice] = both
    return term


def _distinct(terms: list[Term]) -> list[Term]:
    distinct = list({tuple(sorted(term.items())): term for term in terms}.values())
    if len(distinct) > _MAX_TERMS:
        raise ValueError(f"a condition has more than {_MAX_TERMS} alternatives; split its choice or nest it less")
    return distinct
