"""Configurations of declared spaces as points of a Gaussian process."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import quick, spaces
from transfernas.learning.archive import NOT_MADE, archive_of_trials
from transfernas.learning.choice_points import ChoicePoints
from transfernas.learning.scores import Score
from transfernas.spaces.choice import Choice
from transfernas.spaces.space import SearchSpace

SPACE = SearchSpace(
    "space",
    [
        Choice("units", (64, 16, 32)),
        Choice("kind", ("a", "b")),
        Choice("rate", (1e-3, 1e-1, 1e-2), when={"kind": "a"}),
        Choice("bias", (True, False)),
    ],
)


def indices(space: SearchSpace, config: dict[str, object]) -> np.ndarray:
    return np.array([c.index(config[c.name]) if c.name in config else NOT_MADE for c in space.choices])  # type: ignore[arg-type]


def test_numbers_have_places_in_their_order_and_categories_their_positions() -> None:
    points = ChoicePoints(SPACE)
    assert points.numeric.tolist() == [True, False, True, False]
    assert [places.tolist() for places in points.places] == [[1.0, 0.0, 0.5], [0.0, 1.0], [0.0, 1.0, 0.5], [0.0, 1.0]]
    made = np.array([indices(SPACE, {"units": 32, "kind": "b", "bias": False})])
    np.testing.assert_array_equal(points.of(made), [[0.5, 1.0, np.nan, 1.0]])


def test_numbers_of_earlier_problems_lie_among_those_of_the_space() -> None:
    earlier = archive_of_trials(
        "old",
        "task",
        [
            ({"units": 24, "kind": "c", "rate": 1e-4}, {}, Score.of(1.0)),
            ({"units": 128, "kind": "a", "rate": 1e-2}, {}, Score.of(0.5)),
            ({"units": 64, "kind": "b"}, {}, Score.of(0.1)),
        ],
    )
    points = ChoicePoints(SPACE, [earlier])
    assert points.places[0].tolist() == [1.0, 0.0, pytest.approx(2 / 3)]  # 16, 24, 32, 64: equal distances
    found = points.of_archived(earlier, 0)
    # A category that the space lacks, and a choice that the earlier problem lacked, say nothing.
    expected = [[1 / 3, np.nan, -0.5, np.nan], [4 / 3, 0.0, 0.5, np.nan], [1.0, 1.0, np.nan, np.nan]]
    np.testing.assert_allclose(found, expected)


@pytest.mark.thorough
@quick
@given(space=spaces(), seed=st.integers(0, 100))
def test_every_point_is_a_configuration_of_the_space(space: SearchSpace, seed: int) -> None:
    points, rng = ChoicePoints(space), np.random.default_rng(seed)
    drawn = points.anywhere(8, rng)
    for some in (drawn, points.near(drawn, rng)):
        made = points.action_indices(some, rng)
        for row in made.tolist():
            config = {c.name: c.actions[at] for c, at in zip(space.choices, row, strict=True) if at != NOT_MADE}
            space.validate(config)
        np.testing.assert_array_equal(points.of(made), some)
        np.testing.assert_array_equal(points.action_indices(points.of(made), rng), made)


def test_a_neighbour_differs_a_little() -> None:
    space = SearchSpace("wide", [Choice(f"number {at}", tuple(range(11))) for at in range(10)])
    points, rng = ChoicePoints(space), np.random.default_rng(0)
    point = np.full((2000, 10), 0.5)
    away = np.abs(points.near(point, rng) - point)
    assert 1.0 < (away > 0).sum(axis=1).mean() < 4.0  # of ten
    assert away[away > 0].min() > 0.09 and np.median(away[away > 0]) < 0.25
    edge = points.near(np.zeros((2000, 10)), rng)
    assert edge.min() == 0.0 and (edge > 0).any(axis=1).mean() > 0.5  # moves inward, and not against the wall
