import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings

import oracle
from policies import DECODER, DECODERS, LSTMS, every_trajectory, one, per_step, scores, stacked, strong_learner
from problems import PROBLEMS
from sampling import sampled
from strategies import problems as random_problems
from transfernas import Problem, TrainingConfig
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.rollout import Rollout
from transfernas.policy.architecture import Attention
from transfernas.policy.decoder import Decoder
from transfernas.policy.transformer import Transformer
from transfernas.spaces.trajectory import Trajectory

MODES: tuple[Attention, ...] = ("causal", "bidirectional")

TRANSFORMERS: dict[str, dict[str, Any]] = {
    f"{mode}, {heads} heads, {normalise}": {"attention": mode, "heads": heads, "normalise": normalise}
    for mode in MODES
    for heads in (1, 3)
    for normalise in ("after", "before")
}
# One of each kind, for what holds for all of them.
SOME = ("causal, 1 heads, after", "bidirectional, 1 heads, before", "lstm", DECODER, "two layers, anchors")
NETWORKS = TRANSFORMERS | LSTMS | DECODERS


def quick_first(names: Iterable[str]) -> list[Any]:
    """The default's network, for every run; the others where all tests run."""
    return [name if name == DECODER else pytest.param(name, marks=pytest.mark.thorough) for name in names]


def drawn(learner: Learner, row: int, noise: np.ndarray, share: float = 0.0) -> Rollout:
    problem = np.array([row], np.int32)
    return jax.tree.map(lambda leaf: leaf[0], sampled(learner, problem, noise[None], share))


@pytest.mark.parametrize("name", quick_first(NETWORKS))
def test_every_probability_agrees_with_the_oracle(name: str) -> None:
    learner = strong_learner(PROBLEMS, **NETWORKS[name])
    policy, tables = one(learner), learner.encoding.tables
    most = []
    for row in range(len(PROBLEMS)):
        for trajectory in every_trajectory(learner, row)[::3]:
            log_pi, real = per_step(policy, learner.tables, trajectory)
            expected = oracle.step_probabilities(policy, tables, trajectory)
            for step, pi in enumerate(expected, start=1):
                assert real[step].sum() == len(pi)
                np.testing.assert_allclose(np.exp(log_pi[step, : len(pi)]), pi, atol=2e-5)
                most.append(pi.max() - 1 / len(pi))
            assert not real[0].any() and not real[len(expected) + 1 :].any()
    assert np.mean(most) > 0.1  # or the agreement would say little


