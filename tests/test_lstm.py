"""What is particular to the LSTM policy; what it shares with the Transformer is in `test_policy`."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

import oracle
from policies import LSTM, LSTMS, every_trajectory, loss, one, per_step, strong_learner
from problems import PROBLEMS
from transfernas import LstmConfig, TrainingConfig, TransformerConfig
from transfernas.learning.learner import new_learner
from transfernas.learning.likelihood import log_prob
from transfernas.spaces.condition import Action
from transfernas_bench.benchmarks.double_xor import double_xor
from transfernas_bench.experiments.double_xor import parameters


@pytest.mark.parametrize("name", LSTMS)
@pytest.mark.thorough
def test_each_gradient_agrees_with_differences_of_the_oracle(name: str) -> None:
    """Entries of each leaf on their own, the largest slopes and random ones, and all of the leaf at once."""
    learner = strong_learner(PROBLEMS, **LSTMS[name])
    policy, tables = one(learner), learner.encoding.tables
    trajectory = every_trajectory(learner, 0)[1]
    assert trajectory.length == 5
    gradient = jax.jit(jax.grad(log_prob))(policy, learner.tables, trajectory)
    leaves, structure = jax.tree.flatten(policy)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(policy)[0]]
    rng, h = np.random.default_rng(0), 1e-5
    for at, (path, slopes) in enumerate(zip(paths, map(np.asarray, jax.tree.leaves(gradient)), strict=True)):
        if not slopes.size:
            continue  # between the layers, where there is one
        ranked = np.argsort(-np.abs(slopes), axis=None)
        directions = [np.zeros(slopes.shape) for _ in range(4)] + [rng.standard_normal(slopes.shape)]
        for direction, entry in zip(directions, [*ranked[:2], *rng.integers(slopes.size, size=2)], strict=False):
            direction.flat[entry] = 1.0
        assert abs(slopes.flat[ranked[0]]) > 1e-3, path
        for direction in directions:
            ends = [
                oracle.log_prob(
                    jax.tree.unflatten(structure, moved(leaves, at, side * h * direction)), tables, trajectory
                )
                for side in (1, -1)
            ]
            slope = float(np.sum(slopes * direction))
            assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=2e-3, abs=2e-4), path


def moved(leaves: list[Any], at: int, step: np.ndarray) -> list[Any]:
    return [np.asarray(leaf, np.float64) + (step if index == at else 0) for index, leaf in enumerate(leaves)]


@pytest.mark.thorough
def test_the_objective_agrees_with_the_oracle() -> None:
    learner = strong_learner(PROBLEMS, **LSTMS["two layers, anchors"])
    policy, everything = one(learner), every_trajectory(learner, 0)
    terms = {"pqt_weight": 5.0, "entropy_weight": 0.15}
    value = jax.jit(lambda sampled, queued: loss(learner, policy, sampled, -1.5, queued, **terms))
    for sampled, queued in ((0, 9), (17, 2)):
        arguments = everything[sampled], -1.5, everything[queued]
        expected = oracle.objective(policy, learner.encoding.tables, *arguments, *terms.values())
        assert float(value(everything[sampled], everything[queued])) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["lstm", "two layers, anchors"])
def test_a_step_knows_all_steps_before_it_and_no_other(name: str) -> None:
    """Trajectories that part at a step have one policy up to it, and two at every step behind it."""
    learner = strong_learner(PROBLEMS, **LSTMS[name])
    config: dict[str, Action] = {"filters": 16, "kernel size": 3, "dense layers": 1, "dense units": 32}
    here = per_step(one(learner), learner.tables, learner.encoding.trajectory(0, config))[0]
    for step, change in ((1, {"filters": 64}), (2, {"kernel size": 5}), (4, {"dense units": 64})):
        there = per_step(one(learner), learner.tables, learner.encoding.trajectory(0, config | change))[0]
        np.testing.assert_array_equal(here[: step + 1], there[: step + 1])
        assert (np.abs(here[step + 1 : 5] - there[step + 1 : 5]).max(axis=-1) > 1e-3).all()


def test_with_one_step_behind_it_an_anchor_is_that_step() -> None:
    """The mean of one output is that output, so that the first decision's scores count it twice."""
    with_anchors = strong_learner(PROBLEMS, **LSTMS["anchors"])
    policy, trajectory = one(with_anchors), every_trajectory(with_anchors, 0)[1]
    doubled = dataclasses.replace(policy, anchors=None, logit_weight=2 * policy.logit_weight)
    found, expected = (np.asarray(per_step(p, with_anchors.tables, trajectory)[0]) for p in (policy, doubled))
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)
    assert np.abs(found[2] - expected[2]).max() > 1e-3


def test_an_output_row_belongs_to_the_action_of_its_name() -> None:
    """A larger bias of one action makes it likelier, wherever it is available, and leaves other decisions alone."""
    learner = strong_learner(PROBLEMS, **LSTM)
    policy, row = one(learner), learner.vocabulary.action("dense units", 32)
    raised = dataclasses.replace(policy, logit_bias=policy.logit_bias.at[row].add(1.0))
    step = {0: 4, 1: 1, 2: 1}  # of "dense units" in each problem
    for problem, where in step.items():
        trajectory = every_trajectory(learner, problem)[1]
        before, after = (np.exp(per_step(p, learner.tables, trajectory)[0]) for p in (policy, raised))
        odds = [pi[where, 0] / pi[where, 1] for pi in (before, after)]
        assert odds[1] / odds[0] == pytest.approx(np.e, rel=1e-4)
        others = [at for at in range(int(trajectory.length)) if at != where]
        np.testing.assert_array_equal(before[others], after[others])


def test_a_new_policy_is_nearly_uniform_and_its_forget_gates_are_open() -> None:
    units = 8
    config = TrainingConfig.paper(network=LstmConfig(units=units, layers=2, anchors=True))
    learner = new_learner(PROBLEMS, config, 0)
    for problem in range(len(PROBLEMS)):
        log_pi, real = per_step(one(learner), learner.tables, every_trajectory(learner, problem)[0])
        count = np.broadcast_to(real.sum(-1, keepdims=True), real.shape)[real]
        np.testing.assert_allclose(np.exp(np.asarray(log_pi)[real]) * count, 1, atol=0.2)
    bias = np.asarray(one(learner).gate_bias).reshape(2, 4, units)
    assert (bias[:, 1] == 1).all() and not bias[:, [0, 2, 3]].any()


@pytest.mark.thorough
def test_certainty_stays_finite() -> None:
    config = TrainingConfig.paper(network=LstmConfig(units=8, anchors=True, logit_scale=1e4))
    learner = new_learner(PROBLEMS, config, 0)
    everything = every_trajectory(learner, 0)
    terms = {"pqt_weight": 5.0, "entropy_weight": 0.15}
    with jax.debug_nans(True):
        gradient = jax.jit(jax.grad(lambda p: loss(learner, p, everything[3], 1.0, everything[8], **terms)))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient(one(learner))))


def test_the_networks_of_the_comparison_are_of_one_size() -> None:
    """On double XOR, the default LSTM learns within 10 % as many numbers as the default Transformer."""
    sizes = {
        network.kind: parameters(one(new_learner((double_xor(),), TrainingConfig.paper(network=network), 0)))
        for network in (TransformerConfig(), LstmConfig())
    }
    assert sizes["lstm"] == pytest.approx(sizes["transformer"], rel=0.1)
