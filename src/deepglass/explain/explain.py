"""Explanations of rows as plain data, and as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepglass.data.table import Table
from deepglass.explain.explainer import Explainer
from deepglass.explain.files import check_ending, to_json, write
from deepglass.explain.nearest import ReferenceRows
from deepglass.run.predictor import Predictor, Rows


def explained(
    predictor: Predictor,
    rows: Rows,
    known: ReferenceRows | None,
    which: Sequence[int] | int | None = None,
    fast: bool = False,
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """A dict a row: {"row": ..., OUTPUT: {"value": ..., "why": [...], "base": ..., "gap": ..., ...}}.

    Args:
        known: training rows.
        which: 0-based places; a number for the first so many, None for all.
        out: a .json file, or a folder.
    """
    if out is not None:
        check_ending(out)
    explainer = Explainer(predictor, known)
    table = Table(predictor.read(rows))
    if isinstance(which, int):
        which = range(min(which, len(table)))
    reasons = explainer.explain(table, which, "fast" if fast else "full")
    if out is not None:
        places = range(len(table)) if which is None else which
        write(out, reasons, predictor, predictor.encode(table.take(np.array(list(places), np.int64))))
    return to_json(reasons)
