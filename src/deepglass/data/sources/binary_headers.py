"""The memory that a parquet or arrow file takes unpacked, from its metadata, which is read before its values.

Source: apache/parquet-format, parquet.thrift, and the compact protocol of apache/thrift; apache/arrow, Message.fbs,
Schema.fbs, and the tables of google/flatbuffers.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

# -- parquet -----------------------------------------------------------------------------------------------------

_VALUE_BYTES = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8, 6: 16}  # physical type -> bytes of a value; texts: its view
_ROW_GROUPS, _COLUMNS, _GROUP_BYTES, _META = 4, 1, 2, 3  # ids of fields
_TYPE, _NUM_VALUES, _UNCOMPRESSED = 1, 5, 6  # ids of the fields of a column's metadata
_MAX_DEPTH = 20  # of structures in each other


def parquet_bytes(file: BinaryIO) -> int:
    """Bytes that the values of a parquet file take in memory, as its footer states.

    Raises:
        ValueError: for what is no parquet file.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    length, magic = struct.unpack("<I4s", file.read(8))
    if magic != b"PAR1" or length > size - 8:
        raise ValueError("it does not end with a parquet footer")
    file.seek(size - 8 - length)
    footer = _Thrift(file.read(length)).structure()
    file.seek(0)
    total = 0
    for group in footer.get(_ROW_GROUPS, []):
        for column in group.get(_COLUMNS, []):
            meta = column.get(_META, {})
            values = meta.get(_NUM_VALUES, 0) * _VALUE_BYTES.get(meta.get(_TYPE, 7), 1)
            total += max(values, meta.get(_UNCOMPRESSED, 0))
    return total


class _Thrift:
    """A reader of Thrift's compact protocol: structures as field id -> value."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position, self.depth = data, 0, 0

    def structure(self) -> dict[int, Any]:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ValueError("its footer is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = head & 15 == 1 if head & 15 in (1, 2) else self._value(head & 15)
        self.depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind in (7, 8):
            length = 8 if kind == 7 else self._unsigned()
            self.position += length
            return None  # no text is needed
        if kind in (9, 10):
            head = self._byte()
            length = self._unsigned() if head >> 4 == 15 else head >> 4
            if length > len(self.data):
                raise ValueError("a list in its footer is longer than the footer")
            return [self._value(head & 15) if head & 15 != 12 else self.structure() for _ in range(length)]
        if kind == 12:
            return self.structure()
        raise ValueError(f"its footer has a value of the unknown type {kind}")

    def _byte(self) -> int:
        if self.position >= len(self.data):
            raise ValueError("its footer is cut off")
        self.position += 1
        return self.data[self.position - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 70:
                raise ValueError("a number in its footer is too long")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)


# -- arrow -------------------------------------------------------------------------------------------------------

_DICTIONARY, _BATCH = 2, 3  # types of messages
_DICTIONARIES, _BATCHES = 2, 3  # indices of the fields of a footer
_MARKER = b"\xff\xff\xff\xff"  # before the length of a message
_MAX_METADATA = 2**26  # bytes


def arrow_bytes(file: BinaryIO) -> int:
    """Bytes that the buffers of an arrow file or stream take in memory, as its messages state.

    Raises:
        ValueError, struct.error: for what is no arrow file.
    """
    size = file.seek(0, 2)
    file.seek(0)
    messages = _file_messages(file, size) if file.read(6) == b"ARROW1" else _stream_messages(file, size)
    total = sum(_batch_bytes(file, metadata, body, size) for metadata, body in messages)
    file.seek(0)
    return total


def _file_messages(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """The metadata of each message and where its body begins, by the footer of a file."""
    file.seek(max(0, size - 10))
    length = struct.unpack("<i", file.read(4))[0]
    if not 0 < length <= size - 10:
        raise ValueError("its footer is cut off")
    file.seek(size - 10 - length)
    footer = file.read(length)
    for index in (_DICTIONARIES, _BATCHES):
        blocks = _follow(footer, _table(footer), index)
        for i in range(struct.unpack_from("<I", footer, blocks)[0] if blocks else 0):
            offset, prefixed = struct.unpack_from("<qi", footer, blocks + 4 + 24 * i)
            if not (offset >= 0 and 8 <= prefixed <= size - offset):
                raise ValueError("a record batch in its footer lies outside the file")
            file.seek(offset)
            metadata = file.read(prefixed)
            yield metadata[8 if metadata[:4] == _MARKER else 4 :], offset + prefixed


def _stream_messages(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """The metadata of each message of a stream, and where its body begins."""
    file.seek(0)
    while len(head := file.read(8)) == 8:
        marker, length = struct.unpack("<4si", head)
        if marker != _MARKER or not 0 < length <= min(_MAX_METADATA, size):
            return  # the end of the messages; what follows is for polars to judge
        metadata = file.read(length)
        body = file.tell()
        yield metadata, body
        file.seek(body + _number(metadata, _table(metadata), 3, "<q"))


def _batch_bytes(file: BinaryIO, metadata: bytes, body: int, size: int) -> int:
    """Bytes of the buffers of a message; the first eight bytes of a compressed buffer state its size."""
    message = _table(metadata)
    kind, batch = _number(metadata, message, 1, "<B"), _follow(metadata, message, 2)
    if kind == _DICTIONARY and batch:
        batch = _follow(metadata, batch, 1)
    elif kind != _BATCH:
        return 0
    buffers, compressed = _follow(metadata, batch, 2), _field(metadata, batch, 3)
    total = 0
    for i in range(struct.unpack_from("<I", metadata, buffers)[0] if buffers else 0):
        offset, length = struct.unpack_from("<qq", metadata, buffers + 4 + 16 * i)
        if compressed and length >= 8 and 0 <= body + offset < size:
            file.seek(body + offset)
            length = max(length - 8, struct.unpack("<q", file.read(8))[0])
        total += max(length, 0)
    return total


def _table(data: bytes) -> int:
    """Position of the root table of a flatbuffer."""
    return int(struct.unpack_from("<I", data)[0])


def _field(data: bytes, table: int, index: int) -> int:
    """Position of a field of a table; 0 if it is absent."""
    offsets = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * index >= struct.unpack_from("<H", data, offsets)[0]:
        return 0
    offset = struct.unpack_from("<H", data, offsets + 4 + 2 * index)[0]
    return table + offset if offset else 0


def _number(data: bytes, table: int, index: int, format: str) -> int:
    position = _field(data, table, index)
    return struct.unpack_from(format, data, position)[0] if position else 0


def _follow(data: bytes, table: int, index: int) -> int:
    """Position of the table or list that a field refers to; 0 if it is absent."""
    position = _field(data, table, index) if table else 0
    return position + struct.unpack_from("<I", data, position)[0] if position else 0
