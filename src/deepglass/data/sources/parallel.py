"""Parallel text: one file per language with the same sentences line by line: `train.en.gz` beside `train.fr.gz`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources.base import SPLIT_NAMES, SPLIT_WORDS, ReadLog, SourceOptions
from deepglass.data.sources.frames import column_names
from deepglass.data.sources.text_bytes import read_text
from deepglass.data.table import Table
from deepglass.errors import SourceError

_LANGUAGES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
ara bul ces cze dan deu ger ell eng est fas fin fra fre heb hin hrv hun ind ita jpn kor lat lav lit nld dut nor pol
por ron rum rus slk slv spa srp swa swe tam tha tur ukr urd vie yor zho chi cmn hau ibo khm lao mya nep pus sin som
tgl xho zul
"""  # ISO 639-1, and those of ISO 639-2 and -3 that large corpora use; md, py and js are no languages

Files = Mapping[str, Path]  # language -> file


def parallel_files(entries: Sequence[Path]) -> dict[str, Files]:
    """Stem -> its files by language, for stems with at least two languages."""
    languages = frozenset(_LANGUAGES.split())
    stems: dict[str, dict[str, Path]] = {}
    for path in entries:
        stem, _, language = path.name.lower().removesuffix(".gz").rpartition(".")
        if stem and language in languages and path.is_file():
            stems.setdefault(stem, {})[language] = path
    return {stem: files for stem, files in stems.items() if len(files) > 1}


def read_parallel(
    stems: Mapping[str, Files], source: str, columns: Sequence[str] | None, options: SourceOptions
) -> Table:
    """One column per language, one row per line; the words train, valid and test in the file names give the split.

    An empty line is a missing value, and so are all lines of a language that a stem has no file of.

    Raises:
        SourceError: `mismatched-files` if files of one stem differ in their number of lines.
    """
    log = ReadLog()
    splits = {stem: _split_of(stem) for stem in stems}
    has_split = any(splits.values())
    if has_split:
        for stem in [stem for stem, split in splits.items() if split is None]:
            log.skip(f"{stem}.*", "it is not called train, valid or test, as others are")
            del splits[stem]
    languages = sorted({language for stem in splits for language in stems[stem]})
    names = dict(zip(languages, column_names(languages, columns, source), strict=True))
    texts: dict[str, list[str | None]] = {name: [] for name in names.values()}
    rows: list[str] = []  # the split of each
    for stem, split in sorted(splits.items(), key=lambda item: SPLIT_NAMES.index(item[1] or "train")):
        lines = _lines(stems[stem], source, options, log)
        count = len(next(iter(lines.values())))
        for language, name in names.items():
            texts[name] += lines.get(language, [None] * count)
        rows += [split or "train"] * count
    log.note("languages", ", ".join(languages), "parallel line by line; choose the output with --target")
    if has_split:
        log.note_split(rows, f"given by the names {', '.join(splits)}")
    return Table(
        {name: pl.Series(name, lines, dtype=pl.String) for name, lines in texts.items()},
        source,
        *log.entries,
        split=np.array(rows, "U5") if len(set(rows)) > 1 else None,
        kinds=dict.fromkeys(texts, "text"),
    )


def _split_of(stem: str) -> str | None:
    """The split that a word of a stem means: "test" of test_2016_flickr."""
    splits = {SPLIT_WORDS[word] for word in re.split(r"[^a-z]+", stem) if word in SPLIT_WORDS}
    return splits.pop() if len(splits) == 1 else None


def _lines(files: Files, source: str, options: SourceOptions, log: ReadLog) -> dict[str, list[str | None]]:
    """The lines of each language, the same number of each; None for an empty line."""
    lines: dict[str, list[str | None]] = {}
    for language, path in files.items():
        text = read_text(path, f"{source}/{path.name}", options, log).removesuffix("\n")
        lines[language] = [line.strip() or None for line in text.split("\n")]
    (first, reference), *others = lines.items()
    for language, other in others:
        if len(other) != len(reference):
            raise SourceError(
                "mismatched-files",
                f"{source}: {files[first].name} has {len(reference):,} lines, {files[language].name} {len(other):,}; "
                "expected each line of one to be the translation of the same line of the other",
            )
    return lines
