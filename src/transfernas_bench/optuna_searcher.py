"""Optuna's samplers: the tree-structured Parzen estimator, Gaussian processes, any other."""

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
from transfernas.spaces.problem import Problem

with needed("bench", __name__):
    import optuna

_MOST_DRAWS = 100  # a draw of a sampler takes longer than one of random search


class SamplerFn(Protocol):
    """From a seed to a sampler: the functions of this module, or a class of Optuna's as it stands."""

    # By keyword: what was the first positional argument of some classes is not the seed.
    def __call__(self, *, seed: int) -> optuna.samplers.BaseSampler:
        """Returns a new sampler."""


def tpe(seed: int) -> optuna.samplers.BaseSampler:
    """Returns a tree-structured Parzen estimator with Optuna's defaults."""
    return optuna.samplers.TPESampler(seed=seed)


def gaussian_process(seed: int) -> optuna.samplers.BaseSampler:
    """Returns a Gaussian process with Optuna's defaults.

    Choices that are not always active are outside the model and drawn uniformly.

    Raises:
        ModuleNotFoundError: torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise ModuleNotFoundError("Optuna's Gaussian processes need torch: pip install torch")
    return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)


class OptunaSearcher(Searcher):
    """Proposes what a sampler of Optuna does, choice by choice; each problem has a study and a sampler of its own.

    What the problem refuses is told to Optuna as pruned, not as failed: samplers ignore what failed, so that they would
    propose it for ever. Trials that are told as failed are.

    A configuration may come again. Where a problem has a key, a network that was evaluated is not proposed again,
    unless 100 draws gave no other. These draws are told to Optuna as pruned too. As failed trials, TPE would draw the
    same networks ten times as often.
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
            problems: the (space, task) pairs to search.
            sampler: from a seed to the sampler of a problem, as `tpe` or `optuna.samplers.TPESampler`.
            seed: a whole number of at least 0.
            start: configurations of the one problem to try first, as `RegularizedEvolution` takes them.
            ordinal: whether the sampler is told the order of the actions of a choice, where they are at least three
                numbers that ascend; their distances it is not told. Otherwise every choice is categorical.

        Raises:
            ValueError: as for any searcher; the seed is none; or there is a start and more than one problem.
            TypeError: the sampler is no function, or the start holds what is no configuration.
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
            positions = {name: space[name].index(action) for name, action in config.items()}
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
            # Only now: what runs is not proposed again, even by a sampler that ignores what was pruned.
            for refused in drawn:
                study.tell(refused, state=optuna.trial.TrialState.PRUNED)

    def _passed_over(self) -> "_SamplerState":
        asked: _SamplerState = self._now.knowledge
        return asked._replace(rng=state_of(self._rng))

    def _close(self, trial: OpenTrial, reward: float | None) -> "_SamplerState":
        state = optuna.trial.TrialState.FAIL if reward is None else optuna.trial.TrialState.COMPLETE
        # An interrupt may come between Optuna, whose studies are changed in place, and what is kept here.
        self._studies[trial.problem.name].tell(trial.kept.trial, reward, state, skip_if_finished=True)
        asked: _SamplerState = self._now.knowledge
        return asked if reward is None else asked._replace(evaluated=add_network(asked.evaluated, trial.kept.network))

    def _suggest(self, problem: Problem, trial: optuna.Trial) -> dict[str, Action]:
        """Returns the configuration of a trial."""
        config: dict[str, Action] = {}
        # Optuna is told positions: to it True, 1 and 1.0 are one.
        while (choice := problem.space.next_choice(config)) is not None:
            if self._ordinal and _has_order(choice):
                position = trial.suggest_int(choice.name, 0, len(choice.actions) - 1)
            else:
                position = trial.suggest_categorical(choice.name, range(len(choice.actions)))
            config[choice.name] = choice.actions[position]
        return config


class _SamplerState(NamedTuple):
    """What the searcher keeps beside Optuna's studies.

    Attributes:
        rng: what will be drawn.
        evaluated: the networks that were evaluated.
    """

    rng: RandomState
    evaluated: EvaluatedNetworks = frozenset()


class _OpenSuggestion(NamedTuple):
    """What is kept of an open trial: Optuna's trial, and what the configuration builds."""

    trial: optuna.Trial
    network: BuiltNetwork | None


def _has_order(choice: Choice) -> bool:
    """Returns whether the actions are numbers that ascend."""
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
