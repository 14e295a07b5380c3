"""What learners keep of trials on the host, beside their history."""

import numpy as np

from transfernas.learning.learner import Learner


def counted(learner: Learner) -> list[np.ndarray]:
    tally = learner.tally
    return [tally.baseline, tally.started, tally.trials]


def queued(learner: Learner) -> list[np.ndarray]:
    queue = learner.queue
    return [*queue.trials, *queue.scores, queue.filled]
