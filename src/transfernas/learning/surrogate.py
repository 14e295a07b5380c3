"""A Gaussian process over trials: what a configuration that was not tried is expected to be worth.

The kernel is Matern 5/2 (Rasmussen and Williams 2006, equation 4.17) of a squared distance that is a sum over the
parameters: the squared difference of two places in a range, or 1 for two categories that differ, over the square of the
parameter's length. A parameter that a trial did not ask for lies in the middle of its range, or is a category of its
own, and is `ABSENT` away from where it was asked for. So the distance is a Euclidean one, and the kernel positive
definite, whatever the conditions are.

The lengths, the variance and the noise are those that maximise the posterior (section 5.4), by a few steps from those
that were found last. Their priors are normal in their logarithms; that of the lengths grows with the root of the number
of parameters (Hvarfner, Hellsten and Nardi 2024). Values far above the median count as if they were as far above it as
the best is below it: how bad a bad trial is says nothing of where good ones are.

Shapes: `trials` that were told, `parameters`, `candidates`. A point has the place of each parameter in its range, from
0 to 1, or the number of its category; NaN where it was not asked for.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr

ABSENT = 0.5
"""The squared distance between a parameter that was asked for and one that was not, beside that of their places."""

STEPS = 8
"""Of the search for the lengths, at most."""

_LENGTH, _LENGTH_SPREAD = 0.4, 1.0  # of the prior: times the root of the number of parameters; in logarithms
_NOISE, _NOISE_SPREAD = 1e-3, 2.0  # of the prior, as a share of the values' variance; in logarithms
_BOUNDS = {"length": (0.02, 50.0), "variance": (0.02, 50.0), "noise": (1e-6, 1.0)}
_JITTER = 1e-8
_LEAST_VARIANCE = 1e-12
_REFUSED = 1e10  # the negative log posterior where the kernel cannot be inverted


class Hyperparameters(NamedTuple):
    """What is found of the kernel, all in logarithms.

    Attributes:
        lengths: Shape `[parameters]`.
        variance: of the values, which are standardised.
        noise: its variance.
    """

    lengths: Float[np.ndarray, "parameters"]
    variance: float
    noise: float

    @classmethod
    def usual(cls, parameters: int) -> "Hyperparameters":
        """Returns those that are most probable before anything was told."""
        return cls(np.full(parameters, _usual_length(parameters)), 0.0, math.log(_NOISE))


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process that was fitted to trials.

    Attributes:
        points: Shape `[trials, parameters]`.
        numeric: Shape `[parameters]`, which of them are numbers.
        hyperparameters: of the kernel.
        factor: Shape `[trials, trials]`, the lower Cholesky factor of the kernel with noise.
        weights: Shape `[trials]`, what each trial adds to the mean.

    Example:
        ```python
        points = np.array([[0.0], [0.4], [1.0]])
        surrogate = Surrogate.fitted(points, np.array([1.0, 0.2, 0.9]), numeric=np.array([True]))
        promise = surrogate.improvement(np.array([[0.5], [0.9]]))  # the first promises more
        ```
    """

    points: Float[np.ndarray, "trials parameters"]
    numeric: Bool[np.ndarray, "parameters"]
    hyperparameters: Hyperparameters
    factor: Float[np.ndarray, "trials trials"]
    weights: Float[np.ndarray, "trials"]

    @classmethod
    def fitted(
        cls,
        points: Float[np.ndarray, "trials parameters"],
        values: Float[np.ndarray, "trials"],
        numeric: Bool[np.ndarray, "parameters"],
        start: Hyperparameters | None = None,
        steps: int = STEPS,
    ) -> "Surrogate":
        """Returns a process that was fitted to trials.

        Args:
            points: Shape `[trials, parameters]`; there is at least one trial.
            values: Shape `[trials]`, finite ones, to be minimised.
            numeric: Shape `[parameters]`, which parameters are numbers; the others are categories.
            start: what was found last; None for nothing.
            steps: at most so many.
        """
        standard = standardised(values)
        apart = differences(points, points, numeric)
        first = start or Hyperparameters.usual(len(numeric))
        bounds = [_BOUNDS["length"]] * len(numeric) + [_BOUNDS["variance"], _BOUNDS["noise"]]
        found = minimize(
            negative_log_posterior,
            np.array([*first.lengths, first.variance, first.noise]),
            (apart, standard),
            method="L-BFGS-B",
            jac=True,
            bounds=np.log(bounds),
            options={"maxiter": steps},
        ).x
        hyperparameters = Hyperparameters(found[:-2], float(found[-2]), float(found[-1]))
        noise = (math.exp(hyperparameters.noise) + _JITTER) * np.eye(len(standard))
        factor = np.tril(cho_factor(_covariance(hyperparameters, apart) + noise, lower=True)[0])
        return cls(points, numeric, hyperparameters, factor, cho_solve((factor, True), standard))

    def predicted(
        self, candidates: Float[np.ndarray, "candidates parameters"]
    ) -> tuple[Float[np.ndarray, "candidates"], Float[np.ndarray, "candidates"]]:
        """Returns the mean and the standard deviation of what candidates are worth (equations 2.25 and 2.26).

        They are without noise, on the scale of the standardised values; lower is better.
        """
        covariance = _covariance(self.hyperparameters, differences(candidates, self.points, self.numeric))
        explained = solve_triangular(self.factor, covariance.T, lower=True)
        variance = math.exp(self.hyperparameters.variance) - (explained**2).sum(axis=0)
        return covariance @ self.weights, np.sqrt(np.maximum(variance, _LEAST_VARIANCE))

    def improvement(self, candidates: Float[np.ndarray, "candidates parameters"]) -> Float[np.ndarray, "candidates"]:
        """Returns by how much candidates are expected to be below the least mean of all trials.

        It is the expected improvement (Jones, Schonlau and Welch 1998), where the best trial is judged by its mean, not
        by a value that may be lucky.
        """
        least = float(self.predicted(self.points)[0].min())
        mean, deviation = self.predicted(candidates)
        below = (least - mean) / deviation
        density = np.exp(-0.5 * below**2) / math.sqrt(2.0 * math.pi)
        return deviation * (below * ndtr(below) + density)


