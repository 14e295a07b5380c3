"""Searches of models on new data, with old studies of the same model on other data: `TransferSampler` against replay.

For each replica Optuna's TPE makes a study of each data set that scikit-learn ships for classification. For each of
them an agent learns from the studies of the others (`learn_from_studies`), and searches it as `TransferSampler`. Its
methods are the agent that learned from none, itself without a Gaussian process, Optuna's TPE and Gaussian process, and
TPE that is given the agent's own portfolio of old configurations to begin with (`study.enqueue_trial`).

    python profiling/number_transfer.py --half development --replicas 10 --out runs/number_transfer

Regret is what the best value so far lacks to the best that any method found with that seed, as a share of what TPE
lacks after its first trial. An interrupted run goes on: each search is a line of `searches.jsonl` in the folder.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from replay import replayed

from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies
from transfernas_bench.benchmarks.number_models import MODELS as MODEL_FUNCTIONS
from transfernas_bench.benchmarks.number_problems import DEVELOPMENT, HELD_OUT
from transfernas_bench.experiments.statistics import mean_interval

MODELS = {
    DEVELOPMENT: ("machine", "boosting", "logistic"),
    HELD_OUT: ("forest", "network", "pipeline"),
}
DATA = ("breast_cancer", "digits", "wine")
MARKS = (1, 3, 5, 10, 20, 50)
OLD_TRIALS = 100
METHODS = ("transferred", "scratch", "tpe", "tpe from the portfolio", "policy alone", "gp")


def old_studies(model: str, target: str, seed: int) -> list[optuna.Study]:
    """Returns TPE's studies of the other data sets."""
    studies = []
    for data in DATA:
        if data != target:
            study = optuna.create_study(study_name=data, sampler=TPESampler(seed=1_000 * seed + DATA.index(data)))
            study.optimize(_objective(model, data, seed), n_trials=OLD_TRIALS)
            studies.append(study)
    return studies


def searched(model: str, data: str, methods: Iterable[str], seed: int, trials: int) -> dict[str, list[float]]:
    """Returns the best value so far after each trial, by method."""
    agent, _ = learn_from_studies(None, old_studies(model, data, seed), seed=seed)
    made: dict[str, Callable[[], BaseSampler]] = {
        "transferred": lambda: TransferSampler(agent, seed=seed),
        "scratch": lambda: TransferSampler(seed=seed),
        "tpe": lambda: TPESampler(seed=seed),
        "tpe from the portfolio": lambda: TPESampler(seed=seed),
        "policy alone": lambda: TransferSampler(
            agent, seed=seed, config=agent.config.with_changes({"proposal.surrogate": None})
        ),
        "gp": lambda: GPSampler(seed=seed),
    }
    found = {}
    for method in methods:
        study = optuna.create_study(study_name=data, sampler=made[method]())
        if "portfolio" in method:
            for parameters in replayed(agent, data):
                study.enqueue_trial(parameters)
        study.optimize(_objective(model, data, seed), n_trials=trials)
        values = [float("inf") if trial.value is None else trial.value for trial in study.trials]
        found[method] = np.minimum.accumulate(values).tolist()
    return found


def _objective(model: str, data: str, seed: int) -> Callable[[optuna.Trial], float]:
    function = MODEL_FUNCTIONS[model]
    return lambda trial: function(trial, seed, data)


def table(found: dict[tuple[str, str, int], dict[str, list[float]]], methods: Sequence[str]) -> list[str]:
    """Returns the lines of the comparison: means over problems, intervals over seeds."""
    problems = sorted({(model, data) for model, data, _ in found})
    seeds = sorted({seed for *_, seed in found})
    regrets: dict[str, list[np.ndarray]] = {method: [] for method in methods}
    lines = []
    for model, data in problems:
        own = {method: [] for method in methods}  # type: dict[str, list[np.ndarray]]
        for seed in seeds:
            runs = {method: np.array(values) for method, values in found[model, data, seed].items()}
            least = min(run[-1] for run in runs.values())
            scale = max(runs["tpe"][0] - least, 1e-9)
            for method in methods:
                own[method].append((runs[method][[mark - 1 for mark in MARKS]] - least) / scale)
        for method in methods:
            regrets[method].append(np.array(own[method]))
        medians = [
            f"{method} {'/'.join(f'{100 * v:.2g}' for v in np.median(own[method], axis=0))}" for method in methods
        ]
        lines.append(f"{model} on {data}: {'; '.join(medians)}")
    shown = [f"{'regret in % after':26s}" + "".join(f"{mark:>22d}" for mark in MARKS)]
    for method in methods:
        mean = 100 * np.array(regrets[method]).mean(axis=0)  # [seeds, marks]
        shown.append(f"{method:26s}" + "".join(f"{_interval(column):>22s}" for column in mean.T))
    for method in methods[1:]:
        apart = 100 * (np.array(regrets[methods[0]]) - np.array(regrets[method])).mean(axis=0)
        shown.append(f"{'less ' + method:26s}" + "".join(f"{_interval(column):>22s}" for column in apart.T))
    return [*shown, *lines]


def _interval(values: np.ndarray) -> str:
    interval = mean_interval(values)
    return f"{interval.mean:.1f} ({interval.low:.1f} to {interval.high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=(DEVELOPMENT, HELD_OUT), default=DEVELOPMENT)
    parser.add_argument("--model", action="append", help="of the half; may be repeated")
    parser.add_argument("--method", action="append", choices=METHODS, help="may be repeated; the first four by default")
    parser.add_argument("--replicas", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first replica")
    parser.add_argument("--trials", type=int, default=max(MARKS))
    parser.add_argument("--out", type=Path, default=Path("runs/number_transfer"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    arguments.out.mkdir(parents=True, exist_ok=True)
    methods = list(dict.fromkeys(["transferred", *(arguments.method or METHODS[:4]), "tpe"]))
    path, found = arguments.out / "searches.jsonl", {}
    for line in path.read_text(encoding="utf8").splitlines() if path.exists() else []:
        one = json.loads(line)
        found[one["model"], one["data"], one["seed"]] = one["best"]
    wanted = [
        (model, data, seed)
        for model in arguments.model or MODELS[arguments.half]
        for data in DATA
        for seed in range(arguments.seed, arguments.seed + arguments.replicas)
    ]
    with open(path, "a", encoding="utf8") as file:
        for model, data, seed in wanted:
            if set(methods) <= found.get((model, data, seed), {}).keys():
                continue
            found[model, data, seed] = best = searched(model, data, methods, seed, arguments.trials)
            file.write(json.dumps({"model": model, "data": data, "seed": seed, "best": best}) + "\n")
            file.flush()
            print(f"{model} on {data}, seed {seed}", file=sys.stderr, flush=True)
    print("\n".join(table({key: found[key] for key in wanted}, methods)))
    print(f"Each search is in {path}.")


if __name__ == "__main__":
    main()
