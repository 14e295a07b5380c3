"""Earlier problems in the mean of a Gaussian process: each is a basis function, whose weight the trials tell.

The basis function of an earlier problem is the mean of a process over the trials of that problem. The value of a point
is a weighted sum of the basis functions, plus a process of its own (Rasmussen and Williams 2006, section 2.7). So a
search begins with the average opinion of the earlier problems, finds out which of them are right, and goes on to learn
what none of them knew. Earlier problems that mislead get a weight of 0 or less after a few trials, and the say of all
of them fades. Sums of processes over other problems are due to Golovin et al. (2017) and Feurer, Letham and Bakshy
(2018).

Shapes: `points`, `parameters`, `sources`, the earlier problems.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Not for tuning. The weights are for standardised values, so that they fit any search.
_TOGETHER, _TOGETHER_SPREAD = 0.7, 0.5  # the sum of all weights: its prior mean and standard deviation
_EACH_SPREAD = 0.5  # of the weight of each source, over the root of the number of sources
_LEAST_SPREAD = 0.3  # of a basis function, over the trials of the search
_FADING = 5.0  # trials of the search, after which the earlier problems have half of their say


MeanFn = Callable[[Float[np.ndarray, "points parameters"]], Float[np.ndarray, "points"]]
"""What an earlier problem says of points: values on a scale of its own, lower is better."""


@dataclass(frozen=True)
class SourceMeans:
    """The basis functions of the earlier problems, and the prior of their weights.

    Each basis function is standardised over the trials of the search, as values are.

    Attributes:
        means: the means of the processes over the earlier problems' trials.
        center: Shape `[sources]`, the average of each over the trials of the search.
        spread: Shape `[sources]`, the standard deviation of each over these trials, not too small.
        say: how much the earlier problems count, from 0 to 1: their weights' prior is this much narrower. The more
            trials the search has, the less they count, because their optima are near the search's, but not there.
    """

    means: tuple[MeanFn, ...]
    center: Float[np.ndarray, "sources"]
    spread: Float[np.ndarray, "sources"]
    say: float

    @classmethod
    def of(cls, means: Sequence[MeanFn], points: Float[np.ndarray, "trials parameters"]) -> "SourceMeans":
        """Returns the basis functions for the points of trials."""
        say = _FADING / (_FADING + len(points))
        if not means:
            return cls((), np.zeros(0), np.ones(0), say)
        raw = _means(means, points)
        return cls(tuple(means), raw.mean(0), np.maximum(raw.std(0), _LEAST_SPREAD), say)

    def __call__(self, points: Float[np.ndarray, "points parameters"]) -> Float[np.ndarray, "points sources"]:
        """Returns the values of the basis functions at points."""
        return (_means(self.means, points) - self.center) / self.spread if self.means else np.zeros((len(points), 0))

    @property
    def weights(self) -> Float[np.ndarray, "sources"]:
        """The prior mean of the weights."""
        return np.full(len(self.means), self.say * _TOGETHER / max(1, len(self.means)))

    @property
    def weights_factor(self) -> Float[np.ndarray, "sources one_more"]:
        """A factor of the prior covariance of the weights, which is the factor times its transpose."""
        if not self.means:
            return np.zeros((0, 0))
        count = len(self.means)
        each = (_EACH_SPREAD / math.sqrt(count)) * np.eye(len(self.means))
        return self.say * np.column_stack([each, np.full(len(self.means), _TOGETHER_SPREAD / count)])


def _means(means: Sequence[MeanFn], points: np.ndarray) -> np.ndarray:
    return np.array([mean(points) for mean in means]).reshape(len(means), len(points)).T