def standardised(values: Float[np.ndarray, "trials"]) -> Float[np.ndarray, "trials"]:
    """Returns values with mean 0 and variance 1, those far above the median nearer to it; 0 where all are equal."""
    size = float(np.abs(values).max()) or 1.0
    scaled = values / size  # the largest numbers have no sum
    middle = float(np.median(scaled))
    kept = np.minimum(scaled, middle + (middle - scaled.min()))
    spread = float(kept.std())
    return (kept - kept.mean()) / spread if spread > 0 else np.zeros(len(values))


def differences(
    left: Float[np.ndarray, "lefts parameters"],
    right: Float[np.ndarray, "rights parameters"],
    numeric: Bool[np.ndarray, "parameters"],
) -> Float[np.ndarray, "parameters lefts rights"]:
    """Returns the squared differences of all points in each parameter."""
    ours, theirs = left.T[:, :, None], right.T[:, None, :]
    no_left, no_right = np.isnan(ours), np.isnan(theirs)
    numbers = (np.where(no_left, 0.5, ours) - np.where(no_right, 0.5, theirs)) ** 2
    apart = np.where(numeric[:, None, None], numbers, (ours != theirs).astype(np.float64))
    apart += np.where(no_left ^ no_right, ABSENT, 0.0)
    return np.where(no_left & no_right, 0.0, apart)


def negative_log_posterior(
    logarithms: Float[np.ndarray, "hyperparameters"],
    apart: Float[np.ndarray, "parameters trials trials"],
    standard: Float[np.ndarray, "trials"],
) -> tuple[float, Float[np.ndarray, "hyperparameters"]]:
    """Returns the negative logarithm of the hyperparameters' posterior, but for a constant, and its gradient.

    Args:
        logarithms: the lengths, the variance, the noise.
        apart: Shape `[parameters, trials, trials]`, see `differences`.
        standard: Shape `[trials]`, the standardised values.
    """
    lengths, variance, noise = logarithms[:-2], logarithms[-2], logarithms[-1]
    over = np.exp(-2.0 * lengths)
    correlation, slope = _matern(np.tensordot(over, apart, 1))
    covariance = math.exp(variance) * correlation
    try:
        factor = cho_factor(covariance + (math.exp(noise) + _JITTER) * np.eye(len(standard)), lower=True)
    except np.linalg.LinAlgError:
        return _REFUSED, np.zeros_like(logarithms)
    weights = cho_solve(factor, standard)
    value = 0.5 * standard @ weights + np.log(np.diag(factor[0])).sum()
    by_covariance = 0.5 * (cho_solve(factor, np.eye(len(standard))) - np.outer(weights, weights))
    gradient = np.empty_like(logarithms)
    gradient[:-2] = over * np.tensordot(apart, by_covariance * (math.exp(variance) * slope), 2)
    gradient[-2] = (by_covariance * covariance).sum()
    gradient[-1] = math.exp(noise) * np.trace(by_covariance)
    means = np.array([*np.full(len(lengths), _usual_length(len(lengths))), 0.0, math.log(_NOISE)])
    spreads = np.array([*np.full(len(lengths), _LENGTH_SPREAD), 1.0, _NOISE_SPREAD])
    away = (logarithms - means) / spreads
    return float(value + 0.5 * away @ away), gradient + away / spreads


def _usual_length(parameters: int) -> float:
    return math.log(_LENGTH * math.sqrt(parameters))


def _covariance(hyperparameters: Hyperparameters, apart: np.ndarray) -> np.ndarray:
    over = np.exp(-2.0 * hyperparameters.lengths)
    found: np.ndarray = math.exp(hyperparameters.variance) * _matern(np.tensordot(over, apart, 1))[0]
    return found


def _matern(squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the correlation at squared distances, and minus twice its derivative by them."""
    far = np.sqrt(5.0 * squared)
    falling = np.exp(-far)
    return (1.0 + far + far**2 / 3.0) * falling, (5.0 / 3.0) * (1.0 + far) * falling
