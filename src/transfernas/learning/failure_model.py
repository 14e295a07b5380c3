"""How likely configurations are to fail, by a Gaussian process over the outcomes of trials.

A trial may fail because of its configuration, such as a network that does not fit into memory, or for another reason,
such as a machine that went down. The process finds from the outcomes, 1 for a failed trial and 0 for all others, which
parameters matter. Where none does, all configurations are about equally likely to fail, and little changes. Parameters
that no failed trial was asked for do not matter: the trials failed before.

The probability is the mean of a regression, as for a classifier by least squares (Rasmussen and Williams 2006, section
6.5). The expected improvement of a candidate counts times its probability of success (Gardner and others 2014).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .surrogate import Surrogate
from .value_scale import ValueScale

# Not for tuning. One failed trial says too little, and a model of few trials is never sure.
_LEAST_FAILED = 2
_MOST = 0.95

MOST_REFUSED = 100
"""The most candidates of one trial that are refused by chance; then any is taken."""


@dataclass(frozen=True)
class FailureModel:
    """A Gaussian process over the outcomes of trials.

    Attributes:
        process: the process, whose values are the outcomes.
        scale: the scale of the outcomes.
        columns: the positions of the parameters that may matter.

    Example:
        ```python
        import numpy as np

        from transfernas.learning.failure_model import FailureModel

        points, failed = np.array([[0.1], [0.2], [0.3], [0.8], [0.9]]), np.array([False, False, False, True, True])
        model = FailureModel.of(points, failed, numeric=np.array([True]))
        small, large = model.probability(np.array([[0.15], [0.85]]))
        assert small < 0.2 and large > 0.8
        ```
    """

    process: Surrogate
    scale: ValueScale
    columns: Int[np.ndarray, "columns"]

    @classmethod
    def of(
        cls,
        points: Float[np.ndarray, "trials parameters"],
        failed: Bool[np.ndarray, "trials"],
        numeric: Bool[np.ndarray, "parameters"],
        asked: Bool[np.ndarray, "parameters"] | None = None,
    ) -> "FailureModel | None":
        """Returns the model of trials; None where fewer than two failed, or all did, or no parameter was asked for.

        Args:
            points: Shape `[trials, parameters]`, the points of the trials.
            failed: Shape `[trials]`, whether a trial failed.
            numeric: Shape `[parameters]`, whether a parameter is a number, and not a category.
            asked: Shape `[parameters]`, whether a failed trial was asked for a parameter; None if for all of them.
        """
        columns = np.flatnonzero(np.ones(len(numeric), bool) if asked is None else asked)
        if failed.sum() < _LEAST_FAILED or failed.all() or not len(columns):
            return None
        outcomes = failed.astype(float)
        scale = ValueScale(1.0, 1.0, float(outcomes.mean()), float(outcomes.std()))
        return cls(Surrogate.fitted(points[:, columns], outcomes, numeric[columns], scale=scale), scale, columns)

    def success(self, points: Float[np.ndarray, "points parameters"]) -> Float[np.ndarray, "points"]:
        """Returns the probability that each configuration does not fail; 0 where it is less than half the usual one.

        Where nothing else promises anything, a configuration that almost surely fails would be the best choice.
        """
        success = 1.0 - self.probability(points)
        return np.where(success < 0.5 * (1.0 - self.scale.center), 0.0, success)

    def refusal(self, points: Float[np.ndarray, "points parameters"]) -> Float[np.ndarray, "points"]:
        """Returns the probability to refuse each configuration, so that what is left fails no more often than usual."""
        return 1.0 - np.minimum((1.0 - self.probability(points)) / (1.0 - self.scale.center), 1.0)

    @np.errstate(all="ignore")
    def probability(self, points: Float[np.ndarray, "points parameters"]) -> Float[np.ndarray, "points"]:
        """Returns the probability that each configuration fails, from 0 to 0.95."""
        mean = self.process.mean(points[:, self.columns])
        return np.clip(mean * self.scale.spread + self.scale.center, 0.0, _MOST)
