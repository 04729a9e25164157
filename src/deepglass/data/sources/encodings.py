"""Detection of the encoding of a text: byte order marks, UTF-8 with single wrong bytes, and what older programs write.

Single-byte encodings are told apart by the letters of the languages that use them, Chinese, Japanese and Korean ones by
how many of their characters are common: a text that is read in a wrong encoding has letters of several languages or
scripts, capitals inside words, or mostly rare characters.
"""

import codecs
import re
import unicodedata
from collections import Counter, deque
from typing import NamedTuple

import numpy as np

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.errors import SourceError

SAMPLE_BYTES = 256 * 1024
_CHUNK = 16 * 2**20
_BOMS = {  # the marks of utf-32 begin with those of utf-16
    "utf-8": (codecs.BOM_UTF8,),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
_COMMON = {  # encoding -> first and second bytes of its punctuation and of its common characters
    "gb18030": rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]",
    "cp932": rb"[\x81-\x83\x88-\x97][\x40-\x7e\x80-\xfc]",
    "big5": rb"[\xa1-\xa3\xa4-\xc6][\x40-\x7e\xa1-\xfe]",
    "cp949": rb"[\xa1-\xa3\xb0-\xc8][\xa1-\xfe]",
    "euc_jp": rb"[\xa1-\xa5\xb0-\xcf][\xa1-\xfe]",
}
_MIN_COMMON = 0.8  # of the characters that are not ASCII
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýžäľĺôŕ", "áéíóöőúüű", "ăâîşţ", "čćđšž")
_WESTERN = (
    *("äöüßé", "àâæçéèêëîïôœùûüÿ", "áéíóúñü", "áâãàçéêíóôõú", "àèéìíòóù", "åäöæøéü", "áéíóúýþæðö", "éëïöüè", "äöõüšž"),
)
_RUSSIAN = ("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгдежзийклмнопрстуфхцчшщьюяіїєґ")
_GREEK = ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋ",)
_LETTERS = {  # encoding -> the letters beyond ASCII of each language that uses it; the first of equal ones is preferred
    **{"cp1252": _WESTERN, "cp1250": _CENTRAL, "cp1254": ("çğıiöşüâîûİ",), "cp1251": _RUSSIAN, "koi8-r": _RUSSIAN},
    **{"cp1253": _GREEK, "cp850": _WESTERN, "mac_roman": _WESTERN, "cp852": _CENTRAL, "cp866": _RUSSIAN},
}
_SYMBOLS = "“”„‘’‚–—…•·«»€£¥§©®™°±²³µ½¼¾× "  # that texts of any language have
_MIN_LETTERS = 0.95  # of the characters that are not ASCII, before a single-byte encoding is preferred to one of two
_MIN_HANGUL = 12  # different characters, before Korean is preferred to Chinese where both fit
_MIN_KANA = 0.2  # of the characters of Japanese
_MAX_WRONG = 0.1  # wrong bytes of a text in UTF-8, for each character that is right and not ASCII


class TextEncoding(NamedTuple):
    """A codec, and whether single bytes of the text do not fit it."""

    name: str
    has_wrong_bytes: bool = False

    def decode(self, data: bytes) -> str:
        """Text without a byte order mark; wrong bytes as Windows has them. Raises UnicodeDecodeError."""
        if not self.has_wrong_bytes:
            return data.decode(self.name).removeprefix("\ufeff")
        text = data.decode(self.name, errors="surrogateescape").removeprefix("\ufeff")
        return re.sub("[\udc80-\udcff]", lambda m: bytes([ord(m[0]) - 0xDC00]).decode("cp1252", "replace"), text)


