"""Converts search spaces to plain JSON values and back, for the agent's file."""

from typing import Any, assert_never

from .choice import Choice
from .condition import And, Condition, Equal, In, Not, Or
from .domain import Range
from .space import SearchSpace

Json = Any  # what json.loads returns


def space_to_json(space: SearchSpace) -> Json:
    """Returns a space as JSON values, with every repetition written out."""
    return {"name": space.name, "choices": [choice_to_json(choice) for choice in space.choices]}


def space_from_json(value: Json) -> SearchSpace:
    """Returns the space that `space_to_json` described.

    Raises:
        KeyError, TypeError, ValueError: The value does not describe a space.
    """
    return SearchSpace(value["name"], [choice_from_json(choice) for choice in value["choices"]])


def choice_to_json(choice: Choice) -> Json:
    """Returns a choice as JSON values."""
    found: dict[str, Json] = {"name": choice.name}
    if choice.range is None:
        found["actions"] = list(choice.actions)
    else:
        found["range"] = [choice.range.low, choice.range.high, choice.range.log, choice.range.step]
    if choice.state != choice.name:
        found["state"] = choice.state
    if choice.when is not None:
        found["when"] = _condition_to_json(choice.when)
    return found


def choice_from_json(value: Json) -> Choice:
    """Returns the choice that `choice_to_json` described.

    Raises:
        KeyError, TypeError, ValueError: The value does not describe a choice.
    """
    when = _condition_from_json(value["when"]) if "when" in value else None
    actions = Range(*value["range"]) if "range" in value else value["actions"]
    return Choice(value["name"], actions, when, value.get("state"))


def _condition_to_json(condition: Condition) -> Json:
    match condition:
        case Equal(choice, action):
            return {"equal": [choice, action]}
        case In(choice, actions):
            return {"in": [choice, list(actions)]}
        case Not(inner):
            return {"not": _condition_to_json(inner)}
        case And(parts) | Or(parts):
            return {"and" if isinstance(condition, And) else "or": [_condition_to_json(part) for part in parts]}
        case _:
            assert_never(condition)


def _condition_from_json(value: Json) -> Condition:
    ((kind, inner),) = value.items()
    match kind:
        case "equal":
            return Equal(*inner)
        case "in":
            return In(inner[0], tuple(inner[1]))
        case "not":
            return Not(_condition_from_json(inner))
        case "and":
            return And(tuple(_condition_from_json(part) for part in inner))
        case "or":
            return Or(tuple(_condition_from_json(part) for part in inner))
        case _:
            raise ValueError(f"unknown kind of condition {kind!r}")
