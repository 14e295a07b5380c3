"""NAS-Bench-Graph (Qin et al. 2022): cells of graph networks with 4 operations, on nine graphs.

The accuracies come with the package `nas-bench-graph` (extra `bench`), fractions in [0, 1]. Each is the mean over three
seeds, so rewards have no noise. The graph "proteins" has areas under the ROC curve instead. Isomorphic cells share a
row: of the 59,049 configurations, 59,040 are cells, of which 26,206 differ (for "proteins", which has fewer operations:
5,625, 5,616 and 2,021). The nine configurations of four skips are not cells, and are invalid.
"""

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from transfernas.extras import needed
from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import Config
from transfernas.spaces.problem import Problem
from transfernas.spaces.space import SearchSpace

from .tabular import ProductIndex, Table, TabularProblem, check_task, every_config, noisy_objective

# The source of each of the 4 vertices: 0 is the input, 1 to 3 a vertex. Vertices that are no source make the output.
STRUCTURES = ("0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123")
OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
PROTEINS_OPERATIONS = ("gcn", "sage", "arma", "fc", "skip")
TASKS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins")
_STRUCTURE, _VERTICES = "structure", 4


def cell_space(operations: tuple[str, ...] = OPERATIONS, name: str = "nasbench_graph") -> SearchSpace:
    """Returns the space of cells with given operations at their vertices.

    Args:
        operations: Allowed operations, in any order; all by default.
        name: Name of the space.

    Raises:
        ValueError: An operation is unknown.
    """
    _check_operations(operations, OPERATIONS, "NAS-Bench-Graph")
    vertices = [Choice(f"operation {vertex}", operations) for vertex in range(1, _VERTICES + 1)]
    return SearchSpace(name, [Choice(_STRUCTURE, STRUCTURES), *vertices])


def sub_spaces() -> tuple[SearchSpace, SearchSpace]:
    """Returns two spaces that divide the operations of the whole space: well-known layers, and the others."""
    known = ("gat", "gcn", "cheb", "sage")
    others = tuple(operation for operation in OPERATIONS if operation not in known)
    return cell_space(known, "nasbench_graph gat gcn cheb sage"), cell_space(others, "nasbench_graph others")


@dataclass(frozen=True, slots=True)
class GraphIndex:
    """Map from configurations of a space of graph cells to rows of the table.

    Attributes:
        codes: Map from configurations to their numbers in the product of structures and operations.
        code_rows: Shape `[codes]`, the row of each number; -1 for a number that is not a cell.
    """

    codes: ProductIndex
    code_rows: Int[np.ndarray, "codes"]

    def rows(self, action_indices: Int[np.ndarray, "configs choices"]) -> Int[np.ndarray, "configs"]:
        """Returns the row of each configuration from the positions of its actions.

        Raises:
            ValueError: A configuration is not a cell of the table.
        """
        rows = self.code_rows[self.codes.rows(action_indices)]
        if (rows < 0).any():
            raise ValueError(
                f"configuration {(rows < 0).argmax()} of {len(rows)} is not a cell of the table: all its operations "
                f"are skips; evaluate only what valid accepts"
            )
        return rows

    def row(self, config: Config) -> int:
        """Returns the row of a configuration.

        Raises:
            ValueError: The configuration is not a cell of the table.
        """
        choices = self.codes.space.choices
        return int(self.rows(np.array([[choice.index(config[choice.name]) for choice in choices]]))[0])

    def valid(self, action_indices: Int[np.ndarray, "configs choices"]) -> Bool[np.ndarray, "configs"]:
        """Returns whether each configuration, as positions of actions, is a cell of the table."""
        return self.code_rows[self.codes.rows(action_indices)] >= 0

    def valid_config(self, config: Config) -> bool:
        """Returns whether a configuration is a cell of the table."""
        return bool(self.code_rows[self.codes.row(config)] >= 0)


