"""What it costs to find a cell of NAS-Bench-101 in its table: the fast hash against the official way, in one run.

A look-up starts from the positions of the actions of the 26 choices and ends at the row of the table, or at -1 where
there is none. The method prunes one cell at a time, takes its md5 graph hash and looks it up in a dictionary, as the
public `nasbench` package does. No data is needed: the table is the enumeration of all cells, without accuracies.

    python profiling/cell_lookup.py
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from transfernas_bench.benchmarks.cell_hash import enumerate_cells, graph_hash
from transfernas_bench.benchmarks.cells import MAX_EDGES, VERTICES, unpack
from transfernas_bench.benchmarks.nasbench101 import CellIndex, CellTable, cell_problem
from transfernas_bench.benchmarks.tabular import Table

BATCHES = (1, 50, 200, 10_000)


def table_without_accuracies() -> CellTable:
    """Returns all cells, every accuracy 0."""
    adjacency, ops = enumerate_cells()
    zeros = np.zeros(len(ops))
    return CellTable("none", adjacency, ops, Table(zeros[:, None], np.ones(len(ops), int), zeros), zeros)


def official_row(adjacency: np.ndarray, ops: np.ndarray, row_of: dict[str, int]) -> int:
    """Returns the row of one cell by its official hash, -1 where it has none."""
    from_input, to_output = {0}, {VERTICES - 1}
    for vertex in range(1, VERTICES):
        if any(adjacency[earlier, vertex] for earlier in from_input):
            from_input.add(vertex)
    for vertex in reversed(range(VERTICES - 1)):
        if any(adjacency[vertex, later] for later in to_output):
            to_output.add(vertex)
    kept = sorted(from_input & to_output)
    small = adjacency[np.ix_(kept, kept)]
    if len(kept) < 2 or small.sum() > MAX_EDGES:
        return -1
    return row_of.get(graph_hash(small, ops[kept]), -1)


def official_rows(index: CellIndex, action_indices: np.ndarray, row_of: dict[str, int]) -> list[int]:
    """Returns the row of each cell, one after the other."""
    return [official_row(*cell, row_of) for cell in zip(*unpack(index.codes.rows(action_indices)), strict=True)]


def per_second(look_up: Callable[[], object], cells: int, repeats: int) -> float:
    """Returns how many cells are looked up in a second, by the median time of some repeats."""
    look_up()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        look_up()
        times.append(time.perf_counter() - start)
    return cells / statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official", type=int, default=1000, help="cells that the method looks up")
    arguments = parser.parse_args()
    cells, start = table_without_accuracies(), time.perf_counter()
    index = cell_problem(CellTable(cells.name, cells.adjacency, cells.ops, cells.validation, cells.test)).index
    result: dict[str, float] = {"index_seconds": time.perf_counter() - start}

    choices = [len(choice.actions) for choice in index.codes.space.choices]
    action_indices = np.random.default_rng(0).integers(choices, size=(20_000, len(choices)))
    action_indices = action_indices[index.valid(action_indices)][: max(BATCHES)]
    few = action_indices[: arguments.official]
    rows = index.rows(few)
    # A dictionary of the cells asked for alone: a look-up in it takes as long, and it is made in seconds.
    row_of = {graph_hash(cells.adjacency[row], cells.ops[row]): row for row in rows.tolist()}
    assert official_rows(index, few, row_of) == rows.tolist()

    result["official_per_second"] = per_second(lambda: official_rows(index, few, row_of), len(few), 3)
    for batch in BATCHES:
        repeats = max(10, min(1000, 20_000 // batch))
        speed = per_second(lambda part=action_indices[:batch]: index.rows(part), batch, repeats)  # type: ignore[misc]
        result |= {f"batch_{batch}_per_second": speed, f"batch_{batch}_ratio": speed / result["official_per_second"]}
        result[f"batch_{batch}_valid_per_second"] = per_second(
            lambda part=action_indices[:batch]: index.valid(part),  # type: ignore[misc]
            batch,
            repeats,
        )
    print(json.dumps({name: round(value, 2) for name, value in result.items()}, indent=1))


if __name__ == "__main__":
    main()
