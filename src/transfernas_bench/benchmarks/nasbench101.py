"""NAS-Bench-101 (Ying et al. 2019): cells of at most 7 vertices and 9 edges, as a chain of 26 choices.

The chain is that of the paper, section 4.2: 21 edges, each present or not, then the operations of 5 vertices. Vertex 1
is the input and vertex 7 the output. The paper leaves the order of the edges open. The order here is column by column
of the adjacency, 1-2, 1-3, 2-3, 1-4, ..., as in the public `nasbench` package, so the first ten edges have the same
positions in a chain without vertex 6. The choices of a sub-space keep their names, so the agent shares knowledge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import Action, Config
from transfernas.spaces.problem import Problem
from transfernas.spaces.space import SearchSpace

from .cell_hash import hash_codes
from .cell_table import CellTable as CellTable
from .cell_table import load_cells as load_cells
from .cells import EDGES, MAX_EDGES, OP_BITS, OP_CODES, OPERATIONS, VERTICES
from .tabular import ProductIndex, TabularProblem, noisy_objective

TASK = "cifar10"
_EDGE, _OPERATION = "edge ", "operation "


def cell_space(
    vertices: int = VERTICES, operations: Sequence[str] = OPERATIONS, name: str = "nasbench101"
) -> SearchSpace:
    """Returns the space of cells with a number of vertices and given operations.

    Args:
        vertices: Number of vertices, input and output included; 6 omits vertex 6, and 5 omits the vertices 5 and 6.
        operations: Allowed operations, in any order; all by default.
        name: Name of the space.

    Raises:
        ValueError: The number of vertices is not from 2 to 7, or an operation is unknown.
    """
    if type(vertices) is not int or not 2 <= vertices <= VERTICES:
        raise ValueError(f"a cell of NAS-Bench-101 has 2 to {VERTICES} vertices, not {vertices!r}")
    for operation in operations:
        if operation not in OPERATIONS:
            raise ValueError(f"NAS-Bench-101 has no operation {operation!r}; it has {OPERATIONS}")
    there = (*range(1, vertices), VERTICES)
    edges = [Choice(f"{_EDGE}{x + 1}-{y + 1}", (0, 1)) for x, y in EDGES if x + 1 in there and y + 1 in there]
    return SearchSpace(name, edges + [Choice(f"{_OPERATION}{vertex}", operations) for vertex in there[1:-1]])


def sub_spaces(vertices: int = VERTICES - 1) -> tuple[SearchSpace, SearchSpace]:
    """Returns the paper's sub-spaces: without vertex 6, with the operations {1, 2} and {1, 3} alone.

    Args:
        vertices: Number of vertices of their cells; a number other than the paper's becomes part of the names.

    Raises:
        ValueError: The number of vertices is not from 2 to 7.
    """
    first, second, third = OPERATIONS
    prefix = "nasbench101" if vertices == VERTICES - 1 else f"nasbench101 {vertices} vertices"
    return (
        cell_space(vertices, (first, second), f"{prefix} conv3x3 conv1x1"),
        cell_space(vertices, (first, third), f"{prefix} conv3x3 maxpool3x3"),
    )


@dataclass(frozen=True, slots=True)
class CellIndex:
    """Map from configurations of a space of cells to rows of the table.

    Attributes:
        codes: Map from configurations to codes of cells.
        cells: The table.
    """

    codes: ProductIndex
    cells: CellTable

    def rows(self, action_indices: Int[np.ndarray, "configs choices"]) -> Int[np.ndarray, "configs"]:
        """Returns the row of each configuration from the positions of its actions.

        Raises:
            ValueError: A configuration is not a cell of the table.
        """
        rows = self.cells.code_rows(self.codes.rows(action_indices))
        if (rows < 0).any():
            raise ValueError(
                f"configuration {(rows < 0).argmax()} of {len(rows)} is not a cell of the table: no path leads from "
                f"input to output, or more than {MAX_EDGES} edges are on one; evaluate only what valid accepts"
            )
        return rows

    def row(self, config: Config) -> int:
        """Returns the row of a configuration.

        Raises:
            ValueError: The configuration is not a cell of the table.
        """
        space = self.codes.space
        return int(self.rows(np.array([[choice.index(config[choice.name]) for choice in space.choices]]))[0])

    def valid(self, action_indices: Int[np.ndarray, "configs choices"]) -> Bool[np.ndarray, "configs"]:
        """Returns whether each configuration, as positions of actions, is a cell of the table."""
        return self.cells.code_valid(self.codes.rows(action_indices))

    def valid_config(self, config: Config) -> bool:
        """Returns whether a configuration is a cell of the table."""
        return bool(self.cells.code_valid(np.array([self.codes.row(config)]))[0])

    def network(self, config: Config) -> int:
        """Returns the hash of a configuration's graph, which all configurations of the same cell share.

        The hash is `cell_hash.fast_hash`. Vertices on no path from input to output do not count, and neither does the
        order of the vertices.
        """
        return int(hash_codes(np.array([self.codes.row(config)]))[0])


@dataclass(frozen=True, slots=True)
class CellProblem(TabularProblem):
    """A space of cells with the accuracies of all cells.

    Attributes:
        problem: The problem.
        index: Map from configurations to rows of the table.
        table: Validation accuracies.
    """

    index: CellIndex

    def valid(self, action_indices: Int[np.ndarray, "configs choices"]) -> Bool[np.ndarray, "configs"]:
        """Returns whether each configuration, as positions of actions, is a cell of the table."""
        return self.index.valid(action_indices)

    def test(self, action_indices: Int[np.ndarray, "configs choices"]) -> Float[np.ndarray, "configs"]:
        """Returns the mean test accuracy of each configuration, which searchers do not see."""
        return self.index.cells.test[self.index.rows(action_indices)]

    @property
    def best_test(self) -> float:
        """Best mean test accuracy of the cells of the space, from which regrets are measured."""
        return self.index.cells.best_test(*self._cells_of_the_space)

    def every_value(self) -> Float[np.ndarray, "cells"]:
        """Returns the value of every cell of the space once, although several configurations may give the same cell."""
        return self.table.means[self.index.cells.inside(*self._cells_of_the_space)]

    @property
    def _cells_of_the_space(self) -> tuple[int, tuple[str, ...]]:
        """Largest number of vertices of the cells of the space, and their operations."""
        choices = [choice for choice in self.problem.space.choices if choice.name.startswith(_OPERATION)]
        operations = {str(action): None for choice in choices for action in choice.actions}
        return len(choices) + 2, tuple(operations)


def cell_problem(
    cells: CellTable, space: SearchSpace | None = None, seed: int = 0, each_network_once: bool = False
) -> CellProblem:
    """Returns NAS-Bench-101 over the whole space or a sub-space of it.

    The objective of the problem draws one of the three runs of a cell, so rewards have the noise of training.

    Args:
        cells: The table.
        space: A space from `cell_space`; the whole space by default.
        seed: Seed of the objective's draws.
        each_network_once: Whether the problem has a key, the hash of the graph, so that no searcher evaluates a cell
            twice. The paper's searches may evaluate a cell twice.

    Raises:
        ValueError: The space is not from `cell_space`.
    """
    space = cell_space() if space is None else space
    index = CellIndex(_code_index(space), cells)
    key = index.network if each_network_once else None
    problem = Problem(space, TASK, noisy_objective(index, cells.validation, seed), index.valid_config, key)
    return CellProblem(problem, index, cells.validation)


def mutate_cell(problem: Problem, parent: Config, rng: np.random.Generator) -> dict[str, Action]:
    """Returns the parent with an edge flipped or, with equal chance, another operation at a vertex.

    The mutation is that of the paper's appendix B and of Ying et al. (2019). The edge or vertex is drawn uniformly. The
    child may be invalid.

    Raises:
        ValueError: The space of the problem has no edges, so it is not from `cell_space`.
    """
    mutable = [choice for choice in problem.space.choices if len(choice.actions) > 1]
    edges, operations = ([c for c in mutable if c.name.startswith(kind)] for kind in (_EDGE, _OPERATION))
    if not edges:
        raise ValueError(f'search space "{problem.space.name}" has no edges; mutate_cell needs one of cell_space()')
    choices = operations if operations and rng.integers(2) else edges
    choice = choices[rng.integers(len(choices))]
    others = [action for action in choice.actions if action != parent[choice.name]]
    return {**parent, choice.name: others[rng.integers(len(others))]}


def _code_index(space: SearchSpace) -> ProductIndex:
    """Returns the map from configurations to codes of cells.

    Raises:
        ValueError: The space is not from `cell_space`.
    """
    chosen = [choice for choice in space.choices if choice.name.startswith(_OPERATION)]
    operations = tuple(map(str, chosen[0].actions)) if chosen else OPERATIONS
    known = len(chosen) <= VERTICES - 2 and set(operations) <= set(OPERATIONS)
    if not known or cell_space(len(chosen) + 2, operations, space.name) != space:
        raise ValueError(f'search space "{space.name}" is not a space of cells; make it by nasbench101.cell_space()')
    adds = {f"{_EDGE}{x + 1}-{y + 1}": (0, 1 << bit) for bit, (x, y) in enumerate(EDGES)}
    for vertex, bit in enumerate(OP_BITS.tolist(), start=2):
        adds[f"{_OPERATION}{vertex}"] = tuple(OP_CODES[operation] << bit for operation in operations)
    return ProductIndex(space, tuple(adds[choice.name] for choice in space.choices))
