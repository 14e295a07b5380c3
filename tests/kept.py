"""Learners that were told trials, and what they keep of them on the host."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from searchers import FAST
from transfernas import Problem, TrainingConfig
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.replay import ReplayBuffer
from transfernas.learning.scores import Scores
from transfernas.learning.warm_start import WarmStartConfigs
from transfernas.spaces.condition import Action
from transfernas.spaces.trajectory import Trajectory

REPLICAS, STEPS = 2, 3

Told = tuple[Problem, Sequence[Action], float]
Configs = list[dict[str, Action]]


def counted(learner: Learner) -> list[np.ndarray]:
    trial_stats = learner.trial_stats
    return [trial_stats.baseline, trial_stats.started, trial_stats.trials]


def queued(learner: Learner) -> list[np.ndarray]:
    queue = learner.queue
    return [*queue.trials, *queue.scores, queue.filled]


def told(
    replay: ReplayBuffer, number: int, problem: int = 0, reward: float | None = None, proposer: int = 0
) -> ReplayBuffer:
    """One more trial of each replica, known by its number: the second replica's has all its numbers negative."""
    scalar = np.array([number, -number], np.int32)
    sequence = np.repeat(scalar[:, None], STEPS, axis=1)
    rows = np.full(REPLICAS, problem, np.int32)
    rewards = np.array([1.0, -1.0]) * (number if reward is None else reward)
    proposers = np.full(REPLICAS, proposer, np.int32)
    return replay.append(rows, Trajectory(scalar, sequence, 2 * sequence, scalar), Scores.of(rewards), proposers)


def taught(told: Sequence[Told], config: TrainingConfig = FAST) -> Learner:
    """A learner whose queues hold some configurations and their rewards."""
    learner = new_learner(tuple({problem.name: problem for problem, *_ in told}.values()), config, 0)
    for problem, actions, reward in told:
        row = learner.encoding.row(problem)
        names = [choice.name for choice in problem.space.choices][: len(actions)]
        trial = learner.encoding.trajectory(row, dict(zip(names, actions, strict=True))).at(None)
        queue = learner.queue.insert(np.array([row]), trial, Scores.of(np.array([reward])), config.queue)
        learner = dataclasses.replace(learner, queue=queue, learned=learner.learned + 1)
    return learner


def remembered(learner: Learner, row: int = 0) -> Configs:
    """What a transferred learner remembers for one of its problems."""
    warm_start, encoding, found = learner.warm_start, learner.encoding, Configs()
    assert isinstance(warm_start, WarmStartConfigs)
    for slot in range(int(warm_start.count[0, row])):
        trial = Trajectory(*(leaf[0, row, slot] for leaf in warm_start.trials))
        config = encoding.config(row, trial)
        for left, right in zip(trial, encoding.trajectory(row, config), strict=True):
            np.testing.assert_array_equal(left, right)
        assert encoding.config_of_indices(row, warm_start.action_indices[0, row, slot]) == config
        found.append(config)
    return found
