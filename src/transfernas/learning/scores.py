"""How good trials are, in double precision: what they came to counts first, then their rewards."""

import enum
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class TrialOutcome(enum.IntEnum):
    """What a trial came to; a higher grade is better, whatever the rewards."""

    FAILED = -4
    INFEASIBLE = -3  # a constraint was broken
    DIVERGED = -2  # minus infinity
    PRUNED = -1
    FINITE = 0
    INFINITE = 1


class Score(NamedTuple):
    """How good one trial is; scores compare as tuples do.

    Attributes:
        reward: finite, higher is better; it tells apart the trials of one grade.
        outcome: see `TrialOutcome`.
    """

    outcome: int
    reward: float

    @classmethod
    def of(cls, reward: float) -> "Score":
        """Returns the score of a reward that may be infinite.

        Raises:
            ValueError: the reward is NaN.
        """
        if math.isnan(reward):
            raise ValueError(f"a reward is a number, not {reward}; a trial without one is told None")
        if math.isinf(reward):
            return cls(TrialOutcome.INFINITE if reward > 0 else TrialOutcome.DIVERGED, 0.0)
        return cls(TrialOutcome.FINITE, reward)


class Scores(NamedTuple):
    """How good trials are, as arrays of one shape; see `Score`."""

    outcome: Int[np.ndarray, "*batch"]
    reward: Float[np.ndarray, "*batch"]

    @classmethod
    def of(cls, reward: Float[np.ndarray, "*batch"]) -> "Scores":
        """Returns the scores of finite rewards."""
        return cls(np.full(reward.shape, TrialOutcome.FINITE, np.int32), reward.astype(np.float64))

    def at(self, index: Any) -> "Scores":
        """Returns the scores at an index of NumPy's."""
        return Scores(self.outcome[index], self.reward[index])

    def above(self, other: "Scores") -> Bool[np.ndarray, "*batch"]:
        """Returns where a trial is better than another."""
        same = self.outcome == other.outcome
        return np.asarray((self.outcome > other.outcome) | (same & (self.reward > other.reward)))

    def best_first(self) -> Int[np.ndarray, "*batch"]:
        """Returns the order along the last axis; of equals the first stays first."""
        return np.lexsort((-self.reward, -self.outcome), axis=-1)

    def shown(self) -> Float[np.ndarray, "*batch"]:
        """Returns the rewards as a user sees them, infinite where a trial came to no finite one."""
        infinite = np.where(self.outcome > TrialOutcome.FINITE, np.inf, -np.inf)
        return np.where(self.outcome == TrialOutcome.FINITE, self.reward, infinite)
