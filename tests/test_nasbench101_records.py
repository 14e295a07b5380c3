"""The official format of NAS-Bench-101, to arrays."""

import base64
import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench101_files import CONV1X1, CONV3X3, POOL, Run, evaluation, framed, runs_file, varint
from transfernas_bench.benchmarks.nasbench101_records import RecordError, read_records, records

LARGE_EDGES = ((0, 1), (0, 4), (0, 5), (1, 2), (2, 3), (2, 6), (3, 5), (4, 5), (5, 6))
LARGE = Run(
    "00005c142e6f48ac74fdcf73e3439874",
    "".join("01"[(i, j) in LARGE_EDGES] for i in range(7) for j in range(7)),
    ("input", CONV3X3, POOL, CONV3X3, CONV3X3, CONV1X1, "output"),
)
SMALL = Run("aa" * 16, "0100", ("input", "output"), parameters=0)


def runs_of(cell: Run, accuracies: tuple[float, ...] = (0.5, 0.25, 0.75)) -> list[Run]:
    return [
        replace(cell, validation=accuracy, test=accuracy / 2, seconds=100.0 + number)
        for number, accuracy in enumerate(accuracies)
    ]


def written(folder: Path, runs: list[Run]) -> Path:
    path = folder / "runs.tfrecord"
    path.write_bytes(runs_file(runs))
    return path


def test_cells_read_back(tmp_path: Path) -> None:
    large, small = runs_of(LARGE, (0.9375, 0.0, 1.0)), runs_of(SMALL)
    mixed = [small[0], large[0], large[1], small[1], small[2], large[2]]
    told: list[tuple[int, int | None]] = []
    path = written(tmp_path, mixed)
    arrays = read_records(path, lambda done, total: told.append((done, total)))

    types = {name: (str(array.dtype), array.shape) for name, array in arrays.items()}
    assert types == {
        "hash": ("|S32", (2,)),
        "num_vertices": ("uint8", (2,)),
        "adjacency": ("uint8", (2, 7, 7)),
        "ops": ("uint8", (2, 7)),
        "val_acc": ("float32", (2, 3)),
        "test_acc": ("float32", (2, 3)),
        "train_time": ("float32", (2,)),
        "params": ("int32", (2,)),
    }
    assert arrays["hash"].tolist() == [LARGE.hash.encode(), SMALL.hash.encode()]
    assert arrays["num_vertices"].tolist() == [7, 2]
    assert list(zip(*np.nonzero(arrays["adjacency"][0]), strict=True)) == list(LARGE_EDGES)
    assert list(zip(*np.nonzero(arrays["adjacency"][1]), strict=True)) == [(0, 1)]
    assert arrays["ops"].tolist() == [[1, 2, 4, 2, 2, 3, 5], [1, 5, 0, 0, 0, 0, 0]]
    assert arrays["val_acc"].tolist() == [[0.9375, 0.0, 1.0], [0.5, 0.25, 0.75]]  # the file's order
    assert arrays["test_acc"].tolist() == [[0.46875, 0.0, 0.5], [0.25, 0.125, 0.375]]
    assert arrays["train_time"].tolist() == [101.0, 101.0]
    assert arrays["params"].tolist() == [8_555_530, 0]
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


def test_other_epochs_are_skipped(tmp_path: Path) -> None:
    runs = [replace(run, epochs=epochs, test=epochs / 200) for epochs in (4, 108, 12, 36) for run in runs_of(SMALL)]
    arrays = read_records(written(tmp_path, runs))
    np.testing.assert_allclose(arrays["test_acc"], [[0.54] * 3])


def test_the_metrics_may_have_more_fields_and_no_line_breaks(tmp_path: Path) -> None:
    unknown = b"\x32\x04path" + b"\x25abcd" + b"\x39abcdefgh" + b"\x42\x03xyz" + b"\xf8\x7f" + varint(2**63)
    runs = [replace(run, extra=unknown) for run in runs_of(LARGE)]
    fields = [run.fields() for run in runs]
    for record in fields:
        record[4] = base64.b64encode(base64.b64decode(str(record[4]))).decode()
    path = tmp_path / "runs.tfrecord"
    path.write_bytes(framed([json.dumps(record).encode() for record in fields]))
    assert read_records(path)["params"].tolist() == [LARGE.parameters]


