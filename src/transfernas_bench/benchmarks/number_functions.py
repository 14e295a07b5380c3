"""Functions of numbers to be minimised, such as Rosenbrock's, which ask an Optuna trial for their parameters.

The optimum of a function is elsewhere for each seed. Its value is 0, apart from the noise of the noisy sphere, and from
the rounding of the whole numbers of `mixed`.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


@runtime_checkable
class AskedTrial(Protocol):
    """The part of an Optuna trial that a problem uses: the number of the trial, and its parameters."""

    @property
    def number(self) -> int:
        """Number of the trial, from 0."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Returns the value of a parameter."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Returns the value of a whole parameter."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Returns a member of `choices`."""


def ellipsoid(trial: AskedTrial, seed: int, count: int) -> float:
    """Returns an ellipsoid of `count` parameters, whose curvatures differ by a factor of 100."""
    x = _unit(trial, count) - _shift(seed, count)
    return float((10.0 ** np.linspace(0, 2, count) * x**2).sum())


def rosenbrock(trial: AskedTrial, seed: int, count: int) -> float:
    """Returns Rosenbrock's function of `count` parameters: a bent valley."""
    x = 2 * (_unit(trial, count) - _shift(seed, count)) + 1
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def ackley(trial: AskedTrial, seed: int, count: int) -> float:
    """Returns Ackley's function of `count` parameters: a funnel with many local optima."""
    x = 5 * (_unit(trial, count) - _shift(seed, count))
    rings = np.exp(np.cos(2 * np.pi * x).mean())
    return float(-20 * np.exp(-0.2 * np.sqrt((x**2).mean())) - rings + 20 + np.e)


def rastrigin(trial: AskedTrial, seed: int, count: int) -> float:
    """Returns Rastrigin's function of `count` parameters: a bowl with many deep local optima."""
    x = 3 * (_unit(trial, count) - _shift(seed, count))
    return float((x**2 - 10 * np.cos(2 * np.pi * x) + 10).sum())


def levy(trial: AskedTrial, seed: int, count: int) -> float:
    """Returns Levy's function of `count` parameters: waves whose height grows with the distance from the optimum."""
    w = 1 + 2.5 * (_unit(trial, count) - _shift(seed, count))
    ends = np.sin(np.pi * w[0]) ** 2 + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(ends + ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum())


def rotated(trial: AskedTrial, seed: int, count: int) -> float:
    """Returns an ellipsoid of `count` parameters, whose axes are not those of the parameters."""
    turn = np.linalg.qr(np.random.default_rng([seed, 3]).standard_normal((count, count)))[0]
    x = turn @ (_unit(trial, count) - _shift(seed, count))
    return float((10.0 ** np.linspace(0, 2, count) * x**2).sum())


def few_matter(trial: AskedTrial, seed: int, count: int, matter: int) -> float:
    """Returns a sphere of `matter` parameters; the value does not depend on the others of the `count` parameters."""
    which = np.random.default_rng([seed, 5]).permutation(count)[:matter]
    return float(((_unit(trial, count) - _shift(seed, count))[which] ** 2).sum())


def noisy(trial: AskedTrial, seed: int, count: int) -> float:
    """Returns a sphere of `count` parameters plus normal noise with a standard deviation of 0.05.

    The number of the trial determines the noise.
    """
    value = float(((_unit(trial, count) - _shift(seed, count)) ** 2).sum())
    return value + 0.05 * float(np.random.default_rng([seed, trial.number]).standard_normal())


def mixed(trial: AskedTrial, seed: int) -> float:
    """Returns a function of two whole numbers, three real numbers and two categories."""
    best = _shift(seed, 8)
    whole = [trial.suggest_int(f"n{at}", 1, 200, log=at == 0) for at in range(2)]
    near = (np.log10(whole[0]) / 2.3 - 0.5 - best[0]) ** 2 + (whole[1] / 200 - 0.5 - best[1]) ** 2
    numbers = ((_unit(trial, 3) - best[2:5]) ** 2).sum()
    kinds = [trial.suggest_categorical(f"c{at}", ("a", "b", "c", "d")) for at in range(2)]
    wrong = sum(kind != "abcd"[int(40 * (0.3 + best[5 + at])) % 4] for at, kind in enumerate(kinds))
    return float(near + numbers + 0.4 * wrong)


def branches(trial: AskedTrial, seed: int, count: int) -> float:
    """Returns a function with a parameter that chooses one of `count` branches, each with parameters of its own."""
    offset = np.random.default_rng([seed, 7]).permutation(count) * 0.15
    which = trial.suggest_int("branch", 0, count - 1)
    shared = (trial.suggest_float("shared", -1.0, 1.0) - _shift(seed, 1)[0]) ** 2
    best = _shift(seed + 100 * which, 3)
    own = sum((trial.suggest_float(f"b{which} {at}", -1.0, 1.0) - best[at]) ** 2 for at in range(3))
    return float(offset[which] + shared + own)


def layers(trial: AskedTrial, seed: int, most: int) -> float:
    """Returns a function with as many widths as layers, of which there are at most `most`."""
    best = _shift(seed, most + 1)
    count = trial.suggest_int("layers", 1, most)
    widths = [trial.suggest_float(f"width {at}", -1.0, 1.0) - best[at] for at in range(count)]
    return float(0.2 * abs(count - (most + 1) / 2) + np.square(widths).mean())


def _shift(seed: int, count: int) -> Float[np.ndarray, "count"]:
    """Returns the place of the optimum."""
    return np.random.default_rng([seed, 17]).uniform(-0.3, 0.3, count)


def _unit(trial: AskedTrial, count: int) -> Float[np.ndarray, "count"]:
    """Returns parameters from -1 to 1."""
    return np.array([trial.suggest_float(f"x{at}", -1.0, 1.0) for at in range(count)])
