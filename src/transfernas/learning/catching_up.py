"""Learning from many old trials of a problem at once, in fewer steps of the optimiser than there are trials.

An off-policy rule draws batches from all trials, after each trial. With ten thousand old trials, each would cost a
step, and the early steps would see few of the trials. Here several trials are taken in at a time.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from ..arrays import map_arrays
from ..spaces.trajectory import Trajectory
from .learner import Learner, learn
from .priority_queue import PriorityQueue, QueueConfig
from .scores import Scores


def catch_up(
    learner: Learner, problem: Int[np.ndarray, "replicas"], trials: Trajectory, scores: Scores, steps: int
) -> Learner:
    """Returns the replicas after they learned from trials that others proposed.

    Args:
        learner: the replicas.
        problem: Shape `[replicas]`, the row of the problem.
        trials: Shape `[replicas, trials, ...]`, oldest first.
        scores: Shape `[replicas, trials]`, the scores of the trials.
        steps: the number of trials after which the policies learn; they are spread evenly over all trials.
    """
    count = scores.outcome.shape[1]
    nobody = np.full(learner.replicas, -1, np.int32)
    ends = sorted({-(-at * count // steps) for at in range(1, steps + 1)} - {0})
    for start, end in zip([0, *ends], ends, strict=False):
        before, last = slice(start, end - 1), end - 1
        rows = np.repeat(problem[:, None], last - start, axis=1)
        learner = take_in(learner, rows, trials.at((slice(None), before)), scores.at((slice(None), before)))
        score = scores.at((slice(None), last))
        learner = learn(
            learner, problem, trials.at((slice(None), last)), score.reward, nobody, score.outcome, others=True
        )
    return learner


def take_in(
    learner: Learner,
    problem: Int[np.ndarray, "replicas trials"],
    trials: Trajectory,
    scores: Scores,
    numbers: Float[np.ndarray, "replicas trials choices"] | None = None,
) -> Learner:
    """Returns the replicas with more trials, from which they learn when they learn next.

    Args:
        learner: the replicas.
        problem: Shape `[replicas, trials]`, the rows of the problems.
        trials: Shape `[replicas, trials, ...]`, oldest first.
        scores: Shape `[replicas, trials]`, the scores of the trials.
        numbers: Shape `[replicas, trials, choices]`, the numbers of ranges, see `ReplayBuffer`; None without ranges.
    """
    count = scores.outcome.shape[1]
    queue, replay, config = learner.queue, learner.replay, learner.config
    trial_stats = map_arrays(learner.trial_stats, np.copy)
    np.add.at(trial_stats.trials, (np.arange(len(problem))[:, None], problem), 1)
    for at in _promising(queue, problem, scores, config.queue).tolist():
        queue = queue.insert(problem[:, at], trials.at((slice(None), at)), scores.at((slice(None), at)), config.queue)
    if config.keeps_trials:
        proposers = np.full(scores.outcome.shape, -1, np.int32)
        replay = replay.extend(problem, trials, scores, proposers, numbers)
    return dataclasses.replace(
        learner, queue=queue, trial_stats=trial_stats, replay=replay, learned=learner.learned + count
    )


def _promising(
    queue: PriorityQueue, problem: Int[np.ndarray, "replicas trials"], scores: Scores, config: QueueConfig
) -> Int[np.ndarray, "some"]:
    """Returns the trials that the queues may take; most trials are worse than all trials of a full queue."""
    if config.repeats != "best" or config.ties != "keep":
        return np.arange(scores.outcome.shape[1])
    held = queue.scores
    order = np.lexsort((held.reward, held.outcome), axis=-1)[..., :1]
    outcome, reward = (np.take_along_axis(each, order, -1)[..., 0] for each in (held.outcome, held.reward))
    at = np.arange(len(problem))[:, None], problem
    free = queue.filled[at] < held.outcome.shape[-1]
    return np.flatnonzero((free | scores.above(Scores(outcome[at], reward[at]))).any(axis=0))
