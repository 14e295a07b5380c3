"""The scores of trials, in double precision: the outcome counts first, then the reward."""

import enum
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class TrialOutcome(enum.IntEnum):
    """The outcome of a trial; a higher outcome is better, whatever the rewards."""

    FAILED = -4
    INFEASIBLE = -3  # a constraint was broken
    DIVERGED = -2  # minus infinity
    PRUNED = -1
    FINITE = 0
    INFINITE = 1


class Score(NamedTuple):
    """The score of one trial; scores compare as tuples do.

    Attributes:
        outcome: see `TrialOutcome`.
        reward: finite, higher is better; it ranks the trials of one outcome.
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
    """The scores of trials, as arrays of one shape; see `Score`."""

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
        """Returns the order along the last axis, best first; equal scores keep their order."""
        return np.lexsort((-self.reward, -self.outcome), axis=-1)

    def shown(self) -> Float[np.ndarray, "*batch"]:
        """Returns the rewards that a user sees; they are infinite for a trial without a finite reward."""
        infinite = np.where(self.outcome > TrialOutcome.FINITE, np.inf, -np.inf)
        return np.where(self.outcome == TrialOutcome.FINITE, self.reward, infinite)

    def losses(self) -> Float[np.ndarray, "*batch"]:
        """Returns losses, lower is better; an infinite loss becomes the worst or the best of the finite losses."""
        finite = -self.reward[self.outcome == TrialOutcome.FINITE]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        infinite = np.where(self.outcome < TrialOutcome.FINITE, high, low)
        return np.where(self.outcome == TrialOutcome.FINITE, -self.reward, infinite)
