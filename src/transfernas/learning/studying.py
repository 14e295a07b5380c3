"""Learning from many old trials of several problems.

The trials are taken in part by part. After each part the policies learn, in fewer steps than the part has trials. The
batch of a step is of all problems that were seen so far, so that no step forgets one problem for another.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int

from ..processes.runtime import run
from ..spaces.trajectory import Trajectory
from .catching_up import take_in
from .learner import Learner, learn
from .randomness import Purpose, generator
from .scores import Scores
from .steps import climb

TriedNumbers = Float[np.ndarray, "replicas trials choices"]
GoesOnFn = Callable[[int], bool]
"""Gets the number of trials that were learned from, and returns whether to go on."""

# Not for tuning. These numbers bound the cost of many old trials. The settings of a step are those of the rule.
FEW = 50
"""The largest number of trials that are learned from one by one; more trials are learned from in at least as many
steps."""

_TRIALS_A_STEP = 10  # if that makes more than `FEW` steps
_SHARE = 8  # a part has at most this fraction of the trials before it, so that ranking them all again costs little


def study(
    learner: Learner,
    problem: Int[np.ndarray, "replicas trials"],
    trials: Trajectory,
    scores: Scores,
    goes_on: GoesOnFn | None = None,
    numbers: TriedNumbers | None = None,
) -> tuple[Learner, int]:
    """Returns the replicas after they learned from trials that others proposed, and the number of these trials.

    An off-policy rule takes a step for ten trials, but at least 50 steps. Any other rule, such as `Reinforce`, takes a
    step for each trial.

    Args:
        learner: the replicas.
        problem: Shape `[replicas, trials]`, the rows of the problems.
        trials: Shape `[replicas, trials, ...]`, in the order in which they are taken in.
        scores: Shape `[replicas, trials]`, the scores of the trials.
        goes_on: called after each step. If it returns False, the remaining trials are not learned from.
        numbers: Shape `[replicas, trials, choices]`, the numbers of ranges, see `ReplayBuffer`; None without ranges.
    """
    count, rule = scores.outcome.shape[1], learner.config.rule
    if count <= FEW or not rule.off_policy:
        return _one_by_one(learner, problem, trials, scores, goes_on, numbers)
    for start, end, steps in _parts(count):
        before = learner
        learner = _take_part(before, problem, trials, scores, numbers, slice(start, end))
        draw = rule.batches(learner.replay, learner.batch_config)
        for step in range(steps):
            rng = generator(learner.seed, Purpose.STUDIED_PAIRS, learner.learned, step)
            state = run(climb, learner.state, learner.tables, draw(rng), rule)
            learner = dataclasses.replace(learner, state=state)
            done = start + (end - start) * (step + 1) // steps
            if goes_on is not None and not goes_on(done):
                left = _take_part(before, problem, trials, scores, numbers, slice(start, done))
                return dataclasses.replace(left, state=state), done
    return learner, count


def _one_by_one(
    learner: Learner,
    problem: Int[np.ndarray, "replicas trials"],
    trials: Trajectory,
    scores: Scores,
    goes_on: GoesOnFn | None,
    numbers: TriedNumbers | None,
) -> tuple[Learner, int]:
    nobody, count = np.full(learner.replicas, -1, np.int32), scores.outcome.shape[1]
    for at in range(count):
        score, trial = scores.at((slice(None), at)), trials.at((slice(None), at))
        its = None if numbers is None else numbers[:, at]
        learner = learn(learner, problem[:, at], trial, score.reward, nobody, score.outcome, others=True, numbers=its)
        if goes_on is not None and not goes_on(at + 1):
            return learner, at + 1
    return learner, count


def _parts(count: int) -> Iterator[tuple[int, int, int]]:
    """Yields the parts of so many trials: the position of the first trial, the end, and the number of steps."""
    steps, start, made = max(FEW, count // _TRIALS_A_STEP), 0, 0
    while start < count:
        # A part has at least one step: it ends when the next step is due, or later.
        end = min(count, max(-(-(made + 1) * count // steps), start + start // _SHARE))
        due = end * steps // count
        yield start, end, due - made
        start, made = end, due


def _take_part(
    learner: Learner,
    problem: Int[np.ndarray, "replicas trials"],
    trials: Trajectory,
    scores: Scores,
    numbers: TriedNumbers | None,
    which: slice,
) -> Learner:
    here = slice(None), which
    its = None if numbers is None else numbers[here]
    return take_in(learner, problem[here], trials.at(here), scores.at(here), its)
