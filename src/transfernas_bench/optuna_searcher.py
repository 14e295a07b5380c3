"""Optuna's samplers as searchers: the tree-structured Parzen estimator, Gaussian processes, and any other."""

import importlib.util
import itertools
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np

from transfernas.baselines.evolution import start_configs
from transfernas.baselines.once import BuiltNetwork, EvaluatedNetworks, add_network, draw_new_config
from transfernas.baselines.random import RandomState, at_state, first_valid, state_of
from transfernas.extras import needed
from transfernas.searcher import OpenTrial, Searcher, SearcherState, check_seed
from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import Action, Config, are_numbers
from transfernas.spaces.domain import Range
from transfernas.spaces.problem import Problem

with needed("bench", __name__):
    import optuna

_MOST_DRAWS = 100  # fewer than for random search, because a draw of a sampler takes longer


class SamplerFn(Protocol):
    """Function from a seed to a sampler: a function of this module, or a sampler class of Optuna."""

    # By keyword, because the first positional argument of some classes is not the seed.
    def __call__(self, *, seed: int) -> optuna.samplers.BaseSampler:
        """Returns a new sampler."""


def tpe(seed: int) -> optuna.samplers.BaseSampler:
    """Returns a tree-structured Parzen estimator with Optuna's defaults."""
    return optuna.samplers.TPESampler(seed=seed)