@pytest.mark.parametrize("name", quick_first(TRANSFORMERS))
def test_attention_weights_agree_with_the_oracle(name: str) -> None:
    learner, mode = strong_learner(PROBLEMS, **TRANSFORMERS[name]), TRANSFORMERS[name]["attention"]
    policy, tables = one(learner), learner.encoding.tables
    trajectory = every_trajectory(learner, 0)[5]
    found = np.asarray(jax.jit(Transformer.attention_weights)(policy, learner.tables.decisions, trajectory))
    w, length = oracle.weights(policy), int(trajectory.length)
    steps = zip(trajectory.decisions[:length], trajectory.actions[:length], strict=True)
    tokens = np.array(
        [oracle.token(w, tables, int(trajectory.task), int(d), int(a), m) for m, (d, a) in enumerate(steps)]
    )
    for step in range(length):
        _, rows = oracle.encode(w, tokens[: step + 1], causal=mode == "causal")
        for layer in range(len(rows)):
            np.testing.assert_allclose(found[layer, :, step, : step + 1], rows[layer][step], atol=1e-5)
    np.testing.assert_allclose(found[:, :, :length].sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", quick_first(DECODERS))
def test_attention_weights_of_the_decoder_agree_with_the_oracle(name: str) -> None:
    learner = strong_learner(PROBLEMS, **DECODERS[name])
    trajectory = every_trajectory(learner, 0)[5]
    found = np.asarray(jax.jit(Decoder.attention_weights)(one(learner), learner.tables.decisions, trajectory))
    length = int(trajectory.length)
    policy, tables, task = one(learner), learner.encoding.tables, int(trajectory.task)
    steps = [(int(d), int(a)) for d, a in zip(trajectory.decisions[:length], trajectory.actions[:length], strict=True)]
    _, rows = oracle.encode(oracle.weights(policy), oracle.decoder_tokens(policy, tables, task, steps), causal=True)
    for layer, step in itertools.product(range(len(rows)), range(length)):
        np.testing.assert_allclose(found[layer, :, step, : step + 1], rows[layer][step], atol=1e-5)
        assert not found[layer, :, step, step + 1 :].any()


def test_a_network_without_attention_says_so() -> None:
    learner = strong_learner(PROBLEMS, **LSTMS["lstm"])
    with pytest.raises(NotImplementedError, match="Lstm has no layers of attention"):
        one(learner).attention_weights(learner.tables.decisions, every_trajectory(learner, 0)[0])


@pytest.mark.parametrize("name", quick_first(SOME))
def test_probabilities_of_all_configurations_sum_to_one(name: str) -> None:
    learner = strong_learner(PROBLEMS, **NETWORKS[name])
    for row in range(len(PROBLEMS)):
        total = np.exp(scores(one(learner), learner.tables, stacked(every_trajectory(learner, row)))).sum()
        assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", quick_first([SOME[0], *SOME[-2:]]))
@settings(max_examples=5, deadline=None)
@given(problems=random_problems())
@pytest.mark.thorough
def test_random_spaces_sum_to_one_and_sampling_agrees_with_scoring(name: str, problems: tuple[Problem, ...]) -> None:
    learner = strong_learner(problems, **NETWORKS[name])
    rng = np.random.default_rng(0)
    for row, problem in enumerate(problems):
        everything = every_trajectory(learner, row)
        if len(everything) > 200:
            continue
        padded = stacked(everything + everything[:1] * (256 - len(everything)))
        log_probs = np.asarray(scores(one(learner), learner.tables, padded))[: len(everything)]
        assert np.exp(log_probs).sum() == pytest.approx(1, abs=1e-4)

        rollout = drawn(learner, row, rng.random((16, learner.encoding.steps)))
        known = [trajectory.actions.tolist() for trajectory in everything]
        for index in range(16):
            config = learner.encoding.config_of_indices(row, rollout.action_indices[index])
            problem.space.validate(config)
            expected = learner.encoding.trajectory(row, config)
            for name in Trajectory._fields:
                np.testing.assert_array_equal(getattr(rollout.trajectory, name)[index], getattr(expected, name))
            scored = log_probs[known.index(expected.actions.tolist())]
            assert rollout.log_prob[index] == pytest.approx(scored, abs=1e-5)


@pytest.mark.parametrize("name", quick_first(SOME))
def test_sampled_and_scored_log_probabilities_agree(name: str) -> None:
    learner = strong_learner(PROBLEMS, **NETWORKS[name])
    noise = np.random.default_rng(1).random((64, learner.encoding.steps))
    for row in range(len(PROBLEMS)):
        rollout = drawn(learner, row, noise)
        np.testing.assert_allclose(
            rollout.log_prob, scores(one(learner), learner.tables, rollout.trajectory), atol=1e-5
        )


@pytest.mark.parametrize("name", quick_first(SOME))
def test_sampling_follows_the_policy(name: str) -> None:
    learner = strong_learner(PROBLEMS, **NETWORKS[name])
    everything = every_trajectory(learner, 0)
    expected = np.exp(scores(one(learner), learner.tables, stacked(everything)))
    rollout = drawn(learner, 0, np.random.default_rng(2).random((4096, learner.encoding.steps)))
    codes = [tuple(trajectory.actions) for trajectory in everything]
    counts = np.zeros(len(codes))
    for actions in rollout.trajectory.actions:
        counts[codes.index(tuple(actions))] += 1
    # Five standard deviations of each count; the seed is fixed.
    assert (np.abs(counts - 4096 * expected) < 5 * np.sqrt(4096 * expected) + 1).all()


def test_a_uniform_share_of_one_makes_every_action_equally_likely() -> None:
    learner = strong_learner(PROBLEMS, "causal")
    rollout = drawn(learner, 0, np.random.default_rng(3).random((4096, learner.encoding.steps)), share=1.0)
    filters = np.bincount(rollout.action_indices[:, 1], minlength=3)
    assert (np.abs(filters - 4096 / 3) < 5 * np.sqrt(4096 * 2 / 9)).all()


def test_golden_rollouts() -> None:
    """A policy with equal logits takes the action at which the noise passes k equal steps."""
    learner = new_learner(PROBLEMS, TrainingConfig.paper().with_changes({"network.logit_scale": 0.0}), 0)
    steps = learner.encoding.steps
    cases = {
        (0.0, 0.0, 0.0): {"filters": 16, "kernel size": 3, "dense layers": 0},
        (0.34, 0.49, 0.51, 0.0): {"filters": 32, "kernel size": 3, "dense layers": 1, "dense units": 32},
        (0.999, 0.5, 0.999, 0.999): {"filters": 64, "kernel size": 5, "dense layers": 1, "dense units": 64},
    }
    for noise, config in cases.items():
        row = np.zeros((1, steps))
        row[0, 1 : 1 + len(noise)] = noise
        rollout = drawn(learner, 0, row)
        assert learner.encoding.config_of_indices(0, rollout.action_indices[0]) == config
        assert rollout.trajectory.length[0] == 1 + len(config)
        sizes = [3, 2, 2, 2][: len(config)]
        assert rollout.log_prob[0] == pytest.approx(-np.log(sizes).sum(), abs=1e-5)


def test_both_modes_are_one_at_the_first_step_behind_s() -> None:
    """S and one candidate: the last position sees both in either mode, but S sees the candidate only in one.

    With one layer the candidate reads S before S has read anything, so the modes are equal; with two they are not.
    """
    for layers, equal in ((1, True), (2, False)):
        found: list[np.ndarray] = []
        for mode in MODES:
            config = TrainingConfig.paper().with_changes(
                {"network.attention": mode, "network.layers": layers, "network.logit_scale": 2.0}
            )
            learner = new_learner(PROBLEMS, config, 0)
            log_pi, _ = per_step(one(learner), learner.tables, every_trajectory(learner, 0)[0])
            found.append(np.asarray(log_pi[1]))
        assert np.allclose(found[0], found[1], atol=1e-5) is equal


@pytest.mark.parametrize("name", quick_first([SOME[0], *SOME[2:]]))
def test_padding_changes_nothing(name: str) -> None:
    """The same space beside a longer one has longer arrays and the same probabilities."""
    alone = strong_learner(PROBLEMS[1:2], **NETWORKS[name])
    beside = strong_learner(PROBLEMS, **NETWORKS[name])
    assert alone.encoding.steps < beside.encoding.steps
    names, known = alone.vocabulary, beside.vocabulary
    places = {
        "states": [known.states.index(state) for state in names.states],
        "actions": [known.actions.index(action) for action in names.actions],
        "tasks": [known.tasks.index(task) for task in names.tasks],
        "steps": list(range(alone.encoding.steps)),
    }
    policy, small = one(beside), one(alone)
    tables = {
        field: np.resize(np.asarray(getattr(policy, field))[np.array(places[kind])], getattr(small, field).shape)
        for field, kind in policy.rows.items()
    }
    short = dataclasses.replace(policy, **tables)
    left = scores(short, alone.tables, stacked(every_trajectory(alone, 0)))
    right = scores(policy, beside.tables, stacked(every_trajectory(beside, 1)))
    assert np.std(left) > 0.1
    np.testing.assert_allclose(left, right, atol=1e-5)
