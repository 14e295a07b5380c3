"""Cells of NAS-Bench-101 (Ying et al. 2019) as arrays, checked and pruned.

Shapes: `batch` is the number of cells. A cell has 7 vertices, with unused vertices at the end. `adjacency` is upper
triangular. `ops` has the kind of each vertex: 0 for unused, 1 for the input, 2 to 4 for the `OPERATIONS`, and 5 for the
output, which is the last used vertex.

A *code* is a cell as a single number, with the output always at vertex 7. The lower 21 bits are the edges, column by
column of the adjacency (bit x + y (y - 1) / 2 for the edge from x to y, counted from 0, as in the public `nasbench`
package). Three bits for each of the vertices 2 to 6 follow.
"""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

VERTICES, MAX_EDGES = 7, 9
RUNS = 3  # training runs of each cell
OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
NONE, INPUT, FIRST_OPERATION, OUTPUT = 0, 1, 2, 5
OP_CODES = {
    "input": INPUT,
    **{operation: code for code, operation in enumerate(OPERATIONS, FIRST_OPERATION)},
    "output": OUTPUT,
}
EDGES = tuple((x, y) for y in range(VERTICES) for x in range(y))  # the position of an edge is its bit in a code
ALL_EDGES = (1 << len(EDGES)) - 1

Adjacency = UInt8[np.ndarray, "batch 7 7"]
Ops = UInt8[np.ndarray, "batch 7"]

