"""The report says the same of one search from a study and from an agent, and says what its numbers mean."""

import re
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from searchers import FAST
from transfernas.cli.app import app
from transfernas.insight.progress import old_against_new, record_of
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.optuna.record import record_of_study


def run(*arguments: object, command: str = "report", code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "500"}).invoke(app, [command, *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def loss(trial: optuna.Trial, best: float, scalers: list[str]) -> float:
    trial.suggest_categorical("scaler", scalers)
    if trial.suggest_categorical("model", ["svm", "trees"]) == "svm":
        return abs(trial.suggest_float("C", 1e-2, 1e3, log=True) - best) + trial.suggest_float("gamma", 0, 1)
    return 0.5 + trial.suggest_int("leaf", 1, 20) / 20


def test_a_trial_of_a_part_of_its_plan_keeps_its_proposer(tmp_path: Path) -> None:
    """The first trial of another kind of model is planned with the parameters of both kinds."""
    left = 0
    for seed in range(3):
        source = None
        for name, scalers, trials in (("old", ["a"], 6), ("new", ["a", "b", "c"], 5)):
            sampler = TransferSampler(source, seed=seed, config=FAST)
            study = optuna.create_study(study_name=name, sampler=sampler)
            study.optimize(lambda trial, its=scalers: loss(trial, 0.1, its), n_trials=trials)
            source = sampler.agent
        agent = sampler.agent
        row = [problem.task for problem in agent.problems].index("new")
        seen, told = record_of_study(study), record_of(agent.learner, row)
        assert [trial.kind for trial in seen.trials] == [trial.kind for trial in told.trials]
        assert old_against_new(seen) == old_against_new(told)
        left += int((agent.learner.replay.proposer[0] < -2).sum())
        loaded = type(agent).load(agent.save(tmp_path / "agent.safetensors"))
        assert record_of(loaded.learner, row) == told
    assert left  # some plan was left in part
