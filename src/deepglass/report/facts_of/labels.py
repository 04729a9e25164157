"""Several labels at once: the figures and curve of each, and the rows that were answered wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepglass.features.multilabel import Multilabel
from deepglass.introspect.rows import OutputRows
from deepglass.report.facts_of.curves import curves, line
from deepglass.report.facts_of.rows import mistake

MISTAKES = 60


def labels(feature: Multilabel, seen: OutputRows) -> dict[str, Any]:
    known = np.flatnonzero(seen.truth.mask)
    figures = feature.per_class(seen.best, seen.truth, seen.calibration)
    lines = []
    for k, name in enumerate(feature.class_names):
        true, order = seen.truth.values[known, k] > 0, np.argsort(-seen.best["log_odds"][known, k], kind="stable")
        if true.any():
            hits = true[order].cumsum()
            precision, recall = hits / np.arange(1, len(hits) + 1), hits / true.sum()
            lines.append(line(name, precision, recall, figures[name]["average_precision"], int(true.sum())))
    decoded = feature.decode(seen.best, seen.calibration)
    names = np.array(feature.class_names, object)
    wrong = []
    for i in known:
        true = names[seen.truth.values[i, : len(names)] > 0].tolist()
        if set(true) != set(decoded[i]["value"]):
            wrong.append((float(decoded[i]["confidence"]), int(i), true, decoded[i]["value"]))
    wrong.sort(key=lambda w: -w[0])
    said = lambda names: ", ".join(names) or "none of them"  # noqa: E731
    mistakes = tuple(mistake(seen.prepared, seen.rows, i, said(t), said(p), c) for c, i, t, p in wrong[:MISTAKES])
    return {"per_class": figures, "curves": curves(lines), "mistakes": mistakes}
