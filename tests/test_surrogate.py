"""The Gaussian process over trials, against plain NumPy, and on what trials can be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal, norm

from transfernas.learning.source_means import MeanFn, SourceMeans
from transfernas.learning.surrogate import (
    ABSENT,
    KERNEL_TRIALS,
    Features,
    Hyperparameters,
    Surrogate,
    negative_log_posterior,
)
from transfernas.learning.value_scale import ValueScale


def standardised(values: np.ndarray) -> np.ndarray:
    return ValueScale.of(values).standardised(values)


NUMERIC = np.array([True, True, False, True])


def some_points(count: int, seed: int = 0) -> np.ndarray:
    """Two numbers, a category, and a number that only some trials have."""
    rng = np.random.default_rng(seed)
    points = rng.random((count, 4))
    points[:, 2] = rng.integers(3, size=count)
    points[rng.random(count) < 0.4, 3] = np.nan
    return points


def some_values(points: np.ndarray) -> np.ndarray:
    return (points[:, 0] - 0.3) ** 2 + 0.3 * (points[:, 2] == 1) + 0.1 * np.nan_to_num(points[:, 3], nan=1.0)


def kernel(left: np.ndarray, right: np.ndarray, its: Hyperparameters) -> float:
    """Matern 5/2 by its formula, of one pair of points."""
    squared = 0.0
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        if math.isnan(one) and math.isnan(other):
            continue
        if NUMERIC[number]:
            apart = ((0.5 if math.isnan(one) else one) - (0.5 if math.isnan(other) else other)) ** 2
        else:
            apart = float(one != other)
        apart += ABSENT if math.isnan(one) or math.isnan(other) else 0.0
        squared += apart / math.exp(its.lengths[number]) ** 2
    far = math.sqrt(5 * squared)
    return math.exp(its.variance) * (1 + far + far**2 / 3) * math.exp(-far)


EARLIER: list[MeanFn] = [lambda points: 3.0 * points[:, 0], lambda points: (points[:, 2] == 1) - points[:, 1]]
SOURCES = pytest.mark.parametrize("earlier", [[], EARLIER[:1], EARLIER], ids=["no source", "one source", "two sources"])


def opinions_of(earlier: list[MeanFn], points: np.ndarray, told: np.ndarray) -> np.ndarray:
    """The sources' opinions of points, on the scale of the trials that were told."""
    found = np.empty((len(points), len(earlier)))
    for column, mean in enumerate(earlier):
        found[:, column] = (mean(points) - np.average(mean(told))) / max(0.3, np.std(mean(told)))
    return found


def weights_of(earlier: list[MeanFn], trials: int) -> tuple[np.ndarray, np.ndarray]:
    """The prior of the sources' weights: before any trial the sum has the mean 0.7, after five half of it."""
    count, say = len(earlier), 5 / (5 + trials)
    if not count:
        return np.zeros(0), np.zeros((0, 0))
    covariance = 0.25 * np.ones((count, count)) / count**2 + 0.25 * np.eye(count) / count
    return np.full(count, say * 0.7 / count), say**2 * covariance


@SOURCES
def test_the_prediction_is_that_of_the_formula(earlier: list[MeanFn]) -> None:
    points, new = some_points(12), some_points(5, seed=1)
    surrogate = Surrogate.fitted(points, some_values(points), NUMERIC, earlier=earlier)
    its, (weights, spread) = surrogate.hyperparameters, weights_of(earlier, 12)
    known, of_new = opinions_of(earlier, points, points), opinions_of(earlier, new, points)
    told = np.array([[kernel(one, other, its) for other in points] for one in points]) + known @ spread @ known.T
    inverse = np.linalg.inv(told + (math.exp(its.noise) + 1e-8) * np.eye(12))
    between = np.array([[kernel(one, other, its) for other in points] for one in new]) + of_new @ spread @ known.T
    mean, deviation = surrogate.predicted(new)
    ones, standard = np.ones(12), standardised(some_values(points)) - known @ weights
    center = ones @ inverse @ standard / (ones @ inverse @ ones + 1.0)
    assert surrogate.center == pytest.approx(center)
    expected = center + of_new @ weights + between @ inverse @ (standard - center)
    np.testing.assert_allclose(mean, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(surrogate.mean(new), mean)
    variance = math.exp(its.variance) + np.einsum("ij,jk,ik->i", of_new, spread, of_new)
    variance -= np.einsum("ij,jk,ik->i", between, inverse, between)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-5)


