"""Equations (2) and (3), the moving average and the queue against plain NumPy; edges under `jax.debug_nans`."""

import copy
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from policies import DECODER, DECODERS, every_trajectory, loss, one, stacked, strong_learner
from problems import PROBLEMS
from transfernas import DecoderConfig, Preferences, Problem, QueueConfig, TrainingConfig
from transfernas.learning.learner import Learner, learn, new_learner
from transfernas.learning.likelihood import entropy, log_prob, step_log_probs
from transfernas.learning.preferences import Pairs, of_unknown_task
from transfernas.learning.priority_queue import PriorityQueue
from transfernas.learning.scores import Scores
from transfernas.learning.trial_stats import TrialStats
from transfernas.policy.architecture import Attention
from transfernas.policy.transformer import Transformer
from transfernas.spaces.trajectory import Trajectory

WEIGHTS = {"pqt_weight": 5.0, "entropy_weight": 0.15}


@pytest.mark.thorough
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
@pytest.mark.thorough
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


@pytest.mark.thorough
def test_certainty_and_single_actions_stay_finite() -> None:
    """Logits so large that probabilities are 0 and 1, and a space with nothing to choose, under `jax.debug_nans`."""
    learner = new_learner(PROBLEMS, TrainingConfig.paper().with_changes({"network.logit_scale": 1e4}), 0)
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
    st.sampled_from([0.0, -1e9, 1e15]),
)
def test_the_queue_agrees_with_a_list(
    told: list[tuple[int, float]], ties: Literal["keep", "replace"], repeats: Literal["best", "latest"], offset: float
) -> None:
    """Also where rewards are so large that single precision takes all for one."""
    config = QueueConfig(size=4, ties=ties, repeats=repeats)
    queue, expected = PriorityQueue.empty(2, 2, 4, 8), [oracle.TopQueue(4, ties, repeats) for _ in range(2)]
    for code, reward in told:
        bits = [tuple(int(bit) for bit in f"{each:07b}") for each in (code, code % 3)]
        whole = np.full(2, 8, np.int32)
        actions = np.array([(0, *each) for each in bits], np.int32)
        trial = Trajectory(whole - 7, np.tile(np.arange(8, dtype=np.int32), (2, 1)), actions, whole)
        rewards = offset + np.array([reward, -reward])
        before, kept = queue, copy.deepcopy(queue)
        queue = queue.insert(np.array([1, 0]), trial, Scores.of(rewards), config)
        assert all(map(np.array_equal, before.trials, kept.trials)) and np.array_equal(before.filled, kept.filled)
        for replica, each in enumerate(expected):
            each.insert(bits[replica], rewards[replica])
    for replica, row in ((0, 1), (1, 0)):
        filled = int(queue.filled[replica, row])
        found = [tuple(actions[1:].tolist()) for actions in queue.trials.actions[replica, row, :filled]]
        rewards = queue.scores.reward[replica, row, :filled]
        assert list(zip(found, rewards.tolist(), strict=True)) == expected[replica].items
        best = queue.best_first(replica, row)
        assert rewards[best].tolist() == sorted(rewards.tolist(), reverse=True) and queue.filled[replica, 1 - row] == 0


def test_draws_from_the_queue_are_uniform_over_what_is_filled() -> None:
    queue = PriorityQueue.empty(1, 1, 4, 2)
    trials = queue.trials._replace(actions=np.array([[[[0, 1], [0, 2], [0, 3], [0, 9]]]], np.int32))
    three = PriorityQueue(trials, queue.scores, np.array([[3]], np.int32))
    picks = np.array([0.0, 0.3333, 0.3334, 0.6666, 0.6667, 1 - 2**-24], np.float32)
    found = [int(three.draw(np.array([0]), picks[at : at + 1]).actions[0, 1]) for at in range(len(picks))]
    assert found == [1, 1, 2, 2, 3, 3]


