"""Conditions: when they hold, their normal form, and what they accept."""

import itertools
import math
import re
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import conditions, unchecked
from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import (
    Action,
    And,
    Condition,
    Config,
    Equal,
    In,
    Not,
    Or,
    as_condition,
    disjunction,
    holds,
    is_same_action,
    literals,
    rename,
    to_builtin,
)

CHOICES = (Choice("a", (True, 1, 1.0)), Choice("b", (None, "x", "y", 0)), Choice("c", (2,)))
A, B = Equal("a", 1), Equal("b", "x")


@pytest.mark.parametrize(
    ("condition", "config", "expected"),
    [
        (None, {}, True),
        (Equal("a", 1), {"a": 1}, True),
        (Equal("a", 1), {"a": 2}, False),
        (Equal("a", 1), {"a": True}, False),
        (Equal("a", 1), {"a": 1.0}, False),
        (Equal("a", 1), {"a": "1"}, False),
        (Equal("a", 1), {"b": 1}, False),
        (Equal("a", None), {"a": None}, True),
        (Equal("a", None), {}, False),
        (In("a", (1, "x")), {"a": "x"}, True),
        (In("a", (1, "x")), {"a": True}, False),
        (In("a", (1, None)), {}, False),
        (Not(A), {"a": 2}, True),
        (Not(A), {"a": 1}, False),
        (Not(A), {}, True),
        (Not(Not(A)), {}, False),
        (And((A, B)), {"a": 1, "b": "x"}, True),
        (And((A, B)), {"a": 1, "b": "y"}, False),
        (And((A, B)), {"a": 1}, False),
        (And((A, Not(B))), {"a": 1}, True),
        (And(()), {}, True),
        (Or((A, B)), {"a": 2, "b": "x"}, True),
        (Or((A, B)), {"a": 2, "b": "y"}, False),
        (Or((A, B)), {"b": "x"}, True),
        (Or((A, Not(B))), {}, True),
        (Or(()), {}, False),
    ],
)
def test_holds(condition: Condition | None, config: Config, expected: bool) -> None:
    assert holds(condition, config) is expected


def test_operators() -> None:
    assert And((A, B)) == A & B
    assert Or((A, B)) == A | B
    assert Not(A) == ~A
    assert ~(A & B) | In("c", (1,)) == Or((Not(And((A, B))), In("c", (1,))))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (None, None),
        (A, A),
        ({"a": 1}, Equal("a", 1)),
        ({"a": None}, Equal("a", None)),
        ({"a": (1, 2)}, In("a", (1, 2))),
        ({"a": [1, 2]}, In("a", (1, 2))),
        ({"a": 1, "b": ("x", "y")}, And((Equal("a", 1), In("b", ("x", "y"))))),
    ],
)
def test_what_when_accepts(when: Condition | Mapping[str, object] | None, expected: Condition | None) -> None:
    assert as_condition(when) == expected


@unchecked()
def test_a_list_is_as_good_as_a_tuple() -> None:
    # Else a space with one is unhashable, and unequal to itself read from a file.
    assert In("a", [1, 2]) == In("a", (1, 2))  # type: ignore[arg-type]
    assert And([A, B]) == And((A, B))  # type: ignore[arg-type]
    assert Or([A, B]) == Or((A, B))  # type: ignore[arg-type]


@pytest.mark.parametrize("action", [np.float64(0.5), np.str_("x"), np.int64(1), np.bool_(True)])
@pytest.mark.parametrize("shorthand", [False, True])
@unchecked()
def test_numpy_scalars_in_conditions_are_plain(action: Action, shorthand: bool) -> None:
    config = {"a": to_builtin(action)}
    assert holds(as_condition({"a": action}) if shorthand else Equal("a", action), config)
    assert holds(as_condition({"a": (action,)}) if shorthand else In("a", (action,)), config)


