"""Learning from many trials of several problems at once, which were told before anybody asked.

The trials are taken in part by part. After each part the policies learn in fewer steps than it has trials, each step
from pairs of all problems that were met so far.
"""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Int

from ..runtime import run
from ..spaces.encoding import Trajectory
from .catching_up import taken_in
from .learner import Learner, learn
from .pairs import Ranking
from .randomness import Use, generator
from .scores import Scores
from .steps import prefer

GoesOnFn = Callable[[int], bool]
"""Told after how many trials the policies learned, and returns whether to go on."""

FEW = 250
"""So many trials at most are learned from one by one."""

_PART = 8  # a part is at least so many trials, or this share of those before it
STEPS = lambda n: n // 4


def study(
    learner: Learner,
    problem: Int[np.ndarray, "replicas trials"],
    trials: Trajectory,
    scores: Scores,
    goes_on: GoesOnFn | None = None,
) -> tuple[Learner, int]:
    count, done = scores.grade.shape[1], 0
    few = count <= FEW or learner.config.learning == "reinforce"
    if few:
        return _one_by_one(learner, problem, trials, scores, goes_on)
    ends, end = [], 0
    while end < count:
        end = min(count, end + max(_PART, end // _PART))
        ends.append(end)
    steps, made = STEPS(count), 0
    config, encoding = learner.config, learner.encoding
    for start, end in zip([0, *ends], ends):
        part = slice(start, end)
        before = learner
        learner = taken_in(learner, problem[:, part], _at(trials, part), scores.at((slice(None), part)))
        ranking = Ranking(learner.history, config, encoding.grows)
        wanted = end * steps // count
        first = made
        while made < wanted:
            rng = generator(learner.seed, Use.PAIRS, learner.learned, made)
            pairs = ranking.draw(rng, learner.members, encoding.steps_made)
            learner = dataclasses.replace(learner, state=run(prefer, learner.state, learner.tables, pairs, config))
            made += 1
            done = start + (end - start) * (made - first) // (wanted - first)
            if goes_on is not None and not goes_on(done):
                part = slice(start, done)
                left = taken_in(before, problem[:, part], _at(trials, part), scores.at((slice(None), part)))
                return dataclasses.replace(left, state=learner.state), done
    return learner, count


def _one_by_one(learner, problem, trials, scores, goes_on):
    nobody, count = np.full(learner.replicas, -1, np.int32), scores.grade.shape[1]
    for at in range(count):
        score = scores.at((slice(None), at))
        learner = learn(learner, problem[:, at], _at(trials, at), score.reward, nobody, score.grade, others=True)
        if goes_on is not None and not goes_on(at + 1):
            return learner, at + 1
    return learner, count


def _at(trials: Trajectory, which: int | slice) -> Trajectory:
    found: Trajectory = jax.tree.map(lambda leaf: leaf[:, which], trials)
    return found
