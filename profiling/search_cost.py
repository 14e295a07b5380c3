"""What a trial costs, ask and tell, as a search grows: the agent, before and after a transfer, and Optuna's TPE.

The spaces are those of the transfer suite; the rewards are made up, so no table is needed. Prints milliseconds, medians
of the 40 trials around each, and how many times what the agent takes TPE takes. On one core:

    taskset -c 0 python profiling/search_cost.py
"""

import statistics
import time

import numpy as np

from transfernas import Agent, Problem, SearchSpace
from transfernas.searcher import Searcher
from transfernas_bench.benchmarks import hpobench, hpolib, nasbench101, nasbench201, nasbench_graph
from transfernas_bench.optuna_searcher import OptunaSearcher

SPACES = {
    "NAS-Bench-201": nasbench201.cell_space(),
    "NAS-Bench-Graph": nasbench_graph.cell_space(),
    "HPOLib": hpolib.mlp_space(),
    "HPOBench": hpobench.mlp_space(),
    "NAS-Bench-101": nasbench101.cell_space(),
}
MARKS = (100, 200, 1_000)
AROUND = 20


def milliseconds(searcher: Searcher, trials: int) -> list[float]:
    """Returns how long each trial of a search takes."""
    rng, found = np.random.default_rng(0), list[float]()
    for _ in range(trials):
        started = time.perf_counter()
        trial = searcher.ask()
        asked = time.perf_counter()
        # A reward that can be learned: it prefers the first action of every choice, with noise.
        choices = trial.problem.space.choices
        good = sum(c.index(trial.config[c.name]) == 0 for c in choices if c.name in trial.config)
        reward = good / len(choices) + 0.1 * rng.standard_normal()
        told = time.perf_counter()
        searcher.tell(trial, reward)
        found.append(1e3 * (asked - started + time.perf_counter() - told))
    return found


def at(costs: list[float], mark: int) -> float:
    """Returns the median cost around a trial."""
    return statistics.median(costs[mark - AROUND : mark + AROUND])


def compare(name: str, space: SearchSpace) -> None:
    problem = Problem(space, "task")
    source = Agent([problem])
    trials = MARKS[-1] + AROUND
    costs = {
        "agent": milliseconds(source, trials),
        "agent, transferred": milliseconds(source.transfer_to([Problem(space, "another")]), trials),
        "TPE": milliseconds(OptunaSearcher([problem]), trials),
    }
    for who, found in costs.items():
        shown = ", ".join(f"{at(found, mark):6.2f} ms at {mark:,}" for mark in MARKS)
        ratio = ", ".join(f"{at(costs['TPE'], mark) / at(found, mark):.1f}" for mark in MARKS)
        print(f"{name:16s} {who:18s} {shown}" + ("" if who == "TPE" else f"; TPE takes {ratio} times that"), flush=True)


if __name__ == "__main__":
    for name, space in SPACES.items():
        compare(name, space)