@SOURCES
def test_the_posterior_is_that_of_the_formula_and_its_gradient_is_right(earlier: list[MeanFn]) -> None:
    points, (weights, spread) = some_points(15), weights_of(earlier, 15)
    known = opinions_of(earlier, points, points)
    standard = standardised(some_values(points)) - known @ weights
    features, sources = Features.of(points, NUMERIC), SourceMeans.of(earlier, points)
    given = features(points), features.parameter, standard, sources(points) @ sources.weights_factor
    usual = np.array([*Hyperparameters.usual(4).lengths, 0.0, math.log(1e-3)])

    def posterior(logarithms: np.ndarray) -> float:
        its = Hyperparameters(logarithms[:-2], float(logarithms[-2]), float(logarithms[-1]))
        covariance = np.array([[kernel(one, other, its) for other in points] for one in points])
        covariance += (math.exp(its.noise) + 1e-8) * np.eye(len(points)) + known @ spread @ known.T
        spreads = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 2.0])
        ones, inverse = np.ones(len(points)), np.linalg.inv(covariance)
        center = ones @ inverse @ standard / (ones @ inverse @ ones + 1.0)
        likelihood = multivariate_normal(np.full(len(points), center), covariance).logpdf(standard)
        return -float(likelihood + norm.logpdf(center) + norm(usual, spreads).logpdf(logarithms).sum())

    rng = np.random.default_rng(0)
    first, second = usual + 0.3 * rng.standard_normal((2, 6))
    ours = negative_log_posterior(first, *given)[0] - negative_log_posterior(second, *given)[0]
    assert ours == pytest.approx(posterior(first) - posterior(second), rel=1e-8)
    gradient = approx_fprime(first, lambda at: negative_log_posterior(at, *given)[0], 1e-6)
    np.testing.assert_allclose(negative_log_posterior(first, *given)[1], gradient, rtol=1e-3, atol=1e-4)


def test_a_category_that_no_trial_took_is_as_far_from_all_as_they_are() -> None:
    points = some_points(8)
    surrogate = Surrogate.fitted(points, some_values(points), NUMERIC)
    new = np.where(np.arange(4) == 2, np.array([[7.0], [9.0]]), points[:2])
    its = surrogate.hyperparameters
    between = np.array([[kernel(one, other, its) for other in points] for one in new])
    expected = surrogate.center + between @ surrogate.weights
    np.testing.assert_allclose(surrogate.predicted(new)[0], expected, rtol=1e-6, atol=1e-9)


def test_what_is_being_evaluated_leaves_the_mean_as_it_is_and_promises_nothing_more() -> None:
    points, pending, new = some_points(12), some_points(3, seed=4), some_points(6, seed=1)
    surrogate = Surrogate.fitted(points, some_values(points), NUMERIC)
    expecting = surrogate.expecting(pending)
    mean, deviation = expecting.predicted(new)
    np.testing.assert_allclose(mean, surrogate.predicted(new)[0], atol=1e-9)
    assert (deviation <= surrogate.predicted(new)[1] + 1e-9).all()
    means = surrogate.predicted(np.concatenate([points, pending]))[0]
    assert expecting.least == pytest.approx(means.min(), abs=1e-9)
    # As if the process had been given its own predictions, by the formula.
    its, both = surrogate.hyperparameters, np.concatenate([points, pending])
    is_any_of = np.array([[kernel(one, other, its) for other in both] for one in both])
    between = np.array([[kernel(one, other, its) for other in both] for one in new])
    inverse = np.linalg.inv(is_any_of + (math.exp(its.noise) + 1e-8) * np.eye(15))
    variance = math.exp(its.variance) - np.einsum("ij,jk,ik->i", between, inverse, between)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-5)


def test_what_is_far_from_all_trials_does_not_become_better_by_many_good_trials_at_one_place() -> None:
    rng = np.random.default_rng(0)
    spread, near = rng.random((20, 2)), 0.5 + 1e-3 * rng.random((80, 2))
    numeric = np.array([True, True])
    alone = Surrogate.fitted(spread, np.ones(20) + 0.1 * spread[:, 0], numeric)
    both = np.concatenate([spread, near])
    crowded = Surrogate.fitted(both, np.where(np.arange(100) < 20, 1.0 + 0.1 * both[:, 0], 0.0), numeric)
    assert alone.center == pytest.approx(0.0, abs=0.5)
    assert crowded.center > 0.5  # the mean of the values is 0, and their best is 0.5 below it


