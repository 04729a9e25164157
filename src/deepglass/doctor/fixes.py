"""Automatic fixes before training: a kind of finding becomes rows to drop and columns to ignore.

data.fix: [duplicate, leak]  ->  data.drop: [17, 203]  data.ignore: [price_in_cents]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from deepglass.doctor.base import Check, DataContext
from deepglass.doctor.class_sizes import few_examples
from deepglass.doctor.duplicate import duplicate_groups, leaking_groups
from deepglass.doctor.inspect import build_context
from deepglass.doctor.leak import leak
from deepglass.doctor.media_items import odd_size
from deepglass.doctor.media_quality import media_quality
from deepglass.doctor.near_copies import near_rows
from deepglass.doctor.near_duplicates import connected_groups
from deepglass.doctor.outliers import outlier
from deepglass.doctor.swapped import swapped
from deepglass.doctor.text_content import empty_text
from deepglass.doctor.texts import mixed_encoding, mixed_language
from deepglass.doctor.uninformative_columns import constant, id_column
from deepglass.errors import SpecError, near_miss
from deepglass.prepare.columns import infer_columns
from deepglass.prepare.derived_columns import join_columns
from deepglass.prepare.sources import read_source
from deepglass.spec.spec import Spec

PRIORITY = ("test", "valid", "train")  # a duplicate stays in the first of these splits
Drop = Callable[[DataContext, np.ndarray], Sequence[int] | np.ndarray]
"""Context and mask of the rows that are left -> indices of rows to drop."""

IGNORE: Mapping[str, Check] = {"leak": leak, "id_column": id_column, "constant": constant}
NOT_FIXABLE = {
    "label_error": "`deepglass label RUN SOURCE` writes a file of corrected labels for data.label_corrections=FILE",
    "unreadable": "unreadable rows are always left out",
    "imbalance": "thresholds are tuned on the validation rows; rows are not reweighted",
    "drift": "choose another split, such as data.split.by=time:COLUMN",
    "weak_slice": "add more such rows, or columns that distinguish them",
    "group_leak": "choose another split, such as data.split.by=group:COLUMN",
    "order_drift": "choose another split, such as data.split.by=time:COLUMN or data.split.by=order",
    "spelling": "write the values in one way in the source",
    "markup": "remove the markup in the source",
    "boilerplate": "remove the shared words in the source",
    "proxy": "leave the column out with data.ignore, or give it another kind",
    "worth_labelling": "`deepglass label RUN SOURCE` opens a page to label them",
}


def apply_fixes(spec: Spec) -> Spec:
    """The spec with the fixes of `data.fix` added to `data.drop` and `data.ignore`.

    Raises:
        SpecError: `unknown-name` for an unknown kind, `bad-value` for one without an automatic fix.
    """
    if not spec.data.fix:
        return spec
    _check(spec.data.fix)
    table = read_source(spec)
    roles, inputs, outputs = infer_columns(table, spec)
    table = join_columns(table, (*inputs, *outputs))
    context = build_context(table, spec, roles, [*outputs, *inputs])
    left = np.ones(len(context.table), bool)
    for drop in (DROP[kind] for kind in DROP if kind in spec.data.fix):
        left[np.asarray(drop(context, left), np.int64)] = False
    findings = [f for kind in IGNORE if kind in spec.data.fix for f in IGNORE[kind](context)]
    ignored = [c for f in findings if f.fix.startswith("data.ignore") for c in f.columns]
    dropped = {*spec.data.drop, *context.source_rows[~left].tolist()}
    columns = dict.fromkeys([*spec.data.ignore, *ignored])
    return replace(spec, data=replace(spec.data, drop=tuple(sorted(dropped)), ignore=tuple(columns)))


def _check(kinds: Sequence[str]) -> None:
    for kind in kinds:
        if kind in NOT_FIXABLE:
            raise SpecError("bad-value", f"--fix {kind}: there is no automatic fix; {NOT_FIXABLE[kind]}")
        if kind not in DROP and kind not in IGNORE:
            raise SpecError("unknown-name", f"--fix: no fix {kind!r}{near_miss(kind, [*DROP, *IGNORE])}")


def _copies(context: DataContext, left: np.ndarray) -> list[int]:
    """All but the first row of each group."""
    return _all_but_first(duplicate_groups(context), left)


def _near_copies(context: DataContext, left: np.ndarray) -> list[int]:
    """All but the first row of each group of nearly equal rows."""
    return _all_but_first(connected_groups(near_rows(context), len(context.table)), left)


def _all_but_first(groups: Sequence[np.ndarray], left: np.ndarray) -> list[int]:
    return [row for group in groups for row in group[left[group]][1:]]


def _leaking(context: DataContext, left: np.ndarray) -> list[int]:
    """Rows of a group that are not in its split of the highest priority."""
    dropped: list[int] = []
    for group in leaking_groups(context):
        assert context.split is not None
        splits = context.split[group]
        dropped += group[splits != next(split for split in PRIORITY if split in splits)].tolist()
    return dropped


def _rows_of(check: Check) -> Drop:
    """The rows of a check's findings."""

    def rows(context: DataContext, left: np.ndarray) -> np.ndarray:
        source_rows = [row for finding in check(context) for row in finding.rows]
        return np.flatnonzero(np.isin(context.source_rows, source_rows))

    return rows


DROP: Mapping[str, Drop] = {
    "split_duplicate": _leaking,  # before the copies, of which one is left
    "duplicate": _copies,
    "odd_size": _rows_of(odd_size),
    "mixed_encoding": _rows_of(mixed_encoding),
    "mixed_language": _rows_of(mixed_language),
    "few_examples": _rows_of(few_examples),
    "outlier": _rows_of(outlier),
    "swapped": _rows_of(swapped),
    "near_copy": _near_copies,
    "empty_text": _rows_of(empty_text),
    "media_quality": _rows_of(media_quality),
}
