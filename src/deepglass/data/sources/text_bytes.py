"""Text files as UTF-8 bytes: memory-mapped, unpacked from gzip, decoded from other encodings."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepglass.data.sources import sniff
from deepglass.data.sources.base import MAX_INFLATION, MAX_UNPACKED_BYTES, ReadLog, SourceOptions
from deepglass.errors import SourceError


class Utf8Text(NamedTuple):
    """The bytes of a text in utf-8, and the file that holds just these, where there is one."""

    data: np.ndarray
    path: Path | None


def load_bytes(path: Path, source: str) -> np.ndarray:
    """The bytes of a file, memory-mapped; those of a gzip file unpacked."""
    if path.stat().st_size == 0:
        raise SourceError("empty-source", f"{source}: the file is empty")
    try:
        data = np.memmap(path, np.uint8, "r")
        if data[:2].tobytes() == b"\x1f\x8b":
            return np.frombuffer(gunzip(path, source), np.uint8)
        return data
    except OSError as error:
        raise SourceError("unreadable-file", f"{source}: {error.strerror or error}") from error


def gunzip(path: Path, source: str) -> bytes:
    """What a gzip file holds.

    Raises:
        SourceError: `unreadable-file` when it is cut off or damaged, `too-large` when it unpacks beyond all reason.
    """
    most = min(MAX_UNPACKED_BYTES, max(2**20, MAX_INFLATION * path.stat().st_size))
    parts, size = [], 0
    try:
        with gzip.open(path) as file:
            while part := file.read(16 * 2**20):
                parts.append(part)
                size += len(part)
                if size > most:
                    raise SourceError("too-large", f"{source}: it unpacks to more than {most // 2**20} MiB")
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise SourceError("unreadable-file", f"{source}: the gzip file is cut off or damaged ({error})") from error
    return b"".join(parts)


def read_text(path: Path, source: str, options: SourceOptions, log: ReadLog) -> str:
    """A text file, or a gzip file of one, as text with line feeds between its lines."""
    return as_utf8(load_bytes(path, source), path, source, options, log).data.tobytes().decode()


def as_utf8(data: np.ndarray, path: Path | None, source: str, options: SourceOptions, log: ReadLog) -> Utf8Text:
    """The bytes in utf-8, with line feeds between lines and no mark at the start."""
    encoding = sniff.detect_encoding(data, options, log)
    plain = path is not None and isinstance(data, np.memmap)
    head = data[: sniff.SAMPLE_BYTES].tobytes()
    marked = head.startswith(b"\xef\xbb\xbf")
    old_breaks = b"\r" in head and b"\n" not in head
    if encoding == "utf-8" and b"\0" in head:
        raise SourceError("unreadable-file", f"{source}: expected text, but the file holds null bytes")
    if encoding == "utf-8" and not marked and not old_breaks:
        return Utf8Text(data, path if plain else None)
    if encoding == "utf-8":
        text = data.tobytes().removeprefix(b"\xef\xbb\xbf")
    else:
        try:
            text = data.tobytes().decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeDecodeError as error:
            raise SourceError(
                "unreadable-file", f"{source}: byte {error.start} is not {encoding}; give another data.encoding"
            ) from error
    if b"\r" in text[: sniff.SAMPLE_BYTES] and b"\n" not in text[: sniff.SAMPLE_BYTES]:
        text = text.replace(b"\r", b"\n")
    return Utf8Text(np.frombuffer(text, np.uint8), None)
