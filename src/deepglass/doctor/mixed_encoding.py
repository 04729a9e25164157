"""Texts that were decoded with a wrong encoding: `cafÃ©` for `café`, a replacement character for a lost letter."""

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited

# UTF-8 read as Latin 1 or Windows 1252: a leading byte as a letter, then a sign that hardly ever follows one
LEADING = "\u00c2\u00c3\u00c4\u00c5\u00d0\u00d1"
SIGNS = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u017d\u0192\u2013-\u2026\u2030\u2039\u203a\u20ac\u2122"
GARBLED = f"[{LEADING}][{SIGNS}]|\u00e2\u20ac|\u00ef\u00bf\u00bd|\ufffd"


def mixed_encoding(context: DataContext) -> list[Finding]:
    """One finding per column."""
    findings = []
    for feature, raw in context.texts(context.features):
        rows = np.flatnonzero(raw.str.contains(GARBLED).fill_null(False).to_numpy())
        if len(rows):
            examples = raw.gather(rows[:3]).str.extract(f"(.{{0,12}}(?:{GARBLED}).{{0,8}})").to_list()
            names = join_limited([repr(s) for s in examples if s is not None])
            text = f"{feature.column}: {len(rows):,} texts were decoded with a wrong encoding, such as {names}"
            fix = "data.fix=[mixed_encoding]"
            findings.append(context.finding("mixed_encoding", rows, [feature.column], 0.9, text, fix))
    return findings
