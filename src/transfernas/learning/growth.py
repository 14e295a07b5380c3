"""Learners whose problems grow while they are searched: new choices, new actions, new problems, and nothing forgotten.

A search of a space that nobody declared knows the choices that were asked for so far (`define_by_run.discovery`).
Unlike a transfer, growth keeps trials, queues, baselines and the proposer bandit. The moments of the optimiser stay
too, while the tables have room.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Int

from ..arrays import map_arrays
from ..policy.architecture import Capacity
from ..policy.policy import Policy
from ..spaces.encoding import Encoding, encode
from ..spaces.problem import Problem
from ..spaces.tables import EXACT, MinShapes
from ..spaces.trajectory import Trajectory, pad_trajectory
from .learner import Learner, capacity_for, restore
from .randomness import Purpose, generator
from .steps import fresh_state, init_policies
from .transfer import carry_over_embeddings
from .warm_start import WarmStartConfigs


def grow(learner: Learner, problems: tuple[Problem, ...], min_shapes: MinShapes = EXACT) -> Learner:
    """Returns the replicas ready for problems that grew.

    Args:
        learner: the replicas.
        problems: first the learner's problems, under their names and in their order; then new problems. Their spaces
            have at least the choices and actions that they had, the actions in the same order.
        min_shapes: the least sizes of the arrays.

    Raises:
        ValueError: a problem of the learner is not in its place, or a choice or an action is missing.
    """
    old = learner.encoding
    if [problem.name for problem in problems[: len(old.problems)]] != [problem.name for problem in old.problems]:
        raise ValueError("problems that grew keep their names and their order; new ones come behind them")
    vocabulary = learner.vocabulary.extended(problems, with_families=min_shapes != EXACT)
    min_shapes = MinShapes(*map(max, old.min_shapes, min_shapes))
    encoding = encode(problems, vocabulary, min_shapes)
    if encoding.steps < old.steps:  # newly found conditions may make trials shorter, but earlier trials stay as long
        encoding = encode(problems, vocabulary, min_shapes._replace(steps=old.steps))
    move = _Relocation(_relocate_decisions(old, encoding), encoding.steps, len(encoding.tables.task))
    needed = Capacity(*map(max, learner.capacity, capacity_for(vocabulary, encoding)))
    state = jax.tree.map(np.asarray, learner.state)
    policy: Policy = state.policy
    if vocabulary != learner.vocabulary or needed != learner.capacity:
        rng = generator(learner.seed, Purpose.GROWTH, len(vocabulary.actions))
        drawn = init_policies(rng, len(policy.state), needed, learner.config.network)
        policy = carry_over_embeddings(policy, drawn, learner.vocabulary, vocabulary, learner.config)
    grown = fresh_state(policy, learner.config.rule)
    if needed == learner.capacity:
        grown = dataclasses.replace(grown, optimizer=state.optimizer)
    told, bandit, warm_start = learner.replay, learner.bandit, learner.warm_start
    replay = told.with_trials(move.trials(told.trials, told.problem))
    queue = map_arrays(learner.queue, move.padded)
    queue = dataclasses.replace(queue, trials=move.of_problems(learner.queue.trials))
    trial_stats = map_arrays(learner.trial_stats, move.padded)
    return dataclasses.replace(
        restore(learner.config, learner.seed, vocabulary, encoding, grown, replay, queue, trial_stats, learner.known),
        past=learner.past,
        sampled=learner.sampled,
        learned=learner.learned,
        acceptance=learner.acceptance,
        bandit=None if bandit is None else bandit.map_arrays(move.padded),
        warm_start=None if warm_start is None else _warm_start(warm_start, encoding, old, move),
        archive=learner.archive,
    )


class _Relocation:
    """How trajectories and arrays of problems change when problems grow.

    Attributes:
        rows: Shape `[old_problems, old_decisions]`, the new row of each decision of a problem. Spaces that shared a
            decision may share it no longer.
        steps: the new padded length of a trajectory.
        problems: the new padded number of problems.
    """

    def __init__(self, rows: Int[np.ndarray, "old_problems old_decisions"], steps: int, problems: int) -> None:
        self.rows, self.steps, self.problems = rows, steps, problems

    def trials(self, trials: Trajectory, problem: Int[np.ndarray, "..."]) -> Trajectory:
        """Returns trajectories of given problems with the new rows of their decisions, padded to the new length."""
        step = np.arange(trials.actions.shape[-1])
        moved = self.rows[problem[..., None], trials.decisions]
        decisions = np.where(step < trials.length[..., None], moved, 0)
        return pad_trajectory(trials._replace(decisions=decisions), self.steps)

    def of_problems(self, trials: Trajectory) -> Trajectory:
        """Returns trajectories of all problems as `trials` does, Shape `[replicas, problems, size, ...]`."""
        moved = self.trials(trials, np.arange(trials.length.shape[1])[:, None])
        return Trajectory(*map(self.padded, moved))

    def padded(self, array: np.ndarray) -> np.ndarray:
        """Returns an array `[replicas, problems, ...]` with room for more problems."""
        min_shapes = [(0, 0)] * array.ndim
        min_shapes[1] = (0, self.problems - array.shape[1])
        return np.pad(array, min_shapes)


def _relocate_decisions(old: Encoding, new: Encoding) -> Int[np.ndarray, "old_problems old_decisions"]:
    rows = np.zeros((len(old.tables.task), len(old.tables.decisions.state)), np.int32)
    for row, problem in enumerate(old.problems):
        space, grown = problem.space, new.problems[row].space
        before, after = (tables.rules.decision[tables.space[row]] for tables in (old.tables, new.tables))
        rows[row, before[0]] = after[0]
        position = {choice.name: index for index, choice in enumerate(grown.choices, start=1)}
        for index, choice in enumerate(space.choices, start=1):
            if choice.name not in position or grown[choice.name].actions[: len(choice.actions)] != choice.actions:
                raise ValueError(f'choice "{choice.name}" of search space "{space.name}" lost an action, or is missing')
            rows[row, before[index]] = after[position[choice.name]]
    return rows


def _warm_start(warm_start: WarmStartConfigs, encoding: Encoding, old: Encoding, move: _Relocation) -> WarmStartConfigs:
    count, source = move.padded(warm_start.count), move.padded(warm_start.source)
    trials = move.of_problems(warm_start.trials)
    shape = (*trials.length.shape, encoding.tables.rules.decision.shape[1])
    action_indices, values = np.zeros(shape, np.int32), np.full(shape, np.nan)
    for replica, row, slot in np.argwhere(np.arange(trials.length.shape[2]) < count[..., None]).tolist():
        config = encoding.config(row, trials.at((replica, row, slot)))
        action_indices[replica, row, slot] = encoding.action_indices(row, config)
    for row, problem in enumerate(old.problems):
        place = {choice.name: index for index, choice in enumerate(encoding.problems[row].space.choices, start=1)}
        there = [0, *(place[choice.name] for choice in problem.space.choices)]
        values[:, row][..., there] = warm_start.values[:, row, :, : len(there)]
    return WarmStartConfigs(count, trials, action_indices, values, source)
