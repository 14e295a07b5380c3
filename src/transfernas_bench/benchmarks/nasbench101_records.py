"""Reads the official files of NAS-Bench-101 (Ying et al. 2019): training runs become a row for each cell.

The files are TFRecord files. A record is, little-endian: its length (8 bytes), a checksum of the length (4), the data,
and a checksum of the data (4). The checksums are not read, because the SHA-256 of the whole file is checked before. The
data are a training run: JSON `[hash, epochs, adjacency, operations, metrics]`, with the adjacency as a string of 0 and
1, the operations separated by commas, and the metrics as a protocol buffer in base64 with line breaks. A cell has three
runs of 108 epochs, and in `nasbench_full.tfrecord` also runs of 4, 12 and 36 epochs. N in shapes is the number of
cells.
"""

import binascii
import json
import os
import re
import struct
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .cells import OP_CODES, OPERATIONS, RUNS, VERTICES

EPOCHS = 108
_HASH = re.compile("[0-9a-f]{32}")
# For each number of vertices, the bits of an adjacency string, read as a binary number, on or below the diagonal.
_NOT_UPPER = [int("0" + "".join("01"[j <= i] for i in range(v) for j in range(v)), 2) for v in range(VERTICES + 1)]
_DIGITS = bytes.maketrans(b"01", b"\x00\x01")
_PROGRESS_EVERY = 4_000  # records
_HEADER_BYTES, _FRAME_BYTES = 12, 16  # of a record before its data, and in total without its data
_DOUBLE = struct.Struct("<d")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # the types of a protocol buffer's fields


class RecordError(ValueError):
    """The error of a damaged file, of a record that is not of NAS-Bench-101, or of a wrong number of runs of a cell."""


def read_records(path: Path, progress: Callable[[int, int | None], None] | None = None) -> dict[str, np.ndarray]:
    """Returns the runs of 108 epochs as arrays, sorted by hash.

    As in the official API, the first run of a cell gives the data that all its runs share. The runs keep the order of
    the file.

    Args:
        path: An official file, or a file in the same format.
        progress: Function that receives the bytes done and the total bytes, every few thousand records.

    Returns:
        `hash` [N] S32; `num_vertices` [N] uint8; `adjacency` [N, 7, 7] and `ops` [N, 7] uint8, which
        `benchmarks/cells.py` describes; `val_acc` and `test_acc` [N, 3] float32 in [0, 1]; `train_time` [N] float32,
        seconds, the mean over the runs; `params` [N] int32.

    Raises:
        RecordError: The file is damaged, a record is foreign, or a cell does not have three runs; the message names the
            record and the fault.
    """
    cells, done, size = _CellCollector(), 0, path.stat().st_size
    for number, data in enumerate(records(path)):
        done += len(data) + _FRAME_BYTES
        try:
            if (run := _parse(data)) is not None:
                cells.add(run, number)
        except ValueError as error:
            raise RecordError(f"{path}, record {number}: {error}") from None
        if progress is not None and (number % _PROGRESS_EVERY == 0 or done == size):
            progress(done, size)
    if not cells.row_of:
        raise RecordError(f"{path}: it has no record of {EPOCHS} epochs; NAS-Bench-101 has three for each cell")
    for first, runs in zip(cells.first_record, cells.runs, strict=True):
        if runs != RUNS:
            raise RecordError(f"{path}, record {first}: its cell has {runs} runs of {EPOCHS} epochs, not {RUNS}")
    return cells.sorted_arrays()


def records(path: Path) -> Iterator[bytes]:
    """Yields the data of each record; a single record is in memory at a time.

    Raises:
        RecordError: The file ends within a record; the message has the path, the number of the record (from 0), and the
            byte at which the record begins.
        OSError: The file cannot be read.
    """
    with open(path, "rb", buffering=1 << 20) as file:
        size = os.fstat(file.fileno()).st_size
        number = offset = 0
        while offset < size:
            length = int.from_bytes(file.read(_HEADER_BYTES)[:8], "little")
            end = offset + _FRAME_BYTES + length
            if end > size:  # before anything is allocated
                raise RecordError(
                    f"{path}, record {number} at byte {offset}: the file ends within it, after {size} bytes; the file "
                    "is damaged, or is not a TFRecord file"
                )
            yield file.read(length + 4)[:length]
            number, offset = number + 1, end