@dataclass(frozen=True, slots=True)
class GraphProblem(TabularProblem):
    """A space of graph cells with the accuracies of all cells.

    Attributes:
        problem: The problem.
        index: Map from configurations to rows of the table.
        table: Validation accuracies.
        test_table: Shape `[rows]`, test accuracies.
    """

    index: GraphIndex
    test_table: Float[np.ndarray, "rows"]

    def valid(self, action_indices: Int[np.ndarray, "configs choices"]) -> Bool[np.ndarray, "configs"]:
        """Returns whether each configuration, as positions of actions, is a cell of the table."""
        return self.index.valid(action_indices)

    def test(self, action_indices: Int[np.ndarray, "configs choices"]) -> Float[np.ndarray, "configs"]:
        """Returns the test accuracy of each configuration, which searchers do not see."""
        return self.test_table[self.index.rows(action_indices)]

    def every_value(self) -> Float[np.ndarray, "configs"]:
        """Returns the value of every configuration that may be proposed."""
        action_indices = every_config(self.problem.space)
        return self.value(action_indices[self.valid(action_indices)])


def tabular_problem(task: str, space: SearchSpace | None = None, seed: int = 0) -> GraphProblem:
    """Returns a task of NAS-Bench-Graph over the whole space or a sub-space of it.

    Args:
        task: A member of `TASKS`.
        space: A space from `cell_space`; by default that of all operations of the task. "proteins" has
            `PROTEINS_OPERATIONS` alone, and its default space is named "nasbench_graph proteins".
        seed: Seed of the objective's draws, without effect, because the table has a single value for each cell.

    Raises:
        ValueError: The task is unknown, or `cell_space` does not give the space from operations of the task.
        ModuleNotFoundError: The extra `bench` is not installed.
    """
    code_rows, table, test = _tables(task)
    if space is None:
        space = cell_space(PROTEINS_OPERATIONS, "nasbench_graph proteins") if task == "proteins" else cell_space()
    index = GraphIndex(_code_index(space, task), code_rows)
    problem = Problem(space, task, noisy_objective(index, table, seed), index.valid_config)
    return GraphProblem(problem, index, table, test)


def _check_operations(operations: tuple[str, ...], known: tuple[str, ...], where: str) -> None:
    for operation in operations:
        if operation not in known:
            raise ValueError(f"{where} has no operation {operation!r}; it has {known}")


def _operations(task: str) -> tuple[str, ...]:
    return PROTEINS_OPERATIONS if task == "proteins" else OPERATIONS


def _code_index(space: SearchSpace, task: str) -> ProductIndex:
    """Returns the map from configurations to numbers in the product of structures and the task's operations.

    Raises:
        ValueError: The space is not from `cell_space`, or has an operation that the task lacks.
    """
    operations, known = tuple(map(str, space.choices[-1].actions)), _operations(task)
    if not set(operations) <= set(OPERATIONS) or cell_space(operations, space.name) != space:
        raise ValueError(f'search space "{space.name}" is not a space of cells; make it by nasbench_graph.cell_space()')
    _check_operations(operations, known, f"the task {task!r} of NAS-Bench-Graph")
    strides = [len(known) ** power for power in reversed(range(_VERTICES + 1))]
    digits = [range(len(STRUCTURES)), *[[known.index(operation) for operation in operations]] * _VERTICES]
    return ProductIndex(
        space, tuple(tuple(stride * digit for digit in row) for stride, row in zip(strides, digits, strict=True))
    )


@functools.cache
def _tables(task: str) -> tuple[Int[np.ndarray, "codes"], Table, Float[np.ndarray, "rows"]]:
    """Returns the row of each number of a configuration (-1 for none), and the validation and test accuracies."""
    check_task("NAS-Bench-Graph", task, TASKS)
    with needed("bench", "NAS-Bench-Graph"):
        from nas_bench_graph import light_read  # type: ignore[import-untyped]
    bench = light_read(task)  # from hashes to measurements
    ordered = sorted(bench)
    hashes, known = _cell_hashes(_operations(task)), np.array(ordered)
    rows = np.searchsorted(known, hashes).clip(max=len(known) - 1)
    table = Table.of([[float(bench[cell]["valid_perf"])] for cell in ordered])
    test = np.array([float(bench[cell]["perf"]) for cell in ordered])
    return np.where(known[rows] == hashes, rows, -1), table, test


@functools.cache
def _cell_hashes(operations: tuple[str, ...]) -> Int[np.ndarray, "codes"]:
    """Returns the package's hash of each number of a configuration, which isomorphic cells share."""
    from nas_bench_graph import Arch

    links = [[int(vertex) for vertex in structure] for structure in STRUCTURES]
    chosen = list(itertools.product(operations, repeat=_VERTICES))
    return np.array([Arch(list(link), list(each)).valid_hash() for link in links for each in chosen])