def test_the_moving_average_starts_at_the_first_reward() -> None:
    trial_stats, expected, rows = TrialStats.empty(2, 2), None, np.array([0, 1])
    for count, reward in enumerate((4.0, 2.0, -1.0), start=1):
        trial_stats = trial_stats.update(rows, np.array([reward, 9.0]), np.array([True, False]), 0.9)
        expected = reward if expected is None else 0.9 * expected + 0.1 * reward
        assert trial_stats.baseline[0].tolist() == pytest.approx([expected, 0.0]) and not trial_stats.baseline[1].any()
        assert trial_stats.started.tolist() == [[True, False], [False, False]]
        assert trial_stats.trials.tolist() == [[count, 0], [0, count]]


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9, -1e12, 1e15])
def test_advantages_are_those_of_rewards_without_what_all_have(offset: float) -> None:
    """In single precision a difference of 1 is none from 1e8 on."""
    plain, far, row, own = TrialStats.empty(1, 1), TrialStats.empty(1, 1), np.zeros(1, int), np.ones(1, bool)
    for reward in (4.0, 2.0, -1.0, 3.0):
        found = [
            trial_stats.advantage(row, np.array([reward + away]), own)
            for trial_stats, away in ((plain, 0.0), (far, offset))
        ]
        assert found[0].dtype == np.float32
        np.testing.assert_allclose(found[1], found[0], atol=max(1e-6, abs(offset) * 1e-15))
        plain, far = (
            trial_stats.update(row, np.array([reward + away]), own, 0.9)
            for trial_stats, away in ((plain, 0.0), (far, offset))
        )
    assert found[0] != 0


def test_an_advantage_is_finite_whatever_the_rewards() -> None:
    most = np.finfo(np.float64).max
    for decay in (0.0, 0.3, 0.9, 0.95, 1.0):
        trial_stats, row, own = TrialStats.empty(1, 1), np.zeros(1, int), np.ones(1, bool)
        for reward in (most, -most, most, -most, -most, 1e300):
            advantage = trial_stats.advantage(row, np.array([reward]), own)
            assert np.isfinite(advantage**2).all() and np.isfinite(trial_stats.baseline).all()
            trial_stats = trial_stats.update(row, np.array([reward]), own, decay)


@pytest.mark.thorough
def test_a_problems_first_advantage_is_zero_and_foreign_trials_leave_the_average() -> None:
    config = TrainingConfig.paper().with_changes({"rule.pqt_weight": 0.0, "rule.entropy_weight": 0.0})
    learner = new_learner(PROBLEMS, config, 0)
    trajectory: Trajectory = jax.tree.map(lambda leaf: leaf[None], every_trajectory(learner, 0)[3])
    row, reward = np.zeros(1, np.int32), np.array([0.7])

    first = learn(learner, row, trajectory, reward)
    assert_same_policy(first, learner)  # no advantage, no other term: nothing to learn from
    assert float(first.trial_stats.baseline[0, 0]) == pytest.approx(0.7) and not first.trial_stats.started[0, 1]

    foreign = learn(first, row, trajectory, np.array([9.0]), np.array([-1]))
    assert_same_policy(foreign, learner)
    assert float(foreign.trial_stats.baseline[0, 0]) == pytest.approx(0.7)
    assert int(foreign.trial_stats.trials[0, 0]) == 2

    better = learn(first, row, trajectory, np.array([1.7]))
    before, after = (float(log_prob_of(each, trajectory)) for each in (first, better))
    assert after > before
    assert float(better.trial_stats.baseline[0, 0]) == pytest.approx(0.95 * 0.7 + 0.05 * 1.7)


@pytest.mark.thorough
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


# Pairs of the first problem: better, worse, weight.
PAIRS = [(0, 9, 1.0), (17, 2, 1.0), (4, 11, 0.0), (2, 14, 1.0)]
SCALE, ENTROPY, IMITATION = 0.7, 0.4, [0.0, 0.6, 1.5, 0.2]


def preferences(policy: Any, tables: Any, pairs: Pairs, rule: Preferences) -> Any:
    return rule.objective(policy, tables, pairs)


value_of_preferences = jax.jit(preferences, static_argnames="rule")
gradient_of_preferences = jax.jit(jax.grad(preferences), static_argnames="rule")


def pairs_of(
    learner: Learner,
    pairs: list[tuple[int, int, float]],
    alone: float = 0.0,
    joint: float = 0.0,
    imitation: list[float] | None = None,
) -> tuple[Any, ...]:
    """The arguments behind the policy, for pairs of configurations and weights of the entropy and of imitation."""
    better, worse, weight = zip(*pairs, strict=True)
    everything = every_trajectory(learner, 0)
    first, second = (stacked([everything[at] for at in part]) for part in (better, worse))
    rule = Preferences(scale=SCALE, entropy_weight=alone, joint_entropy_weight=joint)
    weighed, imitated = (jnp.array(each, jnp.float32) for each in (weight, imitation or [0.0] * len(pairs)))
    return learner.tables, Pairs(first, second, weighed, imitated, jnp.array(False)), rule


