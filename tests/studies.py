"""Studies of an objective that several tests share."""

import math

import optuna


def objective(trial: optuna.Trial) -> float:
    """A conditional space with categories and numbers of every kind; to be minimised."""
    kind = trial.suggest_categorical("optimizer", ("adam", "sgd"))
    rate = trial.suggest_float("learning rate", 1e-5, 1e-1, log=True)
    momentum = trial.suggest_float("momentum", 0.0, 0.99) if kind == "sgd" else 0.9
    layers = trial.suggest_int("layers", 1, 3)
    units = [trial.suggest_int(f"units {layer}", 16, 256, log=True) for layer in range(layers)]
    drop = trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
    return (
        (math.log10(rate) + 3) ** 2
        + (momentum - 0.9) ** 2
        + 0.3 * abs(layers - 2)
        + sum(abs(math.log2(unit / 64)) for unit in units) / layers
        + abs(drop - 0.2)
        + (kind == "adam")
    )


def searched(sampler: optuna.samplers.BaseSampler, trials: int = 30, **study: object) -> optuna.Study:
    found = optuna.create_study(sampler=sampler, **study)  # type: ignore[arg-type]
    found.optimize(objective, n_trials=trials)
    return found


def params(study: optuna.Study) -> list[dict[str, object]]:
    return [trial.params for trial in study.trials]