class _Run(NamedTuple):
    """A training run."""

    hash: str
    adjacency: str
    operations: list[str]
    validation: float
    test: float
    seconds: float
    parameters: int


class _CellCollector:
    """Cells read so far, in columns that grow, because 1.27 million runs as Python objects would take gigabytes."""

    def __init__(self) -> None:
        self.row_of: dict[bytes, int] = {}
        self.hashes, self.vertices, self.runs = bytearray(), bytearray(), bytearray()
        self.adjacency, self.operations = bytearray(), bytearray()
        self.validation, self.test, self.seconds = array("d"), array("d"), array("d")
        self.parameters, self.first_record = array("q"), array("q")

    def add(self, run: _Run, number: int) -> None:
        """Adds the run of a record.

        Raises:
            ValueError: The cell already has three runs.
        """
        key = bytes.fromhex(run.hash)
        row = self.row_of.setdefault(key, len(self.row_of))
        if row == len(self.runs):
            self._add_cell(run, number)
        elif self.runs[row] == RUNS:
            raise ValueError(f"a run of {EPOCHS} epochs of cell {run.hash}, which has {RUNS} already")
        place = row * RUNS + self.runs[row]
        self.validation[place], self.test[place], self.seconds[place] = run.validation, run.test, run.seconds
        self.runs[row] += 1

    def _add_cell(self, run: _Run, number: int) -> None:
        vertices = len(run.operations)
        padding = bytes(VERTICES - vertices)
        digits = run.adjacency.encode().translate(_DIGITS)
        self.hashes += run.hash.encode()
        self.vertices.append(vertices)
        for row in range(vertices):
            self.adjacency += digits[row * vertices : (row + 1) * vertices] + padding
        self.adjacency += padding * VERTICES
        self.operations += bytes([OP_CODES[name] for name in run.operations]) + padding
        self.parameters.append(run.parameters)
        self.first_record.append(number)
        self.runs.append(0)
        for column in (self.validation, self.test, self.seconds):
            column.extend([0.0] * RUNS)

    def sorted_arrays(self) -> dict[str, np.ndarray]:
        """Returns the columns as arrays, sorted by hash."""
        hashes = np.frombuffer(self.hashes, "S32")
        order = np.argsort(hashes)
        count = len(hashes)
        columns = {
            "num_vertices": np.frombuffer(self.vertices, np.uint8),
            "adjacency": np.frombuffer(self.adjacency, np.uint8).reshape(count, VERTICES, VERTICES),
            "ops": np.frombuffer(self.operations, np.uint8).reshape(count, VERTICES),
            "val_acc": np.frombuffer(self.validation).reshape(count, RUNS).astype(np.float32),
            "test_acc": np.frombuffer(self.test).reshape(count, RUNS).astype(np.float32),
            "train_time": np.frombuffer(self.seconds).reshape(count, RUNS).mean(axis=1).astype(np.float32),
            "params": np.frombuffer(self.parameters, np.int64).astype(np.int32),
        }
        return {"hash": hashes[order]} | {name: column[order] for name, column in columns.items()}


def _parse(data: bytes) -> _Run | None:
    """Returns the run of a record; None if the run does not have 108 epochs."""
    try:
        content = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise ValueError("not JSON, as records of NAS-Bench-101 are") from None
    if not isinstance(content, list) or [type(field) for field in content] != [str, int, str, str, str]:
        raise ValueError("not a list [hash, epochs, adjacency, operations, metrics] of strings and one integer")
    name, epochs, adjacency, operations, metrics = content
    if epochs != EPOCHS:
        return None
    if not _HASH.fullmatch(name):
        raise ValueError(f"the hash {name[:80]!r} is not 32 hexadecimal digits")
    names = operations.split(",")
    _check_cell(adjacency, names)
    return _Run(name, adjacency, names, *_parse_metrics(metrics))