def pull(learner: Learner, *pairs: tuple[int, int, float]) -> np.ndarray:
    """The gradient of preferences alone, as one vector."""
    gradient = gradient_of_preferences(one(learner), *pairs_of(learner, list(pairs)))
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(gradient)])


def preferences_of_the_oracle(learner: Learner, policy: Any) -> float:
    everything = every_trajectory(learner, 0)
    pairs = [(everything[better], everything[worse], weight) for better, worse, weight in PAIRS]
    return oracle.preferences(policy, learner.encoding.tables, pairs, SCALE, ENTROPY, IMITATION)


@pytest.mark.parametrize("network", [{}, DECODERS[DECODER]], ids=["transformer", "decoder"])
def test_preferences_agree_with_the_oracle(network: dict[str, Any]) -> None:
    learner = strong_learner(PROBLEMS, **network)
    found = value_of_preferences(one(learner), *pairs_of(learner, PAIRS, joint=ENTROPY, imitation=IMITATION))
    assert float(found) == pytest.approx(preferences_of_the_oracle(learner, one(learner)), abs=1e-4)


@pytest.mark.thorough
def test_each_gradient_of_preferences_agrees_with_differences_of_the_oracle() -> None:
    learner = strong_learner(PROBLEMS, **DECODERS[DECODER])
    gradient = gradient_of_preferences(one(learner), *pairs_of(learner, PAIRS, joint=ENTROPY, imitation=IMITATION))
    leaves, structure = jax.tree.flatten(one(learner))
    rng, h = np.random.default_rng(0), 1e-5
    for at, slopes in enumerate(jax.tree.leaves(gradient)):
        direction, ends = rng.standard_normal(slopes.shape), []
        for side in (1, -1):
            moved = [np.asarray(leaf, np.float64) for leaf in leaves]
            moved[at] = moved[at] + side * h * direction
            ends.append(preferences_of_the_oracle(learner, jax.tree.unflatten(structure, moved)))
        slope = float(np.sum(np.asarray(slopes, np.float64) * direction))
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=2e-3, abs=2e-4), at


@pytest.mark.thorough
@pytest.mark.parametrize("problems", [PROBLEMS, PROBLEMS[:1]], ids=["several", "one"])
def test_a_search_of_several_problems_has_an_entropy_of_its_own(problems: tuple[Problem, ...]) -> None:
    learner = new_learner(
        problems, TrainingConfig.paper().with_changes({"network": DecoderConfig(), "network.layers": 1}), 0
    )
    none, alone, joint = (
        float(value_of_preferences(one(learner), *pairs_of(learner, PAIRS, *weights)))
        for weights in ((0.0, 0.0), (ENTROPY, 0.0), (0.0, ENTROPY))
    )
    counted, other = (joint, alone) if len(problems) > 1 else (alone, joint)
    assert counted > none + 0.1 and other == pytest.approx(none, abs=1e-5)


def test_a_new_task_starts_as_the_policy_of_the_mean_task() -> None:
    learner = strong_learner(PROBLEMS, **DECODERS[DECODER])
    policy, tables = one(learner), learner.tables
    known = np.asarray(policy.task)[np.asarray(tables.task)[: len(PROBLEMS)]]
    assert_same = np.testing.assert_array_equal
    assert_same(of_unknown_task(policy, tables, jnp.array(False)).task, policy.task)
    found = of_unknown_task(policy, tables, jnp.array(True))
    for row in np.asarray(tables.task)[: len(PROBLEMS)].tolist():
        np.testing.assert_allclose(found.task[row], known.mean(axis=0), rtol=1e-5, atol=1e-7)
    others = sorted(set(range(len(policy.task))) - set(np.asarray(tables.task).tolist()))
    assert_same(np.asarray(found.task)[others], np.asarray(policy.task)[others])


