"""The table of NAS-Bench-101: accuracies of the cells, and the row of each cell.

Shapes: `cells` is the number of cells of the table, `batch` that of the cells to look up. `benchmarks/cells.py`
describes the arrays of a cell.
"""

import hashlib
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from .cell_hash import graph_hash, hash_codes
from .cells import (
    ALL_EDGES,
    MAX_EDGES,
    NONE,
    OP_CODES,
    OPERATIONS,
    OUTPUT,
    RUNS,
    VERTICES,
    Adjacency,
    Ops,
    edges_left,
    kept_vertices,
    pack,
)
from .tabular import Table

CELLS = 423_624  # of at most 7 vertices and 9 edges
OFFICIAL, SURROGATE, UNVERIFIED = "NAS-Bench-101", "NAS-Bench-101 surrogate", "NAS-Bench-101, unverified file"

# The arrays that are read, with their types and the shape of an entry.
_ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "hash": ("S32", ()),
    "num_vertices": ("uint8", ()),
    "adjacency": ("uint8", (VERTICES, VERTICES)),
    "ops": ("uint8", (VERTICES,)),
    "val_acc": ("float32", (RUNS,)),
    "test_acc": ("float32", (RUNS,)),
    "is_real": ("bool", ()),  # whether the row's accuracies come from real trainings
    "verified": ("bool", ()),  # whether the row comes from a file with the official checksum
}
_OPTIONAL = ("is_real", "verified")
_REHASHED = 100  # rows whose official hash is computed again, as a check of the arrays


@dataclass(frozen=True, slots=True, eq=False)
class CellTable:
    """Cells with the accuracies of their trainings; the order of the vertices does not matter for a look-up.

    Attributes:
        name: Name under which results on the table are quoted: `OFFICIAL`, `SURROGATE` or `UNVERIFIED`.
        adjacency: Shape `[cells, 7, 7]`, pruned.
        ops: Shape `[cells, 7]`.
        validation: Validation accuracies of the runs, in [0, 1], and their means.
        test: Shape `[cells]`, mean test accuracies, in [0, 1].
    """

    name: str
    adjacency: Adjacency
    ops: Ops
    validation: Table
    test: Float[np.ndarray, "cells"]
    _hashes: UInt64[np.ndarray, "cells"] = field(init=False, repr=False)  # sorted
    _order: Int[np.ndarray, "cells"] = field(init=False, repr=False)  # the rows of the sorted hashes

    def __post_init__(self) -> None:
        """Builds the index.

        Raises:
            ValueError: A cell is invalid, has parts that pruning removes, has more than 9 edges, or occurs twice.
        """
        codes = pack(self.adjacency, self.ops)
        vertices, edges = _vertices(self.ops), np.bitwise_count(codes & ALL_EDGES)
        wrong = (edges_left(codes) != edges) | (np.bitwise_count(kept_vertices(codes)) != vertices)
        wrong |= (self.ops == OUTPUT).argmax(axis=1) != vertices - 1
        if wrong.any():
            raise ValueError(f"adjacency of cell {wrong.argmax()} has parts on no path from input to output, or gaps")
        if (edges > MAX_EDGES).any():
            cell = (edges > MAX_EDGES).argmax()
            raise ValueError(f"adjacency of cell {cell} has {edges[cell]} edges; NAS-Bench-101 has at most {MAX_EDGES}")
        hashes = hash_codes(codes)
        order = np.argsort(hashes)
        hashes = hashes[order]
        if (twice := hashes[1:] == hashes[:-1]).any():
            first = twice.argmax()
            raise ValueError(f"adjacency and ops: cells {order[first]} and {order[first + 1]} are the same cell")
        object.__setattr__(self, "_hashes", hashes)
        object.__setattr__(self, "_order", order)

    @property
    def checksum(self) -> str:
        """SHA-256 of the accuracies."""
        return hashlib.sha256(self.validation.runs.tobytes() + self.test.tobytes()).hexdigest()

    @property
    def complete(self) -> bool:
        """Whether the table has every cell of at most 7 vertices and 9 edges."""
        return len(self.test) == CELLS

    def rows(self, adjacency: Adjacency, ops: Ops) -> Int[np.ndarray, "batch"]:
        """Returns the row of each cell; -1 for a cell without a path from input to output or with more than 9 edges.

        Raises:
            ValueError: An array is not a batch of cells.
        """
        return self.code_rows(pack(adjacency, ops))

    def code_rows(self, codes: Int[np.ndarray, "batch"]) -> Int[np.ndarray, "batch"]:
        """Returns the row of the cell of each code; -1 if the table lacks the cell."""
        rows, possible = np.full(len(codes), -1), _possible(codes)
        hashes = hash_codes(codes[possible])
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        rows[possible] = np.where(self._hashes[places] == hashes, self._order[places], -1)
        return rows

    def code_valid(self, codes: Int[np.ndarray, "batch"]) -> Bool[np.ndarray, "batch"]:
        """Returns whether the table has the cell of each code; a complete table needs no look-up."""
        return _possible(codes) if self.complete else self.code_rows(codes) >= 0

    def best_test(self, vertices: int = VERTICES, operations: Sequence[str] = OPERATIONS) -> float:
        """Returns the best mean test accuracy of the cells with at most `vertices` vertices and given operations.

        Raises:
            ValueError: The table has no such cell.
        """
        return float(self.test[self.inside(vertices, operations)].max())

    def inside(self, vertices: int, operations: Sequence[str]) -> Bool[np.ndarray, "cells"]:
        """Returns whether each cell of the table has at most `vertices` vertices, all with given operations.

        Raises:
            ValueError: The table has no such cell.
        """
        allowed = [OP_CODES[operation] for operation in operations]
        here = np.isin(self.ops[:, 1:], [NONE, OUTPUT, *allowed]).all(axis=1) & (_vertices(self.ops) <= vertices)
        if not here.any():
            raise ValueError(f"the table has no cell of at most {vertices} vertices with the operations {operations}")
        return here


