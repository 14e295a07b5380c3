"""A search, and a second search in a changed space that starts from the agent of the first."""

import optuna
import optunahub


def first(trial: optuna.Trial) -> float:
    x, kind = trial.suggest_float("x", -5, 5), trial.suggest_categorical("kind", ["flat", "steep"])
    return (x - 2) ** 2 * (10 if kind == "steep" else 1)


def second(trial: optuna.Trial) -> float:
    x, kind = trial.suggest_float("x", -8, 8), trial.suggest_categorical("kind", ["flat", "steep", "steeper"])
    y = trial.suggest_int("y", 0, 3)
    return (x - 2.5) ** 2 * {"flat": 1, "steep": 10, "steeper": 100}[kind] + y


if __name__ == "__main__":
    module = optunahub.load_module("samplers/transfer_nas")
    sampler = module.TransferSampler(seed=0)
    study = optuna.create_study(study_name="first", sampler=sampler)
    study.optimize(first, n_trials=50)
    sampler.save("agent.safetensors")

    study = optuna.create_study(study_name="second", sampler=module.TransferSampler("agent.safetensors", seed=0))
    study.optimize(second, n_trials=20)
    print(study.best_trial.number, study.best_params, study.best_value)
