"""Searches of numbers from scratch: `TransferSampler` against Optuna's TPE, Gaussian process, CMA-ES, random search.

    python profiling/number_suite.py --half development --replicas 10 --trials 100 --out runs/numbers

Each method has the same seeds, and no trial of another's. Regret is what the best value so far lacks to the least that
is known: the optimum of a function, or the best that any method found with that seed. The table has, for each group of
problems, the geometric mean over problems of the median regret as a multiple of TPE's, how often a method is ahead of
TPE with the same seed (ties count half), and the CPU milliseconds of a trial beside the objective's own.

`policy alone` is the agent without its Gaussian process; `tpe group` is TPE that is multivariate with groups, on
conditional problems. `gp` takes `pip install torch`, `cmaes` takes `pip install cmaes`. An interrupted run goes on:
each search is a line of `searches.jsonl` in the folder.
"""

import argparse
import json
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import optuna
from number_problems import DEVELOPMENT, HELD_OUT, PROBLEMS, NumberProblem
from optuna.samplers import BaseSampler

from transfernas import ProposalConfig, TrainingConfig
from transfernas.integrations.optuna import TransferSampler

MARKS = (10, 20, 50, 100)
_TINY = 1e-9  # regrets that differ by less are equal
_LEAST = 1e-3  # of TPE's regret after the first trials: a ratio of smaller ones says nothing

METHODS: dict[str, Callable[[int], BaseSampler]] = {
    "agent": lambda seed: TransferSampler(seed=seed),
    "policy alone": lambda seed: TransferSampler(
        seed=seed, config=TrainingConfig(proposal=ProposalConfig(surrogate=None))
    ),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "tpe group": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}


def searched(problem: NumberProblem, sampler: BaseSampler, seed: int, trials: int) -> tuple[list[float], float]:
    """Returns the best value so far after each trial, and the CPU seconds beside the objective's."""
    spent = 0.0

    def objective(trial: optuna.Trial) -> float:
        nonlocal spent
        asked = _Timed(trial)
        start = time.process_time()
        value = problem.value(asked, seed)  # type: ignore[arg-type]
        spent += time.process_time() - start - asked.seconds
        return value

    study = optuna.create_study(sampler=sampler)
    start = time.process_time()
    study.optimize(objective, n_trials=trials)
    whole = time.process_time() - start
    values = [float("inf") if trial.value is None else trial.value for trial in study.trials]
    return np.minimum.accumulate(values).tolist(), whole - spent


