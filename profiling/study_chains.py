"""Four studies in a row under one `TransferSampler`, then a fifth: a chain against learning from all four at once.

Each chain has five related tasks of a made-up objective with 13 conditional parameters, those of gradient boosting.
Four studies of 100 trials run one after the other under one sampler. The fifth task is then searched by the sampler's
agent (chain), by an agent that learned from the four finished studies with `learn_from_studies` (together), by an agent
that learned from the fourth study alone (last), by a new agent (scratch), and by TPE that starts from the best trial of
each study (replay).

    python profiling/study_chains.py --chains 10 --searches 3 --seed 300

Regret is a share in percent: 0 for the best value of 700 trials of random search and TPE, 100 for the median of 400
random trials.
"""

import argparse
import math
import sys
import warnings

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from transfernas import Agent
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies
from transfernas_bench.experiments.statistics import mean_interval

LINEAR = (("lambda", 1e-4, 1e3), ("alpha", 1e-4, 1e3), ("subsample", 0.1, 1), ("rounds", 3, 2000))
TREE = (
    *(("eta", 1e-4, 1), ("gamma", 1e-4, 7), ("depth", 1, 20), ("child", 1, 150)),
    *(("bytree", 0.01, 1), ("bylevel", 0.01, 1)),
)
DART = (("drop", 0, 1), ("skip", 0, 1))
LOGARITHMIC = ("lambda", "alpha", "rounds", "eta", "gamma", "child")
WHOLE = ("rounds", "depth", "child")
BOOSTERS = ("gbtree", "gblinear", "dart")
STUDIES, OLD_TRIALS = 4, 100
MARKS = (1, 3, 5, 10, 20, 30)
METHODS = ("chain", "together", "last", "scratch", "replay")


class Task:
    """A made-up loss: a weighted square distance from an optimum that tasks of a chain have nearly in common."""

    def __init__(self, chain: int, number: int) -> None:
        """Draws what the chain's tasks share, and what is the task's own."""
        shared, own = np.random.default_rng(chain), np.random.default_rng((chain, number))
        names = [name for name, *_ in (*LINEAR, *TREE, *DART)]
        self._optimum = {n: float(np.clip(shared.uniform(0.1, 0.9) + own.normal(0, 0.22), 0, 1)) for n in names}
        self._weights = {n: float(shared.exponential(1.0) * np.exp(own.normal(0, 0.5))) for n in names}
        losses = np.array([0.0, 1.5, 0.5])[shared.permutation(3)] + own.normal(0, 0.5, 3)
        self._boosters = dict(zip(BOOSTERS, losses - losses.min(), strict=True))
        self._together = names[shared.integers(12)], names[shared.integers(12)], abs(float(shared.normal(0, 1)))

    def __call__(self, trial: optuna.Trial) -> float:
        """Returns the loss."""
        booster = str(trial.suggest_categorical("booster", BOOSTERS))
        asked = (*LINEAR, *(TREE if booster != "gblinear" else ()), *(DART if booster == "dart" else ()))
        apart = {name: _suggested(trial, name, low, high) - self._optimum[name] for name, low, high in asked}
        weight = sum(self._weights[name] for name in apart)
        loss = self._boosters[booster] / 2 + 4 * sum(self._weights[n] * d**2 for n, d in apart.items()) / weight
        one, other, strength = self._together
        return loss + (strength * (apart[one] - apart[other]) ** 2 if one in apart and other in apart else 0.0)


def _suggested(trial: optuna.Trial, name: str, low: float, high: float) -> float:
    """Returns where in its range a parameter lies, from 0 to 1."""
    log = name in LOGARITHMIC
    if name in WHOLE:
        value: float = trial.suggest_int(name, int(low), int(high), log=log)
    else:
        value = trial.suggest_float(name, low, high, log=log)
    return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)


def bounds(task: Task) -> tuple[float, float]:
    """Returns the best value known of a task, and the median of random trials."""
    random, tpe = (optuna.create_study(sampler=made(seed=0)) for made in (RandomSampler, TPESampler))
    random.optimize(task, 400)
    tpe.optimize(task, 300)
    return min(random.best_value, tpe.best_value), float(np.median([trial.values for trial in random.trials]))


def searched(chain: int, searches: int) -> dict[str, np.ndarray]:
    """Returns the mean regret in percent over the searches of a chain's fifth task at the marks, by method."""
    tasks = [Task(chain, number) for number in range(STUDIES + 1)]
    least, middle = bounds(tasks[-1])
    sampler, studies = TransferSampler(seed=chain), list[optuna.Study]()
    for number, task in enumerate(tasks[:-1]):
        studies.append(optuna.create_study(study_name=f"t{number}", sampler=sampler))
        studies[-1].optimize(task, OLD_TRIALS)
    agents: dict[str, Agent | None] = {
        "chain": sampler.agent,
        "together": learn_from_studies(None, studies, seed=chain)[0],
        "last": learn_from_studies(None, studies[-1:], seed=chain)[0],
        "scratch": None,
    }
    found = {}
    for method in METHODS:
        regrets = []
        for seed in range(searches):
            replays = method == "replay"
            made: BaseSampler = TPESampler(seed=seed) if replays else TransferSampler(agents[method], seed=1000 + seed)
            study = optuna.create_study(study_name="fifth", sampler=made)
            for old in reversed(studies) if replays else ():
                study.enqueue_trial(old.best_params)
            study.optimize(tasks[-1], max(MARKS))
            best = np.minimum.accumulate([trial.values[0] for trial in study.trials])
            regrets.append(100 * (best[[mark - 1 for mark in MARKS]] - least) / (middle - least))
        found[method] = np.mean(regrets, axis=0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=10)
    parser.add_argument("--searches", type=int, default=3, help="of each chain's fifth task")
    parser.add_argument("--seed", type=int, default=0, help="of the first chain")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    chains = []
    for chain in range(arguments.seed, arguments.seed + arguments.chains):
        chains.append(searched(chain, arguments.searches))
        print(f"chain {len(chains)} of {arguments.chains}", file=sys.stderr, flush=True)
    print(f"{'regret in % after':20s}" + "".join(f"{mark:>24d}" for mark in MARKS))
    for method in METHODS:
        intervals = [mean_interval(column) for column in np.array([chain[method] for chain in chains]).T]
        print(f"{method:20s}" + "".join(f"{f'{i.mean:.1f} ({i.low:.1f} to {i.high:.1f})':>24s}" for i in intervals))


if __name__ == "__main__":
    main()
