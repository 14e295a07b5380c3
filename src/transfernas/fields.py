"""Settings as frozen dataclasses whose fields are checked against their types.

The type of a field is `bool`, a `Literal` of words, `Annotated[int, Limits(...)]`, `Annotated[float, Limits(...)]`, a
`ConfigPart`, a union of parts that have kinds, or `Annotated[P, OneOf(...)]` with such parts, which are subclasses of
`P`. With `| None` the field may be None as well.
"""

import dataclasses
import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

P = TypeVar("P", bound="ConfigPart")


class Limits(NamedTuple):
    """Least and largest value of a number; with `above`, the least value is excluded."""

    least: float
    most: float
    above: bool = False


Share = Annotated[float, Limits(0, 1)]
Weight = Annotated[float, Limits(0, 10**6)]
Count = Annotated[int, Limits(1, 10**9)]


@dataclass(frozen=True, slots=True, eq=False)  # a type must have a hash, which a mapping has not
class OneOf:
    """The parts that a field may be, by their kinds; parts may be added to the mapping later."""

    kinds: Mapping[str, type["ConfigPart"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigPart:
    """Base of the parts of the settings; the constructor checks all fields.

    Attributes:
        path: Path of the part among all settings, for errors.
        kind: Name of the class among the parts that can take the same place, for files and the command line.
    """

    path: ClassVar[str]
    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: The value of a field has the wrong type or is out of range; the message names the field.
        """
        for field in _fields(type(self)):
            value = getattr(self, field.name)
            if not _allowed(field, value):
                raise ValueError(f"{self.path}.{field.name} must be {_wanted(field, value)}, not {value!r}")
            if field.number is float and value is not None:
                object.__setattr__(self, field.name, float(value))  # an int may be too large for the network


def changed(part: P, changes: Mapping[str, object]) -> P:
    """Returns a part with some fields changed.

    Args:
        part: The part.
        changes: Mapping from paths of fields, such as `rule.learning_rate`, to new values.

    Raises:
        ValueError: A field does not exist, or its value is wrong; the message names the field.
    """
    return _changed(part, changes, ())


def to_json(part: ConfigPart) -> dict[str, Any]:
    """Returns a part as JSON."""
    found: dict[str, Any] = {"kind": part.kind} if part.kind else {}
    for field in _fields(type(part)):
        value = getattr(part, field.name)
        found[field.name] = to_json(value) if isinstance(value, ConfigPart) else value
    return found


def from_json(part: type[P], value: Any) -> P:
    """Returns the part that `to_json` described.

    Raises:
        ValueError: The value lacks a field, has an unknown field, or has a wrong value; the message names the field.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{part.path} must be an object, not {value!r}")
    fields = {field.name: field for field in _fields(part)}
    expected = [*(["kind"] if part.kind else []), *fields]
    for name in expected:
        if name not in value:
            raise ValueError(f"{part.path} lacks the field {name!r}")
    for name in value:
        if name not in expected:
            raise ValueError(f"{part.path} has no field {name!r}")
    return part(**{name: _read(part, field, value[name]) for name, field in fields.items()})


def flat(part: ConfigPart, before: str = "") -> dict[str, object]:
    """Returns the values of all fields by their paths; the value of a part with a kind is the kind."""
    found: dict[str, object] = {}
    for field in _fields(type(part)):
        value, path = getattr(part, field.name), before + field.name
        if isinstance(value, ConfigPart):
            found |= ({path: value.kind} if value.kind else {}) | flat(value, f"{path}.")
        else:
            found[path] = value
    return found


def parsed(part: ConfigPart, path: str, text: str) -> object:
    """Returns the value of a field from text.

    The text of a part is its kind, or "default" if the field has a single type of part; the part has default fields.

    Raises:
        ValueError: The field does not exist, or the text is not a value of the field; the message names right values.
    """
    alternatives: Collection[type[ConfigPart]] = ()
    *parents, last = path.split(".")
    for name in parents:
        field, inner = _field(part, name, alternatives), getattr(part, name)
        if not isinstance(inner, ConfigPart):
            raise ValueError(_no_part(part, field, inner, last))
        part, alternatives = inner, field.parts
    field = _field(part, last, alternatives)
    if field.optional and text == "None":
        return None
    words = {each.kind or "default": each for each in field.parts}
    try:
        if field.parts:
            return words[text]()
        if field.number is not None:
            return field.number(text)
        return text if field.words else {"True": True, "False": False}[text]
    except (KeyError, ValueError):
        like = f"one of {tuple(words)}" if words else _wanted(field, text)
        none = "None or " if words and field.optional else ""
        raise ValueError(f"{part.path}.{last} must be {none}{like}, not {text!r}") from None


class _Field(NamedTuple):
    """Type of a field: a number in a range, a choice of words, or a choice of parts; a bool has none of the three."""

    name: str
    number: type[int] | type[float] | None
    limits: Limits | None
    words: tuple[str, ...]
    parts: Collection[type[ConfigPart]]
    optional: bool


_KNOWN: dict[type[ConfigPart], tuple[_Field, ...]] = {}


def _fields(part: type[ConfigPart]) -> tuple[_Field, ...]:
    if part not in _KNOWN:
        hints = get_type_hints(part, include_extras=True)
        _KNOWN[part] = tuple(_described(field.name, hints[field.name]) for field in dataclasses.fields(part))
    return _KNOWN[part]


def _described(name: str, hint: Any) -> _Field:
    every = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for kind in every if kind is not NoneType]
    optional = len(kinds) < len(every)
    if get_origin(kinds[0]) is Annotated:
        kind, limits = get_args(kinds[0])
        if isinstance(limits, OneOf):
            return _Field(name, None, None, (), limits.kinds.values(), optional)
        return _Field(name, kind, limits, (), (), optional)
    if get_origin(kinds[0]) is Literal:
        return _Field(name, None, None, get_args(kinds[0]), (), optional)
    return _Field(name, None, None, (), () if kinds[0] is bool else tuple(kinds), optional)


def _allowed(field: _Field, value: object) -> bool:
    if value is None:
        return field.optional
    if field.parts:
        return type(value) in field.parts
    if field.words:
        return isinstance(value, str) and value in field.words
    if field.limits is None:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int if field.number is int else (int, float)):
        return False
    least, most, above = field.limits
    return least <= value <= most and not (above and value == least)