@pytest.mark.parametrize(
    ("when", "error", "text"),
    [
        ({}, ValueError, "when={} names no choice; leave it out"),
        (3, TypeError, 'when=3 is not a condition; write {"choice": action} or Equal("choice", action)'),
        ("a", TypeError, "when='a' is not a condition"),
        ({"a": {1, 2}}, TypeError, "{1, 2} of type set cannot be an action"),
        ({"a": math.nan}, ValueError, "nan cannot be an action"),
    ],
)
@unchecked()
def test_what_when_refuses(when: Mapping[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        as_condition(when)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (np.bool_(True), True), (np.int64(1), 1), (np.float32(0.5), 0.5), (np.str_("x"), "x"), ("x", "x")],
)
def test_plain(value: object, expected: Action) -> None:
    assert is_same_action(to_builtin(value), expected)


@pytest.mark.parametrize("value", [[1], (1,), {}, 1j, b"x", np.zeros(())])
def test_plain_refuses(value: object) -> None:
    with pytest.raises(TypeError, match=f"of type {type(value).__name__} cannot be an action; use None, bool"):
        to_builtin(value)


def test_same_looks_at_the_type() -> None:
    values: tuple[Action, ...] = (None, False, True, 0, 1, 0.0, 1.0, "", "1")
    assert [(left, right) for left in values for right in values if is_same_action(left, right)] == [
        (v, v) for v in values
    ]


def test_conditions_differ_by_the_type_of_an_action() -> None:
    assert Equal("a", 1) != Equal("a", True)
    assert In("a", (1, 2)) != In("a", (1, 2.0))
    assert Not(Equal("a", 1)) & A != Not(Equal("a", 1.0)) & A


def test_literals_in_reading_order() -> None:
    assert literals(Or((Not(And((B, In("c", (2,))))), A))) == (B, In("c", (2,)), A)
    assert literals(None) == ()


def test_rename() -> None:
    condition = Or((Not(And((B, In("c", (2,))))), A))
    renamed = Or((Not(And((Equal("b[0]", "x"), In("c[0]", (2,))))), A))
    assert rename(condition, {"b": "b[0]", "c": "c[0]", "z": "z[0]"}) == renamed


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(st.none() | conditions(CHOICES, depth=3))
def test_normal_form_agrees_on_every_assignment(condition: Condition | None) -> None:
    available = {choice.name: choice.actions for choice in CHOICES}
    terms = disjunction(condition, available.__getitem__)
    for positions in itertools.product(*(range(len(choice.actions) + 1) for choice in CHOICES)):
        taken = dict(zip(available, positions, strict=True))
        config = {name: available[name][at] for name, at in taken.items() if at < len(available[name])}
        met = any(all(allowed[taken[name]] for name, allowed in term.items()) for term in terms)
        assert met == holds(condition, config), (config, terms)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, [{}]),
        (Equal("a", 1), [{"a": (False, True, False, False)}]),
        (Not(Equal("a", 1)), [{"a": (True, False, True, True)}]),
        (In("b", (0, None)), [{"b": (True, False, False, True, False)}]),
        (A & Not(A), []),
        (A & Equal("c", 2), [{"a": (False, True, False, False), "c": (True, False)}]),
        (A | A, [{"a": (False, True, False, False)}]),
    ],
)
def test_normal_form(condition: Condition | None, expected: list[dict[str, tuple[bool, ...]]]) -> None:
    assert disjunction(condition, {choice.name: choice.actions for choice in CHOICES}.__getitem__) == expected


@pytest.mark.parametrize("pairs", [8, 9])
def test_normal_form_of_too_many_terms(pairs: int) -> None:
    condition = And(tuple(Equal(f"left {i}", 1) | Equal(f"right {i}", 1) for i in range(pairs)))
    if pairs == 8:
        assert len(disjunction(condition, lambda _: (0, 1))) == 256
        assert len(disjunction(~condition, lambda _: (0, 1))) == 8
    else:
        with pytest.raises(ValueError, match="more than 256 alternatives"):
            disjunction(condition, lambda _: (0, 1))
