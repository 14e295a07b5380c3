"""An agent that learned from a database of old studies, against the other methods: leave one out on a benchmark.

For each replica, SQLite holds a study of each of the benchmark's tasks, made by TPE and random search in turn or by one
of them. For each task an agent learns from the others (`learn_from_studies`) and searches it as `TransferSampler`.
Hyperparameters are suggested as ranges of numbers; the table's nearest configuration is looked up, and one of its runs
drawn. TPE and regularized evolution also start from the agent's own portfolio of old configurations (replaying);
evolution chooses among the table's values.

    python profiling/old_studies.py --makers tpe --tasks kc1 segment blood_transfusion credit_g --replicas 20
    python profiling/old_studies.py --makers tpe --benchmark hpolib --replicas 20
"""

import argparse
import itertools
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from replay import replayed

from transfernas.baselines.evolution import RegularizedEvolution, mutate
from transfernas.files import write_atomically
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies
from transfernas.spaces.condition import Action, Config
from transfernas_bench.benchmarks import hpobench, hpolib
from transfernas_bench.benchmarks.tabular import TabularProblem
from transfernas_bench.experiments.methods import POPULATION, SAMPLE
from transfernas_bench.experiments.statistics import mean_interval

MARKS = (5, 10, 20, 50, 100)
OLD_TRIALS = 100
MAKERS = {"tpe": TPESampler, "random": RandomSampler}


class Benchmark(NamedTuple):
    """The tasks of a table, and the ranges that a user of Optuna would give its hyperparameters.

    Attributes:
        tabular_problem: From a task to its table.
        tasks: The names of the tasks.
        actions: The table's values of each hyperparameter.
        suggest: From a trial to suggested values.
        linear: The hyperparameters whose nearest value is that on a linear scale; the others have a logarithmic one.
    """

    tabular_problem: Callable[[str], TabularProblem]
    tasks: Sequence[str]
    actions: Mapping[str, Sequence[Action]]
    suggest: Callable[[optuna.Trial], Mapping[str, Action]]
    linear: Sequence[str] = ()

    def nearest(self, asked: Mapping[str, Action]) -> dict[str, Action]:
        """Returns the table's configuration that is nearest to these values."""
        return {name: self._nearest(name, value) for name, value in asked.items()}

    def _nearest(self, name: str, value: Action) -> Action:
        actions = self.actions[name]
        if isinstance(value, str):
            return value
        places = np.array([*actions, value], float)
        places = places if name in self.linear else np.log10(places)
        return actions[int(np.abs(places[:-1] - places[-1]).argmin())]


def suggest_hpobench(trial: optuna.Trial) -> dict[str, Action]:
    """Suggests the five hyperparameters of HPOBench's perceptrons."""
    return {
        "alpha": trial.suggest_float("alpha", 1e-8, 1.0, log=True),
        "batch_size": trial.suggest_int("batch_size", 4, 256, log=True),
        "depth": trial.suggest_int("depth", 1, 3),
        "learning_rate_init": trial.suggest_float("learning_rate_init", 1e-5, 1.0, log=True),
        "width": trial.suggest_int("width", 16, 1024, log=True),
    }


def suggest_hpolib(trial: optuna.Trial) -> dict[str, Action]:
    """Suggests the nine hyperparameters of HPOLib's perceptrons."""
    return {
        "activation_fn_1": trial.suggest_categorical("activation_fn_1", ["relu", "tanh"]),
        "activation_fn_2": trial.suggest_categorical("activation_fn_2", ["relu", "tanh"]),
        "batch_size": trial.suggest_int("batch_size", 8, 64, log=True),
        "dropout_1": trial.suggest_float("dropout_1", 0.0, 0.6),
        "dropout_2": trial.suggest_float("dropout_2", 0.0, 0.6),
        "init_lr": trial.suggest_float("init_lr", 5e-4, 1e-1, log=True),
        "lr_schedule": trial.suggest_categorical("lr_schedule", ["cosine", "const"]),
        "n_units_1": trial.suggest_int("n_units_1", 16, 512, log=True),
        "n_units_2": trial.suggest_int("n_units_2", 16, 512, log=True),
    }


BENCHMARKS = {
    "hpobench": Benchmark(hpobench.tabular_problem, hpobench.TASKS, hpobench.ACTIONS, suggest_hpobench),
    "hpolib": Benchmark(
        hpolib.tabular_problem, hpolib.TASKS, hpolib.ACTIONS, suggest_hpolib, linear=("dropout_1", "dropout_2")
    ),
}


class Objective:
    """A task of a benchmark as a user of Optuna would write it."""

    def __init__(self, benchmark: Benchmark, task: str, seed: int) -> None:
        """Takes the task, and a seed for which run is drawn."""
        self._benchmark, self._problem = benchmark, benchmark.tabular_problem(task)
        self._rng = np.random.default_rng(seed)
        self.regrets: list[float] = []
        means = self._problem.table.means
        self._best, self._median = means.max(), np.median(means)

    def __call__(self, trial: optuna.Trial) -> float:
        """Returns the reward of one run of what is suggested."""
        return self.value(self._benchmark.nearest(self._benchmark.suggest(trial)))

    def value(self, config: Config) -> float:
        """Returns the reward of one run of a configuration of the table."""
        row = self._problem.index.row(config)
        table = self._problem.table
        self.regrets.append(float((self._best - table.means[row]) / (self._best - self._median)))
        return float(table.runs[row, self._rng.integers(table.counts[row])])