@pytest.mark.thorough
def test_what_pairs_pull() -> None:
    """Pairs of weight 0 nothing; those that are told apart less than those told wrong, by what the odds say."""
    learner = strong_learner(PROBLEMS, **DECODERS[DECODER])
    assert not pull(learner, (4, 11, 0.0), (2, 14, 0.0)).any()
    assert np.abs(pull(learner, (5, 5, 1.0), (7, 7, 1.0))).max() < 1e-5  # nor does a configuration evaluated twice
    half, whole = pull(learner, (4, 11, 0.0), (0, 9, 1.0)), pull(learner, (0, 9, 1.0), (0, 9, 1.0))
    np.testing.assert_allclose(2 * half, whole, atol=1e-4)  # the mean is over all pairs

    chances = [oracle.score(one(learner), learner.encoding.tables, each) for each in every_trajectory(learner, 0)]
    likely, unlikely = (0, 9) if chances[0] > chances[9] else (9, 0)
    odds = np.exp(SCALE * (chances[likely] - chances[unlikely]))
    told_right, told_wrong = (pull(learner, pair, pair) for pair in ((likely, unlikely, 1.0), (unlikely, likely, 1.0)))
    assert odds > 1.5 and np.abs(told_right).max() > 0.01
    np.testing.assert_allclose(told_wrong, -odds * told_right, atol=1e-3)


@pytest.mark.thorough
def test_a_policy_that_knows_nothing_prefers_neither_short_nor_long_trials() -> None:
    """The log-probability of a long trial is lower, whatever it is worth; so much is not to be learned."""
    learner = new_learner(
        PROBLEMS,
        TrainingConfig.paper().with_changes(
            {"network": DecoderConfig(), "network.layers": 1, "network.logit_scale": 0.0}
        ),
        0,
    )
    everything = every_trajectory(learner, 0)
    lengths = [int(trial.length) for trial in everything]
    short, long = int(np.argmin(lengths)), int(np.argmax(lengths))
    assert lengths[short] < lengths[long]
    for pair in ((short, long, 1.0), (long, short, 1.0)):
        value = float(value_of_preferences(one(learner), *pairs_of(learner, [pair])))
        assert value == pytest.approx(np.log(0.5), abs=1e-5)


@pytest.mark.thorough
def test_preferences_stay_finite_where_the_policy_is_certain() -> None:
    learner = new_learner(
        PROBLEMS,
        TrainingConfig.paper().with_changes(
            {"network": DecoderConfig(), "network.layers": 1, "network.logit_scale": 1e4}
        ),
        0,
    )
    with jax.debug_nans(True):
        assert np.isfinite(pull(learner, *PAIRS)).all()


@pytest.mark.thorough
def test_learning_by_preferences_needs_two_trials_that_differ() -> None:
    """One trial teaches nothing, nor do equals; then the better one gains on the worse, whoever proposed them."""
    config = TrainingConfig().with_changes(
        {"network.layers": 1, "rule.entropy_weight": 0.0, "rule.pairs": 2, "rule.updates": 3}
    )
    learner, row = new_learner(PROBLEMS[:1], config, 0), np.zeros(1, np.int32)
    trials: list[Trajectory] = [
        jax.tree.map(lambda leaf, at=at: leaf[None], every_trajectory(learner, 0)[at]) for at in (3, 8, 14)
    ]
    first = learn(learner, row, trials[0], np.array([0.7]))
    assert_same_policy(first, learner)
    equal = learn(first, row, trials[1], np.array([0.7]), np.array([-1]))
    assert_same_policy(equal, learner)
    for proposer in (0, -1):
        after = learn(equal, row, trials[2], np.array([1.7]), np.array([proposer]))
        for worse in trials[:2]:
            gains = [float(log_prob_of(each, trials[2]) - log_prob_of(each, worse)) for each in (equal, after)]
            assert gains[1] > gains[0]
        assert int(after.trial_stats.trials[0, 0]) == after.replay.count == 3
        assert not after.trial_stats.started.any()  # there is no baseline


def changed(policy: Transformer, name: str, leaf: Any) -> Transformer:
    return eqx.tree_at(lambda each: getattr(each, name), policy, leaf)


def log_prob_of(learner: Learner, trajectory: Trajectory) -> Any:
    plain = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), trajectory)
    return jax.jit(log_prob)(one(learner), learner.tables, plain)


def assert_same_policy(left: Learner, right: Learner) -> None:
    for new, old in zip(*map(jax.tree.leaves, (left.state.policy, right.state.policy)), strict=True):
        np.testing.assert_array_equal(new, old)
