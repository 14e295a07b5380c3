"""Spaces to JSON and back."""

import json

import pytest
from hypothesis import given

from strategies import quick, spaces
from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import Equal, In
from transfernas.spaces.schema import Json, space_from_json, space_to_json
from transfernas.spaces.space import SearchSpace


def with_condition(when: Json) -> Json:
    return {"name": "s", "choices": [{"name": "a", "actions": [1, 2]}, {"name": "b", "actions": [1], "when": when}]}


@pytest.mark.thorough
@quick
@given(spaces())
def test_a_space_survives(space: SearchSpace) -> None:
    found = space_from_json(json.loads(json.dumps(space_to_json(space))))
    assert found == space
    assert repr(found.choices) == repr(space.choices)  # `True`, `1` and `1.0` differ here too


def test_what_a_file_holds() -> None:
    when = ~(Equal("a", 1) & In("a", (True, None))) | Equal("a", 1.5)
    space = SearchSpace("s", [Choice("a", (1, True, None, 1.5)), Choice("b", ("x",), when, state="c")])
    assert json.dumps(space_to_json(space)) == (
        '{"name": "s", "choices": [{"name": "a", "actions": [1, true, null, 1.5]}, {"name": "b", "actions": ["x"], '
        '"state": "c", "when": {"or": [{"not": {"and": [{"equal": ["a", 1]}, {"in": ["a", [true, null]]}]}}, '
        '{"equal": ["a", 1.5]}]}}]}'
    )


@pytest.mark.parametrize("when", [{"xor": [["a", 1]]}, {"not": {"Equal": ["a", 1]}}, {"and": [{"nor": []}]}])
def test_unknown_kind_of_condition(when: Json) -> None:
    kind = {"xor": "xor", "not": "Equal", "and": "nor"}[next(iter(when))]
    with pytest.raises(ValueError, match=f"unknown kind of condition '{kind}'"):
        space_from_json(with_condition(when))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"name": "s"}, KeyError),
        ({"name": "s", "choices": []}, ValueError),
        ({"name": "s", "choices": [{"name": "a"}]}, KeyError),
        (with_condition({}), ValueError),
        (with_condition({"equal": ["a", 3]}), ValueError),
        (with_condition({"equal": ["a", 1], "in": ["a", [1]]}), ValueError),
        (with_condition({"equal": ["a"]}), TypeError),
    ],
)
def test_no_space(value: Json, error: type[Exception]) -> None:
    assert space_from_json(with_condition({"equal": ["a", 1]})).size == 2  # what is wrong below is what differs
    with pytest.raises(error):
        space_from_json(value)
