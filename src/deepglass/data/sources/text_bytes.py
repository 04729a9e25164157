"""Text files as UTF-8 bytes: memory-mapped, unpacked from gzip, decoded from other encodings."""

import codecs
import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepglass.data.sources import sniff
from deepglass.data.sources.base import MAX_INFLATION, MAX_UNPACKED_BYTES, ReadLog, SourceOptions
from deepglass.errors import SourceError


class Utf8Text(NamedTuple):
    """A text as UTF-8 bytes, and the file that holds exactly these, if there is one."""

    data: np.ndarray
    path: Path | None


def load_bytes(path: Path, source: str) -> np.ndarray:
    """The bytes of a file, memory-mapped; of a gzip file, unpacked."""
    if path.stat().st_size == 0:
        raise SourceError("empty-source", f"{source}: the file is empty")
    try:
        data = np.memmap(path, np.uint8, "r")
        if data[:2].tobytes() == b"\x1f\x8b":
            return np.frombuffer(gunzip(path, source), np.uint8)
        return data
    except OSError as error:
        raise SourceError("unreadable-file", f"{source}: {error.strerror or error}") from error


def gunzip(path: Path, source: str) -> bytearray:
    """The unpacked content of a gzip file.

    Raises:
        SourceError: `unreadable-file` when it is cut off or damaged, `too-large` beyond `MAX_INFLATION` times its size.
    """
    max_bytes = min(MAX_UNPACKED_BYTES, max(2**20, MAX_INFLATION * path.stat().st_size))
    content = bytearray()
    try:
        with gzip.open(path) as file:
            while len(content) <= max_bytes and (piece := file.read(16 * 2**20)):
                content += piece
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise SourceError("unreadable-file", f"{source}: the gzip file is cut off or damaged ({error})") from error
    if len(content) > max_bytes:
        raise SourceError("too-large", f"{source}: it unpacks to more than {max_bytes // 2**20} MiB")
    return content


def read_text(path: Path, source: str, options: SourceOptions, log: ReadLog) -> str:
    """The text of a file, or of a gzip file, with line feeds between its lines."""
    return as_utf8(load_bytes(path, source), path, source, options, log).data.tobytes().decode()


def as_utf8(data: np.ndarray, path: Path | None, source: str, options: SourceOptions, log: ReadLog) -> Utf8Text:
    """The bytes in UTF-8, with line feeds between lines and without a byte order mark."""
    encoding = sniff.detect_encoding(data, options, log)
    head = data[: sniff.SAMPLE_BYTES].tobytes()
    if encoding == "utf-8" and b"\0" in head:
        raise SourceError("unreadable-file", f"{source}: it holds zero bytes, so it is no text table")
    old_breaks = b"\r" in head and b"\n" not in head
    if encoding == "utf-8" and not head.startswith(codecs.BOM_UTF8) and not old_breaks:
        return Utf8Text(data, path if isinstance(data, np.memmap) else None)
    try:
        text = data.tobytes().decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeDecodeError as error:
        message = f"{source}: byte {error.start} is not {encoding}; give another data.encoding"
        raise SourceError("unreadable-file", message) from error
    if b"\r" in text[: sniff.SAMPLE_BYTES] and b"\n" not in text[: sniff.SAMPLE_BYTES]:
        text = text.replace(b"\r", b"\n")
    return Utf8Text(np.frombuffer(text, np.uint8), None)
