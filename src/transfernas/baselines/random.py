"""Random search: choices uniform, one after the other, until the configuration is valid."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..searcher import OpenTrial, Searcher, SearcherState, check_seed
from ..spaces.condition import Action, Config
from ..spaces.problem import Problem, no_valid
from .once import EvaluatedNetworks, add_network, draw_new_config

MAX_CANDIDATES = 10_000

RandomState = Mapping[str, Any]
"""What a random number generator of NumPy's will draw."""


class RandomSearch(Searcher):
    """Proposes uniform choices; learns nothing.

    A configuration may come again. Where a problem has a key, a network that was evaluated is not proposed again,
    unless 1,000 draws gave no other.
    """

    def __init__(self, problems: Iterable[Problem], seed: int = 0) -> None:
        """Creates the searcher.

        Args:
            problems: the (space, task) pairs to search.
            seed: a whole number of at least 0.

        Raises:
            ValueError: as for any searcher, or the seed is none.
        """
        super().__init__(problems)
        self._rng = np.random.default_rng(check_seed(seed))
        self._now = SearcherState(knowledge=_RandomState(state_of(self._rng)))

    def _propose(self) -> "tuple[OpenTrial, _RandomState]":
        drawn: _RandomState = self._now.knowledge
        rng = at_state(self._rng, drawn.rng)
        problem = self._problems[rng.integers(len(self._problems))]
        pending = (opened.kept for opened in self._open.values())

        def draw(refused: int) -> dict[str, Action]:
            return first_valid(problem, lambda: random_config(problem, rng))

        config, network = draw_new_config(problem, draw, drawn.evaluated, pending)
        return OpenTrial(problem, config, network), drawn._replace(rng=state_of(rng))

    def _passed_over(self) -> "_RandomState":
        drawn: _RandomState = self._now.knowledge
        return drawn._replace(rng=state_of(self._rng))

    def _close(self, trial: OpenTrial, reward: float | None) -> "_RandomState":
        drawn: _RandomState = self._now.knowledge
        return drawn if reward is None else drawn._replace(evaluated=add_network(drawn.evaluated, trial.kept))


class _RandomState(NamedTuple):
    """Where random search stands.

    Attributes:
        rng: what will be drawn.
        evaluated: the networks that were evaluated.
    """

    rng: RandomState
    evaluated: EvaluatedNetworks = frozenset()


def state_of(rng: np.random.Generator) -> RandomState:
    """Returns what a generator will draw, for `at_state`."""
    return rng.bit_generator.state


def at_state(rng: np.random.Generator, state: RandomState) -> np.random.Generator:
    """Returns the generator after it was set to a state: what an interrupted draw took from it is drawn again."""
    rng.bit_generator.state = state
    return rng


def random_config(problem: Problem, rng: np.random.Generator, fixed: Config | None = None) -> dict[str, Action]:
    """Returns a configuration whose choices are uniform over their actions.

    Args:
        problem: the problem.
        rng: the source of randomness.
        fixed: choices to keep where they are active; the rest is drawn.
    """
    config: dict[str, Action] = {}
    while (choice := problem.space.next_choice(config)) is not None:
        if fixed is not None and choice.name in fixed:
            config[choice.name] = fixed[choice.name]
        else:
            config[choice.name] = choice.actions[rng.integers(len(choice.actions))]
    return config


def first_valid(problem: Problem, draw: Callable[[], dict[str, Action]]) -> dict[str, Action]:
    """Draws until the problem takes the configuration for valid.

    Raises:
        ValueError: 10,000 draws gave none.
    """
    for _ in range(MAX_CANDIDATES):
        config = draw()
        if problem.valid is None or problem.valid(config):
            return config
    raise no_valid(problem, MAX_CANDIDATES)
