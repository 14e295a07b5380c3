"""Methods that search problems of numbers, all as samplers of Optuna, and a single search with its cost."""

import importlib.util
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from transfernas.extras import needed
from transfernas.integrations.optuna import TransferSampler
from transfernas.learning.config import TrainingConfig

from ..benchmarks.number_functions import AskedTrial
from ..benchmarks.number_problems import NumberProblem

with needed("bench", __name__):
    import optuna
    from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler

SamplerFn = Callable[[int, TrainingConfig], BaseSampler]
"""Function from a seed and the settings of the agents to a sampler."""

AfterTrialFn = Callable[[int, float], bool]
"""Function that receives, after every trial, the number of trials and the least value; returns whether to stop."""

GROUPED = "tpe group"
"""Name of TPE with groups of parameters, which differs from TPE on conditional problems alone."""

METHODS: Mapping[str, SamplerFn] = MappingProxyType(
    {
        "agent": lambda seed, config: TransferSampler(seed=seed, config=config),
        "policy alone": lambda seed, config: TransferSampler(
            seed=seed, config=config.with_changes({"proposal.surrogate": None})
        ),
        "tpe": lambda seed, config: TPESampler(seed=seed),
        GROUPED: lambda seed, config: TPESampler(seed=seed, multivariate=True, group=True),
        "random": lambda seed, config: RandomSampler(seed=seed),
        "gp": lambda seed, config: GPSampler(seed=seed),
        "cmaes": lambda seed, config: CmaEsSampler(seed=seed),
    }
)
"""Samplers by method, in the order of tables."""

PACKAGES: Mapping[str, str] = MappingProxyType({"gp": "torch", "cmaes": "cmaes"})
"""Package that a method needs beside those of the extra `bench`; a comparison has these methods on request."""

DEFAULT_METHODS = tuple(method for method in METHODS if method not in PACKAGES)


class NumberSearch(NamedTuple):
    """A search of a problem with a seed.

    Attributes:
        values: Shape `[trials]`, least value so far after each trial.
        cpu_seconds: CPU seconds of the search beside those of the objective.
    """

    values: Float[np.ndarray, "trials"]
    cpu_seconds: float


def check_methods(methods: Iterable[str]) -> None:
    """Checks that the packages of methods are installed.

    Raises:
        ModuleNotFoundError: A package is missing.
    """
    for method in methods:
        package = PACKAGES.get(method)
        if package is not None and importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(f"the method {method} needs {package}: pip install {package}", name=package)


def search_numbers(
    problem: NumberProblem, method: str, config: TrainingConfig, seed: int, trials: int, after_trial: AfterTrialFn
) -> NumberSearch:
    """Minimises a problem by a method.

    Args:
        problem: The problem.
        method: Name of the method.
        config: Settings of the agents.
        seed: Seed of the problem and of the sampler.
        trials: Number of trials.
        after_trial: Function that is called after every trial and may end the search.
    """
    beside = 0.0  # CPU seconds of the objective and of `after_trial`
    least = float("inf")

    def objective(trial: optuna.Trial) -> float:
        nonlocal beside
        asked = _TimedTrial(trial)
        start = time.process_time()
        value = problem.value(asked, seed)
        beside += time.process_time() - start - asked.cpu_seconds
        return value

    def callback(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        nonlocal beside, least
        start = time.process_time()
        least = least if trial.value is None else min(least, trial.value)
        if after_trial(trial.number + 1, least):
            study.stop()
        beside += time.process_time() - start

    with _quiet_optuna():
        study = optuna.create_study(sampler=METHODS[method](seed, config))
        start = time.process_time()
        study.optimize(objective, n_trials=trials, callbacks=[callback])
        whole = time.process_time() - start
    values = [float("inf") if trial.value is None else trial.value for trial in study.trials]
    return NumberSearch(np.minimum.accumulate(np.array(values)), whole - beside)


class _TimedTrial:
    """A trial that measures the CPU seconds of its suggestions, which belong to the sampler."""

    def __init__(self, trial: AskedTrial) -> None:
        self._trial, self.cpu_seconds = trial, 0.0

    @property
    def number(self) -> int:
        return self._trial.number

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        with self._timed():
            return self._trial.suggest_float(name, low, high, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        with self._timed():
            return self._trial.suggest_int(name, low, high, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        with self._timed():
            return self._trial.suggest_categorical(name, choices)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.process_time()
        yield
        self.cpu_seconds += time.process_time() - start


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keeps the log of Optuna's trials, and its warnings about experimental samplers, out of the output."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
