"""Learning from many trials of several problems at once."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from searchers import CONFIG, FAST, ONE, TWO
from transfernas import Agent, Preferences
from transfernas.baselines.random import random_config
from transfernas.learning.learner import Learner, learn, new_learner
from transfernas.learning.preferences import Ranking
from transfernas.learning.replay import ReplayBuffer
from transfernas.learning.scores import Scores
from transfernas.learning.studying import OldTrials, _parts, study
from transfernas.processes.runtime import run
from transfernas.spaces.trajectory import Trajectory


def told(learner: Learner, count: int) -> OldTrials:
    """Random trials of two problems."""
    rng, encoding = np.random.default_rng(count), learner.encoding
    rows = rng.integers(len(encoding.problems), size=count)
    configs = [random_config(encoding.problems[row], rng) for row in rows.tolist()]
    trials = Trajectory(*(leaf[None] for leaf in encoding.sequences(rows.tolist(), configs)))
    return OldTrials(rows[None].astype(np.int32), trials, Scores.of(rng.normal(size=(1, count)).round(1)))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each step that is learned together."""
    found: list[int] = []

    def counted(function: Callable[..., Any], *arguments: Any) -> Any:
        found.append(1)
        return run(function, *arguments)

    monkeypatch.setattr("transfernas.learning.studying.run", counted)
    return found


@pytest.mark.parametrize("count", [1, 7, 50, 51, 60, 499, 500, 501, 2_000, 50_000])
def test_parts_hold_all_trials_and_all_steps(count: int) -> None:
    parts = list(_parts(count))
    assert [start for start, _, _ in parts] == [0, *(end for _, end, _ in parts[:-1])] and parts[-1][1] == count
    assert sum(steps for _, _, steps in parts) == max(50, count // 10) and all(steps >= 1 for _, _, steps in parts)
    assert all(end - start <= max(start // 8, -(-count // 50)) + 1 for start, end, _ in parts)
    assert len(parts) < 60 + 8 * np.log(count)


def test_few_trials_are_learned_from_one_by_one(runs: list[int]) -> None:
    learner = other = new_learner((ONE, TWO), FAST, seed=0)
    rows, trials, scores, _ = old = told(learner, 20)
    for at in range(20):
        one = Trajectory(*(leaf[:, at] for leaf in trials))
        other = learn(other, rows[:, at], one, scores.reward[:, at], np.array([-1], np.int32), others=True)
    learner, count = study(learner, old)
    assert count == 20 and not runs
    for left, right in zip(jax.tree.leaves(learner.state), jax.tree.leaves(other.state), strict=True):
        np.testing.assert_array_equal(left, right)


def test_many_trials_take_fewer_steps_and_all_are_kept(runs: list[int]) -> None:
    learner = new_learner((ONE, TWO), FAST, seed=0)
    rows, trials, scores, _ = old = told(learner, 120)
    found, count = study(learner, old)
    assert (count, found.learned, found.replay.count, len(runs)) == (120, 120, 120, 50)
    np.testing.assert_array_equal(found.trial_stats.trials, np.bincount(rows[0], minlength=2)[None])
    one_by_one = learner
    for at in range(120):
        one = Trajectory(*(leaf[:, at] for leaf in trials))
        one_by_one = learn(one_by_one, rows[:, at], one, scores.reward[:, at], np.array([-1], np.int32), others=True)
    for row in range(2):
        best, expected = (
            tuple(leaf[0, row, each.queue.best_first(0, row)] for leaf in each.queue.trials)
            for each in (found, one_by_one)
        )
        for left, right in zip(best, expected, strict=True):
            np.testing.assert_array_equal(left, right)


def test_the_same_seed_learns_the_same() -> None:
    def once() -> list[np.ndarray]:
        learner = new_learner((ONE, TWO), FAST, seed=3)
        return jax.tree.leaves(study(learner, told(learner, 90))[0].state)

    for left, right in zip(once(), once(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_what_is_left_where_learning_stops_is_not_known() -> None:
    learner = new_learner((ONE, TWO), FAST, seed=0)
    rows, trials, scores, _ = old = told(learner, 600)
    asked: list[int] = []

    def goes_on(done: int) -> bool:
        asked.append(done)
        return len(asked) < 23

    found, count = study(learner, old, goes_on)
    assert count == asked[-1] == found.learned == found.replay.count == found.trial_stats.trials.sum()
    assert asked == sorted(asked) and 0 < count < 600
    np.testing.assert_array_equal(found.replay.problem[:, :count], rows[:, :count])


def test_reinforce_takes_a_step_for_each_trial(runs: list[int]) -> None:
    learner = new_learner((ONE, TWO), CONFIG, seed=0)
    found, count = study(learner, told(learner, 60))
    assert count == found.learned == 60 and not runs


def test_pairs_are_of_one_problem_each_and_the_better_is_better() -> None:
    learner = new_learner((ONE, TWO), FAST.with_changes({"rule.pairs": 64, "rule.pair_steps": 10_000}), seed=0)
    rows, trials, scores, _ = told(learner, 100)
    replay = ReplayBuffer.empty(1, learner.encoding.steps).extend(rows, trials, scores, np.full_like(rows, -1))
    rule = learner.config.rule
    assert isinstance(rule, Preferences)
    pairs = Ranking(replay, rule, False, "random").draw(np.random.default_rng(0), 1, learner.encoding.steps)
    first = pairs.better.decisions[..., 0], pairs.worse.decisions[..., 0]
    np.testing.assert_array_equal(*first)
    np.testing.assert_array_equal(pairs.better.task, pairs.worse.task)
    assert len(np.unique(pairs.better.task)) == 2 and 0 < pairs.weight.mean() <= 1
    assert pairs.better.actions.shape[:3] == (1, rule.updates, 64)


def test_an_agent_learns_from_a_long_history(runs: list[int]) -> None:
    rng, agent = np.random.default_rng(0), Agent([ONE, TWO], FAST, seed=0)
    replay = [(problem, random_config(problem, rng), float(rng.normal())) for problem in [ONE, TWO] * 40]
    agent.learn_from(replay)
    assert agent.provenance == ((*ONE.name, 40), (*TWO.name, 40)) and len(runs) == 50
    best = max((entry for entry in replay if entry[0] is ONE), key=lambda entry: entry[2])
    assert agent.best(ONE) == (ONE, best[1], best[2])