class _Timed:
    """A trial that knows how long its suggestions took."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial, self.seconds, self.number = trial, 0.0, trial.number

    def __getattr__(self, name: str) -> Callable[..., object]:
        ask = getattr(self._trial, name)

        def timed(*args: object, **kwargs: object) -> object:
            start = time.process_time()
            found = ask(*args, **kwargs)
            self.seconds += time.process_time() - start
            return found

        return timed


def run(names: Iterable[str], methods: Iterable[str], seeds: range, trials: int, path: Path) -> list[dict[str, object]]:
    """Returns all searches, those that the file has among them."""
    found = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()] if path.exists() else []
    done = {(one["problem"], one["method"], one["seed"]) for one in found if len(one["best"]) == trials}
    methods = list(methods)
    with open(path, "a", encoding="utf8") as file:
        for name in names:
            for seed in seeds:
                for method in methods:
                    if (name, method, seed) in done or (method == "tpe group" and not PROBLEMS[name].conditional):
                        continue
                    best, seconds = searched(PROBLEMS[name], METHODS[method](seed), seed, trials)
                    one = {"problem": name, "method": method, "seed": seed, "best": best, "seconds": seconds}
                    file.write(json.dumps(one) + "\n")
                    file.flush()
                    found.append(one)
            print(f"{name}: {len(seeds)} seeds of {len(methods)} methods", file=sys.stderr, flush=True)
    return [one for one in found if len(one["best"]) == trials]


def table(searches: Iterable[Mapping[str, object]], trials: int) -> list[str]:
    """Returns the lines of the comparison with TPE."""
    best: dict[tuple[str, str], dict[int, np.ndarray]] = defaultdict(dict)
    cost: dict[str, list[float]] = defaultdict(list)
    for one in searches:
        best[str(one["problem"]), str(one["method"])][int(str(one["seed"]))] = np.array(one["best"])
        cost[str(one["method"])].append(1e3 * float(str(one["seconds"])) / trials)
    names = [name for name in PROBLEMS if (name, "tpe") in best]
    groups = {
        "all": names,
        "functions, not conditional": [n for n in names if not PROBLEMS[n].model and not PROBLEMS[n].conditional],
        "models, not conditional": [n for n in names if PROBLEMS[n].model and not PROBLEMS[n].conditional],
        "conditional": [n for n in names if PROBLEMS[n].conditional],
    }
    marks = [mark for mark in MARKS if mark <= trials]
    lines = [f"{'':28s}" + "".join(f"{mark:>20d}" for mark in marks) + "    CPU ms a trial"]
    for group, its in groups.items():
        lines.append(f"{group} ({len(its)}): regret as a multiple of TPE's, share of seeds ahead of TPE")
        for method in METHODS:
            shared = [name for name in its if (name, method) in best]
            if not shared or (method == "tpe group" and len(shared) < len(its)):
                continue
            cells = [_against_tpe(best, shared, method, mark) for mark in marks]
            shown = "".join(f"{f'x{ratio:.2f}, {ahead:.2f}':>20s}" for ratio, ahead in cells)
            lines.append(f"  {method:26s}{shown}{np.median(cost[method]):18.1f}")
    for name in names:
        medians = [f"{method} {_medians(best[name, method], marks)}" for method in METHODS if (name, method) in best]
        lines.append(f"{name}: {'; '.join(medians)}")
    return lines


def _medians(runs: Mapping[int, np.ndarray], marks: Iterable[int]) -> str:
    return "/".join(f"{np.median([run[mark - 1] for run in runs.values()]):.4g}" for mark in marks)


def _against_tpe(
    best: Mapping[tuple[str, str], Mapping[int, np.ndarray]], names: Iterable[str], method: str, mark: int
) -> tuple[float, float]:
    ratios, ahead = [], []
    for name in names:
        ours, theirs = best[name, method], best[name, "tpe"]
        seeds = sorted(ours.keys() & theirs.keys())
        known = PROBLEMS[name].least
        least = {
            seed: min(run[seed][-1] for (problem, _), run in best.items() if problem == name and seed in run)
            if known is None
            else known
            for seed in seeds
        }
        mine, its = (np.array([run[seed][mark - 1] - least[seed] for seed in seeds]) for run in (ours, theirs))
        early = np.median([theirs[seed][min(MARKS) - 1] - least[seed] for seed in seeds])
        floor = _LEAST * early + _TINY  # what is below it is as good as the best
        ratios.append(np.log(max(np.median(mine), floor) / max(np.median(its), floor)))
        ahead.append(np.mean((mine < its - _TINY) + 0.5 * (np.abs(mine - its) <= _TINY)))
    return float(np.exp(np.mean(ratios))), float(np.mean(ahead))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=(DEVELOPMENT, HELD_OUT), default=DEVELOPMENT)
    parser.add_argument("--problem", action="append", choices=PROBLEMS, help="only this one; may be repeated")
    parser.add_argument(
        "--method", action="append", choices=METHODS, help="may be repeated; agent, tpe, random by default"
    )
    parser.add_argument("--replicas", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first replica")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("runs/numbers"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.problem or [name for name, problem in PROBLEMS.items() if problem.half == arguments.half]
    seeds = range(arguments.seed, arguments.seed + arguments.replicas)
    methods = list(dict.fromkeys([*(arguments.method or ("agent", "random")), "tpe"]))
    path = arguments.out / "searches.jsonl"
    searches = run(names, methods, seeds, arguments.trials, path)
    chosen = [one for one in searches if one["problem"] in names and one["method"] in methods and one["seed"] in seeds]
    print("\n".join(table(chosen, arguments.trials)))
    print(f"Each search is in {path}.")


if __name__ == "__main__":
    main()