def gaussian_process(seed: int) -> optuna.samplers.BaseSampler:
    """Returns a Gaussian process with Optuna's defaults.

    Choices that are not always active are outside of the model and are drawn uniformly.

    Raises:
        ModuleNotFoundError: PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise ModuleNotFoundError("Optuna's Gaussian processes need torch: pip install torch")
    return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)


class OptunaSearcher(Searcher):
    """Proposes the configurations of an Optuna sampler, choice by choice; each problem has its own study and sampler.

    A configuration that the problem refuses is told to Optuna as pruned, not as failed. Samplers ignore failed trials,
    so they would propose the configuration again and again. A trial that you tell as failed is told as failed.

    A configuration may be proposed again. If a problem has a key, an evaluated network is proposed again only after 100
    draws gave no new network. The refused draws are told as pruned as well. With failed trials instead, TPE would draw
    the same networks ten times as often.
    """

    def __init__(
        self,
        problems: Iterable[Problem],
        sampler: SamplerFn = tpe,
        seed: int = 0,
        start: Iterable[Config] = (),
        ordinal: bool = False,
    ) -> None:
        """Creates the searcher.

        Args:
            problems: Problems to search.
            sampler: Function from a seed to the sampler of a problem, such as `tpe` or `optuna.samplers.TPESampler`.
            seed: Seed of all random draws, a whole number of at least 0.
            start: Configurations to try first, for a search of a single problem; see `RegularizedEvolution`.
            ordinal: Whether a choice with at least three ascending numbers is an integer parameter of positions, so
                that the sampler knows the order but not the distances. Other choices are categorical.

        Raises:
            ValueError: `problems` is invalid as for any searcher; the seed is not a whole number of at least 0; or
                there are a start and several problems.
            TypeError: `sampler` is not callable, or a member of `start` is not a mapping.
        """
        super().__init__(problems)
        if not callable(sampler):
            raise TypeError(f"sampler is a function from a seed to an Optuna sampler, such as tpe; got {sampler!r}")
        self._rng = np.random.default_rng(check_seed(seed))
        self._ordinal = ordinal
        with _no_log_of_new_studies():
            self._studies = {
                problem.name: optuna.create_study(
                    sampler=sampler(seed=int(self._rng.integers(2**32))), direction="maximize"
                )
                for problem in self._problems
            }
        for config in start_configs(self._problems, start, self._rng):
            space = self._problems[0].space
            positions = {
                name: action if space[name].numbers is not None else space[name].index(action)
                for name, action in config.items()
            }
            self._studies[self._problems[0].name].enqueue_trial(positions)
        self._now = SearcherState(knowledge=_SamplerState(state_of(self._rng)))

    def _propose(self) -> "tuple[OpenTrial, _SamplerState]":
        asked: _SamplerState = self._now.knowledge
        rng = at_state(self._rng, asked.rng)
        problem = self._problems[rng.integers(len(self._problems))]
        study = self._studies[problem.name]
        pending = (opened.kept.network for opened in self._open.values())
        drawn: list[optuna.Trial] = []

        def draw() -> dict[str, Action]:
            drawn.append(study.ask())
            return self._suggest(problem, drawn[-1])

        try:
            config, network = draw_new_config(
                problem, lambda refused: first_valid(problem, draw), asked.evaluated, pending, _MOST_DRAWS
            )
            return OpenTrial(problem, config, _OpenSuggestion(drawn.pop(), network)), asked._replace(rng=state_of(rng))
        finally:
            # At the end, because even a sampler that ignores pruned trials does not propose running trials again.
            for refused in drawn:
                study.tell(refused, state=optuna.trial.TrialState.PRUNED)

    def _passed_over(self) -> "_SamplerState":
        asked: _SamplerState = self._now.knowledge
        return asked._replace(rng=state_of(self._rng))

    def _close(self, trial: OpenTrial, reward: float | None) -> "_SamplerState":
        state = optuna.trial.TrialState.FAIL if reward is None else optuna.trial.TrialState.COMPLETE
        # The trial may be finished already: an interrupt may come after the change of Optuna's study.
        self._studies[trial.problem.name].tell(trial.kept.trial, reward, state, skip_if_finished=True)
        asked: _SamplerState = self._now.knowledge
        return asked if reward is None else asked._replace(evaluated=add_network(asked.evaluated, trial.kept.network))

    def _suggest(self, problem: Problem, trial: optuna.Trial) -> dict[str, Action]:
        """Returns the configuration of a trial."""
        config: dict[str, Action] = {}
        # Positions instead of actions, because True, 1 and 1.0 are the same category for Optuna.
        while (choice := problem.space.next_choice(config)) is not None:
            if choice.numbers is not None:
                config[choice.name] = _suggest_number(trial, choice.name, choice.numbers)
                continue
            if self._ordinal and _has_order(choice):
                position = trial.suggest_int(choice.name, 0, len(choice.actions) - 1)
            else:
                position = trial.suggest_categorical(choice.name, range(len(choice.actions)))
            config[choice.name] = choice.actions[position]
        return config


class _SamplerState(NamedTuple):
    """State of the searcher beside Optuna's studies.

    Attributes:
        rng: State of the generator.
        evaluated: Networks that were evaluated.
    """

    rng: RandomState
    evaluated: EvaluatedNetworks = frozenset()


class _OpenSuggestion(NamedTuple):
    """Data of an open trial: Optuna's trial, and the network of the configuration."""

    trial: optuna.Trial
    network: BuiltNetwork | None


def _suggest_number(trial: optuna.Trial, name: str, numbers: Range) -> float:
    low, high, log = numbers.low, numbers.high, numbers.log
    if numbers.integer:
        return trial.suggest_int(name, int(low), int(high), step=int(numbers.step or 1), log=log)
    return trial.suggest_float(name, low, high, step=numbers.step, log=log)


def _has_order(choice: Choice) -> bool:
    """Returns whether the actions are at least three ascending numbers."""
    pairs = itertools.pairwise(choice.actions)
    return are_numbers(choice.actions) and all(low < high for low, high in pairs)  # type: ignore[operator]


@contextmanager
def _no_log_of_new_studies() -> Iterator[None]:
    """Keeps this thread's new studies out of Optuna's log, whose level belongs to the user."""
    thread = threading.get_ident()

    def is_foreign(record: logging.LogRecord) -> bool:
        return record.thread != thread

    log = logging.getLogger(optuna.storages.InMemoryStorage.__module__)
    log.addFilter(is_foreign)
    try:
        yield
    finally:
        log.removeFilter(is_foreign)
