"""What parameters of other tools are called."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import Action
from transfernas.spaces.domain import CategoricalDomain, NumericDomain
from transfernas.spaces.grid import MOST_BINS, bins_of_names

SIZES = st.floats(1e-6, 1e6)


@st.composite
def ranges(draw: st.DrawFn) -> NumericDomain:
    if draw(st.booleans()):
        low = draw(st.integers(-1_000, 1_000))
        high = low + draw(st.integers(0, 5_000))
        if draw(st.booleans()):
            return NumericDomain(low + 1_001, high + 1_001, log=True, integer=True)
        return NumericDomain(low, high, step=draw(st.integers(1, 20)), integer=True)
    if draw(st.booleans()):
        smallest = draw(SIZES)
        return NumericDomain(smallest, smallest * draw(st.floats(1.0, 1e6)), log=True)
    least = draw(SIZES) - draw(SIZES)
    return NumericDomain(least, least + draw(SIZES), step=draw(st.none() | st.floats(0.01, 10.0)))


@given(ranges(), st.floats(0, 1, exclude_max=True), st.integers(0, 10_000), st.floats(-5, 5))
def test_every_value_lies_in_the_range_and_in_the_bin_that_it_was_drawn_from(
    numbers: NumericDomain, chance: float, which: int, away: float
) -> None:
    at = which % len(numbers.bins)
    value = numbers.value(at, chance)
    assert numbers.low <= value <= numbers.high
    assert numbers.bins[at].low <= value <= numbers.bins[at].high
    on_an_edge = any(math.isclose(value, edge, rel_tol=1e-6) for edge in numbers.bins[at][1:])
    assert numbers.position(value) == at or (on_an_edge and abs(numbers.position(value) - at) == 1)
    assert type(value) is (int if numbers.integer else float)
    near = numbers.near(value, 0.5, away)
    assert numbers.low <= near <= numbers.high
    if numbers.step is not None:
        steps = (value - numbers.low) / numbers.step
        assert steps == pytest.approx(round(steps), abs=1e-6)


@given(ranges())
@example(NumericDomain(-8192.999999, 1.0000003385357559e-06))  # ends a rounding error above an edge
@example(NumericDomain(-1.0000003385357559e-06, 8192.999999))  # starts as much below it
def test_bins_are_actions_of_a_choice_and_cover_the_range(numbers: NumericDomain) -> None:
    Choice("x", numbers.actions)  # none is there twice
    assert numbers.bins[0].low == numbers.low
    reached = numbers.bins[-1].high
    assert reached == pytest.approx(numbers.high) or numbers.high - reached < (numbers.step or 0)
    if not numbers.log:
        assert len(numbers.bins) <= MOST_BINS + 2
    for left, right in zip(numbers.bins, numbers.bins[1:], strict=False):
        assert left.action < right.action and left.high <= right.low


def test_ranges_that_overlap_have_the_same_actions_where_they_do() -> None:
    first, second = NumericDomain(1e-4, 1e-1, log=True), NumericDomain(1e-5, 1e-2, log=True)
    shared = set(first.actions) & set(second.actions)
    assert shared == {action for action in first.actions if action < 1e-2}  # type: ignore[operator]
    assert len(shared) == 8 and first.action(3e-3) == second.action(3e-3) == 0.002371
    assert set(NumericDomain(0.0, 0.8).actions) < set(NumericDomain(0.0, 1.0).actions)
    assert set(NumericDomain(1, 5, integer=True).actions) < set(NumericDomain(1, 9, integer=True).actions)
    assert set(NumericDomain(1, 100, log=True, integer=True).actions) < set(
        NumericDomain(1, 1000, log=True, integer=True).actions
    )


def test_few_values_are_actions_themselves() -> None:
    assert NumericDomain(1, 4, integer=True).actions == (1, 2, 3, 4)
    assert NumericDomain(16, 128, step=16, integer=True).actions == (16, 32, 48, 64, 80, 96, 112, 128)
    assert NumericDomain(0.0, 0.5, step=0.1).actions == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert NumericDomain(0.5, 0.5).actions == (0.5,)


def test_the_ends_belong_to_the_range() -> None:
    numbers = NumericDomain(16, 1024, integer=True)
    assert numbers.position(16) == numbers.position(-5) == 0
    assert numbers.position(1024) == numbers.position(5_000) == len(numbers.bins) - 1
    assert NumericDomain(1e-4, 1.0, log=True).position(-1.0) == 0
    assert NumericDomain(1, 10**18, integer=True).value(0, 0.999) < 10**18


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 0.0), "a range has finite ends in ascending order, not from 1.0 to 0.0"),
        ((0.0, math.inf), "not from 0.0 to inf"),
        ((0.0, 1.0, True), "a logarithmic range is above 0, and cannot begin at 0.0"),
        ((0.0, 1.0, False, -1.0), "the step of a range is a finite number above 0, not -1.0"),
        ((0.0, 1.0, False, math.inf), "the step of a range is a finite number above 0, not inf"),
    ],
)
def test_no_range_is_told(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NumericDomain(*arguments)  # type: ignore[arg-type]


def test_categories_are_what_they_are_or_how_they_show() -> None:
    values = (None, True, 1, 1.0, "1", (1, 2), math.nan, float)
    categories = CategoricalDomain(values)
    Choice("x", categories.actions)
    assert [categories.position(value) for value in values] == list(range(8))
    assert categories.actions[:5] == (None, True, 1, 1.0, "1")
    assert categories.actions[5] == "(1, 2)" and categories.action((1, 2)) == "(1, 2)"
    with pytest.raises(ValueError, match="'two' is not one of the values"):
        categories.position("two")
    with pytest.raises(ValueError, match="at least one value"):
        CategoricalDomain(())


def test_categories_of_one_name_differ() -> None:
    actions = CategoricalDomain(((1,), "(1,)")).actions
    Choice("x", actions)
    assert len(actions) == 2 and actions[0] == "(1,)"


@pytest.mark.parametrize(
    "numbers",
    [
        NumericDomain(1e-4, 1e-1, log=True),
        NumericDomain(0.5, 0.75),
        NumericDomain(-3.0, 5.0, step=0.05),
        NumericDomain(1, 20, integer=True),
        NumericDomain(-100, 1_000, integer=True),
        NumericDomain(1, 1_000, log=True, integer=True),
    ],
)
def test_the_names_of_bins_tell_the_bins(numbers: NumericDomain) -> None:
    found = bins_of_names(numbers.actions[::-1])
    assert found is not None and [each.action for each in found[::-1]] == list(numbers.actions)
    for named, part in zip(found[::-1], numbers.bins, strict=True):
        assert named.low <= part.low + 1e-12 and part.high <= named.high + 1e-12
    inner = found[-2:0:-1]
    if numbers.step in (None, 1):
        assert [each[1:] for each in inner] == [pytest.approx(each[1:]) for each in numbers.bins[1:-1]]


def test_other_values_are_no_names_of_bins() -> None:
    values: list[tuple[Action, ...]] = [
        (1, 2),
        (1, 2, 4, 8),
        (16, 32, 48, 64, 80, 96, 112, 128),
        ("a", "b"),
        (0.1, 0.2),
        (),
        (1,),
        (True, False),
    ]
    values += [
        NumericDomain(1, 16, integer=True).actions,
        NumericDomain(0.0, 1.0, step=0.1).actions,
        (float("nan"), 1.0),
    ]
    for names in values:
        assert bins_of_names(names) is None
    twos = bins_of_names(tuple(range(2, 22, 2)))
    assert twos is not None and twos[0] == (2, 2, 3)  # as the docstring says


@pytest.mark.parametrize("ends", [(100.0, 100.5), (1.0, 1.004), (0.999, 0.9999), (1e-3, 1.003e-3)])
def test_narrow_ranges_have_names_that_differ(ends: tuple[float, float]) -> None:
    numbers = NumericDomain(*ends, log=True)
    Choice("x", numbers.actions)
    assert len(numbers.bins) >= 8


@pytest.mark.parametrize("value", ["abc", None, math.inf, math.nan])
def test_what_is_no_number_is_told(value: object) -> None:
    with pytest.raises(ValueError, match="is not a number for a range from 0.1 to 0.5"):
        NumericDomain(0.1, 0.5).action(value)  # type: ignore[arg-type]


def test_functions_and_objects_have_names_that_every_process_knows() -> None:
    thing, arrays = object(), (np.zeros(2), np.ones(2))
    assert CategoricalDomain((math.sqrt, Choice, thing)).actions == (
        "math.sqrt",
        "transfernas.spaces.choice.Choice",
        "<object object>",
    )
    assert CategoricalDomain(arrays).position(arrays[1]) == 1


@pytest.mark.parametrize(
    ("ends", "log"),
    [
        ((-1.7e308, 1.7e308), False),
        ((0.0, 5e-324), False),
        ((1e15, 1e15 + 1), False),
        ((1.0, math.nextafter(1.0, 2.0)), True),
        ((5e-324, 1e308), True),
    ],
)
def test_the_strangest_ranges_have_values(ends: tuple[float, float], log: bool) -> None:
    numbers = NumericDomain(*ends, log=log)
    Choice("x", numbers.actions)
    for at in range(len(numbers.bins)):
        for chance in (0.0, 0.5, 0.999):
            assert ends[0] <= numbers.value(at, chance) <= ends[1]


def test_integers_beyond_all_floats_are_told() -> None:
    with pytest.raises(ValueError, match="a range has finite ends in ascending order"):
        NumericDomain(0, 10**400, integer=True)