def test_a_file_cut_between_records_lacks_runs(tmp_path: Path) -> None:
    content = runs_file(runs_of(SMALL))
    path, length = tmp_path / "cut.tfrecord", len(content) // 3
    for end in (*range(1, len(content), 9), length, 2 * length):
        path.write_bytes(content[:end])
        if end % length:
            with pytest.raises(RecordError, match=f"record {end // length} at byte {end // length * length}: "):
                read_records(path)
        else:
            with pytest.raises(RecordError, match=f"record 0: its cell has {end // length} runs of 108 epochs, not 3"):
                read_records(path)


def test_cells_with_other_than_three_runs(tmp_path: Path) -> None:
    runs = [*runs_of(LARGE), *runs_of(SMALL, (0.5, 0.5))]
    with pytest.raises(RecordError, match="record 3: its cell has 2 runs of 108 epochs, not 3"):
        read_records(written(tmp_path, runs))
    with pytest.raises(RecordError, match=f"record 3: a run of 108 epochs of cell {SMALL.hash}, which has 3 already"):
        read_records(written(tmp_path, runs_of(SMALL, (0.5,) * 4)))
    with pytest.raises(RecordError, match="no record of 108 epochs"):
        read_records(written(tmp_path, [replace(SMALL, epochs=36)]))
    with pytest.raises(RecordError, match="no record of 108 epochs"):
        read_records(written(tmp_path, []))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (replace(SMALL, hash="aa"), "the hash 'aa' is not 32 hexadecimal digits"),
        (replace(SMALL, hash="AA" * 16), "is not 32 hexadecimal digits"),
        (replace(SMALL, adjacency="0", operations=("input",)), "1 operations; a cell has 2 to 7"),
        (replace(SMALL, adjacency="0" * 64, operations=("input", *[POOL] * 6, "output")), "8 operations; a cell has"),
        (replace(SMALL, operations=("output", "input")), "operations from 'output' to 'input', not from"),
        (Run(operations=("input", "conv5x5", "output")), "unknown operation 'conv5x5'; the operations"),
        (Run(operations=("input", "none", "output")), "unknown operation 'none'"),
        (replace(SMALL, adjacency="01000"), "an adjacency of 5 entries is not square for 2 operations"),
        (Run(adjacency="0100"), "an adjacency of 4 entries is not square for 3 operations"),
        (replace(SMALL, adjacency="0200"), "'0200' has other entries than 0 and 1"),
        (replace(SMALL, adjacency="0b01"), "'0b01' has other entries than 0 and 1"),
        (replace(SMALL, adjacency="1100"), "the adjacency 1100 has an edge on or below the diagonal"),
        (replace(SMALL, adjacency="0110"), "the adjacency 0110 has an edge on or below the diagonal"),
        (Run(adjacency="010001100"), "has an edge on or below the diagonal"),
        (replace(SMALL, validation=93.75), "validation accuracy 93.75 at the end of training; accuracies are in"),
        (replace(SMALL, test=-0.1), "test accuracy -0.1 at the end of training"),
        (replace(SMALL, test=float("nan")), "test accuracy nan at the end of training"),
        (replace(SMALL, seconds=float("inf")), "training time inf seconds"),
        (replace(SMALL, parameters=2**31), "a number of parameters that fits 31 bits: 2147483648"),
        (replace(SMALL, extra=b"\x0a\x7f"), "cannot be parsed: the message ends within field 1"),
        (replace(SMALL, extra=b"\x80"), "cannot be parsed: the message ends within an integer"),
        (replace(SMALL, extra=b"\xff" * 11), "cannot be parsed: an integer of more than 10 bytes"),
        (replace(SMALL, extra=b"\x0b"), "field 1 has the wire type 3"),
    ],
)
def test_foreign_runs(run: Run, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, [*runs_of(LARGE), run])
    with pytest.raises(RecordError, match=re.escape(f"{path}, record 3: ") + ".*" + re.escape(message)):
        read_records(path)


GOOD = SMALL.fields()
START = b"\x0a\x00\x0a\x00"  # two empty evaluations


