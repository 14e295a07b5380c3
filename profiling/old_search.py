"""One old search of LightGBM by TPE, then a changed space on other data: transferred, or the best five enqueued.

The old search has 12 hyperparameters and 60 trials, the new ones have 14; `fill` and the enqueued trials say what the
new two were before they were asked for. It takes `pip install lightgbm`, and scikit-learn's small data sets.

    python profiling/old_search.py --source cancer --target wine --target digits --target iris --seed 10 --replicas 5
"""

import argparse
import warnings
from collections.abc import Mapping

import numpy as np
import optuna
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import StratifiedKFold, cross_val_score

from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies
from transfernas_bench.experiments.statistics import mean_interval

OLD_TRIALS, TRIALS, ENQUEUED, MARKS = 60, 40, 5, (1, 2, 3, 5, 10, 20, 40)
FILL: Mapping[str, float | bool] = {"extra_trees": False, "path_smooth": 0.0}
DATA = {"wine": load_wine, "digits": load_digits, "cancer": load_breast_cancer, "iris": load_iris}
_DIGITS = 300  # of the digits, for time


def objective_of(name: str, changed: bool) -> "optuna.study.study.ObjectiveFuncType":
    """The mean log loss of three folds, as a function of a trial."""
    import lightgbm

    inputs, classes = DATA[name](return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(classes))[: _DIGITS if name == "digits" else None]
    inputs, classes = inputs[chosen], classes[chosen]
    folds = StratifiedKFold(3, shuffle=True, random_state=0)

    def objective(trial: optuna.Trial) -> float:
        asked = {
            "learning_rate": trial.suggest_float("learning_rate", 1e-3, 1, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 2, 128, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 12),
            "min_child_samples": trial.suggest_int("min_child_samples", 2, 100, log=True),
            "subsample": trial.suggest_float("subsample", 0.3, 1),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1),
            "reg_alpha": trial.suggest_float("reg_alpha", 1e-6, 10, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-6, 10, log=True),
            "min_split_gain": trial.suggest_float("min_split_gain", 1e-6, 1, log=True),
            "max_bin": trial.suggest_int("max_bin", 8, 255, log=True),
            "n_estimators": trial.suggest_int("n_estimators", 5, 60, log=True),
            "boosting_type": trial.suggest_categorical("boosting_type", ["gbdt", "dart"]),
        }
        if changed:
            asked["extra_trees"] = trial.suggest_categorical("extra_trees", [False, True])
            asked["path_smooth"] = trial.suggest_float("path_smooth", 0, 10)
        model = lightgbm.LGBMClassifier(**asked, subsample_freq=1, random_state=0, n_jobs=1, verbose=-1)
        return float(-cross_val_score(model, inputs, classes, cv=folds, scoring="neg_log_loss").mean())

    return objective


def searched(target: str, sampler: optuna.samplers.BaseSampler, first: list[dict[str, object]]) -> list[float]:
    """The best value after so many trials of a search that begins with some configurations."""
    study = optuna.create_study(study_name=f"new {target}", sampler=sampler)
    for params in first:
        study.enqueue_trial(params)
    study.optimize(objective_of(target, changed=True), n_trials=TRIALS)
    best = np.minimum.accumulate(np.array([trial.value for trial in study.trials], float))
    return [float(best[mark - 1]) for mark in MARKS]


def main() -> None:
    """Runs the searches, and prints a table for each target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=DATA, default="cancer")
    parser.add_argument("--target", choices=DATA, action="append", required=True)
    parser.add_argument("--replicas", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    found: dict[tuple[str, str], list[list[float]]] = {}
    for seed in range(options.seed, options.seed + options.replicas):
        old = optuna.create_study(study_name="old", sampler=optuna.samplers.TPESampler(seed=seed))
        old.optimize(objective_of(options.source, changed=False), n_trials=OLD_TRIALS)
        best = sorted(old.trials, key=lambda trial: float(trial.value or 0.0))[:ENQUEUED]
        enqueued: list[dict[str, object]] = [{**trial.params, **FILL} for trial in best]
        agent, _ = learn_from_studies(None, [old], seed=seed)
        for target in options.target:
            tpe = searched(target, optuna.samplers.TPESampler(seed=seed), enqueued)
            found.setdefault((target, "best enqueued, TPE"), []).append(tpe)
            transferred = searched(target, TransferSampler(agent, seed=seed, fill=FILL), [])
            found.setdefault((target, "transferred"), []).append(transferred)
        print(f"seed {seed} is done", flush=True)
    print(f"{'mean log loss after so many trials':34s}" + "".join(f"{mark:>16d}" for mark in MARKS))
    for (target, name), values in found.items():
        columns = zip(*values, strict=True)
        cells = [mean_interval(np.array(column)) for column in columns]
        print(f"{target + ', ' + name:34s}" + "".join(f"{c.mean:9.4f} ± {c.high - c.mean:.3f}" for c in cells))


if __name__ == "__main__":
    main()
