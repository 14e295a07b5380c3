"""Random search: uniform choices in the order of the space, until the configuration is valid."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..searcher import OpenTrial, Searcher, SearcherState, check_seed
from ..spaces.choice import Choice
from ..spaces.condition import Action, Config
from ..spaces.places import value_at
from ..spaces.problem import Problem, no_valid
from .once import EvaluatedNetworks, add_network, draw_new_config

MAX_CANDIDATES = 10_000

RandomState = Mapping[str, Any]
"""State of a random number generator of NumPy."""


class RandomSearch(Searcher):
    """Proposes configurations whose choices are uniform, and does not learn.

    A configuration may be proposed again. If a problem has a key, an evaluated network is proposed again only after
    1,000 draws gave no new network.

    Example:
        ```python
        problem = Problem(SearchSpace("cnn", [Choice("filters", (16, 32))]), "digits")
        search = RandomSearch([problem], seed=0)
        trial = search.ask()
        search.tell(trial, reward=trial.config["filters"] / 32)
        ```
    """

    def __init__(self, problems: Iterable[Problem], seed: int = 0) -> None:
        """Creates the searcher.

        Args:
            problems: Problems to search.
            seed: Seed of all random draws, a whole number of at least 0.

        Raises:
            ValueError: `problems` is invalid as for any searcher, or the seed is not a whole number of at least 0.
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
    """State of random search.

    Attributes:
        rng: State of the generator.
        evaluated: Networks that were evaluated.
    """

    rng: RandomState
    evaluated: EvaluatedNetworks = frozenset()


def state_of(rng: np.random.Generator) -> RandomState:
    """Returns the state of a generator, for `at_state`."""
    return rng.bit_generator.state


def at_state(rng: np.random.Generator, state: RandomState) -> np.random.Generator:
    """Sets a generator to a state and returns the generator, so that an interrupted draw is repeated."""
    rng.bit_generator.state = state
    return rng


def random_config(problem: Problem, rng: np.random.Generator, fixed: Config | None = None) -> dict[str, Action]:
    """Returns a configuration whose choices are uniform over their actions or their ranges.

    Args:
        problem: The problem.
        rng: Source of randomness.
        fixed: Actions of choices to keep if they are active; the other choices are drawn.
    """
    config: dict[str, Action] = {}
    while (choice := problem.space.next_choice(config)) is not None:
        if fixed is not None and choice.name in fixed:
            config[choice.name] = fixed[choice.name]
        else:
            config[choice.name] = random_action(choice, rng)
    return config


def random_action(choice: Choice, rng: np.random.Generator) -> Action:
    """Returns an action of a choice, uniform over its list, or over its range on the scale of the range."""
    if choice.numbers is not None:
        return value_at(choice.numbers, rng.random())
    return choice.at(int(rng.integers(len(choice.actions))))


def first_valid(problem: Problem, draw: Callable[[], dict[str, Action]]) -> dict[str, Action]:
    """Returns the first drawn configuration that the problem accepts.

    Raises:
        ValueError: The problem accepts none of 10,000 draws.
    """
    for _ in range(MAX_CANDIDATES):
        config = draw()
        if problem.valid is None or problem.valid(config):
            return config
    raise no_valid(problem, MAX_CANDIDATES)
