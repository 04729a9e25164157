"""Control characters from data, which never reach a terminal raw: they could hide text, move the cursor or retitle it.

`escaped_streams` replaces stdout and stderr. The consoles of rich write escape sequences of their own, so they escape
what they are given (`cli.console`) and write to the streams below. Joiners (U+200C, U+200D), which scripts and emoji
need, stay.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"  # C0 but tab and newline, C1, bidirectional, zero-width, surrogates, tags
)


def escaped(text: str) -> str:
    """Text with its control characters as Python writes them, such as `\\x1b`."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def escaped_json(text: str) -> str:
    """JSON text with control characters as JSON escapes, which keep their values."""
    return _CONTROL.sub(lambda match: _json_escape(ord(match[0])), text)


def _json_escape(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


class EscapingStream:
    """A text stream that escapes control characters.

    Args:
        stream: written to; rich writes to it directly.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(escaped(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def escaped_streams() -> Iterator[None]:
    """Escape control characters on stdout and stderr inside a `with` block."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(EscapingStream, streams)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