def test_the_improvement_is_the_mean_of_what_lies_below_the_best() -> None:
    points, new = some_points(10), some_points(4, seed=2)
    surrogate = Surrogate.fitted(points, some_values(points), NUMERIC)
    best = surrogate.predicted(points)[0].min()
    for promise, mean, deviation in zip(surrogate.improvement(new), *surrogate.predicted(new), strict=True):
        expected = quad(lambda value: (best - value) * norm(mean, deviation).pdf(value), mean - 12 * deviation, best)[0]  # noqa: B023
        assert promise == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 1_000))
def test_the_kernel_is_positive_definite_whatever_was_asked_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = some_points(12, seed)
    points[rng.random(points.shape) < 0.3] = np.nan
    lengths = np.exp(rng.normal(0, 1, 4))
    its = Hyperparameters(np.log(lengths), 0.0, 0.0)
    covariance = np.array([[kernel(one, other, its) for other in points] for one in points])
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_fitting_finds_what_matters_and_goes_on_where_it_was() -> None:
    points = some_points(60)
    points[:, 3] = 0.5
    values = (points[:, 0] - 0.3) ** 2
    surrogate = Surrogate.fitted(points, values, NUMERIC, steps=60)
    assert surrogate.hyperparameters.lengths.argmin() == 0
    again = Surrogate.fitted(points, values, NUMERIC, surrogate.hyperparameters, steps=1)
    np.testing.assert_allclose(again.hyperparameters.lengths, surrogate.hyperparameters.lengths, atol=0.05)
    grid = np.column_stack([np.linspace(0, 1, 101), np.full(101, 0.5), np.zeros(101), np.full(101, 0.5)])
    assert abs(grid[surrogate.predicted(grid)[0].argmin(), 0] - 0.3) < 0.05


@pytest.mark.parametrize(
    "values",
    [[1.0], [2.0, 2.0, 2.0], [1e300, -1e300, 0.0], [1e-300, 2e-300, 0.0], [-5.0] * 9 + [1e9], [0.0, 0.0]],
    ids=["one", "equal", "huge", "tiny", "one far away", "zeros"],
)
def test_whatever_the_values_are_the_promise_is_a_number(values: list[float]) -> None:
    points = some_points(len(values))
    surrogate = Surrogate.fitted(points, np.array(values), NUMERIC)
    promise = surrogate.improvement(some_points(20, seed=3))
    assert np.isfinite(promise).all() and (promise >= 0).all()


def test_the_kernel_of_many_trials_is_found_from_the_best_and_a_spread_of_the_others() -> None:
    points = some_points(100)
    values = some_values(points)
    order = np.argsort(standardised(values), kind="stable")  # where the worst are equal
    some = np.concatenate([order[:30], order[30:][np.linspace(0, 69, KERNEL_TRIALS - 30).astype(int)]])
    scale = ValueScale.of(values)
    every, few = (Surrogate.fitted(points[it], values[it], NUMERIC, scale=scale) for it in (np.arange(100), some))
    assert np.array_equal(every.hyperparameters.lengths, few.hyperparameters.lengths)
    assert every.hyperparameters[1:] == few.hyperparameters[1:] and KERNEL_TRIALS == 60
    assert len(every.weights) == 100  # all trials tell of the values


def test_equal_points_and_many_are_no_trouble() -> None:
    points = np.repeat(some_points(20), 10, axis=0)
    surrogate = Surrogate.fitted(points, some_values(points), NUMERIC)
    assert np.isfinite(surrogate.improvement(points)).all()


def test_bad_values_count_as_little_above_the_median() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, 1e6])
    found = standardised(values)
    assert found[4] == pytest.approx(standardised(np.array([0.0, 1.0, 2.0, 3.0, 4.0]))[4])
    assert found.mean() == pytest.approx(0.0) and found.std() == pytest.approx(1.0)


def test_where_most_values_are_the_best_the_others_are_still_told_apart() -> None:
    found = standardised(np.array([0.0] * 7 + [1.0, 2.0, 50.0]))
    assert found[0] < found[7] < found[8] < found[9]