def load_cells(path: Path | str) -> CellTable:
    """Reads and checks a compact file, an `.npz`, in a second or two.

    The file has the arrays of `nasbench101_records.read_records`. The training time and the number of parameters are
    not read. The optional array `is_real` [N] bool is False for accuracies that are not from real trainings.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not an `.npz`, or an array is missing, damaged or wrong; the message names the array.
    """
    try:
        arrays = _read(path)
        _check(arrays)
        runs = arrays["val_acc"].astype(np.float64)
        cells = CellTable(
            name=_name(arrays),
            adjacency=arrays["adjacency"],
            ops=arrays["ops"],
            validation=Table(runs, np.full(len(runs), RUNS), runs.mean(axis=1)),
            test=arrays["test_acc"].mean(axis=1, dtype=np.float64),
        )
        _check_hashes(arrays)
    except ValueError as error:
        raise ValueError(f"{path} is not a table of NAS-Bench-101: {error}") from None
    return cells


def _name(arrays: dict[str, np.ndarray]) -> str:
    if not arrays.get("is_real", np.ones(1)).all():
        return SURROGATE
    return OFFICIAL if arrays.get("verified", np.ones(1)).all() else UNVERIFIED


def _read(path: Path | str) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        try:
            archive = zipfile.ZipFile(file)
            for member in archive.infolist():
                archive.open(member).close()  # a name that differs from the header would hide an optional array
        except Exception:  # a damaged file may raise any error in the parser
            raise ValueError("it is damaged or is not an .npz file") from None
        with archive:
            there = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            arrays = {}
            for name in _ARRAYS:
                if name in there:
                    arrays[name] = _read_array(archive, name)
                elif name not in _OPTIONAL:
                    raise ValueError(f"array {name} is missing; it has {', '.join(there) or 'none'}")
    return arrays


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Reads an array, whose type and shape are checked before its content is decompressed."""
    try:
        if (method := archive.getinfo(f"{name}.npy").compress_type) not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"its compression {method} is not one that NumPy writes")
        with archive.open(f"{name}.npy") as member:
            shape, fortran, dtype = _read_header(member)
            _check_form(name, dtype, shape)
            size = dtype.itemsize * math.prod(shape)
            content = member.read(size)
            if len(content) != size or member.read(1):  # at its end, the archive compares its checksum
                raise ValueError(f"it does not hold the {size} bytes of its shape")
    except _FormError as error:
        raise ValueError(str(error)) from None
    except Exception as error:
        raise ValueError(f"array {name} cannot be read: {error}") from None
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _read_header(member: IO[bytes] | zipfile.ZipExtFile) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(member)
    raise ValueError(f"its format version is {version}")


class _FormError(ValueError):
    """The error of an array with a wrong type or shape."""


def _check_form(name: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if dtype.hasobject:
        raise ValueError("Object arrays are pickles, which are not read")
    wanted, entry = _ARRAYS[name]
    if dtype != np.dtype(wanted) or len(shape) < 1 or shape[1:] != entry:
        form = f"{wanted} [{', '.join(map(str, ('N', *entry)))}]"
        raise _FormError(f"array {name} is {dtype} {list(shape)}; it should be {form}")
    if not 0 <= shape[0] <= CELLS:
        raise _FormError(f"array {name} has {shape[0]} rows; there are {CELLS:,} cells")


def _check(arrays: dict[str, np.ndarray]) -> None:
    count = len(arrays["hash"])
    if not count:
        raise ValueError("array hash is empty")
    for name, array in arrays.items():
        if len(array) != count:
            raise ValueError(f"array {name} has {len(array)} rows, and hash {count}")
    for name in ("val_acc", "test_acc"):
        if not ((arrays[name] >= 0) & (arrays[name] <= 1)).all():
            raise ValueError(f"array {name} has values that are not in [0, 1]; accuracies are fractions")
    if (wrong := arrays["num_vertices"] != _vertices(arrays["ops"])).any():
        row = wrong.argmax()
        raise ValueError(
            f"array num_vertices has {arrays['num_vertices'][row]} in row {row}, where ops has "
            f"{arrays['ops'][row].tolist()}"
        )


def _check_hashes(arrays: dict[str, np.ndarray]) -> None:
    for row in np.unique(np.linspace(0, len(arrays["hash"]) - 1, _REHASHED, dtype=int)):
        found, computed = arrays["hash"][row].decode("latin1"), graph_hash(arrays["adjacency"][row], arrays["ops"][row])
        if found != computed:
            raise ValueError(f"array hash has {found!r} in row {row}, whose adjacency and ops give {computed!r}")


def _possible(codes: Int[np.ndarray, "batch"]) -> Bool[np.ndarray, "batch"]:
    left = edges_left(codes)
    return (left > 0) & (left <= MAX_EDGES)


def _vertices(ops: Ops) -> Int[np.ndarray, "cells"]:
    return (ops != NONE).sum(axis=1)
