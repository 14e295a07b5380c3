"""Protocol buffers' wire format, read without their package and without a schema."""

import struct
from collections.abc import Iterator

_DOUBLE = struct.Struct("<d")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Yields the number and the value of each field of a message, in its order.

    A field of 64 bits is read as a double, a varint as an unsigned integer; strings and inner messages are bytes.
    Fields of 32 bits are skipped.

    Raises:
        ValueError: the message ends within a field or has an unknown wire type.
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
            raise ValueError(f"field {number} has the wire type {kind}, which is none of 0, 1, 2 and 5")
        end = position + length
        if end > len(message):
            raise ValueError(f"the message ends within field {number}")
        if kind == _FIXED64:
            yield number, _DOUBLE.unpack_from(message, position)[0]
        elif kind == _BYTES:
            yield number, message[position:end]
        position = end


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Returns the integer of 7 bits a byte, lowest first, that begins at a position, and the position after it."""
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
