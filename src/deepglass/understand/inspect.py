"""What is in a source: how each column is taken and why, and what is plainly wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.table import Note, Skipped, Table
from deepglass.features.base import Feature, Raw
from deepglass.run.prepare import Taken, settle
from deepglass.run.spec import Spec

FEW = 10  # examples of a class below which it can hardly be learned
RARE = 0.1  # share of a class below which the classes count as imbalanced


@dataclass(frozen=True)
class ColumnView:
    """A column, its kind, why, its part in the task, and how many values are missing."""

    name: str
    kind: str
    why: str
    role: str
    missing: int
    distinct: int | None
    example: str


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, the rows and columns that it concerns, how sure that is, and what mends it."""

    kind: str
    rows: tuple[int, ...]
    columns: tuple[str, ...]
    sure: float
    text: str
    fix: str


@dataclass(frozen=True)
class Inspection:
    """All that `deepglass inspect` says."""

    name: str
    rows: int
    notes: tuple[Note, ...]
    skipped: tuple[Skipped, ...]
    columns: tuple[ColumnView, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "source": {"name": self.name, "rows": self.rows, "notes": [n._asdict() for n in self.notes]},
            "skipped": [s._asdict() for s in self.skipped],
            "columns": [asdict(c) for c in self.columns],
            "findings": [asdict(f) for f in self.findings],
        }


def inspect_table(table: Table, spec: Spec) -> Inspection:
    """Look at a table as training would take it.

    Raises:
        SourceError, SpecError: what would also stop a training.
    """
    taken, features = settle(table, spec)
    order = {name: i for i, name in enumerate(table.names)}
    columns = [_view(table, t) for t in sorted(taken, key=lambda t: order.get(t.name, 0))]
    findings = [*findings_of(table, taken), *_unreadable(table, features)]
    return Inspection(table.name, len(table), table.notes, table.skipped, tuple(columns), tuple(findings))


def findings_of(table: Table, taken: Sequence[Taken]) -> tuple[Finding, ...]:
    """What is wrong with the columns as they were taken, one finding a kind."""
    by_kind: dict[str, list[Finding]] = {}
    for column in taken:
        for finding in _findings(table, column) if column.name in table.columns else ():
            by_kind.setdefault(finding.kind, []).append(finding)
    return tuple(_together(found) for found in by_kind.values())


def _together(found: Sequence[Finding]) -> Finding:
    if len(found) == 1:
        return found[0]
    rows = tuple(sorted({row for f in found for row in f.rows}))
    columns = tuple(c for f in found for c in f.columns)
    text = "; ".join(f.text for f in found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
    fix = f"data.ignore=[{', '.join(columns)}]" if all(f.fix for f in found) else ""
    return Finding(found[0].kind, rows, columns, min(f.sure for f in found), text, fix)


def _unreadable(table: Table, features: Sequence[Feature]) -> list[Finding]:
    """Rows whose item cannot be read, such as a broken picture."""
    found = {f.column: f.unreadable(table[f.column]) for f in features}
    broken = {column: rows for column, rows in found.items() if rows}
    if not broken:
        return []
    reasons = [reason.partition("] ")[2] for rows in broken.values() for reason in rows.values()]
    text = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    rows = tuple(sorted({row for rows in broken.values() for row in rows}))
    return [Finding("unreadable", rows, tuple(broken), 1.0, text, "remove or replace the files")]


def _view(table: Table, taken: Taken) -> ColumnView:
    raw = table[taken.name]
    distinct = raw.n_unique() if isinstance(raw, pl.Series) and not raw.dtype.is_nested() else None
    example = next((str(v) for v in _first(raw) if v is not None), "")
    return ColumnView(taken.name, taken.kind, taken.why, taken.role, _missing(raw), distinct, example[:60])


def _findings(table: Table, taken: Taken) -> Sequence[Finding]:
    if taken.why.startswith(("the same value", "no value")):
        text = f"{taken.name}: {taken.why}; it is left out"
        return [Finding("constant", (), (taken.name,), 1.0, text, f"data.ignore=[{taken.name}]")]
    if taken.why.startswith("a row number"):
        text = f"{taken.name}: {taken.why}; it is left out"
        return [Finding("id_column", (), (taken.name,), 1.0, text, f"data.ignore=[{taken.name}]")]
    raw = table[taken.name]
    if (
        taken.role != "output"
        or taken.kind not in ("category", "binary")
        or not isinstance(raw, pl.Series | np.ndarray)
    ):
        return []
    counts = pl.Series("value", raw).drop_nulls().value_counts(sort=True)
    shares = (counts["count"] / counts["count"].sum()).to_numpy()
    found = []
    if shares.min() < RARE / max(len(counts) / 2, 1):
        rarest = f"{counts['value'][-1]!r} is {shares[-1]:.1%} of the rows"
        text = f"{taken.name}: {rarest}; thresholds are moved, nothing is reweighted"
        found.append(Finding("imbalance", (), (taken.name,), 1.0, text, ""))
    few = counts.filter(pl.col("count") < FEW)
    if len(few):
        names = ", ".join(str(v) for v in few["value"][:5])
        rows = np.flatnonzero(pl.Series(raw).is_in(few["value"].implode()).fill_null(False).to_numpy())
        text = f"{taken.name}: {len(few)} classes have fewer than {FEW} examples ({names})"
        found.append(Finding("few_examples", tuple(map(int, rows)), (taken.name,), 1.0, text, ""))
    return found


def _missing(raw: Raw) -> int:
    if isinstance(raw, pl.Series):
        return raw.null_count()
    if isinstance(raw, np.ndarray):
        return int(np.isnan(raw.reshape(len(raw), -1)).all(1).sum()) if raw.dtype.kind == "f" else 0
    return sum(item is None for item in raw)


def _first(raw: Raw) -> list[Any]:
    if isinstance(raw, pl.Series):
        return raw.head(100).to_list()
    if isinstance(raw, np.ndarray) and raw.ndim > 1:
        return [f"{' x '.join(map(str, raw.shape[1:]))} {raw.dtype}"]
    return [getattr(v, "name", v) for v in raw[:100]]
