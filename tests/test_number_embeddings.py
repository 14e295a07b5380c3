"""Embeddings of actions that are numbers: near their neighbours', and as large as any."""

import numpy as np
import pytest

from transfernas import Choice, DecoderConfig, Problem, SearchSpace
from transfernas.learning.number_embeddings import gp_initialised_embeddings, initialise_numbers
from transfernas.learning.steps import init_policies
from transfernas.policy.architecture import Capacity
from transfernas.spaces.condition import Action
from transfernas.spaces.vocabulary import Vocabulary

REPLICAS, LENGTH = 1000, 2.0


def vocabulary(actions: tuple[Action, ...], before: tuple[Action, ...] = ()) -> Vocabulary:
    """That of a space with one choice, and maybe of one with other actions before it."""
    names = Vocabulary()
    for number, each in enumerate((before, actions)):
        if each:
            names = names.extended([Problem(SearchSpace(f"space {number}", [Choice("n", each)]), "task")])
    return names


def draws(seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal((REPLICAS, 32, 4))).astype(np.float32)


def rows(names: Vocabulary, actions: tuple[Action, ...]) -> list[int]:
    return [names.action("n", action) for action in actions]


def correlations(actions: tuple[Action, ...]) -> np.ndarray:
    """Of the embeddings of actions, over replicas and coordinates."""
    names = vocabulary(actions)
    found = gp_initialised_embeddings(draws(), names, 0, LENGTH)[:, rows(names, actions)]
    return np.corrcoef(np.moveaxis(found, 1, 0).reshape(len(actions), -1))


def kernel(*positions: float) -> np.ndarray:
    return np.exp(-0.5 * (np.subtract.outer(positions, positions) / LENGTH) ** 2)


LOG_GAPS = np.log([1, 2, 4, 100]) / np.log(100) * 3  # the mean gap is 1


@pytest.mark.parametrize(
    ("actions", "positions"),
    [
        (tuple(range(8)), range(8)),
        ((4, 0, 2, 1, 3), (4, 0, 2, 1, 3)),  # in whatever order they are
        ((1, 2, 4, 9), (0, 0.375, 1.125, 3)),  # less than a decade
        ((1e-4, 1e-3, 1e-2, 0.1, 1), range(5)),
        ((1, 2, 4, 100), LOG_GAPS),
        ((0, 1, 2, 4, 100), np.array([0, 1, 2, 4, 100]) / 25),  # 0 has no logarithm
        ((-50, -1.0, 0.5, 50), np.array([0, 49, 50.5, 100]) / 100 * 3),
    ],
)
def test_numbers_are_as_alike_as_they_are_near(actions: tuple[Action, ...], positions: np.ndarray) -> None:
    found = correlations(actions)
    np.testing.assert_allclose(found, kernel(*positions), atol=0.08)  # five standard errors
    if actions == tuple(range(8)):
        assert (np.diff(found[0, :6]) < -0.05).all()


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_each_number_alone_is_drawn_as_any_action(scale: float) -> None:
    names = vocabulary(tuple(range(20)))
    found = gp_initialised_embeddings(draws(scale=scale), names, 0, LENGTH)[:, rows(names, tuple(range(20)))]
    np.testing.assert_allclose(found.std(axis=(0, 2)), scale, rtol=0.06)
    assert np.abs(found.mean(axis=(0, 2))).max() < 0.08 * scale
    coordinates = np.corrcoef(found[:, 3].T) - np.eye(4)
    assert np.abs(coordinates).max() < 0.16  # independent


@pytest.mark.parametrize(
    "actions",
    [("1", "2", "3"), (1, 2), (1, 2, "3"), (True, 1, 2), (None, 1, 2), (1.0,)],
    ids=repr,
)
def test_what_is_no_scale_of_numbers_stays(actions: tuple[Action, ...]) -> None:
    before = draws()
    np.testing.assert_array_equal(gp_initialised_embeddings(before, vocabulary(actions), 0, LENGTH), before)


def test_known_numbers_stay_and_new_ones_lie_between_them() -> None:
    old, new = (0, 2, 4, 6, 8, 10), (1, 3, 5, 7, 9)
    before = vocabulary(old)
    learned = gp_initialised_embeddings(draws(0), before, 0, LENGTH) + 0.1 * draws(1)
    names, known = vocabulary((*new, *old), before=old), len(before.actions)
    drawn = np.concatenate([learned[:, :known], draws(2)[:, known:]], axis=1)
    copy = drawn.copy()
    found = gp_initialised_embeddings(drawn, names, known, LENGTH)
    np.testing.assert_array_equal(drawn, copy)
    np.testing.assert_array_equal(found[:, :known], drawn[:, :known])
    untouched = [row for row in range(32) if row not in rows(names, new)]
    np.testing.assert_array_equal(found[:, untouched], drawn[:, untouched])
    np.testing.assert_allclose(found[:, rows(names, new)].std(axis=(0, 2)), 1.0, rtol=0.15)
    for number in new:
        here, below, above = (found[:, names.action("n", each)] for each in (number, number - 1, number + 1))
        assert np.std(here - (below + above) / 2) < 0.3  # drawn by itself, it would be 1.2


def test_far_from_what_is_known_a_number_is_drawn_as_any() -> None:
    before = vocabulary((0, 1, 2))
    names, far = vocabulary((0, 1, 2, 98, 99, 100), before=(0, 1, 2)), (98, 99, 100)
    found = gp_initialised_embeddings(draws(), names, len(before.actions), LENGTH / 100)[:, rows(names, (2, *far))]
    np.testing.assert_allclose(found.std(axis=(0, 2)), 1.0, rtol=0.06)
    assert np.abs(np.corrcoef(np.moveaxis(found, 1, 0).reshape(4, -1))[0, 1:]).max() < 0.08


def test_new_networks_have_them_where_the_configuration_says() -> None:
    names, config = vocabulary(tuple(range(9))), DecoderConfig(feed_forward=8)
    policy = init_policies(np.random.default_rng(0), 100, Capacity(len(names.states), len(names.actions), 1, 2), config)
    assert initialise_numbers(policy, names, 0, 0.0) is policy
    found = initialise_numbers(policy, names, 0, config.number_length)
    assert (
        np.std(found.action[:, 4] - found.action[:, 5]) < 0.7 < 1.2 < np.std(policy.action[:, 4] - policy.action[:, 5])
    )
    for name in ("state", "task", "position", "logit_weight", "action_bias"):
        assert getattr(found, name) is getattr(policy, name)


def test_new_numbers_beyond_the_known_ones_are_no_larger_than_any() -> None:
    """What was learned is not as smooth as what is drawn; a fast search moves embeddings by some tenths."""
    old, new = tuple(range(8)), tuple(range(8, 16))
    before = vocabulary(old)
    learned = gp_initialised_embeddings(draws(0), before, 0, LENGTH) + 0.3 * draws(1)
    names, known = vocabulary((*old, *new), before=old), len(before.actions)
    found = gp_initialised_embeddings(
        np.concatenate([learned[:, :known], draws(2)[:, known:]], axis=1), names, known, LENGTH
    )
    assert found[:, rows(names, new)].std(axis=(0, 2)).max() < 1.5


@pytest.mark.parametrize("actions", [(1.0, 2.0, float("inf")), (1, 2, 10**400)], ids=["infinity", "huge"])
def test_numbers_that_have_no_place_do_not_break_the_others(actions: tuple[Action, ...]) -> None:
    assert np.isfinite(gp_initialised_embeddings(draws(), vocabulary(actions), 0, LENGTH)).all()
