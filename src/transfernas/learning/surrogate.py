"""A Gaussian process over trials, which predicts the value of configurations that were not tried.

The kernel is Matern 5/2 (Rasmussen and Williams 2006, equation 4.17) of a squared distance that is a sum over the
parameters: the squared difference of two places in a range, or 1 for two categories that differ, over the square of the
parameter's length. A parameter that a trial did not ask for lies in the middle of its range, or is a category of its
own; its squared distance from a parameter that was asked for is larger by `ABSENT`. So the distance is the Euclidean
distance of the points' `Features`, and the kernel is positive definite, whatever the conditions are.

The center (the mean far from all trials), the lengths, the variance and the noise maximise the posterior (sections 2.7
and 5.4), the last three by a few steps from the latest ones. A hundred trials near one another say no more of the
center than one trial does, so that the center does not improve as a search goes on. The priors are normal: of the
center, and of the logarithms of the others. The prior of the lengths grows with the root of the number of parameters
(Hvarfner, Hellsten and Nardi 2024). Values far above the median count as if they were as far above the median as the
best value is below: how bad a bad trial is says nothing of the places of good trials.

Earlier problems are part of the mean, see `source_means.py`: the prior of their weights adds a linear kernel.

Shapes: `trials` that were told, `parameters`, `candidates`, `features`. A point has the place of each parameter in its
range, from 0 to 1, or the number of its category; NaN if the parameter was not asked for.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtrs
from scipy.optimize import minimize
from scipy.special import ndtr

from .source_means import MeanFn, SourceMeans
from .value_scale import ValueScale

# Not for tuning. The prior is for standardised values over places from 0 to 1, so that it fits any search. The other
# numbers keep the arithmetic finite.
ABSENT = 0.5
"""The squared distance that is added between a parameter that was asked for and one that was not."""

STEPS = 8
"""The largest number of steps of the search for the lengths."""

KERNEL_TRIALS = 60
"""The largest number of trials that the lengths, the variance and the noise are found from."""

_LENGTH, _LENGTH_SPREAD = 0.4, 1.0  # the prior's median, over the root of the number of parameters, and its log-spread
_NOISE, _NOISE_SPREAD = 1e-3, 2.0  # the prior's median, as a share of the values' variance, and its log-spread
_BOUNDS = {"length": (0.02, 50.0), "variance": (0.02, 50.0), "noise": (1e-6, 1.0)}
_JITTER = 1e-8
_LEAST_VARIANCE = 1e-12
_REFUSED = 1e10  # the negative log posterior of a kernel that cannot be inverted


class Hyperparameters(NamedTuple):
    """The hyperparameters of the kernel, all in logarithms.

    Attributes:
        lengths: Shape `[parameters]`, the lengths of the parameters.
        variance: the variance of the values, which are standardised.
        noise: the variance of the noise.
    """

    lengths: Float[np.ndarray, "parameters"]
    variance: float
    noise: float

    @classmethod
    def usual(cls, parameters: int) -> "Hyperparameters":
        """Returns the hyperparameters that are most probable before any trial."""
        return cls(np.full(parameters, _usual_length(parameters)), 0.0, math.log(_NOISE))


@dataclass(frozen=True)
class Features:
    """Makes points comparable: the distance of two is the Euclidean one of their features, each over its length.

    Attributes:
        numeric: Shape `[parameters]`, whether a parameter is a number, and not a category.
        levels: the categories of each parameter that trials took; all other categories count as one. Empty for numbers.
        parameter: Shape `[features]`, the parameter of each feature, in order.
    """

    numeric: Bool[np.ndarray, "parameters"]
    levels: tuple[Float[np.ndarray, "_"], ...]
    parameter: Int[np.ndarray, "features"]

    @classmethod
    def of(cls, points: Float[np.ndarray, "trials parameters"], numeric: Bool[np.ndarray, "parameters"]) -> "Features":
        """Returns the features for the points of trials."""
        none = np.zeros(0)
        levels = [none if n else np.unique(its[~np.isnan(its)]) for n, its in zip(numeric, points.T, strict=True)]
        return cls(numeric, tuple(levels), np.repeat(np.arange(len(numeric)), [2 + len(each) for each in levels]))

    def __call__(self, points: Float[np.ndarray, "points parameters"]) -> Float[np.ndarray, "points features"]:
        """Returns the features of points."""
        absent, found = np.isnan(points), np.empty((len(points), len(self.parameter)))
        first = np.searchsorted(self.parameter, np.arange(len(self.numeric)))
        found[:, first[self.numeric]] = np.where(absent, 0.5, points)[:, self.numeric]
        found[:, first[self.numeric] + 1] = math.sqrt(ABSENT) * absent[:, self.numeric]
        for number in np.flatnonzero(~self.numeric).tolist():
            its, none, levels, column = points[:, number], absent[:, number], self.levels[number], first[number]
            equal = its[:, None] == levels
            found[:, column : column + len(levels)] = math.sqrt(0.5) * equal
            found[:, column + len(levels)] = math.sqrt(0.5) * ~(none | equal.any(1))
            found[:, column + len(levels) + 1] = math.sqrt(0.5 + ABSENT) * none
        return found


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process that was fitted to trials.

    Attributes:
        features: the features of points.
        hyperparameters: the hyperparameters of the kernel.
        scaled: Shape `[trials, features]`, the features of the trials, each over its length.
        factor: Shape `[trials, trials]`, the lower Cholesky factor of the kernel with noise.
        weights: Shape `[trials]`, the weight of each trial in the mean.
        center: the mean far from all trials, without sources.
        least: the least mean of all trials.
        sources: the basis functions of earlier problems.
        basis: Shape `[trials, one_more]`, the values of the basis functions, times the factor of their weights' prior.

    Example:
        ```python
        import numpy as np

        from transfernas.learning.surrogate import Surrogate

        points = np.array([[0.0], [0.4], [1.0]])
        surrogate = Surrogate.fitted(points, np.array([1.0, 0.2, 0.9]), numeric=np.array([True]))
        promise = surrogate.improvement(np.array([[0.5], [0.9]]))  # the first promises more
        ```
    """

    features: Features
    hyperparameters: Hyperparameters
    scaled: Float[np.ndarray, "trials features"]
    factor: Float[np.ndarray, "trials trials"]
    weights: Float[np.ndarray, "trials"]
    center: float
    least: float
    sources: SourceMeans
    basis: Float[np.ndarray, "trials one_more"]

    @classmethod
    def fitted(
        cls,
        points: Float[np.ndarray, "trials parameters"],
        values: Float[np.ndarray, "trials"],
        numeric: Bool[np.ndarray, "parameters"],
        start: Hyperparameters | None = None,
        steps: int = STEPS,
        scale: ValueScale | None = None,
        earlier: Sequence[MeanFn] = (),
    ) -> "Surrogate":
        """Returns a process that was fitted to trials.

        Args:
            points: Shape `[trials, parameters]`, the points of at least one trial.
            values: Shape `[trials]`, finite values, to be minimised.
            numeric: Shape `[parameters]`, whether a parameter is a number, and not a category.
            start: the latest hyperparameters; None for those of the prior.
            steps: the largest number of steps from the start; 0 for the start as it is.
            scale: the scale that values are standardised by; None for that of these values.
            earlier: what earlier problems say of points.
        """
        standard, features = (scale or ValueScale.of(values)).standardised(values), Features.of(points, numeric)
        its, hyperparameters = features(points), start or Hyperparameters.usual(len(numeric))
        sources = SourceMeans.of(earlier, points)
        opinions = sources(points)
        basis, away = opinions @ sources.weights_factor, standard - opinions @ sources.weights
        if steps:
            some = _for_the_kernel(standard)
            bounds = [_BOUNDS["length"]] * len(numeric) + [_BOUNDS["variance"], _BOUNDS["noise"]]
            found = minimize(
                negative_log_posterior,
                np.array([*hyperparameters.lengths, hyperparameters.variance, hyperparameters.noise]),
                (its[some], features.parameter, away[some], basis[some]),
                method="L-BFGS-B",
                jac=True,
                bounds=np.log(bounds),
                options={"maxiter": steps},
            ).x
            hyperparameters = Hyperparameters(found[:-2], float(found[-2]), float(found[-1]))
        scaled = its * np.exp(-hyperparameters.lengths)[features.parameter]
        factor, noise = _factor(hyperparameters, scaled, basis)
        weights, center = _weights(factor, away)
        # The kernel with noise, times the weights, gives the values less the center; the means are without noise.
        least = float((standard - noise * weights).min())
        return cls(features, hyperparameters, scaled, factor, weights, center, least, sources, basis)

    def expecting(self, points: Float[np.ndarray, "pending parameters"]) -> "Surrogate":
        """Returns the process as if pending points came out as predicted.

        The mean stays, but the process is sure of values near these points, so that other points are proposed
        (Ginsbourger, Le Riche and Carraro 2010).
        """
        if not len(points):
            return self
        mean, _, added = self._mean_and_covariance(points)
        least = min(self.least, float(mean.min()))
        scaled = np.concatenate([self.scaled, self._scaled(points)])
        basis = np.concatenate([self.basis, added])
        factor, _ = _factor(self.hyperparameters, scaled, basis)
        weights = np.concatenate([self.weights, np.zeros(len(points))])
        return dataclasses.replace(self, scaled=scaled, factor=factor, weights=weights, least=least, basis=basis)

    def mean(self, candidates: Float[np.ndarray, "candidates parameters"]) -> Float[np.ndarray, "candidates"]:
        """Returns the mean of candidates' values, see `predicted`."""
        return self._mean_and_covariance(candidates)[0]

    def predicted(
        self, candidates: Float[np.ndarray, "candidates parameters"]
    ) -> tuple[Float[np.ndarray, "candidates"], Float[np.ndarray, "candidates"]]:
        """Returns the mean and the standard deviation of candidates' values (equations 2.25 and 2.26).

        Both are without noise, on the scale of the standardised values; lower values are better.
        """
        mean, covariance, basis = self._mean_and_covariance(candidates)
        explained, _ = dtrtrs(self.factor, covariance.T, lower=1, overwrite_b=1)
        variance = math.exp(self.hyperparameters.variance) + np.einsum("cs,cs->c", basis, basis)
        variance -= np.einsum("tc,tc->c", explained, explained)
        return mean, np.sqrt(np.maximum(variance, _LEAST_VARIANCE))

    def improvement(self, candidates: Float[np.ndarray, "candidates parameters"]) -> Float[np.ndarray, "candidates"]:
        """Returns the expected improvement of candidates (Jones, Schonlau and Welch 1998).

        The improvement is over the least mean of all trials, and not over the least value, which may be lucky.
        """
        mean, deviation = self.predicted(candidates)
        below = (self.least - mean) / deviation
        density = np.exp(-0.5 * below**2) / math.sqrt(2.0 * math.pi)
        return deviation * (below * ndtr(below) + density)

    def _mean_and_covariance(self, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the mean, the covariance with the trials, and the `basis` of candidates."""
        opinions = self.sources(candidates)
        basis = opinions @ self.sources.weights_factor
        covariance = _covariance(self.hyperparameters, self._scaled(candidates), self.scaled)
        covariance = _with_sources(covariance, basis, self.basis)
        return self.center + opinions @ self.sources.weights + covariance @ self.weights, covariance, basis

    def _scaled(self, points: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = self.features(points) * np.exp(-self.hyperparameters.lengths)[self.features.parameter]
        return scaled


def negative_log_posterior(
    logarithms: Float[np.ndarray, "hyperparameters"],
    features: Float[np.ndarray, "trials features"],
    parameter: Int[np.ndarray, "features"],
    standard: Float[np.ndarray, "trials"],
    basis: Float[np.ndarray, "trials one_more"],
) -> tuple[float, Float[np.ndarray, "hyperparameters"]]:
    """Returns the negative logarithm of the hyperparameters' posterior, but for a constant, and its gradient.

    Args:
        logarithms: the lengths, the variance, the noise.
        features: Shape `[trials, features]`, the features of the trials.
        parameter: Shape `[features]`, the parameter of each feature, in order; each parameter has a feature.
        standard: Shape `[trials]`, the standardised values, less the prior mean of the sources' opinions.
        basis: Shape `[trials, one_more]`, see `Surrogate`.
    """
    lengths, variance, noise = logarithms[:-2], logarithms[-2], logarithms[-1]
    scaled = features * np.exp(-lengths)[parameter]
    far = _far(scaled, scaled)
    covariance, falling = _correlation(far)
    covariance *= math.exp(variance)
    noisy = _with_sources(covariance, basis, basis).copy()
    noisy.flat[:: len(standard) + 1] += math.exp(noise) + _JITTER
    factor, failed = dpotrf(noisy, lower=1)
    if failed:
        return _REFUSED, np.zeros_like(logarithms)
    weights, center = _weights(factor, standard)
    value = 0.5 * (standard - center) @ weights + np.log(np.diag(factor)).sum() + 0.5 * center**2
    inverse = dpotri(factor, lower=1)[0]  # its upper triangle is 0
    inverse += inverse.T
    inverse.flat[:: len(standard) + 1] *= 0.5
    by_covariance = 0.5 * (inverse - np.outer(weights, weights))
    # Minus twice the derivative of the covariance by the squared distance.
    by_squared = by_covariance * ((5.0 / 3.0 * math.exp(variance)) * (1.0 + far) * falling)
    # The sum over all pairs of the pair's weight times its squared difference, without an array of all differences.
    by_feature = 2.0 * (by_squared.sum(0) @ scaled**2 - (scaled * (by_squared @ scaled)).sum(0))
    gradient = np.empty_like(logarithms)
    gradient[:-2] = np.bincount(parameter, by_feature, len(lengths))
    gradient[-2] = (by_covariance * covariance).sum()
    gradient[-1] = math.exp(noise) * np.trace(by_covariance)
    means = np.array([*np.full(len(lengths), _usual_length(len(lengths))), 0.0, math.log(_NOISE)])
    spreads = np.array([*np.full(len(lengths), _LENGTH_SPREAD), 1.0, _NOISE_SPREAD])
    away = (logarithms - means) / spreads
    return float(value + 0.5 * away @ away), gradient + away / spreads


def _for_the_kernel(standard: Float[np.ndarray, "trials"]) -> Int[np.ndarray, "some"]:
    """Returns the positions of the trials from which the kernel is found: half of them the best, the others a spread.

    The time of the search for the kernel grows with the third power of the trials, and more trials find no better one.
    """
    order = np.argsort(standard, kind="stable")
    if len(order) <= KERNEL_TRIALS:
        return np.arange(len(order))
    best, others = np.split(order, [KERNEL_TRIALS // 2])
    spread = np.linspace(0, len(others) - 1, KERNEL_TRIALS - len(best)).astype(int)
    return np.concatenate([best, others[spread]])


def _usual_length(parameters: int) -> float:
    return math.log(_LENGTH * math.sqrt(parameters))


def _weights(factor: np.ndarray, standard: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns the weight of each trial in the mean, and the most probable center; its prior is standard normal."""
    both = np.ones((len(standard), 2), order="F")
    both[:, 0] = standard
    solved, ones = dpotrs(factor, both, lower=1, overwrite_b=1)[0].T
    center = float(solved.sum() / (ones.sum() + 1.0))
    return solved - center * ones, center


def _factor(hyperparameters: Hyperparameters, scaled: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns the lower Cholesky factor of the kernel of trials with noise, and the noise."""
    covariance = _with_sources(_covariance(hyperparameters, scaled, scaled), basis, basis)
    noise, added = math.exp(hyperparameters.noise) + _JITTER, 0.0
    while True:
        covariance.flat[:: len(scaled) + 1] += noise - added
        factor, failed = dpotrf(covariance, lower=1, clean=1)
        if not failed:
            return factor, noise
        noise, added = noise * 10.0, noise  # rounding made it indefinite


def _covariance(hyperparameters: Hyperparameters, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    covariance = _correlation(_far(left, right))[0]
    covariance *= math.exp(hyperparameters.variance)
    return covariance


def _with_sources(covariance: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Adds the covariance that the sources' weights give, and returns the sum."""
    return covariance + left @ right.T if left.shape[1] else covariance


def _far(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns the distances of all rows, times the root of 5."""
    squared = left @ (-10.0 * right.T)
    squared += 5.0 * np.einsum("tf,tf->t", left, left)[:, None]
    squared += 5.0 * np.einsum("tf,tf->t", right, right)
    return np.sqrt(np.maximum(squared, 0.0, out=squared), out=squared)


def _correlation(far: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the Matern 5/2 correlation, and the exponential that is part of it."""
    falling = np.negative(far)
    np.exp(falling, out=falling)
    correlation = far * far
    correlation *= 1.0 / 3.0
    correlation += far
    correlation += 1.0
    correlation *= falling
    return correlation, falling