def _check_cell(adjacency: str, operations: list[str]) -> None:
    count = len(operations)
    if not 2 <= count <= VERTICES:
        raise ValueError(f"{count} operations; a cell has 2 to {VERTICES}, input and output included")
    if operations[0] != "input" or operations[-1] != "output":
        raise ValueError(f"operations from {operations[0]!r} to {operations[-1]!r}, not from 'input' to 'output'")
    for operation in operations[1:-1]:
        if operation not in OPERATIONS:
            raise ValueError(f"unknown operation {operation[:80]!r}; the operations within a cell are {OPERATIONS}")
    if len(adjacency) != count**2:
        raise ValueError(f"an adjacency of {len(adjacency)} entries is not square for {count} operations ({count**2})")
    if adjacency.strip("01"):
        raise ValueError(f"the adjacency {adjacency!r} has other entries than 0 and 1")
    if int(adjacency, 2) & _NOT_UPPER[count]:
        raise ValueError(f"the adjacency {adjacency} has an edge on or below the diagonal")


def _parse_metrics(encoded: str) -> tuple[float, float, float, int]:
    """Returns validation and test accuracy and seconds at the end of training, and the number of parameters.

    The messages (nasbench/lib/model_metrics.proto): ModelMetrics {repeated EvaluationData evaluation_data = 1; int32
    trainable_parameters = 2; ...}, EvaluationData {double training_time = 2; double validation_accuracy = 4; double
    test_accuracy = 5; ...}. The evaluations are at the start, half-way, and at the end. The third is returned, as in
    the official API.
    """
    try:
        message = binascii.a2b_base64("".join(encoded.split()), strict_mode=True)
        evaluations, parameters = [], None
        for field, value in _fields(message):
            if field == 1:
                evaluations.append(value)
            elif field == 2:
                parameters = value
        if len(evaluations) < 3:
            raise ValueError(f"{len(evaluations)} evaluations, not 3")
        final = dict(_doubles(evaluations[2]))
    except ValueError as error:
        raise ValueError(f"metrics that cannot be parsed: {error}") from None
    if not isinstance(parameters, int) or not 0 <= parameters < 2**31:
        raise ValueError(f"metrics without a number of parameters that fits 31 bits: {parameters!r}")
    for field, what in ((4, "validation accuracy"), (5, "test accuracy")):
        if not 0.0 <= final.get(field, np.nan) <= 1.0:
            raise ValueError(f"{what} {final.get(field)} at the end of training; accuracies are in [0, 1]")
    if not 0.0 <= final.get(2, np.nan) < np.inf:
        raise ValueError(f"training time {final.get(2)} seconds")
    return final[4], final[5], final[2], parameters


def _doubles(evaluation: int | float | bytes) -> Iterator[tuple[int, float]]:
    """Yields the number and the value of each field of type double of an evaluation."""
    if not isinstance(evaluation, bytes):
        raise ValueError("an evaluation that is not a message")
    for field, value in _fields(evaluation):
        if isinstance(value, float):
            yield field, value


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Yields the number and the value of each field of a message, in the order of the message.

    A field of 64 bits is read as a double, and a varint as an unsigned integer. Strings and inner messages are bytes.
    Fields of 32 bits are skipped.

    Raises:
        ValueError: The message ends within a field or has an unknown wire type.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        length = 8 if kind == _FIXED64 else 4
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind not in (_FIXED64, _FIXED32):
            raise ValueError(f"field {number} has the wire type {kind}, which is not 0, 1, 2 or 5")
        end = position + length
        if end > len(message):
            raise ValueError(f"the message ends within field {number}")
        if kind == _FIXED64:
            yield number, _DOUBLE.unpack_from(message, position)[0]
        elif kind == _BYTES:
            yield number, message[position:end]
        position = end


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Returns the integer at a position, with 7 bits in each byte and the lowest bits first, and the next position."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("the message ends within an integer")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("an integer of more than 10 bytes")
