"""Text files as UTF-8 bytes: memory-mapped, unpacked from gzip, decoded from other encodings."""

import codecs
import gzip
import mmap
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.encodings import SAMPLE_BYTES, TextEncoding, detect_encoding
from deepglass.errors import SourceError
from deepglass.files import open_file
from deepglass.limits import check_limit, check_unpacked, limit

_CHUNK = 2**24  # bytes


class Utf8Text(NamedTuple):
    """A text as UTF-8 bytes, and the file that holds exactly these, if there is one."""

    data: np.ndarray
    path: Path | None


def load_bytes(path: Path, source: str) -> np.ndarray:
    """The bytes of a file, memory-mapped; of a gzip file, unpacked."""
    with open_file(path, source) as file:
        if not os.fstat(file.fileno()).st_size:
            raise SourceError("empty-source", f"{source}: the file is empty")
    try:
        data = np.memmap(path, np.uint8, "r")
        if data[:2].tobytes() == b"\x1f\x8b":
            return np.frombuffer(gunzip(path, source), np.uint8)
        return data
    except OSError as error:
        raise SourceError("unreadable-file", f"{source}: {error.strerror or error}") from error


def release(data: np.ndarray) -> None:
    """Give the memory of a memory-mapped file back: the system reads it again when it is needed."""
    if isinstance(data, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        data._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def gunzip(path: Path, source: str) -> bytearray:
    """The unpacked content of a gzip file.

    Raises:
        SourceError: `unreadable-file` when it is cut off or damaged, `too-large` as `check_unpacked`.
    """
    packed, content = path.stat().st_size, bytearray()
    try:
        with open_file(path, source) as packed_file, gzip.open(packed_file) as file:
            while piece := file.read(2**24):
                content += piece
                check_unpacked(len(content), packed, source)
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise SourceError("unreadable-file", f"{source}: the gzip file is cut off or damaged ({error})") from error
    return content


def check_lines(data: np.ndarray, source: str) -> None:
    """Raise `too-large` for a line longer than the limit."""
    start, number = 0, 1  # of the line that is not over yet
    for first in range(0, len(data), _CHUNK):
        ends = np.flatnonzero(data[first : first + _CHUNK] == ord("\n")) + first
        lengths = np.diff(ends, prepend=start - 1) if len(ends) else np.array([0])
        if lengths.max() > limit("line_bytes"):
            longest = int(lengths.argmax())
            check_limit("line_bytes", int(lengths[longest]), f"{source}, line {number + longest}")
        start, number = (int(ends[-1]) + 1, number + len(ends)) if len(ends) else (start, number)
    check_limit("line_bytes", len(data) - start, f"{source}, line {number}")


def read_text(path: Path, source: str, options: SourceOptions, log: ReadLog) -> str:
    """The text of a file, or of a gzip file, with line feeds between its lines."""
    return as_utf8(load_bytes(path, source), path, source, options, log).data.tobytes().decode()


def as_utf8(data: np.ndarray, path: Path | None, source: str, options: SourceOptions, log: ReadLog) -> Utf8Text:
    """The bytes in UTF-8, with line feeds between lines and without a byte order mark."""
    encoding = detect_encoding(data, options, log)
    plain = encoding == TextEncoding("utf-8")
    head = data[:SAMPLE_BYTES].tobytes()
    if encoding.name == "utf-8" and b"\0" in head:
        raise SourceError("unreadable-file", f"{source}: it holds zero bytes, so it is no text table")
    old_breaks = b"\r" in head and b"\n" not in head
    if plain and not head.startswith(codecs.BOM_UTF8) and not old_breaks:
        return Utf8Text(data, path if isinstance(data, np.memmap) else None)
    try:
        text = encoding.decode(data.tobytes()).encode()
    except UnicodeDecodeError as error:
        message = f"{source}: byte {error.start} is not {encoding.name}; give another data.encoding"
        raise SourceError("unreadable-file", message) from error
    if b"\r" in text[:SAMPLE_BYTES] and b"\n" not in text[:SAMPLE_BYTES]:
        text = text.replace(b"\r", b"\n")
    return Utf8Text(np.frombuffer(text, np.uint8), None)
