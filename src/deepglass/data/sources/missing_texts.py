"""Which texts of a text table stand for a missing value, decided for each column.

`NA` is Namibia beside DE and ZA, and `-` is a class beside `+`; elsewhere both mean that there is no value. A text such
as `?` or `#N/A` is always missing; the others are values where the column shows it:

- `-`, `--` and `.` beside another value that consists of signs, such as `+` or `,`, and `-` beside `.` alone;
- `NA` beside codes of countries or continents;
- `nil`, unless numbers of the same file have it too;
- `null` beside empty cells, unless numbers of the same file have it too; `Null` among names;
- any of them where only one other value would be left.

`data.missing` and `data.keep` decide otherwise.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.formatting import first_names
from deepglass.parsing import ALWAYS_MISSING, MISSING

_LETTERS = (  # of the codes of countries: the first, then the second ones (ISO 3166-1, without NA)
    "ADEFGILMOQRSTUWXZ BABDEFGHIJLMNOQRSTVWYZ CACDFGHIKLMNORUVWXYZ DEJKMOZ ECEGHRST FIJKMOR "
    "GABDEFGHILMNPQRSTUWY HKMNRTU IDELMNOQRST JEMOP KEGHIMNPRWYZ LABCIKRSTUVY MACDEFGHKLMNOPQRSTUVWXYZ "
    "NCEFGILOPRUZ OM PAEFGHKLMNRSTWY QA REOSUW SABCDEGHIJKLMNORSTVXYZ TCDFGHJKLMNORTVWZ UAGMSYZ VACEGINU "
    "WFS YET ZAMW "
)
_COUNTRIES = frozenset(word[0] + letter for word in _LETTERS.split() for letter in word[1:]).union(["EU", "UK", "XK"])
_CONTINENTS = frozenset(["AF", "AN", "AS", "EU", "OC", "SA"])
_REGIONS = frozenset(
    ["EU", "EMEA", "APAC", "LATAM", "ASIA", "JP", "CN", "KR", "ROW", "SA", "AP", "LA", "OCE", "EUW", "EUNE"]
)
_MIN_CODES = 3  # different codes of countries beside NA
_MIN_CELLS = 5  # with a text that leaves only one other value
_SIGNS = re.compile(r"^[^\w\s]+$")
_REGION_NAME = re.compile(r"(^|[^a-z])(country|countries|nation|iso|continent|region|market)")


class TextColumn(NamedTuple):
    """A column as text, and whether most of its values are numbers or dates."""

    values: pl.Series
    is_quantity: bool


def set_missing(
    columns: Sequence[TextColumn], number_texts: Collection[str], options: SourceOptions, log: ReadLog
) -> tuple[list[pl.Series], dict[str, tuple[str, ...]]]:
    """The columns with missing values as null, and the texts of each that are values although they look missing.

    Args:
        number_texts: that stand for missing values in further columns of the file, which are numbers.
    """
    candidates = candidates_of(options)
    stripped = [c.values.str.strip_chars() for c in columns]
    absent = [cells.is_in(candidates).fill_null(False) for cells in stripped]
    texts = [
        set(cells.filter(rows).unique()) - {""} if rows.any() else set()
        for cells, rows in zip(stripped, absent, strict=True)
    ]
    number_texts = set(number_texts).union(*(t for c, t in zip(columns, texts, strict=True) if c.is_quantity))
    results: list[pl.Series] = []
    values: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    markers: set[str] = set(number_texts)
    for column, cells, rows, present in zip(columns, stripped, absent, texts, strict=True):
        name = column.values.name
        reasons = {} if column.is_quantity or not present else _values(name, cells, present, number_texts, options)
        if reasons:
            values[name] = tuple(sorted(reasons))
            rows = rows & ~cells.is_in(list(reasons)).fill_null(False)
            for text, why in sorted(reasons.items()):
                log.note("values", f"{name}: {text!r}", f"a value in {int((cells == text).sum()):,} rows: {why}")
        results.append(column.values.set(rows, None) if rows.any() else column.values)
        if missing := present.difference(reasons):
            markers |= missing
            notes.append(f"{name} ({int(cells.filter(rows).is_in(list(missing)).sum()):,} rows)")
    if markers:
        where = f" in {first_names(notes, 5)}" if notes else ""
        log.note(
            "missing", ", ".join(map(repr, sorted(markers))), f"read as missing{where}; data.keep=[TEXT] keeps a text"
        )
    return results, values


def candidates_of(options: SourceOptions) -> list[str]:
    """The texts that may stand for a missing value."""
    return [""] if options.missing == () else sorted({*MISSING, *_spellings(options.missing or ())})


def _spellings(texts: Iterable[str]) -> Iterator[str]:
    """The texts, and whole numbers with a decimal place too, as they are written in a column of decimals."""
    for text in texts:
        yield text
        if text.removeprefix("-").isdigit():
            yield f"{text}.0"


def _values(
    name: str, cells: pl.Series, present: Collection[str], number_texts: Collection[str], options: SourceOptions
) -> dict[str, str]:
    """Text -> why it is a value in this column, for those that look missing."""
    reasons = {text: "as data.keep says" for text in present if text in options.kept_in(name)}
    open_texts = [
        t for t in present if t not in reasons and t not in ALWAYS_MISSING and t not in (options.missing or ())
    ]
    if not open_texts:
        return reasons
    counts = dict(cells.drop_nulls().value_counts().iter_rows())
    others = [text for text in counts if text not in MISSING]
    if not others and counts.keys() >= {"-", "."}:
        others = ["-", "."]
    empty = counts.get("", 0) + cells.null_count() > 0
    for text in open_texts:
        if why := _evidence(name, text, counts[text], others, empty, text in number_texts):
            reasons[text] = f"{why}; data.missing=[{text}] reads it as missing"
    return reasons


def _evidence(name: str, text: str, count: int, others: Sequence[str], empty: bool, in_numbers: bool) -> str:
    """Why a text is a value; empty if nothing shows it."""
    if _SIGNS.match(text) and (
        sign := next((other for other in others if other != text and _SIGNS.match(other)), None)
    ):
        return f"{sign!r} is a value, too"
    if in_numbers:
        return ""
    if text == "NA" and _are_regions(name, others):
        return "the other values are codes of countries or regions, too"
    if text == "nil":
        return "no column of numbers has it"
    if text.lower() == "null" and empty:
        return "empty cells are missing values of this column"
    if text == "Null" and len(others) > 20 and sum(o.istitle() for o in others) > 0.9 * len(others):
        return "the other values are names, too"
    if len(others) == 1 and count >= _MIN_CELLS and text not in ("NaN", "nan", "NAN", "-nan"):
        return f"{others[0]!r} is the only other value"
    return ""


def _are_regions(name: str, others: Sequence[str]) -> bool:
    codes = set(others)
    countries = len(codes) >= _MIN_CODES and len(codes & _COUNTRIES) >= 0.95 * len(codes)
    continents = len(codes) >= _MIN_CODES and codes <= _CONTINENTS
    named = bool(_REGION_NAME.search(name.lower())) and all(re.fullmatch("[A-Z]{2,5}", code) for code in codes)
    return countries or continents or (bool(codes) and (named or codes <= _REGIONS))
