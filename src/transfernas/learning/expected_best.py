"""The trial with the best expected value, were it evaluated again.

Under noise the best single evaluation is often a lucky one. A Gaussian process over all trials tells which trial is
expected to be best: the neighbours of that one are good too.

Shapes: a process has `trials`, each a point of `choices`.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .surrogate import Surrogate
from .value_scale import ValueScale

NO_PROCESS = "its configuration has no Gaussian process; use a TrainingConfig with proposal.surrogate=SurrogateConfig()"
"""The reason that an agent or a search expects nothing, with the remedy."""


class ExpectedRewards(NamedTuple):
    """The expected rewards of two trials, were they evaluated again, without noise.

    Attributes:
        value: The expected reward of the trial with the best expected reward.
        deviation: The standard deviation of `value`.
        best_value: The expected reward of the trial whose observed reward is best.
        best_deviation: The standard deviation of `best_value`.
    """

    value: float
    deviation: float
    best_value: float
    best_deviation: float


class ExpectedBest(NamedTuple):
    """The trial with the best expected value, were it evaluated again; for objectives with noise.

    Attributes:
        params: The parameters of the trial.
        value: The expected value of another evaluation, without noise.
        deviation: The standard deviation of `value`.
        best_value: The expected value of the trial whose observed value is best, to compare with.
        best_deviation: The standard deviation of `best_value`.
        number: The number of the trial in its study; None outside of studies.

    Example:
        ```python
        best = agent.expected_best()
        print(best.params, best.value, "+-", best.deviation, "against", best.best_value, "+-", best.best_deviation)
        ```
    """

    params: dict[str, Any]
    value: float
    deviation: float
    best_value: float
    best_deviation: float
    number: int | None = None

    def signed(self, sign: float) -> "ExpectedBest":
        """Returns this with values that were minimised, for rewards and a sign of -1."""
        return self._replace(value=sign * self.value, best_value=sign * self.best_value)


def expect_again(
    surrogate: Surrogate, points: Float[np.ndarray, "trials choices"], best: int, scale: ValueScale
) -> tuple[int, ExpectedRewards]:
    """Returns the trial with the best expected reward, and the expected rewards.

    Args:
        surrogate: The process over the trials.
        points: The trials.
        best: The trial whose observed reward is best.
        scale: The scale of the rewards in the process.
    """
    mean, deviation = surrogate.predicted(points)
    expected = int(mean.argmin())
    (value, its), (best_value, its_own) = (
        (-scale.value(float(mean[at])), scale.difference(float(deviation[at]))) for at in (expected, best)
    )
    return expected, ExpectedRewards(value, its, best_value, its_own)
