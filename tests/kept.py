"""What learners keep of trials on the host, beside their replay buffer."""

import numpy as np

from transfernas.learning.learner import Learner


def counted(learner: Learner) -> list[np.ndarray]:
    trial_stats = learner.trial_stats
    return [trial_stats.baseline, trial_stats.started, trial_stats.trials]


def queued(learner: Learner) -> list[np.ndarray]:
    queue = learner.queue
    return [*queue.trials, *queue.scores, queue.filled]
