"""Items that cannot be read, such as broken pictures."""

from __future__ import annotations

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext


def unreadable(case: DataContext) -> list[Finding]:
    found = {f.column: f.unreadable(case.table[f.column]) for f in case.features}
    broken = {column: rows for column, rows in found.items() if rows}
    if not broken:
        return []
    reasons = [reason.partition("] ")[2] for rows in broken.values() for reason in rows.values()]
    text = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    rows = np.array(sorted({row for rows in broken.values() for row in rows}))
    return [case.finding("unreadable", rows, list(broken), 1.0, text, "data.fix=[unreadable]")]
