"""Equations (2) and (3), the moving average and the queue against plain NumPy; edges under `jax.debug_nans`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from problems import PROBLEMS
from test_policy import every_trajectory, one, strong_learner
from transfernas import TrainingConfig
from transfernas.learning.learner import Learner, learn, new_learner
from transfernas.learning.objective import entropy, log_prob, objective, step_log_probs
from transfernas.learning.queue import Queue, draw, empty_queue, insert
from transfernas.learning.steps import moving_average
from transfernas.policy.architecture import Attention
from transfernas.policy.transformer import Transformer
from transfernas.spaces.encoding import Trajectory

WEIGHTS = {"pqt_weight": 5.0, "entropy_weight": 0.15}


def loss(
    learner: Learner, policy: Any, sampled: Trajectory, advantage: float, queued: Trajectory, **weights: Any
) -> Any:
    config = TrainingConfig.paper(**weights)
    return objective(policy, learner.tables, sampled, jnp.float32(advantage), queued, config)


@pytest.mark.parametrize("mode", ["causal", "bidirectional"])
def test_the_objective_agrees_with_the_oracle(mode: Attention) -> None:
    learner = strong_learner(PROBLEMS, mode)
    policy, tables = one(learner), learner.encoding.tables
    everything = every_trajectory(learner, 0)
    value = jax.jit(
        lambda policy, sampled, advantage, queued: loss(learner, policy, sampled, advantage, queued, **WEIGHTS)
    )
    for sampled, advantage, queued in ((0, 0.7, 9), (4, -1.5, 4), (17, 0.0, 2)):
        arguments = (everything[sampled], advantage, everything[queued])
        expected = oracle.objective(policy, tables, *arguments, WEIGHTS["pqt_weight"], WEIGHTS["entropy_weight"])
        assert float(value(policy, *arguments)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("term", "weights", "advantage"),
    [
        ("REINFORCE", {"pqt_weight": 0.0, "entropy_weight": 0.0}, 0.7),
        ("priority queue", {"pqt_weight": 5.0, "entropy_weight": 0.0}, 0.0),
        ("entropy", {"pqt_weight": 0.0, "entropy_weight": 0.15}, 0.0),
        ("together", WEIGHTS, 0.7),
    ],
)
def test_each_gradient_agrees_with_differences_of_the_oracle(
    term: str, weights: dict[str, float], advantage: float
) -> None:
    learner = strong_learner(PROBLEMS, "causal")
    policy, tables = one(learner), learner.encoding.tables
    sampled, queued = every_trajectory(learner, 0)[1], every_trajectory(learner, 0)[14]
    gradient = jax.jit(jax.grad(lambda p: loss(learner, p, sampled, advantage, queued, **weights)))(policy)
    rng = np.random.default_rng(0)
    for name in ("state", "action", "task", "position", "logit_weight", "logit_bias"):
        leaf = np.asarray(getattr(policy, name), np.float64)
        direction, h = rng.standard_normal(leaf.shape), 1e-5
        ends = [
            oracle.objective(
                changed(policy, name, leaf + side * h * direction),
                tables,
                sampled,
                advantage,
                queued,
                weights["pqt_weight"],
                weights["entropy_weight"],
            )
            for side in (1, -1)
        ]
        slope = float(np.sum(np.asarray(getattr(gradient, name), np.float64) * direction))
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=2e-3, abs=2e-4), (term, name)


def test_certainty_and_single_actions_stay_finite() -> None:
    """Logits so large that probabilities are 0 and 1, and a space with nothing to choose, under `jax.debug_nans`."""
    learner = new_learner(PROBLEMS, TrainingConfig.paper(logit_scale=1e4), 0)
    everything = every_trajectory(learner, 0)
    with jax.debug_nans(True):
        gradient = jax.jit(jax.grad(lambda p: loss(learner, p, everything[3], 1.0, everything[8], **WEIGHTS)))(
            one(learner)
        )
        log_pi, real = jax.jit(step_log_probs)(one(learner), learner.tables, everything[3])
        assert float(entropy(log_pi, real)) == pytest.approx(0, abs=1e-3)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0])), max_size=25),
    st.sampled_from(["keep", "replace"]),
    st.sampled_from(["best", "latest"]),
)
def test_the_queue_agrees_with_a_list(told: list[tuple[int, float]], ties: str, repeats: str) -> None:
    config = TrainingConfig.paper(queue_size=4, queue_ties=ties, queue_repeats=repeats)
    add = jax.jit(insert, static_argnames="config")
    queue, expected = empty_queue(2, 4, 8), oracle.TopQueue(4, ties, repeats)
    for code, reward in told:
        bits = tuple(int(bit) for bit in f"{code:07b}")
        trial = Trajectory(np.int32(1), np.arange(8, dtype=np.int32), np.array((0, *bits), np.int32), np.int32(8))
        queue = add(queue, np.int32(1), trial, np.float32(reward), config=config)
        expected.insert(bits, reward)
    filled = int(queue.filled[1])
    found = [tuple(row[1:].tolist()) for row in np.asarray(queue.trials.actions)[1, :filled]]
    assert list(zip(found, np.asarray(queue.reward)[1, :filled].tolist(), strict=True)) == expected.items
    assert int(queue.filled[0]) == 0


def test_draws_from_the_queue_are_uniform_over_what_is_filled() -> None:
    queue = empty_queue(1, 4, 2)
    trials = queue.trials._replace(actions=np.array([[[0, 1], [0, 2], [0, 3], [0, 9]]], np.int32))
    three = Queue(trials, queue.reward, np.array([3], np.int32))
    picks = np.array([0.0, 0.3333, 0.3334, 0.6666, 0.6667, 1 - 2**-24], np.float32)
    found = [int(jax.jit(draw)(three, np.int32(0), pick).actions[1]) for pick in picks]
    assert found == [1, 1, 2, 2, 3, 3]


def test_the_moving_average_starts_at_the_first_reward() -> None:
    average, started, expected = jnp.float32(0), False, None
    for reward in (4.0, 2.0, -1.0):
        average = moving_average(average, jnp.array(started), jnp.float32(reward), 0.9)
        expected = reward if expected is None else 0.9 * expected + 0.1 * reward
        started = True
        assert float(average) == pytest.approx(expected)


def test_a_problems_first_advantage_is_zero_and_foreign_trials_leave_the_average() -> None:
    config = TrainingConfig.paper(pqt_weight=0.0, entropy_weight=0.0)
    learner = new_learner(PROBLEMS, config, 0)
    trajectory: Trajectory = jax.tree.map(lambda leaf: leaf[None], every_trajectory(learner, 0)[3])
    row, reward = np.zeros(1, np.int32), np.array([0.7])

    first = learn(learner, row, trajectory, reward)
    assert_same_policy(first, learner)  # no advantage, no other term: nothing to learn from
    assert float(first.state.baseline[0, 0]) == pytest.approx(0.7) and not first.state.started[0, 1]

    foreign = learn(first, row, trajectory, np.array([9.0]), np.array([-1]))
    assert_same_policy(foreign, learner)
    assert float(foreign.state.baseline[0, 0]) == pytest.approx(0.7)
    assert int(foreign.state.trials[0, 0]) == 2

    better = learn(first, row, trajectory, np.array([1.7]))
    before, after = (float(log_prob_of(each, trajectory)) for each in (first, better))
    assert after > before
    assert float(better.state.baseline[0, 0]) == pytest.approx(0.95 * 0.7 + 0.05 * 1.7)


def test_the_first_step_of_adam() -> None:
    """The first step of Adam moves every parameter by the learning rate along the sign of its gradient."""
    learner = strong_learner(PROBLEMS, "causal")
    trajectory: Trajectory = jax.tree.map(lambda leaf: leaf[None], every_trajectory(learner, 0)[3])
    plain = every_trajectory(learner, 0)[3]
    gradient = jax.jit(jax.grad(lambda p: loss(learner, p, plain, 0.0, plain, **WEIGHTS)))(one(learner))
    after = learn(learner, np.zeros(1, np.int32), trajectory, np.array([1.0]))
    for new, old, slope in zip(*map(jax.tree.leaves, (one(after), one(learner), gradient)), strict=True):
        clear = np.abs(slope) > 1e-4
        np.testing.assert_allclose((new - old)[clear], 5e-4 * np.sign(slope)[clear], rtol=2e-2)


def changed(policy: Transformer, name: str, leaf: Any) -> Transformer:
    return eqx.tree_at(lambda each: getattr(each, name), policy, leaf)


def log_prob_of(learner: Learner, trajectory: Trajectory) -> Any:
    plain = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), trajectory)
    return jax.jit(log_prob)(one(learner), learner.tables, plain)


def assert_same_policy(left: Learner, right: Learner) -> None:
    for new, old in zip(*map(jax.tree.leaves, (left.state.policy, right.state.policy)), strict=True):
        np.testing.assert_array_equal(new, old)