_COLUMN = tuple(y * (y - 1) // 2 for y in range(VERTICES))  # the first bit of the edges into y
OP_BITS = np.array([len(EDGES) + 3 * number for number in range(VERTICES - 2)])


class Pruned(NamedTuple):
    """Cells without the vertices that are on no path from input to output.

    Attributes:
        adjacency: Shape `[batch, 7, 7]`.
        ops: Shape `[batch, 7]`.
        valid: Shape `[batch]`, False for a cell without a path from input to output, whose arrays are zeros.
    """

    adjacency: Adjacency
    ops: Ops
    valid: Bool[np.ndarray, "batch"]


def prune(adjacency: Adjacency, ops: Ops) -> Pruned:
    """Removes vertices that are on no path from input to output; the others move up and keep their order.

    Raises:
        ValueError: An array is not a batch of cells.
    """
    codes = pack(adjacency, ops)
    adjacency, ops = unpack(codes)
    kept = (kept_vertices(codes)[:, None] >> np.arange(VERTICES)) & 1
    order = np.argsort(1 - kept, axis=1, kind="stable")
    there = np.take_along_axis(kept, order, axis=1).astype(np.uint8)
    moved = np.take_along_axis(adjacency, order[:, :, None], axis=1)
    moved = np.take_along_axis(moved, order[:, None, :], axis=2) * there[:, :, None] * there[:, None, :]
    return Pruned(moved, np.take_along_axis(ops, order, axis=1) * there, kept[:, 0] == 1)


def edges_left(codes: Int[np.ndarray, "batch"]) -> Int[np.ndarray, "batch"]:
    """Returns the number of edges of each cell after pruning; 0 if no path leads from input to output."""
    return np.bitwise_count(codes & edges_within()[kept_vertices(codes)]).astype(np.int64)


def kept_vertices(codes: Int[np.ndarray, "batch"]) -> Int[np.ndarray, "batch"]:
    """Returns a bit mask of the vertices on a path from input to output, bit x for vertex x; 0 without a path."""
    return kept_by_edges()[codes & ALL_EDGES].astype(np.int64)


def pack(adjacency: Adjacency, ops: Ops) -> Int[np.ndarray, "batch"]:
    """Returns the codes of cells.

    Raises:
        ValueError: An array is not a batch of cells.
    """
    check_cells(adjacency, ops)
    output = np.argmax(ops == OUTPUT, axis=1)
    bits = adjacency.astype(np.int64)
    codes = np.zeros(len(ops), np.int64)
    for bit, (x, y) in enumerate(EDGES[: _COLUMN[-1]]):
        codes |= (bits[:, x, y] * (y != output)) << bit
    into = np.take_along_axis(bits, output[:, None, None], axis=2)[:, : VERTICES - 1, 0]
    codes |= (into << (np.arange(VERTICES - 1) + _COLUMN[-1])).sum(axis=1)
    inner = ops[:, 1:-1].astype(np.int64)
    return codes | ((inner * (inner != OUTPUT)) << OP_BITS).sum(axis=1)


def unpack(codes: Int[np.ndarray, "batch"]) -> tuple[Adjacency, Ops]:
    """Returns the cells of codes, with the output at vertex 7."""
    adjacency = np.zeros((len(codes), VERTICES, VERTICES), np.uint8)
    for bit, (x, y) in enumerate(EDGES):
        adjacency[:, x, y] = (codes >> bit) & 1
    return adjacency, code_ops(codes)


def check_cells(adjacency: Adjacency, ops: Ops) -> None:
    """Checks that arrays are a batch of cells.

    Raises:
        ValueError: An array is wrong; the message names the array and the cell.
    """
    if adjacency.shape != (len(ops), VERTICES, VERTICES) or ops.shape != (len(ops), VERTICES):
        raise ValueError(
            f"cells are adjacency [batch, 7, 7] and ops [batch, 7], padded with zeros, not {adjacency.shape} and "
            f"{ops.shape}"
        )
    wrong = ((adjacency > 1) | (adjacency & ~_upper())).any(axis=(1, 2))
    if wrong.any():
        raise ValueError(f"adjacency of cell {wrong.argmax()} is not upper triangular, of 0 and 1")
    behind = np.cumsum(ops == OUTPUT, axis=1)  # 1 from the output on
    wrong = (ops[:, 0] != INPUT) | (behind[:, -1] != 1) | (ops[:, 1:] == INPUT).any(axis=1) | (ops > OUTPUT).any(axis=1)
    wrong |= ((behind > 0) & (ops != OUTPUT) & (ops != NONE)).any(axis=1)
    if wrong.any():
        cell = wrong.argmax()
        raise ValueError(
            f"ops of cell {cell} is {ops[cell].tolist()}; a cell has 1 (input), then 2 to 4 (or 0, no vertex), then 5 "
            f"(output), then 0"
        )
    wrong = ((adjacency.any(axis=1) | adjacency.any(axis=2)) & (ops == NONE)).any(axis=1)
    if wrong.any():
        raise ValueError(f"adjacency of cell {wrong.argmax()} has an edge at a vertex that is unused in ops")


def code_ops(codes: Int[np.ndarray, "batch"]) -> Ops:
    """Returns the kinds of the vertices of each cell, Shape `[batch, 7]`."""
    ops = np.empty((len(codes), VERTICES), np.uint8)
    ops[:, 0], ops[:, -1] = INPUT, OUTPUT
    ops[:, 1:-1] = (codes[:, None] >> OP_BITS) & 7
    return ops


@functools.cache
def kept_by_edges() -> UInt8[np.ndarray, "masks"]:
    """Returns `kept_vertices` of all 2^21 sets of edges: an array of 2 MiB, computed in a fifth of a second."""
    edges = np.arange(ALL_EDGES + 1, dtype=np.int32)
    into = [(edges >> _COLUMN[y]) & ((1 << y) - 1) for y in range(VERTICES)]
    reached, leads = np.ones_like(edges), np.full_like(edges, 1 << (VERTICES - 1))
    for y in range(1, VERTICES):
        reached |= ((into[y] & reached) != 0).astype(np.int32) << y
    for y in reversed(range(1, VERTICES)):
        leads |= into[y] * ((leads >> y) & 1)
    return (reached & (leads * (reached >> (VERTICES - 1)))).astype(np.uint8)


@functools.cache
def edges_within() -> Int[np.ndarray, "128"]:
    """Returns a bit mask of the edges between the vertices of each set of vertices."""
    inside = [[x in kept and y in kept for x, y in EDGES] for kept in map(_members, range(1 << VERTICES))]
    return (np.array(inside, np.int64) << np.arange(len(EDGES))).sum(axis=1)


def _members(vertices: int) -> set[int]:
    return {vertex for vertex in range(VERTICES) if (vertices >> vertex) & 1}


@functools.cache
def _upper() -> UInt8[np.ndarray, "7 7"]:
    return np.triu(np.full((VERTICES, VERTICES), 255, np.uint8), 1)
