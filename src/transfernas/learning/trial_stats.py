"""The statistics of the trials of each problem, on the host and in double precision: counts, and REINFORCE's baseline.

Shapes: `replicas` run side by side, `problems` are searched.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..arrays import map_arrays

_LARGEST = 1e15  # of an advantage: its square is far from the largest number in single precision
_MOST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class TrialStats:
    """The number of trials of each problem, and the moving average of their rewards. Immutable.

    Attributes:
        baseline: Shape `[replicas, problems]`, the moving average (appendix A, the baseline b).
        started: Shape `[replicas, problems]`, whether the average has seen a reward.
        trials: Shape `[replicas, problems]`, the number of trials that were learned from.
    """

    baseline: Float[np.ndarray, "replicas problems"]
    started: Bool[np.ndarray, "replicas problems"]
    trials: Int[np.ndarray, "replicas problems"]

    @classmethod
    def empty(cls, replicas: int, problems: int) -> "TrialStats":
        """Returns the statistics of no trial."""
        shape = (replicas, problems)
        return cls(np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, np.int32))

    def advantage(
        self,
        problem: Int[np.ndarray, "replicas"],
        reward: Float[np.ndarray, "replicas"],
        own: Bool[np.ndarray, "replicas"],
    ) -> Float[np.ndarray, "replicas"]:
        """Returns the rewards less the baselines, in single precision.

        The advantage is 0 for a problem's first reward, and for a trial that the policy did not propose.

        Args:
            problem: Shape `[replicas]`, the row of the problem.
            reward: Shape `[replicas]`, the reward.
            own: Shape `[replicas]`, whether the policy proposed the trial.
        """
        here = np.arange(len(problem)), problem
        with np.errstate(over="ignore"):  # the difference of the largest numbers is infinite
            difference = np.clip(reward - self.baseline[here], -_LARGEST, _LARGEST)
        return np.where(own & self.started[here], difference, 0.0).astype(np.float32)

    def count_trial(self, problem: Int[np.ndarray, "replicas"]) -> "TrialStats":
        """Returns the statistics after a trial of each replica; the average stays.

        Args:
            problem: Shape `[replicas]`, the row of the problem.
        """
        trials = self.trials.copy()
        trials[np.arange(len(problem)), problem] += 1
        return dataclasses.replace(self, trials=trials)

    def update(
        self,
        problem: Int[np.ndarray, "replicas"],
        reward: Float[np.ndarray, "replicas"],
        own: Bool[np.ndarray, "replicas"],
        decay: float,
    ) -> "TrialStats":
        """Returns the statistics after a trial of each replica; the average starts at the first reward.

        Args:
            problem: Shape `[replicas]`, the row of the problem.
            reward: Shape `[replicas]`, the reward.
            own: Shape `[replicas]`, whether the policy proposed the trial; the average takes no other reward.
            decay: the factor by which the weight of the average so far falls with each reward.
        """
        trial_stats, here = map_arrays(self.count_trial(problem), np.copy), (np.arange(len(problem)), problem)
        before, started = self.baseline[here], self.started[here]
        with np.errstate(over="ignore"):  # rounding may put the average of two numbers beyond the largest number
            average = np.clip(decay * before + (1.0 - decay) * reward, -_MOST, _MOST)
        trial_stats.baseline[here] = np.where(own, np.where(started, average, reward), before)
        trial_stats.started[here] |= own
        return trial_stats
