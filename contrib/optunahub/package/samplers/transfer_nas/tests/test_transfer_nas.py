"""The package as OptunaHub loads it."""

from pathlib import Path

import optuna
import optunahub

REGISTRY = Path(__file__).parents[3]


def test_a_saved_agent_starts_a_study_in_another_space(tmp_path: Path) -> None:
    module = optunahub.load_local_module("samplers/transfer_nas", registry_root=str(REGISTRY))
    sampler = module.TransferSampler(seed=0)
    study = optuna.create_study(study_name="first", sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("x", -5, 5) ** 2, n_trials=5)
    sampler = module.TransferSampler(sampler.save(tmp_path / "agent.safetensors"), seed=0)
    study = optuna.create_study(study_name="second", sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("x", -8, 8) ** 2 + trial.suggest_int("y", 0, 3), n_trials=5)
    assert [set(trial.params) for trial in study.trials] == [{"x", "y"}] * 5
    assert {problem.task for problem in sampler.agent.problems} == {"second"}
