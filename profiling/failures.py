"""Searches in which trials fail: how many of the last 20 of 60 trials fail, and the best value.

The trials of three objectives fail because of their configuration: one of three categories, networks of more than 128
units, and products of units and batch size above 8,192. Those of the fourth fail by chance, one of five. Rivals are
Optuna's TPE, which leaves failed trials out, and the sampler with `on_failure="worst"`.

    python profiling/failures.py --replicas 20 --seed 0
"""

import argparse
import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler, TPESampler

from transfernas.integrations.optuna import TransferSampler
from transfernas_bench.experiments.statistics import mean_interval

TRIALS, LAST = 60, 20


def category(trial: optuna.Trial, rng: np.random.Generator) -> float:
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    if kind == "a":
        raise MemoryError
    return (trial.suggest_float("x", 0.0, 1.0) - 0.3) ** 2 + 0.1 * (kind == "b")


def large(trial: optuna.Trial, rng: np.random.Generator) -> float:
    units, rate = trial.suggest_int("units", 8, 512, log=True), trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    if units > 128:
        raise MemoryError
    return float((np.log10(rate) + 2.0) ** 2 + (512 - units) / 512)


def product(trial: optuna.Trial, rng: np.random.Generator) -> float:
    units, batch = (trial.suggest_int(name, 8, 512, log=True) for name in ("units", "batch"))
    rate, dropout = trial.suggest_float("rate", 1e-4, 1e-1, log=True), trial.suggest_float("dropout", 0.0, 0.5)
    if units * batch > 8192:
        raise MemoryError
    return float((np.log10(rate) + 2.0) ** 2 + (512 - units) / 512 + (512 - batch) / 512 + dropout)


def chance(trial: optuna.Trial, rng: np.random.Generator) -> float:
    places = [trial.suggest_float(f"x{number}", 0.0, 1.0) for number in range(3)]
    if rng.random() < 0.2:
        raise MemoryError
    return sum((place - 0.3) ** 2 for place in places)


METHODS: dict[str, Callable[[int], BaseSampler]] = {
    "TransferSampler": lambda seed: TransferSampler(seed=seed),
    'TransferSampler, "worst"': lambda seed: TransferSampler(seed=seed, on_failure="worst"),
    "TPE": lambda seed: TPESampler(seed=seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first replica")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    for objective in (category, large, product, chance):
        for name, make in METHODS.items():
            failed, best = [], []
            for seed in range(arguments.seed, arguments.seed + arguments.replicas):
                rng, study = np.random.default_rng(seed), optuna.create_study(sampler=make(seed))
                study.optimize(lambda trial: objective(trial, rng), TRIALS, catch=(MemoryError,))  # noqa: B023
                states = [trial.state for trial in study.trials]
                failed.append(sum(state == optuna.trial.TrialState.FAIL for state in states[-LAST:]))
                best.append(study.best_value)
            mean = mean_interval(np.array(failed, float))
            shown = f"{mean.mean:.1f} ({mean.low:.1f} to {mean.high:.1f}), median best {np.median(best):.4f}"
            print(f"{objective.__name__:9s}{name:26s}failed of the last {LAST}: {shown}")


if __name__ == "__main__":
    main()
