"""Where numbers lie in their ranges, and which choices of many configurations are made."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import quick, spaces
from transfernas.spaces.asked import asked_choices, columns_of_conditions
from transfernas.spaces.domain import NumericDomain
from transfernas.spaces.places import nearest_places, place_of, place_within, places_within, value_at
from transfernas.spaces.space import SearchSpace

RANGES = [
    NumericDomain(-1.0, 3.0),
    NumericDomain(1e-5, 1.0, log=True),
    NumericDomain(1, 64, log=True, integer=True),
    NumericDomain(-3, 12, integer=True),
    NumericDomain(0.0, 1.0, step=0.25),
    NumericDomain(0, 1_000_000, step=7, integer=True),
    NumericDomain(2.0, 2.0),
    NumericDomain(-1.7e308, 1.7e308),
    NumericDomain(1e-300, 1e300, log=True),
    NumericDomain(0.0, 11.0, step=3.0),
]


@pytest.mark.parametrize("numbers", RANGES, ids=str)
@quick
@given(place=st.floats(0, 1))
def test_the_value_at_a_place_is_one_of_the_range_and_lies_there(numbers: NumericDomain, place: float) -> None:
    value = value_at(numbers, place)
    assert numbers.low <= value <= numbers.high
    assert type(value) is (int if numbers.integer else float)
    at = place_of(numbers, value)
    assert 0 <= at <= 1
    assert nearest_places(numbers, np.array([place]))[0] == pytest.approx(at, abs=1e-9) or numbers.low == numbers.high
    if numbers.step is None and numbers.low < numbers.high:
        assert at == pytest.approx(place, abs=1e-9)


@pytest.mark.parametrize(
    ("numbers", "value", "place"),
    [
        (NumericDomain(-1.0, 3.0), 0.0, 0.25),
        (NumericDomain(1e-4, 1.0, log=True), 1e-2, 0.5),
        (NumericDomain(0, 10, integer=True), 12, 1.2),
        (NumericDomain(1e-4, 1.0, log=True), -1.0, 0.0),
        (NumericDomain(5, 5, integer=True), 5, 0.5),
    ],
)
def test_places_are_those_of_the_range_also_outside_of_it(numbers: NumericDomain, value: float, place: float) -> None:
    assert place_of(numbers, value) == pytest.approx(place)


@pytest.mark.parametrize(
    "numbers",
    [*RANGES, NumericDomain(1e-3, 1e3, log=True), NumericDomain(1e-4, 1e1, log=True), NumericDomain(-0.1, 0.7)],
    ids=str,
)
def test_the_ends_of_a_range_are_exact(numbers: NumericDomain) -> None:
    last = numbers.high if numbers.step is None else [*numbers.values()][-1]
    for rounding in (0.0, 1e-16):
        assert value_at(numbers, 0.0 + rounding) == numbers.low and value_at(numbers, 1.0 - rounding) == last
        assert place_of(numbers, numbers.low) >= 0.0 and place_of(numbers, last) <= 1.0


@quick
@given(spaces(), st.integers(0, 1_000))
def test_the_choices_that_are_made_are_those_that_the_space_asks_for(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    actions = np.stack([rng.integers(len(choice.actions), size=9) for choice in space.choices], axis=1)
    expected = np.zeros(actions.shape, bool)
    names = [choice.name for choice in space.choices]
    for row, action_indices in enumerate(actions):
        config: dict = {}
        while (choice := space.next_choice(config)) is not None:
            expected[row, names.index(choice.name)] = True
            config[choice.name] = choice.actions[action_indices[names.index(choice.name)]]
    np.testing.assert_array_equal(asked_choices(space, actions), expected)
    elsewhere = [at for at, name in enumerate(names) if name not in columns_of_conditions(space)]
    actions[:, elsewhere] = 0
    np.testing.assert_array_equal(asked_choices(space, actions), expected)


@pytest.mark.parametrize("numbers", RANGES, ids=str)
def test_the_places_of_many_values_are_those_of_each(numbers: NumericDomain) -> None:
    values = np.array([math.nan, numbers.low, numbers.high, 0.5 * numbers.low + 0.5 * numbers.high, -3.0, 0.0, 700.0])
    assert places_within(numbers, values) == pytest.approx([place_within(numbers, it) for it in values], nan_ok=True)