def regrets_of(values: Sequence[float | None], objective: Objective) -> list[float]:
    """The normalised regret, noise-free, of the trial that looked best so far, after so many trials."""
    found = np.array(values, float)
    return [objective.regrets[int(found[:count].argmax())] for count in MARKS]


def sampled(
    sampler: BaseSampler, benchmark: Benchmark, task: str, seed: int, start: Iterable[Mapping[str, Action]] = ()
) -> list[float]:
    """Returns the regrets of a sampler's study."""
    objective = Objective(benchmark, task, 1_000 + seed)
    study = optuna.create_study(study_name=f"new {task}", direction="maximize", sampler=sampler)
    for parameters in start:
        study.enqueue_trial(dict(parameters))
    study.optimize(objective, n_trials=max(MARKS))
    return regrets_of([trial.value for trial in study.trials], objective)


def evolved(benchmark: Benchmark, task: str, seed: int, start: Iterable[Mapping[str, Action]]) -> list[float]:
    """Returns the regrets of regularized evolution on the table."""
    objective = Objective(benchmark, task, 1_000 + seed)
    problems = (benchmark.tabular_problem(task).problem,)
    started = [benchmark.nearest(each) for each in start]
    search = RegularizedEvolution(problems, POPULATION, SAMPLE, seed, mutate, started)
    values = list[float | None]()
    for _ in range(max(MARKS)):
        trial = search.ask()
        values.append(objective.value(trial.config))
        search.tell(trial, values[-1])
    return regrets_of(values, objective)


def replica(
    benchmark: Benchmark, seed: int, tasks: Sequence[str], makers: Sequence[str], folder: Path
) -> dict[str, list[list[float]]]:
    """Returns the regrets of each method, task by task."""
    storage = f"sqlite:///{folder / f'studies-{seed}.sqlite3'}"
    studies = []
    for number, task in enumerate(benchmark.tasks):
        sampler = MAKERS[makers[(number + seed) % len(makers)]](seed=100 * seed + number)
        study = optuna.create_study(storage=storage, study_name=task, direction="maximize", sampler=sampler)
        study.optimize(Objective(benchmark, task, seed), n_trials=OLD_TRIALS)
        studies.append(study)
    found: dict[str, list[list[float]]] = defaultdict(list)
    for task in tasks:
        agent, _ = learn_from_studies(None, [study for study in studies if study.study_name != task], seed=seed)
        start = replayed(agent, f"new {task}")
        found["transfer"].append(sampled(TransferSampler(agent, seed=seed), benchmark, task, seed))
        found["scratch"].append(sampled(TransferSampler(seed=seed), benchmark, task, seed))
        found["tpe"].append(sampled(TPESampler(seed=5_000 + seed), benchmark, task, seed))
        found["tpe replaying"].append(sampled(TPESampler(seed=5_000 + seed), benchmark, task, seed, start))
        found["evolution replaying"].append(evolved(benchmark, task, 5_000 + seed, start))
    return dict(found)


def shown(values: np.ndarray) -> str:
    """Mean and 95 % interval at each mark, in percent, of an array of shape [tasks, replicas, marks].

    The interval is over replicas, each of them the mean over the tasks.
    """
    intervals = [mean_interval(100 * column) for column in values.mean(axis=0).T]
    return "  ".join(f"{i.mean:6.1f} ({i.low:.1f} to {i.high:.1f})" for i in intervals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--benchmark", choices=BENCHMARKS, default="hpobench")
    parser.add_argument("--tasks", nargs="+", help="that are searched; all by default")
    parser.add_argument("--makers", nargs="+", default=list(MAKERS), choices=MAKERS, help="of the old studies, in turn")
    parser.add_argument("--out", type=Path, default=Path("runs/old_studies"))
    arguments = parser.parse_args()
    benchmark = BENCHMARKS[arguments.benchmark]
    tasks = arguments.tasks or list(benchmark.tasks)
    if unknown := set(tasks) - set(benchmark.tasks):
        parser.error(f"--tasks: {', '.join(sorted(unknown))}; {arguments.benchmark} has {', '.join(benchmark.tasks)}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.replicas):
            rows.append(replica(benchmark, arguments.seed + number, tasks, arguments.makers, Path(folder)))
            print(f"replica {number + 1} of {arguments.replicas}", flush=True)
    curves = {name: np.array([row[name] for row in rows]).swapaxes(0, 1) for name in rows[0]}
    print(f"Normalised regret (%) after {MARKS} trials, {len(tasks)} tasks, {len(rows)} replicas:")
    for name, values in curves.items():
        print(f"{name:32s}{shown(values)}")
    for of, to in itertools.combinations(curves, 2):
        print(f"{of + ' - ' + to:32s}{shown(curves[of] - curves[to])}")
    for at, task in enumerate(tasks):
        means = {name: " ".join(f"{100 * v:.1f}" for v in values[at].mean(axis=0)) for name, values in curves.items()}
        print(f"{task:27s}" + "; ".join(f"{name} {text}" for name, text in means.items()))
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = {"trials": MARKS, "tasks": tasks, "regrets": {n: v.tolist() for n, v in curves.items()}}
    path = arguments.out / "result.json"
    write_atomically(path, json.dumps(found).encode())
    print(f"Results in {path}")


if __name__ == "__main__":
    main()
