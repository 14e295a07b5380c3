"""Writes files in the official format of NAS-Bench-101, without checksums; shares no code with what reads them.

All 423,624 cells, written so, have the size of the official nasbench_only108.tfrecord to the byte: 522,767,376.
"""

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

_CHECKSUM = bytes(4)  # of a record; nobody reads it
CONV3X3, CONV1X1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"


@dataclass(frozen=True, slots=True)
class Run:
    """A training run as the official file has it."""

    hash: str = "00005c142e6f48ac74fdcf73e3439874"
    adjacency: str = "010" + "001" + "000"
    operations: Sequence[str] = ("input", CONV3X3, "output")
    validation: float = 0.9
    test: float = 0.8
    seconds: float = 1000.0
    parameters: int = 8_555_530
    epochs: int = 108
    extra: bytes = field(default=b"")  # unknown fields of the metrics

    def metrics(self) -> bytes:
        """ModelMetrics; the evaluations at the start and half-way have values of their own."""
        evaluations = (
            evaluation(0.0, 0.0, 0.1, 0.11, 0.12),
            evaluation(self.epochs / 2, self.seconds / 2, 0.5, 0.51, 0.52),
            evaluation(self.epochs, self.seconds, 1.0, self.validation, self.test),
        )
        head = b"".join(b"\x0a" + varint(len(message)) + message for message in evaluations)
        return head + b"\x10" + varint(self.parameters) + b"\x19" + struct.pack("<d", 1.5 * self.seconds) + self.extra

    def fields(self) -> list[object]:
        """What the record's JSON holds."""
        encoded = base64.encodebytes(self.metrics()).decode()  # in lines
        return [self.hash, self.epochs, self.adjacency, ",".join(self.operations), encoded]

    def record(self) -> bytes:
        return json.dumps(self.fields()).encode()


def evaluation(epoch: float, seconds: float, *accuracies: float) -> bytes:
    """EvaluationData."""
    doubles = (epoch, seconds, *accuracies)
    return b"".join(bytes([number << 3 | 1]) + struct.pack("<d", value) for number, value in enumerate(doubles, 1))


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def framed(records: Sequence[bytes]) -> bytes:
    """A TFRecord file."""
    return b"".join(_frame(data) for data in records)


def runs_file(runs: Sequence[Run]) -> bytes:
    return framed([run.record() for run in runs])


def _frame(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + _CHECKSUM + data + _CHECKSUM
