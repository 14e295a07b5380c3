"""Configurations that are likely to fail are proposed less often; failures by chance change nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import optuna
import pytest
from scipy.spatial.distance import cdist

from transfernas import Agent, Choice, Problem, Range, SearchSpace
from transfernas.integrations.optuna import TransferSampler
from transfernas.learning.failure_model import FailureModel
from transfernas.spaces.condition import Config

NUMERIC = np.array([True, True])
TRIALS, LAST = 40, 20


def a_category(trial: optuna.Trial) -> float:
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    if kind == "a":
        raise MemoryError
    return (trial.suggest_float("x", 0.0, 1.0) - 0.3) ** 2 + 0.1 * (kind == "b")


def large_networks(trial: optuna.Trial) -> float:
    units, rate = trial.suggest_int("units", 8, 512, log=True), trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    return float("nan") if units > 128 else (np.log10(rate) + 2.0) ** 2 + (512 - units) / 512


def before_the_others(trial: optuna.Trial) -> float:
    """Fails before it asks for the other parameters."""
    units = trial.suggest_int("units", 8, 512, log=True)
    if units > 128:
        raise MemoryError
    rate, dropout = trial.suggest_float("rate", 1e-4, 1e-1, log=True), trial.suggest_float("dropout", 0.0, 0.5)
    return float((np.log10(rate) + 2.0) ** 2 + abs(units - 32) / 512 + dropout)


def all_fail(trial: optuna.Trial) -> float:
    trial.suggest_categorical("kind", ["a", "b", "c"])
    raise MemoryError


def failed(objective: Callable[[optuna.Trial], float], sampler: optuna.samplers.BaseSampler) -> np.ndarray:
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=TRIALS, catch=(MemoryError,))
    return np.array([trial.state == optuna.trial.TrialState.FAIL for trial in study.trials])


def test_the_probability_is_the_mean_of_a_regression_of_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    points, places = rng.random((12, 2)), rng.random((5, 2))
    outcomes = points[:, 0] > 0.6
    outcomes[:2] = True, False
    model = FailureModel.of(points, outcomes, NUMERIC)
    assert model is not None
    found = model.process.hyperparameters

    def kernel(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        far = np.sqrt(5.0) * cdist(left / np.exp(found.lengths), right / np.exp(found.lengths))
        covariance: np.ndarray = np.exp(found.variance) * (1.0 + far + far**2 / 3.0) * np.exp(-far)
        return covariance

    standard = (outcomes - outcomes.mean()) / outcomes.std()
    noisy = kernel(points, points) + (np.exp(found.noise) + 1e-8) * np.eye(12) + 1.0  # of the center's prior
    mean = (kernel(places, points) + 1.0) @ np.linalg.solve(noisy, standard) * outcomes.std() + outcomes.mean()
    np.testing.assert_allclose(model.probability(places), np.clip(mean, 0.0, 0.95), atol=1e-6)


@pytest.mark.parametrize("outcomes", [[0, 0, 0], [0, 0, 1], [1, 1, 1]], ids=["none", "one", "all"])
def test_few_failures_and_nothing_but_failures_tell_nothing(outcomes: list[int]) -> None:
    assert FailureModel.of(np.array([[0.1, 0.2], [0.5, 0.5], [0.9, 0.1]]), np.array(outcomes, bool), NUMERIC) is None


def test_only_the_parameter_that_matters_counts() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((40, 2))
    model = FailureModel.of(points, points[:, 0] > 0.7, NUMERIC)
    assert model is not None
    low, high = (np.stack([np.full(9, x), np.linspace(0.0, 1.0, 9)], axis=1) for x in (0.3, 0.9))
    assert (model.probability(low) < 0.2).all() and (model.probability(high) > 0.8).all()
    assert (model.success(high) == 0.0).all()


def test_what_no_failed_trial_was_asked_for_does_not_matter() -> None:
    points = np.random.default_rng(0).random((12, 2))
    model = FailureModel.of(points, points[:, 0] > 0.5, NUMERIC, np.array([True, False]))
    assert model is not None
    places = np.array([[0.9, 0.1], [0.9, 0.9]])
    assert model.probability(places)[0] == model.probability(places)[1] > 0.7


def test_what_is_refused_leaves_the_usual_share_of_failures() -> None:
    points = np.random.default_rng(0).random((40, 2))
    model = FailureModel.of(points, points[:, 0] > 0.7, NUMERIC)
    assert model is not None
    low, high = np.array([[0.2, 0.5]]), np.array([[0.95, 0.5]])
    assert model.refusal(low) == 0.0
    usual = (points[:, 0] <= 0.7).mean()
    np.testing.assert_allclose(model.refusal(high), 1.0 - (1.0 - model.probability(high)) / usual)


def test_networks_come_again_only_after_all_others_although_some_fail() -> None:
    def objective(trial: optuna.Trial) -> float:
        kind, size = trial.suggest_categorical("kind", ["a", "b", "c"]), trial.suggest_categorical("size", [1, 2, 3, 4])
        if kind == "a":
            raise MemoryError
        return size + (kind == "b")

    study = optuna.create_study(sampler=TransferSampler(seed=0, key=lambda params: tuple(params.values())))
    study.optimize(objective, n_trials=12, catch=(MemoryError,))
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 12


def test_failures_by_chance_rule_nothing_out() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((60, 2))
    model = FailureModel.of(points, rng.random(60) < 0.3, NUMERIC)
    assert model is not None
    assert (model.success(rng.random((200, 2))) > 0.3).mean() > 0.95


@pytest.mark.parametrize("on_failure", ["ignore", pytest.param("worst", marks=pytest.mark.thorough)])
def test_a_category_that_always_fails_is_left_alone(on_failure: Literal["ignore", "worst"]) -> None:
    assert failed(a_category, TransferSampler(seed=1, on_failure=on_failure))[-LAST:].sum() <= 3


@pytest.mark.thorough
@pytest.mark.parametrize("on_failure", ["ignore", "worst"])
@pytest.mark.parametrize("objective", [a_category, large_networks, before_the_others])
def test_a_search_fails_in_few_of_its_later_trials(
    objective: Callable[[optuna.Trial], float], on_failure: Literal["ignore", "worst"]
) -> None:
    samplers = [TransferSampler(seed=seed, on_failure=on_failure) for seed in range(6)]
    assert np.mean([failed(objective, sampler)[-LAST:].sum() for sampler in samplers]) <= 6


def test_a_study_whose_trials_all_fail_goes_on() -> None:
    assert failed(all_fail, TransferSampler(seed=0)).all()


SPACE = SearchSpace("net", [Choice("units", Range(8, 512, log=True)), Choice("rate", Range(1e-4, 1e-1, log=True))])


def searched(agent: Agent, trials: int) -> list[Config]:
    configs = []
    for _ in range(trials):
        trial = agent.ask()
        units, rate = trial.config["units"], trial.config["rate"]
        if units > 128:  # type: ignore[operator]
            agent.tell(trial, failed=True)
        else:
            agent.tell(trial, units / 512 - (np.log10(rate) + 2.0) ** 2)  # type: ignore[operator,arg-type]
        configs.append(trial.config)
    return configs


@pytest.mark.thorough
def test_an_agent_fails_in_few_of_its_later_trials_and_goes_on_to_the_bit(tmp_path: Path) -> None:
    agent = Agent([Problem(SPACE, "task")], seed=0)
    searched(agent, LAST)
    loaded = Agent.load(agent.save(tmp_path / "agent.safetensors"))
    configs = searched(agent, LAST)
    assert sum(config["units"] > 128 for config in configs) <= 8  # type: ignore[operator]
    assert searched(loaded, LAST) == configs