def detect_encoding(data: np.ndarray, options: SourceOptions, log: ReadLog) -> TextEncoding:
    """The encoding of some bytes; "utf-8" includes plain ASCII."""
    if options.encoding is not None:
        try:
            return TextEncoding(codecs.lookup(options.encoding).name)
        except LookupError:
            raise SourceError("bad-value", f"data.encoding: no encoding is called {options.encoding!r}") from None
    head = data[:SAMPLE_BYTES].tobytes()
    for name, boms in _BOMS.items():
        if head.startswith(boms):
            log.note("encoding", name, "the file begins with its byte order mark")
            return TextEncoding(name)
    if head.count(0) > 0.2 * len(head):
        order = "le" if head[1::2].count(0) > head[::2].count(0) else "be"
        log.note("encoding", f"utf-16-{order}", "every other byte is zero")
        return TextEncoding(f"utf-16-{order}")
    if _is_utf8(data):
        return TextEncoding("utf-8")
    if wrong := _wrong_bytes(data):
        log.note("encoding", "utf-8", f"but {wrong:,} single bytes are not: read as cp1252")
        return TextEncoding("utf-8", has_wrong_bytes=True)
    name, share = _single_byte(head)
    if share < _MIN_LETTERS:
        name = _east_asian(data) or name
    log.note("encoding", name, "its bytes are not utf-8; give data.encoding where letters look wrong")
    return TextEncoding(name)


def _is_utf8(data: np.ndarray) -> bool:
    chunks = (data[start : start + _CHUNK].tobytes() for start in range(0, len(data), _CHUNK))
    try:
        deque(codecs.iterdecode(chunks, "utf-8"), maxlen=0)
    except UnicodeDecodeError:
        return False
    return True


def _wrong_bytes(data: np.ndarray) -> int:
    """The number of bytes that are not UTF-8 in a text that otherwise is; 0 for a text of another encoding."""
    text = data.tobytes().decode("utf-8", errors="surrogateescape")
    wrong = len(re.findall("[\udc80-\udcff]", text))
    right = len(re.findall("[\x80-\ud7ff\ue000-\U0010ffff]", text))
    return wrong if wrong <= _MAX_WRONG * right else 0


def _east_asian(data: np.ndarray) -> str | None:
    """The encoding among those of two bytes a character whose common characters the text consists of."""
    head = data[:SAMPLE_BYTES].tobytes().rpartition(b"\n")[0] or data[:SAMPLE_BYTES].tobytes()
    shares: dict[str, float] = {}
    for name, pattern in _COMMON.items():
        try:
            text = head.decode(name)
        except UnicodeDecodeError:
            continue
        characters = [c for c in text if not c.isascii()]
        common = sum(re.fullmatch(pattern, c.encode(name)) is not None for c in characters)
        if name in ("cp932", "euc_jp") and len(re.findall("[぀-ヿ]", text)) < _MIN_KANA * len(characters):
            common = common if name == "cp932" and common == len(characters) else 0
        if name == "cp949" and len(set(re.findall("[가-힣]", text))) < _MIN_HANGUL:
            common = 0
        shares[name] = common / max(len(characters), 1)
    best = max(shares, key=lambda name: (shares[name], name == "cp949", name == "euc_jp"), default=None)
    return best if best is not None and shares[best] >= _MIN_COMMON else None


def _single_byte(head: bytes) -> tuple[str, float]:
    """The encoding of one byte a character that fits best, and which share of the characters fit."""
    best, best_share = "latin-1", 0.0
    for name, languages in _LETTERS.items():
        try:
            text = head.decode(name)
        except UnicodeDecodeError:
            continue
        words = Counter(word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii())
        letters: Counter[str] = Counter()
        for word, count in words.items():
            if _is_written(word):
                letters.update({c: n * count for c, n in Counter(word.lower()).items()})
        symbols = sum(text.count(symbol) for symbol in _SYMBOLS)
        total = sum(not c.isascii() for c in text)
        share = (symbols + max(sum(letters[c] for c in language) for language in languages)) / max(total, 1)
        if share > best_share:
            best, best_share = name, share
    return best, best_share


def _is_written(word: str) -> bool:
    """Whether a word is of one script, with capitals only at its start or everywhere."""
    scripts = {unicodedata.name(c, "").partition(" ")[0] for c in word}
    return len(scripts) == 1 and (word[1:].islower() or word.isupper() or len(word) == 1)
