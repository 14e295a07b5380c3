"""`TransferSampler` from scratch against Optuna's TPE, on made-up functions of numbers and categories.

For each function the median, over the seeds, of the best value so far, and how often a seed of ours is ahead of one of
TPE's. How values are drawn inside of bins was chosen on the seeds 0 to 15; the report is of others:

    python profiling/sampler_functions.py --seed 100 --replicas 20
"""

import argparse
from collections.abc import Callable

import numpy as np
import optuna

from transfernas.integrations.optuna import TransferSampler

MARKS = (10, 20, 50, 100, 200)
FunctionFn = Callable[[optuna.Trial, np.ndarray], float]
"""From a trial and where the optimum lies, in [-3, 3], to a value to minimise; most are 0 there."""


def numbers(trial: optuna.Trial, count: int, width: float = 5.0) -> np.ndarray:
    return np.array([trial.suggest_float(f"x{at}", -width, width) for at in range(count)])


def sphere(count: int) -> FunctionFn:
    return lambda trial, best: float(((numbers(trial, count) - best[:count]) ** 2).sum())


def rosenbrock(trial: optuna.Trial, _: np.ndarray) -> float:
    x = numbers(trial, 3, width=2.0)
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def ackley(trial: optuna.Trial, best: np.ndarray) -> float:
    x = numbers(trial, 4) - best[:4]
    rings = np.exp(np.cos(2 * np.pi * x).mean())
    return float(-20 * np.exp(-0.2 * np.sqrt((x**2).mean())) - rings + 20 + np.e)


def training(trial: optuna.Trial, _: np.ndarray) -> float:
    """Like the training of a network: conditional, with categories, integers and logarithmic ranges."""
    kind = trial.suggest_categorical("optimizer", ("adam", "sgd", "rmsprop"))
    rate = np.log10(trial.suggest_float("learning rate", 1e-5, 1.0, log=True))
    momentum = trial.suggest_float("momentum", 0.0, 1.0) if kind == "sgd" else 0.5
    layers = trial.suggest_int("layers", 1, 4)
    units = [np.log2(trial.suggest_int(f"units {layer}", 16, 256, log=True) / 64) for layer in range(layers)]
    dropout = trial.suggest_float("dropout", 0.0, 0.5)
    best, cost = {"adam": (-3.0, 0.0), "sgd": (-1.5, 0.05), "rmsprop": (-3.5, 0.2)}[kind]
    loss = 0.3 * (rate - best) ** 2 + (momentum - 0.9) ** 2 + 0.3 * np.abs(units).mean()
    return float(loss + 0.2 * abs(layers - 3) + 0.2 * abs(dropout - 0.2) + cost)


def mixed(trial: optuna.Trial, best: np.ndarray) -> float:
    whole = [(trial.suggest_int(f"n{at}", 0, 100) / 100 - (best[at] + 3) / 6) ** 2 for at in range(3)]
    letters = [trial.suggest_categorical(f"c{at}", "abcde") != "abcde"[int(best[at]) % 5] for at in range(4)]
    return float(sum(whole) + 0.3 * sum(letters))


FUNCTIONS: dict[str, FunctionFn] = {
    "sphere of 1": sphere(1),
    "sphere of 2": sphere(2),
    "sphere of 5": sphere(5),
    "sphere of 10": sphere(10),
    "Rosenbrock of 3": rosenbrock,
    "Ackley of 4": ackley,
    "training": training,
    "mixed": mixed,
}


def best_so_far(function: FunctionFn, sampler: optuna.samplers.BaseSampler, seed: int) -> np.ndarray:
    best = np.random.default_rng(seed).uniform(-3, 3, 10)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: function(trial, best), n_trials=max(MARKS))
    values = np.array([trial.value for trial in study.trials], float)
    return np.minimum.accumulate(values)[np.array(MARKS) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--replicas", type=int, default=20)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seeds = range(arguments.seed, arguments.seed + arguments.replicas)
    print(f"after {MARKS} trials, {arguments.replicas} seeds: medians of ours; of TPE's; how often ours is ahead")
    for name, function in FUNCTIONS.items():
        ours = np.array([best_so_far(function, TransferSampler(seed=seed), seed) for seed in seeds])
        theirs = np.array([best_so_far(function, optuna.samplers.TPESampler(seed=seed), seed) for seed in seeds])
        ahead = (ours[:, None] < theirs).mean(axis=(0, 1)) + 0.5 * (ours[:, None] == theirs).mean(axis=(0, 1))
        texts = [" ".join(f"{value:.3g}" for value in row) for row in (np.median(ours, 0), np.median(theirs, 0), ahead)]
        print(f"{name:16s} " + "; ".join(texts), flush=True)


if __name__ == "__main__":
    main()
