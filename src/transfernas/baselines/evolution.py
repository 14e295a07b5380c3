"""Regularized evolution (Real et al. 2018): tournament selection, and the oldest member dies."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from ..searcher import OpenTrial, Searcher, SearcherState, check_seed
from ..spaces.condition import Action, Config, as_tuple
from ..spaces.problem import Problem
from .once import BuiltNetwork, EvaluatedNetworks, add_network, build_network, draw_new_config
from .random import MAX_CANDIDATES, RandomState, at_state, first_valid, random_action, random_config, state_of

_TRIES = 10  # refused children, after which the number of mutations of a child grows by one

MutateFn = Callable[[Problem, Config, np.random.Generator], dict[str, Action]]
"""Function from a problem, a parent and a generator to a child; it is called again until the child is valid."""


def mutate(problem: Problem, parent: Config, rng: np.random.Generator) -> dict[str, Action]:
    """Returns the parent with another action, or another number of its range, for a random choice.

    Choices that become active are drawn.

    If no active choice has a second action, the child equals the parent.
    """
    made = [choice for choice in problem.space.choices if choice.name in parent]
    mutable = [choice for choice in made if len(choice.actions) > 1 or choice.numbers is not None]
    if not mutable:
        return dict(parent)
    choice = mutable[rng.integers(len(mutable))]
    if choice.numbers is not None:
        return random_config(problem, rng, {**parent, choice.name: random_action(choice, rng)})
    others = [choice.at(index) for index in range(len(choice.actions)) if index != choice.index(parent[choice.name])]
    return random_config(problem, rng, {**parent, choice.name: others[rng.integers(len(others))]})


def start_configs(
    problems: tuple[Problem, ...], start: Iterable[Config], rng: np.random.Generator
) -> list[dict[str, Action]]:
    """Returns the first configurations of a search, with partial configurations completed at random.

    A partial configuration that no valid configuration contains is left out. If the problem has a key, a configuration
    that builds the network of an earlier configuration is left out as well.

    Args:
        problems: Problems of the search; a single problem unless `start` is empty.
        start: Configurations or parts of configurations.
        rng: Source of randomness; complete configurations draw nothing.

    Raises:
        ValueError: There are a start and several problems.
        TypeError: A member of `start` is not a mapping.
    """
    given = as_tuple(start, "start")
    if given and len(problems) > 1:
        raise ValueError(f"start belongs to one problem, not to {len(problems)}; give each problem its own searcher")
    for config in given:
        if not isinstance(config, Mapping):
            raise TypeError(f'start holds configurations, as in start=[{{"choice": action}}], not {config!r}')
    completed = [_completed(problems[0], config, rng) for config in given]
    found, networks = list[dict[str, Action]](), set[BuiltNetwork]()
    for each in completed:
        network = None if each is None else build_network(problems[0], each)
        if each is not None and (network is None or network not in networks):
            found.append(each)
            networks |= set() if network is None else {network}
    return found


class RegularizedEvolution(Searcher):
    """Mutates the best of a random sample of the youngest trials (Real et al. 2018).

    The default mutation draws an active choice at random and gives it another action. Choices that become active are
    drawn, and choices that become inactive are dropped. Each problem has its own population.

    A configuration may be proposed again. If a problem has a key, an evaluated network is proposed again only after
    1,000 children gave no new network. The parent of each child is drawn anew, and after every 10 refused children the
    number of mutations of a child grows by one.

    Example:
        ```python
        space = SearchSpace("cnn", [Choice("filters", (16, 32)), Choice("kernel size", (3, 5))])
        search = RegularizedEvolution([Problem(space, "digits")], population_size=4, sample_size=2)
        for _ in range(8):
            trial = search.ask()
            search.tell(trial, reward=trial.config["filters"] / 32)
        ```
    """

    def __init__(
        self,
        problems: Iterable[Problem],
        population_size: int = 100,
        sample_size: int = 8,
        seed: int = 0,
        mutation: MutateFn = mutate,
        start: Iterable[Config] = (),
    ) -> None:
        """Creates the searcher.

        Args:
            problems: Problems to search.
            population_size: Size of a population, and number of random trials before the first mutation. Paper: 100.
            sample_size: Number of members that compete to be mutated, drawn without replacement. Paper: 8.
            seed: Seed of all random draws, a whole number of at least 0.
            mutation: Function from a parent to a child.
            start: Configurations to try first, for a search of a single problem. A part of a configuration is completed
                at random. A part that no valid configuration contains is left out.

        Raises:
            ValueError: `problems` is invalid as for any searcher; the seed is not a whole number of at least 0; the
                sizes are not whole numbers with 1 <= sample_size <= population_size; or there are a start and several
                problems.
            TypeError: A member of `start` is not a mapping.
        """
        super().__init__(problems)
        whole = all(type(size) is int for size in (sample_size, population_size))
        if not whole or not 1 <= sample_size <= population_size:
            raise ValueError(
                f"sample_size and population_size must be whole numbers, 1 <= sample_size <= population_size, "
                f"not {sample_size!r} and {population_size!r}"
            )
        self._rng = np.random.default_rng(check_seed(seed))
        self._population_size, self._sample_size, self._mutation = population_size, sample_size, mutation
        waiting = tuple(start_configs(self._problems, start, self._rng))
        populations = {problem.name: () for problem in self._problems}
        self._now = SearcherState(knowledge=_EvolutionState(state_of(self._rng), waiting, populations))

    def _propose(self) -> "tuple[OpenTrial, _EvolutionState]":
        evolved: _EvolutionState = self._now.knowledge
        rng, waiting = at_state(self._rng, evolved.rng), evolved.waiting
        problem = self._problems[rng.integers(len(self._problems))]
        population, pending = evolved.populations[problem.name], (opened.kept for opened in self._open.values())
        if waiting:
            config, network = waiting[0], build_network(problem, waiting[0])
        else:
            bred = functools.partial(self._bred, problem, population, rng)
            config, network = draw_new_config(problem, bred, evolved.evaluated, pending)
        return OpenTrial(problem, config, network), evolved._replace(rng=state_of(rng), waiting=waiting[1:])

    def _passed_over(self) -> "_EvolutionState":
        evolved: _EvolutionState = self._now.knowledge
        return evolved._replace(rng=state_of(self._rng))

    def _close(self, trial: OpenTrial, reward: float | None) -> "_EvolutionState":
        evolved: _EvolutionState = self._now.knowledge
        if reward is None:
            return evolved
        name = trial.problem.name
        population = (*evolved.populations[name], (reward, trial.config))[-self._population_size :]
        populations, evaluated = {**evolved.populations, name: population}, add_network(evolved.evaluated, trial.kept)
        return evolved._replace(populations=populations, evaluated=evaluated)

    def _bred(
        self, problem: Problem, population: "_Population", rng: np.random.Generator, refused: int
    ) -> dict[str, Action]:
        if len(population) < self._population_size:
            return first_valid(problem, lambda: random_config(problem, rng))
        contestants = rng.choice(len(population), self._sample_size, replace=False)
        _, parent = max((population[index] for index in contestants), key=lambda member: member[0])

        def child() -> dict[str, Action]:
            child = self._mutation(problem, parent, rng)
            for _ in range(min(refused // _TRIES, len(parent))):
                child = self._mutation(problem, child, rng)
            return child

        return first_valid(problem, child)


_Population = tuple[tuple[float, Config], ...]


class _EvolutionState(NamedTuple):
    """State of evolution.

    Attributes:
        rng: State of the generator.
        waiting: First configurations that are not proposed yet.
        populations: Rewards and configurations of the youngest trials of each problem.
        evaluated: Networks that were evaluated.
    """

    rng: RandomState
    waiting: tuple[dict[str, Action], ...]
    populations: Mapping[tuple[str, str], _Population]
    evaluated: EvaluatedNetworks = frozenset()


def _completed(problem: Problem, part: Config, rng: np.random.Generator) -> dict[str, Action] | None:
    """Returns a valid configuration that contains the part; None if there is none or 10,000 draws found none."""
    space = problem.space
    try:
        fixed = {name: space[name].value(action) for name, action in part.items()}
    except (KeyError, ValueError):
        return None
    for _ in range(MAX_CANDIDATES):
        config = random_config(problem, rng, fixed)
        if fixed.keys() <= config.keys() and (problem.valid is None or problem.valid(config)):
            return config
        if config.keys() <= fixed.keys():  # no choice was drawn, so the next draw would be the same
            return None
    return None
