"""TFRecord files: what was written comes back, and no damage goes unseen."""

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench101_files import crc32c, framed
from transfernas.benchmarks.tfrecord import TFRecordError, records

THREE = [b"first", b"", b"the third"]
BEGINNINGS = [0, 21, 37, 62]  # of the records, and the end


def written(folder: Path, content: bytes) -> Path:
    path = folder / "some.tfrecord"
    path.write_bytes(content)
    return path


def test_the_encoder_is_right() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert framed([b""]) == bytes(8) + bytes.fromhex("29039807") + bytes.fromhex("d8ea82a2")  # as TensorFlow writes it


def test_records_read_back(tmp_path: Path) -> None:
    assert list(records(written(tmp_path, framed(THREE)))) == THREE
    assert list(records(written(tmp_path, b""))) == []


@given(data=st.lists(st.binary(max_size=300), max_size=5))
def test_any_records_read_back(data: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert list(records(written(tmp_path_factory.mktemp("any"), framed(data)))) == data


def test_a_file_cut_anywhere_says_where(tmp_path: Path) -> None:
    content = framed(THREE)
    assert len(content) == BEGINNINGS[-1]
    for end in range(1, len(content)):
        path = written(tmp_path, content[:end])
        whole = sum(end >= later for later in BEGINNINGS[1:])
        if end in BEGINNINGS:
            assert list(records(path)) == THREE[:whole]
            continue
        read: list[bytes] = []
        with pytest.raises(TFRecordError, match=f"record {whole} at byte {BEGINNINGS[whole]}: the file ends") as raised:
            for data in records(path):
                read.append(data)
        assert str(path) in str(raised.value)
        assert read == THREE[:whole]


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    content = framed(THREE)
    for place in range(len(content)):
        number = sum(place >= later for later in BEGINNINGS[1:])
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            with pytest.raises(TFRecordError, match=f"record {number} at byte {BEGINNINGS[number]}: the checksum of"):
                list(records(written(tmp_path, bytes(damaged))))


def test_an_absurd_length_is_not_allocated(tmp_path: Path) -> None:
    length = struct.pack("<Q", 1 << 60)
    crc = crc32c(length)
    masked = struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32)
    with pytest.raises(
        TFRecordError, match=rf"record 1 at byte 21: the file ends after 62 of the record's {2**60 + 16} "
    ):
        list(records(written(tmp_path, framed([b"first"]) + length + masked + bytes(50))))


def test_another_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(TFRecordError, match="record 0 at byte 0: the checksum of its length is wrong"):
        list(records(written(tmp_path, b"\x1f\x8b\x08 something compressed, perhaps")))
    with pytest.raises(FileNotFoundError):
        list(records(tmp_path / "none"))


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'transfernas\[benchmarks\]'"):
        list(records(written(tmp_path, b"")))
