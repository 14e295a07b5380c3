"""Hashes of cells that do not depend on the order of the vertices, and the enumeration of all cells.

`benchmarks/cells.py` describes the shapes and the codes.
"""

import functools
import hashlib
import itertools
from collections.abc import Callable

import numpy as np
from jaxtyping import Int, UInt8, UInt64

from .cells import (
    ALL_EDGES,
    EDGES,
    FIRST_OPERATION,
    INPUT,
    MAX_EDGES,
    NONE,
    OP_BITS,
    OPERATIONS,
    OUTPUT,
    VERTICES,
    Adjacency,
    Ops,
    code_ops,
    edges_left,
    edges_within,
    kept_vertices,
    pack,
    prune,
    unpack,
)

ProgressFn = Callable[[int, int], None]
"""Function that receives the number of labelled cells done and the total number."""

_CHUNK = 2048  # cells refined at once, so that the arrays stay in the processor's cache
_ROUNDS = VERTICES  # the official hash has as many rounds as the cell has vertices; further rounds have no effect

_LABEL, _IN, _OUT, _LAST, _MIX1, _MIX2 = np.array(
    [0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7, 0xABC98388FB8FAC03]
    + [0xBF58476D1CE4E5B9, 0x94D049BB133111EB],
    np.uint64,
)


def graph_hash(adjacency: UInt8[np.ndarray, "slots slots"], ops: UInt8[np.ndarray, "slots"]) -> str:
    """Returns the official md5 hash of a pruned cell, the key of the published table.

    Args:
        adjacency: Shape `[slots, slots]`, with or without unused vertices.
        ops: Shape `[slots]`, the kind of each vertex.
    """
    numbers = range(int((ops != NONE).sum()))
    edges = adjacency[: len(numbers), : len(numbers)].astype(np.int64)
    official = {INPUT: -1, OUTPUT: -2}
    labels = [official.get(op, op - FIRST_OPERATION) for op in ops[: len(numbers)].tolist()]
    hashes = [_md5(str(local)) for local in zip(edges.sum(1).tolist(), edges.sum(0).tolist(), labels, strict=True)]
    for _ in numbers:
        before = [sorted(hashes[w] for w in numbers if edges[w, v]) for v in numbers]
        behind = [sorted(hashes[w] for w in numbers if edges[v, w]) for v in numbers]
        hashes = [_md5("".join(before[v]) + "|" + "".join(behind[v]) + "|" + hashes[v]) for v in numbers]
    return _md5(str(sorted(hashes)))


def fast_hash(adjacency: Adjacency, ops: Ops) -> UInt64[np.ndarray, "batch"]:
    """Returns hashes of pruned cells that are equal for cells of the same official hash.

    The colours of the vertices are refined as in the official hash, but with sums of mixed colours of the predecessors
    and successors instead of sorted texts, which is hundreds of times faster in batches. All 423,624 cells of the table
    have different hashes.

    Raises:
        ValueError: An array is not a batch of cells.
    """
    return hash_codes(pack(adjacency, ops))


def hash_codes(codes: Int[np.ndarray, "batch"]) -> UInt64[np.ndarray, "batch"]:
    """Returns the `fast_hash` of each cell after pruning; 0 if no vertex is left."""
    if len(codes) > _CHUNK:
        return np.concatenate([hash_codes(codes[start : start + _CHUNK]) for start in range(0, len(codes), _CHUNK)])
    kept = kept_vertices(codes)
    there = ((kept >> np.arange(VERTICES)[:, None]) & 1).astype(np.uint64)
    label = code_ops(codes).T * there
    # The batch is the last axis, so that every operation runs along the batch.
    edges = (codes & edges_within()[kept]).astype(np.int32)
    neighbours = ((edges >> _neighbour_bits()[:, :, None]) & 1).astype(np.uint64)
    colour = _step(label * _LABEL, neighbours.sum(axis=1))
    for _ in range(_ROUNDS):
        colour = _step(colour, np.einsum("nvb,vb->nb", neighbours, colour))
    return np.where(kept == 0, np.uint64(0), _mix((_mix(colour + _LAST) * there).sum(axis=0)))


def enumerate_cells(progress: ProgressFn = lambda done, total: None) -> tuple[Adjacency, Ops]:
    """Returns every cell of 2 to 7 vertices and at most 9 edges once: the 423,624 cells of the published table.

    Of isomorphic cells, the cell with the lowest code is kept. The enumeration hashes 1,293,208 labelled cells and
    takes a few seconds.

    Args:
        progress: Function that receives the number of labelled cells done and the total number.
    """
    codes = labelled_codes()
    hashes = np.empty(len(codes), np.uint64)
    for start in range(0, len(codes), 64 * _CHUNK):
        part = slice(start, start + 64 * _CHUNK)
        hashes[part] = hash_codes(codes[part])
        progress(min(part.stop, len(codes)), len(codes))
    cells = prune(*unpack(codes[np.unique(hashes, return_index=True)[1]]))
    order = np.argsort((cells.ops > 0).sum(axis=1), kind="stable")
    return cells.adjacency[order], cells.ops[order]


def labelled_codes() -> Int[np.ndarray, "codes"]:
    """Returns the codes of all labelled pruned cells of at most 9 edges, with unused vertices before the output."""
    edges = np.arange(ALL_EDGES + 1)
    kept, left = kept_vertices(edges), edges_left(edges)
    whole = (edges & edges_within()[kept]) == edges
    found = []
    for inner in range(VERTICES - 1):
        first_places = (1 << (VERTICES - 1)) | ((1 << (inner + 1)) - 1)
        graphs = edges[whole & (kept == first_places) & (left <= MAX_EDGES)]
        labels = np.array(list(itertools.product(range(len(OPERATIONS)), repeat=inner)), np.int64) + FIRST_OPERATION
        found.append((graphs[:, None] | (labels << OP_BITS[:inner]).sum(axis=1)).ravel())
    return np.sort(np.concatenate(found))


def _step(colour: UInt64[np.ndarray, "7 batch"], sums: UInt64[np.ndarray, "14 batch"]) -> UInt64[np.ndarray, "7 batch"]:
    """Returns the colours after a round, from the sums over the predecessors and successors of each vertex."""
    return _mix(colour + sums[:VERTICES] * _IN + sums[VERTICES:] * _OUT)


def _mix(value: UInt64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
    """Returns each number under a bijective mixing function (the last steps of SplitMix64)."""
    value = (value ^ (value >> np.uint64(30))) * _MIX1
    value = (value ^ (value >> np.uint64(27))) * _MIX2
    return value ^ (value >> np.uint64(31))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@functools.cache
def _neighbour_bits() -> Int[np.ndarray, "14 7"]:
    """Returns the bit of the edge from w to v at [v, w], and from v to w at [7 + v, w]; 31 if there is no such edge."""
    bits = np.full((2 * VERTICES, VERTICES), 31, np.int32)
    for bit, (x, y) in enumerate(EDGES):
        bits[y, x] = bits[VERTICES + x, y] = bit
    return bits