def with_metrics(message: bytes) -> bytes:
    return json.dumps([*GOOD[:4], base64.b64encode(message).decode()]).encode()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"\x08\x96\x01", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "not a list [hash, epochs, adjacency, operations, metrics]"),
        (json.dumps(GOOD[:4]).encode(), "not a list [hash, epochs"),
        (json.dumps([*GOOD, ""]).encode(), "not a list [hash, epochs"),
        (json.dumps([GOOD[0], "108", *GOOD[2:]]).encode(), "not a list [hash, epochs"),
        (json.dumps([GOOD[0], True, *GOOD[2:]]).encode(), "not a list [hash, epochs"),
        (json.dumps([*GOOD[:4], "not base64!"]).encode(), "metrics that cannot be parsed"),
        (json.dumps([*GOOD[:4], "é"]).encode(), "metrics that cannot be parsed"),
        (with_metrics(b""), "cannot be parsed: 0 evaluations, not 3"),
        (with_metrics(START + b"\x08\x05"), "cannot be parsed: an evaluation that is not a message"),
        (with_metrics(START + b"\x0a\x00"), "without a number of parameters that fits 31 bits: None"),
        (with_metrics(START + b"\x0a\x00\x10\x05"), "validation accuracy None at the end of training"),
        (with_metrics(START + b"\x0a\x09\x21" + struct.pack("<d", 0.5) + b"\x10\x05"), "test accuracy None at the end"),
        (with_metrics(START + b"\x0a\x02\x20\x01\x10\x05"), "validation accuracy None at the end of training"),
        (
            with_metrics(START + b"\x0a\x2d" + evaluation(1.0, 1.0, 1.0, 1.0, 1.0) + b"\x11" + bytes(8)),
            "fits 31 bits: 0.0",
        ),
    ],
)
def test_foreign_records(record: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.tfrecord"
    path.write_bytes(framed([*(run.record() for run in runs_of(SMALL)), record]))
    with pytest.raises(RecordError, match=re.escape(f"{path}, record 3: ") + ".*" + re.escape(message)):
        read_records(path)


THREE = [b"first", b"", b"the third"]
BEGINNINGS = [0, 21, 37, 62]  # of the records, and the end


def tfrecord(folder: Path, content: bytes) -> Path:
    path = folder / "some.tfrecord"
    path.write_bytes(content)
    return path


@given(data=st.lists(st.binary(max_size=300), max_size=5))
def test_any_records_read_back(data: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert list(records(tfrecord(tmp_path_factory.mktemp("any"), framed(data)))) == data


def test_a_file_cut_anywhere_says_where(tmp_path: Path) -> None:
    content = framed(THREE)
    assert len(content) == BEGINNINGS[-1]
    for end in range(1, len(content)):
        path = tfrecord(tmp_path, content[:end])
        whole = sum(end >= later for later in BEGINNINGS[1:])
        if end in BEGINNINGS:
            assert list(records(path)) == THREE[:whole]
            continue
        read: list[bytes] = []
        with pytest.raises(RecordError, match=f"record {whole} at byte {BEGINNINGS[whole]}: the file ends") as raised:
            for data in records(path):
                read.append(data)
        assert str(path) in str(raised.value)
        assert read == THREE[:whole]


def test_an_absurd_length_is_not_allocated(tmp_path: Path) -> None:
    absurd = framed([b"first"]) + struct.pack("<Q", 1 << 60) + bytes(54)
    with pytest.raises(RecordError, match="record 1 at byte 21: the file ends within it, after 83 bytes"):
        list(records(tfrecord(tmp_path, absurd)))


def test_another_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="record 0 at byte 0: .*or is not a TFRecord file"):
        list(records(tfrecord(tmp_path, b"\x1f\x8b\x08 something compressed, perhaps")))
    with pytest.raises(FileNotFoundError):
        list(records(tmp_path / "none"))


def test_a_damaged_byte_is_an_error_of_one_kind_or_another_value(tmp_path: Path) -> None:
    content = runs_file(runs_of(SMALL))
    seen = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        try:
            read_records(tfrecord(tmp_path, bytes(damaged)))
        except RecordError as error:
            assert "some.tfrecord" in str(error) and "\n" not in str(error)
            seen += 1
    assert seen > len(content) / 2
