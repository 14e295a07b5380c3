"""Where a compact file of NAS-Bench-101 may be: tests that need one are skipped where it is missing."""

import os
from pathlib import Path

import numpy as np

from transfernas_bench.benchmarks.cell_hash import graph_hash

TABLE = Path(
    os.environ.get("TRANSFERNAS_NASBENCH101", Path(__file__).parent.parent / "../shared/data/nasbench101-surrogate.npz")
)
MISSING = f"no table of NAS-Bench-101 at {TABLE}; name one in TRANSFERNAS_NASBENCH101"


Cell = tuple[np.ndarray, np.ndarray]
Arrays = dict[str, np.ndarray]


def padded(edges: list[tuple[int, int]], ops: list[int]) -> Cell:
    adjacency = np.zeros((7, 7), np.uint8)
    for x, y in edges:
        adjacency[x, y] = 1
    return adjacency, np.array(ops + [0] * (7 - len(ops)), np.uint8)


KNOWN = padded([(0, 1), (0, 4), (0, 5), (1, 2), (2, 3), (2, 6), (3, 5), (4, 5), (5, 6)], [1, 2, 4, 2, 2, 3, 5])
CELLS = [KNOWN, padded([(0, 1)], [1, 5]), padded([(0, 1), (1, 2)], [1, 3, 5]), padded([(0, 1), (1, 2)], [1, 4, 5])]


def batch(*cells: Cell) -> Cell:
    return np.stack([adjacency for adjacency, _ in cells]), np.stack([ops for _, ops in cells])


def few_arrays() -> Arrays:
    """A table of four cells."""
    adjacency, ops = batch(*CELLS)
    runs = np.arange(12, dtype=np.float32).reshape(4, 3) / 20
    return {
        "hash": np.array([graph_hash(*cell) for cell in CELLS], "S32"),
        "num_vertices": np.array([7, 2, 3, 3], np.uint8),
        "adjacency": adjacency,
        "ops": ops,
        "val_acc": runs,
        "test_acc": runs + np.float32(0.1),
    }
