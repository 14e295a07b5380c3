"""What networks draw, given the noise."""

import jax
import numpy as np

from transfernas.learning.learner import Learner
from transfernas.learning.rollout import Rollout
from transfernas.learning.steps import sample


def sampled(
    learner: Learner,
    problem: np.ndarray,
    noise: np.ndarray,
    share: float = 0.0,
    policies: np.ndarray | None = None,
    logit_bonus: np.ndarray | None = None,
) -> Rollout:
    """Candidates of each replica; of other rows of the networks, and with some actions favoured, if given."""
    which = np.arange(len(problem)) if policies is None else policies
    logit_bonus = np.zeros((len(problem), learner.capacity.actions), np.float32) if logit_bonus is None else logit_bonus
    shares = np.full(noise.shape[1], share, np.float32)
    return jax.tree.map(
        np.asarray,
        sample(learner.state.policy, which, learner.tables, problem, noise.astype(np.float32), shares, logit_bonus),
    )
