"""TFRecord files, read without TensorFlow.

A record is, little-endian: its length (8 bytes), a checksum of these 8 bytes (4), the data, a checksum of the data (4).
A checksum is the CRC-32C, rotated right by 15 bits, plus a constant.
"""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
FRAME_BYTES = _HEADER.size + _CHECKSUM.size
"""What a record takes in the file beside its data."""
_BUFFER_BYTES = 1 << 20


class TFRecordError(ValueError):
    """A file is no TFRecord file, or a damaged one."""


def masked_checksum() -> Callable[[bytes], int]:
    """Returns the function from bytes to their checksum as TFRecord files have it.

    Raises:
        ModuleNotFoundError: the extra `benchmarks` is not installed.
    """
    try:
        from google_crc32c import value as crc32c
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "the checksums of TFRecord files need google-crc32c: pip install 'transfernas[benchmarks]'"
        ) from None

    def masked(data: bytes) -> int:
        crc = crc32c(data)
        return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF

    return masked


def records(path: Path) -> Iterator[bytes]:
    """Yields the data of each record, its two checksums verified; holds one record at a time.

    Raises:
        TFRecordError: the file is damaged; the message says the path, the record's number (from 0), and where the
            record begins in the file.
        OSError: the file cannot be read.
        ModuleNotFoundError: the extra `benchmarks` is not installed.
    """
    checksum = masked_checksum()
    with open(path, "rb", buffering=_BUFFER_BYTES) as file:
        size = os.fstat(file.fileno()).st_size
        number = offset = 0
        while offset < size:
            try:
                data = _next_record(file, size - offset, checksum)
            except TFRecordError as error:
                raise TFRecordError(f"{path}, record {number} at byte {offset}: {error}") from None
            yield data
            number += 1
            offset += FRAME_BYTES + len(data)


def _next_record(file: BinaryIO, left: int, checksum: Callable[[bytes], int]) -> bytes:
    """Returns the next record's data, given how many bytes the file has left."""
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise TFRecordError(f"the file ends after {len(header)} of the {_HEADER.size} bytes of the record's header")
    length, of_length = _HEADER.unpack(header)
    if checksum(header[:8]) != of_length:
        raise TFRecordError("the checksum of its length is wrong: the file is damaged or no TFRecord file")
    if length > left - FRAME_BYTES:  # before anything is allocated
        raise TFRecordError(f"the file ends after {left} of the record's {length + FRAME_BYTES} bytes")
    body = file.read(length + _CHECKSUM.size)
    if len(body) < length + _CHECKSUM.size:
        raise TFRecordError("the file became shorter while it was read")
    data = body[:length]
    if checksum(data) != _CHECKSUM.unpack_from(body, length)[0]:
        raise TFRecordError("the checksum of its data is wrong: the file is damaged")
    return data