def _wanted(field: _Field, value: object) -> str:
    """Returns a description of the values that a field accepts, for an error about a wrong value."""
    none = "None or " if field.optional else ""
    if field.parts:
        return none + " or ".join(part.__name__ for part in field.parts)
    if field.words:
        return f"{none}one of {field.words}"
    if field.limits is None:
        return f"{none}True or False"
    least, most, above = field.limits
    too_large = isinstance(value, (int, float)) and most < value < math.inf
    if most <= 1:
        bound = f"of more than {least} and at most {most}" if above else f"from {least} to {most}"
    else:
        bound = f"of at most {most:,}" if too_large else f"of {'more than' if above else 'at least'} {least}"
    return f"{none}{'a whole number' if field.number is int else 'a number'} {bound}"


def _field(part: ConfigPart, name: str, alternatives: Collection[type[ConfigPart]]) -> _Field:
    """Returns a field of a part, in whose place there may be others."""
    fields = {field.name: field for field in _fields(type(part))}
    if name in fields:
        return fields[name]
    close = difflib.get_close_matches(name, fields, n=1)
    others = [each.__name__ for each in alternatives if name in (field.name for field in _fields(each))]
    of_others = f"; {name} is a field of {' and '.join(others)}" if others else ""
    raise ValueError(
        f"{part.path} has no field {name!r}{of_others}: it is {type(part).__name__}, with the fields "
        f"{', '.join(fields)}{f'. Did you mean {close[0]!r}?' if close and not others else ''}"
    )


def _no_part(part: ConfigPart, field: _Field, value: object, name: str) -> str:
    if not field.parts:
        return f"{part.path}.{field.name} is {value!r}, which has no field {name!r}"
    wanted = " or ".join(each.__name__ for each in field.parts)
    return f"{part.path}.{field.name} is None and has no field {name!r}: give it {wanted}"


def _changed(part: P, changes: Mapping[str, object], alternatives: Collection[type[ConfigPart]]) -> P:
    found: dict[str, Any] = {}
    inner: dict[str, dict[str, object]] = {}
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        _field(part, name, alternatives)
        if rest:
            inner.setdefault(name, {})[rest] = value
        else:
            found[name] = value
    for name, its in inner.items():
        field, old = _field(part, name, alternatives), found.get(name, getattr(part, name))
        if not isinstance(old, ConfigPart):
            raise ValueError(_no_part(part, field, old, next(iter(its))))
        found[name] = _changed(old, its, field.parts)
    return dataclasses.replace(part, **found)


def _read(part: type[ConfigPart], field: _Field, value: Any) -> object:
    if not field.parts or (value is None and field.optional):
        return value
    kinds = {each.kind: each for each in field.parts}
    default = "" if "" in kinds else None  # a part of this kind has no field for it
    kind = value.get("kind", default) if isinstance(value, dict) else default
    if not isinstance(kind, str) or kind not in kinds:
        words = tuple(each or "default" for each in kinds)
        raise ValueError(f"{part.path}.{field.name} must have a kind of {words}, not {kind!r}")
    return from_json(kinds[kind], value)
