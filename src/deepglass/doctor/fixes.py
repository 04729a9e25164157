"""Findings mended before training: each kind that is asked for becomes rows to drop and columns to ignore.

data.fix: [duplicate, leak]  ->  data.drop: [17, 203]  data.ignore: [price_in_cents]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from deepglass.doctor.base import Check
from deepglass.doctor.base import DataContext
from deepglass.doctor.constant import constant
from deepglass.doctor.duplicate import duplicate_groups
from deepglass.doctor.few_examples import few_examples
from deepglass.doctor.id_column import id_column
from deepglass.doctor.inspect import build_context
from deepglass.doctor.leak import leak
from deepglass.doctor.mixed_encoding import mixed_encoding
from deepglass.doctor.mixed_language import mixed_language
from deepglass.doctor.odd_size import odd_size
from deepglass.doctor.split_duplicate import leaking_groups
from deepglass.errors import SpecError, near_miss
from deepglass.prepare.columns import infer_columns
from deepglass.prepare.sources import read_source
from deepglass.spec.spec import Spec

HELD = ("test", "valid", "train")  # a row that stands in several parts stays in the first of these
Gone = Callable[[DataContext, np.ndarray], np.ndarray]  # rows to drop, given a mask of those that still stand

IGNORED: Mapping[str, Check] = {"leak": leak, "id_column": id_column, "constant": constant}
REFUSED = {
    "label_error": "`deepglass label RUN SOURCE` writes a file of mended labels for data.label_corrections=FILE",
    "unreadable": "what cannot be read is always left out",
    "imbalance": "thresholds are moved by themselves, and rows are not reweighted",
    "drift": "choose a split that holds for later rows, such as data.split.by=time:COLUMN",
    "weak_slice": "more examples of these rows help, or columns that tell them apart",
    "worth_labelling": "`deepglass label RUN SOURCE` is where they get their labels",
}


def mended(spec: Spec) -> Spec:
    """The spec with what `data.fix` asks for in `data.drop` and `data.ignore`; the same where it asks for nothing.

    Raises:
        SpecError: `unknown-name` for a kind that there is not, `bad-value` for one that cannot be mended so.
    """
    if not spec.data.fix:
        return spec
    _check(spec.data.fix)
    table = read_source(spec)
    column_roles, inputs, outputs = infer_columns(table, spec)
    case = build_context(table, spec, column_roles, [*outputs, *inputs])
    standing = np.ones(len(case.table), bool)
    for kind in (k for k in DROPPED if k in spec.data.fix):
        standing[DROPPED[kind](case, standing)] = False
    found = [f for kind in IGNORED if kind in spec.data.fix for f in IGNORED[kind](case)]
    ignored = [c for f in found if f.fix.startswith("data.ignore") for c in f.columns]
    dropped = {*spec.data.drop, *case.places[~standing].tolist()}
    columns = dict.fromkeys([*spec.data.ignore, *ignored])
    return replace(spec, data=replace(spec.data, drop=tuple(sorted(dropped)), ignore=tuple(columns)))


def _check(kinds: Sequence[str]) -> None:
    for kind in kinds:
        if kind in REFUSED:
            raise SpecError("bad-value", f"--fix {kind}: is nothing that a training can mend; {REFUSED[kind]}")
        if kind not in DROPPED and kind not in IGNORED:
            raise SpecError("unknown-name", f"--fix: there is no {kind!r}{near_miss(kind, [*DROPPED, *IGNORED])}")


def _copies(case: DataContext, standing: np.ndarray) -> np.ndarray:
    """All but the first of each group."""
    groups = (g[standing[g]] for g in duplicate_groups(case))
    return np.concatenate([np.zeros(0, np.int64), *(g[1:] for g in groups)])


def _twins(case: DataContext, standing: np.ndarray) -> np.ndarray:
    """Rows that stand in a part that is held out more strictly, too."""
    gone = [np.zeros(0, np.int64)]
    for group in leaking_groups(case):
        assert case.split is not None
        stays = next(part for part in HELD if (case.split[group] == part).any())
        gone.append(group[case.split[group] != stays])
    return np.concatenate(gone)


def _named(check: Check) -> Gone:
    """The rows that a finding names."""

    def rows(case: DataContext, standing: np.ndarray) -> np.ndarray:
        places = [place for finding in check(case) for place in finding.rows]
        return np.flatnonzero(np.isin(case.places, places))

    return rows


DROPPED: Mapping[str, Gone] = {
    "split_duplicate": _twins,  # before the copies, of which one stays
    "duplicate": _copies,
    "odd_size": _named(odd_size),
    "mixed_encoding": _named(mixed_encoding),
    "mixed_language": _named(mixed_language),
    "few_examples": _named(few_examples),
}
