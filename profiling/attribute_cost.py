"""What the note about the proposer of each trial costs in a search by `TransferSampler` with a database of SQLite.

Two searches with the same seeds take turns, two trials each, because two proposers take turns. One writes the user
attribute "transfernas" of each trial, the other one does not. The objective takes no time, so the share is an upper
bound. The ratio is that of the medians over all turns, with a 95 % interval by a bootstrap over the turns. A folder in
memory, as here, leaves out the waiting for a disk:

    TMPDIR=/dev/shm taskset -c 0 python profiling/attribute_cost.py
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from transfernas.integrations.optuna import ATTRIBUTE, TransferSampler

WIDTHS = (3, 10)
WARM = 20  # trials, in which functions are compiled


class Silent(TransferSampler):
    """Writes no attribute."""

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Does nothing."""


def objective_of(parameters: int) -> Callable[[optuna.Trial], float]:
    return lambda trial: sum((trial.suggest_float(f"w{at}", 0.0, 1.0) - 0.5) ** 2 for at in range(parameters))


def seconds(study: optuna.Study, objective: Callable[[optuna.Trial], float]) -> tuple[float, float]:
    """Returns the CPU time and the time of two trials."""
    cpu, begin = time.process_time(), time.perf_counter()
    study.optimize(objective, n_trials=2)
    return time.process_time() - cpu, time.perf_counter() - begin


def turns(parameters: int, trials: int, seed: int, folder: Path) -> np.ndarray:
    """Returns the times, Shape `[turns, with and without, CPU and all]`."""
    objective, storage = objective_of(parameters), f"sqlite:///{folder / f'{parameters}-{seed}.db'}"
    studies = [
        optuna.create_study(study_name=kind.__name__, storage=storage, sampler=kind(seed=seed, task="task"))
        for kind in (TransferSampler, Silent)
    ]
    for study in studies:
        study.optimize(objective, n_trials=WARM)
    found = np.zeros((trials // 2, 2, 2))
    for turn in range(len(found)):
        for which in (0, 1) if turn % 2 else (1, 0):
            found[turn, which] = seconds(studies[which], objective)
    noted = [sum(ATTRIBUTE in trial.user_attrs for trial in study.trials) for study in studies]
    assert noted == [WARM + trials, 0] and same(*studies)
    return found


def same(one: optuna.Study, other: optuna.Study) -> bool:
    return [trial.params for trial in one.trials] == [trial.params for trial in other.trials]


def ratio(times: np.ndarray) -> tuple[float, float, float]:
    """Returns the ratio of the medians, with the ends of its interval; `times` has the Shape `[turns, 2]`."""
    rng = np.random.default_rng(0)
    medians = np.median(times[rng.integers(0, len(times), (2_000, len(times)))], axis=1)
    low, high = np.quantile(medians[:, 0] / medians[:, 1], (0.025, 0.975))
    mine, other = np.median(times, axis=0)
    return float(mine / other), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="trials of each search, after the first twenty")
    parser.add_argument("--seeds", type=int, default=3, help="pairs of searches")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        for parameters in WIDTHS:
            found = np.concatenate([turns(parameters, given.trials, seed, Path(folder)) for seed in range(given.seeds)])
            for at, name in enumerate(("CPU", "all ")):
                value, low, high = ratio(found[..., at])
                each = 500 * np.median(found[..., at], axis=0)
                print(
                    f"{parameters:2d} parameters, {name} time: {each[0]:.2f} ms a trial with the attribute, "
                    f"{each[1]:.2f} without: {value:.3f} times (95 % {low:.3f} to {high:.3f})"
                )


if __name__ == "__main__":
    main()
