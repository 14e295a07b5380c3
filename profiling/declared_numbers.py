"""Functions of numbers searched by an `Agent` over declared ranges, beside `TransferSampler` and Optuna's TPE.

The functions are those of `transfernas compare --suite numbers` without conditional parameters. The regret is the least
value so far, whose minimum is 0 apart from noise and rounding. The script prints medians over the seeds, and how often
the agent is ahead of the other two after the last trial.

    python profiling/declared_numbers.py --half held-out --replicas 20 --seed 500
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna

from transfernas import Agent, Choice, Problem, Range, SearchSpace
from transfernas.integrations.optuna import TransferSampler
from transfernas_bench.benchmarks.number_problems import DEVELOPMENT, FUNCTIONS, HALVES, PROBLEMS, NumberProblem

MARKS = (10, 20, 50, 100)


class Recorder:
    """A trial that notes which parameters a function asks for, and gives the least value of each."""

    number = 0

    def __init__(self) -> None:
        """Starts without parameters."""
        self.choices: list[Choice] = []

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Notes a range of floats."""
        self.choices.append(Choice(name, Range(float(low), float(high), log)))
        return low

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Notes a range of whole numbers."""
        self.choices.append(Choice(name, Range(low, high, log)))
        return low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Notes a list."""
        self.choices.append(Choice(name, choices))
        return choices[0]


def declared(problem: NumberProblem, seed: int) -> list[float]:
    """Returns the values that an agent over the ranges of a problem comes to."""
    recorder = Recorder()
    problem.value(recorder, seed)
    agent, values = Agent([Problem(SearchSpace("numbers", recorder.choices), "function")], seed=seed), list[float]()
    for number in range(max(MARKS)):
        trial = agent.ask()
        values.append(problem.value(optuna.trial.FixedTrial(dict(trial.config), number), seed))
        agent.tell(trial, -values[-1])
    return values


def by_sampler(problem: NumberProblem, seed: int, sampler: optuna.samplers.BaseSampler) -> list[float]:
    """Returns the values that a sampler of Optuna comes to."""
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: problem.value(trial, seed), n_trials=max(MARKS))
    return [float(trial.value or 0.0) for trial in study.trials]


METHODS: dict[str, Callable[[NumberProblem, int], list[float]]] = {
    "Agent": declared,
    "TransferSampler": lambda problem, seed: by_sampler(problem, seed, TransferSampler(seed=seed)),
    "TPE": lambda problem, seed: by_sampler(problem, seed, optuna.samplers.TPESampler(seed=seed)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default=DEVELOPMENT)
    parser.add_argument("--replicas", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first replica")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    chosen = {name: its for name, its in PROBLEMS.items() if its.half == given.half and its.kind == FUNCTIONS}
    seeds = range(given.seed, given.seed + given.replicas)
    print(
        f"{len(chosen)} functions, seeds {seeds[0]} to {seeds[-1]}; medians after {', '.join(map(str, MARKS))} trials"
    )
    ends: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
    for name, problem in chosen.items():
        for method, search in METHODS.items():
            best = np.minimum.accumulate([search(problem, seed) for seed in seeds], axis=1)
            ends[method].append(best[:, -1])
            medians = np.median(best[:, [mark - 1 for mark in MARKS]], axis=0)
            print(f"{name:24s} {method:16s} {', '.join(f'{value:.4g}' for value in medians)}", flush=True)
    mine = np.concatenate(ends["Agent"])
    for method in [*METHODS][1:]:
        share = float((mine < np.concatenate(ends[method])).mean())
        print(f"ahead of {method} after {max(MARKS)} trials in {100 * share:.0f} % of {len(mine)} pairs")


if __name__ == "__main__":
    main()
