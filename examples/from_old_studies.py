"""An agent from a database of old Optuna studies, and a new study that starts from this agent.

Old studies, by TPE and by random search, tune a support vector machine for three data sets. An agent learns from all
their trials. Then the agent tunes the machine for a fourth data set. In a clone of TransferNAS, the example takes about
half a minute on one core:

    pip install '.[optuna]' scikit-learn
    python examples/from_old_studies.py
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies

DATA = {
    "iris": load_iris(return_X_y=True),
    "wine": load_wine(return_X_y=True),
    "breast cancer": load_breast_cancer(return_X_y=True),
    "digits": tuple(part[:900] for part in load_digits(return_X_y=True)),  # half of them, to be quick
}


def objective_for(name: str) -> Callable[[optuna.Trial], float]:
    def objective(trial: optuna.Trial) -> float:
        kernel = trial.suggest_categorical("kernel", ["rbf", "poly"])
        machine = SVC(
            kernel=kernel,
            C=trial.suggest_float("C", 1e-3, 1e2, log=True),
            gamma=trial.suggest_float("gamma", 1e-5, 1.0, log=True),
            degree=trial.suggest_int("degree", 2, 5) if kernel == "poly" else 3,
        )
        return 100 * float(cross_val_score(make_pipeline(StandardScaler(), machine), *DATA[name], cv=3).mean())

    return objective


def main() -> None:
    parser = argparse.ArgumentParser(description="An agent from a database of old Optuna studies.")
    parser.add_argument("--trials", type=int, default=30, help="number of trials of each study")
    parser.add_argument("--seeds", type=int, default=5, help="number of repetitions of the new study")
    parser.add_argument("--out", type=Path, default=Path("runs/old_studies_example"), help="folder for the results")
    arguments = parser.parse_args()
    trials, out = arguments.trials, arguments.out
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    database = out / "studies.sqlite3"
    database.unlink(missing_ok=True)
    storage = f"sqlite:///{database}"

    print(f"Old studies of {trials} trials each", flush=True)
    samplers: list[BaseSampler] = [TPESampler(seed=0), RandomSampler(seed=1), TPESampler(seed=2)]
    for name, sampler in zip(["iris", "wine", "breast cancer"], samplers, strict=True):
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize", sampler=sampler)
        study.optimize(objective_for(name), n_trials=trials)
        print(f"  {name} by {type(sampler).__name__}: best accuracy {study.best_value:.2f} %", flush=True)

    # With your own studies, you would start here.
    names = optuna.get_all_study_names(storage)
    studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
    agent, report = learn_from_studies(None, studies)
    agent.save(out / "agent.safetensors")
    print(report)

    found = []
    for seed in range(arguments.seeds):
        rows = []
        for sampler in (TransferSampler(out / "agent.safetensors", seed=seed), TPESampler(seed=seed)):
            study = optuna.create_study(study_name="digits", direction="maximize", sampler=sampler)
            study.optimize(objective_for("digits"), n_trials=trials)
            rows.append(np.maximum.accumulate([trial.values[0] for trial in study.trials]))
        found.append(rows)
        print(f"New study, repetition {seed + 1} of {arguments.seeds} done", flush=True)
    mine, tpe = np.mean(found, axis=0)
    print(f"Accuracy on the digits of the best trial so far (%), mean of {arguments.seeds} runs:")
    for after in (count for count in (1, 2, 3, 5, 10, 20, 30) if count <= trials):
        print(f"  after {after:2d} trials: {mine[after - 1]:.2f} with the agent, {tpe[after - 1]:.2f} with TPE")
    print(f"The database and the agent are in {out}")


if __name__ == "__main__":
    main()
