"""Rehearsal: the policy learns from earlier problems once more, or else searches in a row forget all but the last.

While a policy learns from one search, it forgets earlier searches. Before the next transfer it learns from the archived
trials of all problems in turn (`archive.py`), as it learns from others' trials.
"""

import dataclasses

import jax
import numpy as np

from ..policy.policy import Policy
from ..processes.runtime import placed, run
from ..spaces.encoding import Encoding, encode
from ..spaces.problem import Problem
from ..spaces.space import SearchSpace
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory
from .archive import NOT_MADE, ArchivedProblem, union_of_choices
from .learner import Learner, best_policy, empty_trials, update_archive
from .randomness import Purpose, generator
from .replay import ReplayBuffer
from .rule import BatchConfig, LearningRule
from .steps import climb, fresh_state

# Not for tuning. These numbers bound the time before a search, however many problems are known.
STEPS = 120
"""The number of batches that are drawn, each of all problems."""

MOST = 64
"""The largest number of problems that are rehearsed: those that were learned from last."""


def rehearse(learner: Learner) -> Learner:
    """Returns the replicas between two searches: all trials are archived, and the policy learns from the archive.

    There is nothing to rehearse for a learner without earlier problems: it has learned from its problems side by side.
    A rule that is not off-policy, such as `Reinforce`, learns from its own trials alone, and does not rehearse.

    Args:
        learner: the replicas. Of two policies, the better one goes on.
    """
    learner = update_archive(learner)
    entries = learner.archive
    policy = best_policy(learner)
    present = {problem.name for problem in learner.encoding.problems}
    rule = learner.config.rule
    if any(entry.name not in present for entry in entries) and rule.off_policy:
        policy = _rehearsed(policy, entries[-MOST:], learner, rule)
    replay, queue, trial_stats = empty_trials(learner.replicas, learner.encoding, learner.config)
    return dataclasses.replace(
        learner,
        replay=replay,
        queue=queue,
        trial_stats=trial_stats,
        state=placed(fresh_state(policy, rule)),
        bandit=None,
        warm_start=None,
        past=learner.provenance,
    )


def _rehearsed(policy: Policy, entries: tuple[ArchivedProblem, ...], learner: Learner, rule: LearningRule) -> Policy:
    encoding = _encoded(entries, learner)
    replay = _told(entries, encoding, learner.replicas)
    state, tables = placed((fresh_state(policy, rule), _with_room(encoding.tables)))
    batch = BatchConfig(1, encoding.steps_made, encoding.grows, learner.config.transfer.new_task)
    draw = rule.batches(replay, batch)
    for number in range(STEPS):
        rng = generator(learner.seed, Purpose.REHEARSAL, learner.learned, number)
        state = run(climb, state, tables, draw(rng), rule)
    return jax.tree.map(np.asarray, state.policy)


def _encoded(entries: tuple[ArchivedProblem, ...], learner: Learner) -> Encoding:
    """Returns the archived problems, encoded; spaces of one name become one space with the choices of all."""
    alike: dict[str, list[ArchivedProblem]] = {}
    for entry in entries:
        alike.setdefault(entry.space, []).append(entry)
    spaces = {name: SearchSpace(name, union_of_choices(its)) for name, its in alike.items()}
    problems = tuple(Problem(spaces[entry.space], entry.task) for entry in entries)
    encoding = encode(problems, learner.vocabulary, learner.encoding.min_shapes)
    longest = max(int((entry.action_indices != NOT_MADE).sum(axis=-1).max()) for entry in entries)
    tables = encoding.tables._replace(longest=np.array(1 + longest, np.int32))  # else all choices would count
    return dataclasses.replace(encoding, tables=tables)


def _with_room(tables: Tables) -> Tables:
    """Returns the tables with room for the largest number of problems, so that another problem compiles nothing."""
    room = (0, MOST - len(tables.task))
    return tables._replace(space=np.pad(tables.space, room), task=np.pad(tables.task, room))


def _told(entries: tuple[ArchivedProblem, ...], encoding: Encoding, replicas: int) -> ReplayBuffer:
    """Returns the archived trials as a replay buffer; a replica with fewer trials than others repeats some."""
    replay = ReplayBuffer.empty(replicas, encoding.steps)
    for row, entry in enumerate(entries):
        shape = replicas, entry.action_indices.shape[1]
        which = np.arange(shape[1]) % np.maximum(1, entry.count)[:, None]
        order = {choice.name: at for at, choice in enumerate(encoding.problems[row].space.choices)}
        configs = [
            dict(sorted(entry.config(replica, slot).items(), key=lambda pair: order[pair[0]]))  # noqa: B023
            for replica, slots in enumerate(which.tolist())
            for slot in slots
        ]
        sequences = encoding.sequences([row] * len(configs), configs)
        trials = Trajectory(*(leaf.reshape(*shape, *leaf.shape[1:]) for leaf in sequences))
        scores = entry.scores.at((np.arange(replicas)[:, None], which))
        problem, nobody = (np.full(shape, value, np.int32) for value in (row, -1))
        replay = replay.extend(problem, trials, scores, nobody)
    return replay
