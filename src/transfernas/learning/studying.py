"""Learning from many old trials at once, in fewer steps of the optimiser than there are trials.

An off-policy rule draws batches from all trials, after each trial. With ten thousand old trials, each would cost a
step, and the early steps would see few of the trials. Here several trials are taken in at a time. The batch of a step
of `study` is of all problems that were seen so far, so that no step forgets one problem for another.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..arrays import map_arrays
from ..processes.runtime import run
from ..spaces.trajectory import Trajectory
from .bandit import NOBODY
from .learner import Learner, learn
from .priority_queue import PriorityQueue, QueueConfig
from .randomness import Purpose, generator
from .scores import Scores
from .steps import climb

GoesOnFn = Callable[[int], bool]
"""Gets the number of trials that were learned from, and returns whether to go on."""

# Not for tuning. These numbers bound the cost of many old trials. The settings of a step are those of the rule.
FEW = 50
"""The largest number of trials that are learned from one by one; more trials are learned from in at least as many
steps."""

_TRIALS_A_STEP = 10  # if that makes more than `FEW` steps
_SHARE = 8  # a part has at most this fraction of the trials before it, so that ranking them all again costs little


class OldTrials(NamedTuple):
    """Trials that others proposed, in the order in which they are learned from.

    Attributes:
        problem: Shape `[replicas, trials]`, the rows of the problems.
        trials: Shape `[replicas, trials, ...]`, the trials.
        scores: Shape `[replicas, trials]`, the scores of the trials.
        numbers: Shape `[replicas, trials, choices]`, the numbers of ranges, see `ReplayBuffer`; None without ranges.
    """

    problem: Int[np.ndarray, "replicas *trials"]
    trials: Trajectory
    scores: Scores
    numbers: Float[np.ndarray, "replicas *trials choices"] | None = None

    def at(self, which: int | slice) -> "OldTrials":
        """Returns some of the trials; one trial is without the axis of trials."""
        here = slice(None), which
        numbers = None if self.numbers is None else self.numbers[here]
        return OldTrials(self.problem[here], self.trials.at(here), self.scores.at(here), numbers)


def catch_up(
    learner: Learner, problem: Int[np.ndarray, "replicas"], trials: Trajectory, scores: Scores, steps: int
) -> Learner:
    """Returns the replicas after they learned from trials of one problem that others proposed.

    Args:
        learner: the replicas.
        problem: Shape `[replicas]`, the row of the problem.
        trials: Shape `[replicas, trials, ...]`, oldest first.
        scores: Shape `[replicas, trials]`, the scores of the trials.
        steps: the number of trials after which the policies learn; they are spread evenly over all trials.
    """
    count = scores.outcome.shape[1]
    old = OldTrials(np.repeat(problem[:, None], count, axis=1), trials, scores)
    ends = sorted({-(-at * count // steps) for at in range(1, steps + 1)} - {0})
    for start, end in zip([0, *ends], ends, strict=False):
        learner = _learn_one(_take_in(learner, old.at(slice(start, end - 1))), old.at(end - 1))
    return learner


def study(learner: Learner, old: OldTrials, goes_on: GoesOnFn | None = None) -> tuple[Learner, int]:
    """Returns the replicas after they learned from trials of several problems, and the number of these trials.

    The trials are taken in part by part. After each part the policies learn, in fewer steps than the part has trials.
    An off-policy rule takes a step for ten trials, but at least 50 steps. Any other rule, such as `Reinforce`, takes a
    step for each trial.

    Args:
        learner: the replicas.
        old: the trials.
        goes_on: called after each step. If it returns False, the remaining trials are not learned from.
    """
    count, rule = old.problem.shape[1], learner.config.rule
    if count <= FEW or not rule.off_policy:
        return _one_by_one(learner, old, goes_on)
    for start, end, steps in _parts(count):
        before = learner
        learner = _take_in(before, old.at(slice(start, end)))
        draw = rule.batches(learner.replay, learner.batch_config)
        for step in range(steps):
            rng = generator(learner.seed, Purpose.STUDIED_PAIRS, learner.learned, step)
            state = run(climb, learner.state, learner.tables, draw(rng), rule)
            learner = dataclasses.replace(learner, state=state)
            done = start + (end - start) * (step + 1) // steps
            if goes_on is not None and not goes_on(done):
                return dataclasses.replace(_take_in(before, old.at(slice(start, done))), state=state), done
    return learner, count


def _one_by_one(learner: Learner, old: OldTrials, goes_on: GoesOnFn | None) -> tuple[Learner, int]:
    count = old.problem.shape[1]
    for at in range(count):
        learner = _learn_one(learner, old.at(at))
        if goes_on is not None and not goes_on(at + 1):
            return learner, at + 1
    return learner, count


def _learn_one(learner: Learner, one: OldTrials) -> Learner:
    """Returns the replicas after they learned from one trial each, see `OldTrials.at`."""
    nobody, (outcome, reward) = np.full(learner.replicas, NOBODY, np.int32), one.scores
    return learn(learner, one.problem, one.trials, reward, nobody, outcome, others=True, numbers=one.numbers)


def _take_in(learner: Learner, old: OldTrials) -> Learner:
    """Returns the replicas with more trials, from which they learn when they learn next."""
    (problem, trials, scores, numbers), (count, config) = old, (old.problem.shape[1], learner.config)
    queue, replay, trial_stats = learner.queue, learner.replay, map_arrays(learner.trial_stats, np.copy)
    np.add.at(trial_stats.trials, (np.arange(len(problem))[:, None], problem), 1)
    for at in _promising(queue, problem, scores, config.queue).tolist():
        one = old.at(at)
        queue = queue.insert(one.problem, one.trials, one.scores, config.queue)
    if config.keeps_trials:
        replay = replay.extend(problem, trials, scores, np.full(problem.shape, NOBODY, np.int32), numbers)
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


def _parts(count: int) -> Iterator[tuple[int, int, int]]:
    """Yields the parts of so many trials: the position of the first trial, the end, and the number of steps."""
    steps, start, made = max(FEW, count // _TRIALS_A_STEP), 0, 0
    while start < count:
        # A part has at least one step: it ends when the next step is due, or later.
        end = min(count, max(-(-(made + 1) * count // steps), start + start // _SHARE))
        due = end * steps // count
        yield start, end, due - made
        start, made = end, due
