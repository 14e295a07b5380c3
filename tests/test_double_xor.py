"""Double XOR: the task, its kin, and the experiment on it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from transfernas import TrainingConfig
from transfernas.fields import flat
from transfernas.learning.learner import new_learner
from transfernas.policy.policy import Policy
from transfernas_bench.benchmarks.double_xor import XorChain, double_xor, xor_chain
from transfernas_bench.experiments import double_xor_variants as parts
from transfernas_bench.experiments.double_xor import (
    LEVELS,
    DoubleXorStudy,
    attention_map,
    parameters,
    partner_ratios,
    run_double_xor,
)
from transfernas_bench.experiments.double_xor_variants import BEST, ORDERS, VARIANTS
from transfernas_bench.experiments.run_directory import RunDirectory
from transfernas_bench.experiments.runner import AgentReplicas, ProgressFn, search


def test_a_quarter_of_the_sequences_is_rewarded() -> None:
    problem = double_xor()
    assert problem.objective is not None
    rewards = [problem.objective(config) for config in problem.space.enumerate()]
    assert len(rewards) == 128 and sum(rewards) == 32
    assert problem.objective({"S1": 0, "S2": 0, "S3": 1, "S4": 0, "S5": 1, "S6": 0, "S7": 0}) == 1.0
    assert problem.objective({"S1": 0, "S2": 0, "S3": 1, "S4": 0, "S5": 1, "S6": 0, "S7": 1}) == 0.0


@pytest.mark.parametrize(
    "chain",
    [xor_chain(), xor_chain(order=ORDERS[2], name="order"), xor_chain(9, ((1, 7), (3, 9), (2, 5)))],
    ids=["paper", "another order", "three pairs"],
)
def test_rewards_in_batches_are_those_of_the_objective(chain: XorChain) -> None:
    assert chain.problem.objective is not None
    configs = list(chain.problem.space.enumerate())
    action_indices = np.array([[config[choice.name] for choice in chain.problem.space.choices] for config in configs])
    expected = [chain.problem.objective(config) for config in configs]
    np.testing.assert_array_equal(chain.value(action_indices), expected)
    np.testing.assert_array_equal(chain.reward(action_indices, np.random.default_rng(0)), expected)
    assert np.mean(expected) == 0.5 ** len(chain.pairs)


def test_every_order_visits_every_state_once() -> None:
    assert all(sorted(order) == list(range(1, 8)) for order in ORDERS) and len(set(ORDERS)) == len(ORDERS)


def test_every_part_has_comparable_agents() -> None:
    for name, make in VARIANTS.items():
        variants = make()
        assert len(variants) >= 2, name
        rewarded = {len(benchmark.pairs) for variant in variants.values() for benchmark in variant.benchmarks}
        assert rewarded <= {2, 3, 4}
    sweep = VARIANTS["sweep"]()
    settings = [
        {path: flat(v.config)[path] for path in parts.SWEPT}
        for network in BEST
        for v in sweep.values()
        if v.config.network.kind == network
    ]
    half = len(settings) // 2
    assert settings[:half] == settings[half:]  # the same sweep for both


def test_the_best_settings_are_of_the_sweep_and_of_comparable_size() -> None:
    sizes = {}
    for name, config in BEST.items():
        policy: Policy = new_learner((double_xor(),), config, 0).state.policy
        sizes[name] = parameters(policy)
        assert any(
            all(flat(variant.config)[path] == flat(config)[path] for path in parts.SWEPT)
            for variant in VARIANTS["sweep"]().values()
            if variant.config.network.kind == name
        ), name
    assert abs(sizes["lstm"] / sizes["transformer"] - 1) < 0.1


def test_the_attention_map_is_that_of_the_optimal_sequences() -> None:
    benchmark = xor_chain()
    learner = new_learner((benchmark.problem,), TrainingConfig.paper(), 0, replicas=2)
    weights = attention_map(learner, benchmark)
    assert weights.shape == (2, 8, 8)
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-5)
    assert (weights[:, np.triu_indices(8, 1)[0], np.triu_indices(8, 1)[1]] == 0).all()
    made_up = np.full((1, 8, 8), 0.1)
    made_up[0, 5, 1], made_up[0, 7, 3] = 0.3, 0.2
    ratios = partner_ratios(made_up)
    assert {name: value.item() for name, value in ratios.items()} == pytest.approx({"S5 on S1": 3, "S7 on S3": 2})


@pytest.mark.thorough
def test_an_experiment_reports_when_the_averages_pass(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def stage(name: str, trials: int) -> ProgressFn:
        told.append((name, trials))
        return lambda done, best: None

    study = DoubleXorStudy("figures", seed=0, replicas=2, trials=120)
    result, attention, _ = run_double_xor(study, RunDirectory(tmp_path, {}, resume=False), stage)
    assert told == [(name, 120) for name in parts.figures()] and attention is not None and attention.shape == (2, 8, 8)
    assert {name: curve.values.shape for name, curve in result.curves.items()} == {n: (2, 120) for n in parts.figures()}
    assert {value for curve in result.curves.values() for value in np.unique(curve.values)} == {0.0, 1.0}
    assert [(named.name, named.reached.target) for named in result.reached][:3] == [
        ("transformer", level) for level in LEVELS
    ]


@pytest.mark.slow
def test_the_lstm_learns_double_xor_and_takes_it_to_another_order() -> None:
    first, second = (xor_chain(order=order, name=name) for order, name in zip(ORDERS, "ab", strict=False))
    replicas = AgentReplicas(new_learner((first.problem, second.problem), BEST["lstm"], 0, replicas=5))
    trace = search(replicas, (first, second), 1_200, seed=0)
    assert trace.reward[:, :100].mean() < 0.45
    assert trace.reward[:, -100:].mean() > 0.9


def command(out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "transfernas", "reproduce", "double-xor", "--out", str(out), *options]


@pytest.mark.slow
def test_the_command_survives_an_interrupt(tmp_path: Path) -> None:
    small = ("--replicas", "2", "--trials", "600", "--seed", "4")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = subprocess.run(command(whole, *small), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for text in (
        "until the mean of",
        "Parameters: ",
        "Attention of S5 on S1 over",
        "Attention of S7 on S3 over",
        str(whole),
    ):
        assert text in done.stdout

    process = subprocess.Popen(
        command(cut, *small), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    while not (cut / "stages" / "settings.json").exists():
        time.sleep(0.1)
    time.sleep(1)  # compiling, or in its first trials
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors == "Interrupted: the same command with --resume goes on from here.\n"
    assert [path.name.split(".")[0] for path in (cut / "stages").iterdir() if path.is_dir()] == ["transformer"]

    refused = subprocess.run(command(cut, *small), capture_output=True, text=True, timeout=120)
    assert refused.returncode == 2 and "--resume" in refused.stderr
    resumed = subprocess.run(command(cut, *small, "--resume"), capture_output=True, text=True, timeout=300)
    assert resumed.returncode == 0, resumed.stderr
    left, right = (json.loads((folder / "result.json").read_text()) for folder in (whole, cut))
    assert left["curves"] == right["curves"] and left["reached"] == right["reached"]
    assert {path.name for path in whole.iterdir()} == {
        *("result.json", "stages", "rewards.png", "rewards.svg", "attention.png", "attention.svg")
    }
    for name in ("rewards", "attention"):
        assert (whole / f"{name}.svg").read_bytes() == (cut / f"{name}.svg").read_bytes()
