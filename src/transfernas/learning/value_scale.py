"""The scale that the values of trials are standardised by, for a Gaussian process."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Not for tuning. These numbers keep the arithmetic finite, and a scale usual.
_LEAST_SIZE = 1e-100  # of a value that is kept, over the largest value
_MANY = 20  # trials give the usual scale of values


class ValueScale(NamedTuple):
    """The scale that values are standardised by.

    Attributes:
        size: the size of the largest value. Values are divided by the size first, because the largest numbers have no
            finite sum.
        most: the value at which larger values are clipped.
        center: the mean of the clipped values.
        spread: the standard deviation of the clipped values; 0 if all are equal.
    """

    size: float
    most: float
    center: float
    spread: float

    @classmethod
    def of(cls, values: Float[np.ndarray, "trials"]) -> "ValueScale":
        """Returns the scale of values; values far above the median are clipped."""
        size = float(np.abs(values).max()) or 1.0
        scaled = values / size
        ordered = np.sort(scaled)
        best, middle = float(ordered[0]), _median(ordered)
        if middle == best and ordered[-1] > best:  # more than half are as good as the best
            middle = _median(ordered[ordered > best])
        most = middle + (middle - best)
        kept = np.minimum(scaled, most)
        if 0.0 < (largest := float(np.abs(kept).max())) < _LEAST_SIZE:  # the squares would be 0
            return cls.of(kept / largest)._replace(size=largest * size)
        return cls(size, most, float(kept.mean()), float(kept.std()))

    @classmethod
    def of_search(cls, values: Float[np.ndarray, "trials"], best: int) -> "ValueScale":
        """Returns the scale of the values of a search.

        Once many trials are behind the best ones, they set the scale. The best alone come to differ by almost nothing,
        and on their scale every unknown region would promise much.

        Args:
            values: Shape `[trials]`, those of the best trials first.
            best: the number of the best trials.
        """
        behind = values[best:]
        return cls.of(values if len(behind) < _MANY else np.append(behind, values.min()))

    def standardised(self, values: Float[np.ndarray, "trials"]) -> Float[np.ndarray, "trials"]:
        """Returns values with mean 0 and variance 1; 0 if all are equal."""
        with np.errstate(over="ignore"):
            kept = np.minimum(values / self.size, self.most)
        return (kept - self.center) / self.spread if self.spread > 0 else np.zeros(len(values))

    def value(self, standard: float) -> float:
        """Returns the value whose standardised value is given."""
        return (standard * self.spread + self.center) * self.size

    def difference(self, standard: float) -> float:
        """Returns the difference of two values whose standardised difference is given."""
        return standard * self.spread * self.size


def _median(ordered: Float[np.ndarray, "values"]) -> float:
    """Returns the median of values in their order; NumPy's function takes longer than the rest of a scale."""
    return float(0.5 * (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]))
