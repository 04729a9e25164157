"""Items that cannot be read, such as broken images."""

import numpy as np

from deepglass.doctor.base import DataContext, Finding


def unreadable(context: DataContext) -> list[Finding]:
    """One finding for all columns."""
    errors = {f.column: f.unreadable(context.table[f.column]) for f in context.features}
    broken = {column: rows for column, rows in errors.items() if rows}
    if not broken:
        return []
    reasons = [reason.partition("] ")[2] for rows in broken.values() for reason in rows.values()]
    text = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    rows = np.array(sorted({row for rows in broken.values() for row in rows}))
    return [context.finding("unreadable", rows, list(broken), 1.0, text, "data.fix=[unreadable]")]
