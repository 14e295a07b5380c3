"""A second search that starts from the agent of the first search, with other data and a changed search space.

The first search tunes a support vector machine for the breast cancer data. The second search tunes it for handwritten
digits, in a space with a wider range, another kernel and another parameter. `TransferSampler` makes both searches, the
second from the agent that the first search saved. Optuna's TPE makes both for comparison. In a clone of TransferNAS,
the example takes about a minute on one core:

    pip install '.[optuna,plots]' scikit-learn
    python examples/optuna_second_search.py
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from transfernas.integrations.optuna import TransferSampler

CANCER = load_breast_cancer(return_X_y=True)
DIGITS = tuple(part[:900] for part in load_digits(return_X_y=True))  # half of them, to be quick


def first(trial: optuna.Trial) -> float:
    kernel = trial.suggest_categorical("kernel", ["rbf", "poly"])
    machine = SVC(
        kernel=kernel,
        C=trial.suggest_float("C", 1e-2, 1e2, log=True),
        gamma=trial.suggest_float("gamma", 1e-4, 1.0, log=True),
        degree=trial.suggest_int("degree", 2, 5) if kernel == "poly" else 3,  # a parameter of "poly" alone
    )
    return 100 * float(cross_val_score(make_pipeline(StandardScaler(), machine), *CANCER, cv=3).mean())


def second(trial: optuna.Trial) -> float:
    kernel = trial.suggest_categorical("kernel", ["rbf", "poly", "sigmoid"])  # another choice
    machine = SVC(
        kernel=kernel,
        C=trial.suggest_float("C", 1e-2, 1e3, log=True),  # a wider range: it was 0.01 to 100
        gamma=trial.suggest_float("gamma", 1e-4, 1.0, log=True),
        degree=trial.suggest_int("degree", 2, 5) if kernel == "poly" else 3,
    )
    reduced = PCA(trial.suggest_float("variance kept", 0.5, 0.99))  # another parameter
    return 100 * float(cross_val_score(make_pipeline(StandardScaler(), reduced, machine), *DIGITS, cv=3).mean())


def search(objective: Callable[[optuna.Trial], float], sampler: optuna.samplers.BaseSampler, trials: int) -> np.ndarray:
    """Runs a study, and returns the best accuracy so far in percent after each trial."""
    study = optuna.create_study(study_name=objective.__name__, direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    print(f"  {objective.__name__:6s} search, {type(sampler).__name__:15s} best {study.best_value:.2f} %", flush=True)
    return np.maximum.accumulate([trial.values[0] for trial in study.trials])


def main() -> None:
    parser = argparse.ArgumentParser(description="A second search that starts from the agent of the first search.")
    parser.add_argument("--trials", type=int, default=30, help="number of trials of each search")
    parser.add_argument("--seeds", type=int, default=8, help="number of repetitions")
    parser.add_argument("--out", type=Path, default=Path("runs/second_search"), help="folder for the results")
    arguments = parser.parse_args()
    trials, out = arguments.trials, arguments.out
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for seed in range(arguments.seeds):
        print(f"Repetition {seed + 1} of {arguments.seeds}", flush=True)
        sampler = TransferSampler(seed=seed)
        mine = search(first, sampler, trials)
        agent = sampler.save(out / f"agent-{seed}.safetensors")
        mine_then = search(second, TransferSampler(agent, seed=seed), trials)
        tpe = search(first, optuna.samplers.TPESampler(seed=seed), trials)
        tpe_then = search(second, optuna.samplers.TPESampler(seed=seed), trials)
        found.append([(mine, tpe), (mine_then, tpe_then)])

    curves = np.mean(found, axis=0)  # of shape [searches, samplers, trials]
    figure = Figure(figsize=(10, 4.2), dpi=150, layout="constrained")
    titles = ["First search: breast cancer, from scratch", "Second search: digits, a changed space"]
    names = [["TransferSampler, from scratch", "TPE"], ["TransferSampler, from the first search's agent", "TPE"]]
    for axes, title, pair, labels in zip(figure.subplots(1, 2), titles, curves, names, strict=True):
        for curve, label, colour, style in zip(pair, labels, ["#0072B2", "#CC79A7"], ["-", "--"], strict=True):
            axes.plot(range(1, trials + 1), curve, style, color=colour, label=label)
        axes.set(title=title, xlabel="trials", ylabel=f"best accuracy so far (%), mean of {arguments.seeds} runs")
        axes.legend(loc="lower right")
    figure.savefig(out / "second_search.png")
    print("Best accuracy in the second search (%):")
    for after in (count for count in (1, 3, 5, 10, 20, 30) if count <= trials):
        transferred, tpe = curves[1, :, after - 1]
        print(f"  after {after:2d} trials {transferred:.2f} transferred, {tpe:.2f} TPE")
    print(f"The picture is {out / 'second_search.png'}; the agents are in the same folder")


if __name__ == "__main__":
    main()
