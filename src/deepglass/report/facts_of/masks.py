"""Masks over their pictures, the worst first, and the figures of each class."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepglass.features._dense_outputs import cut
from deepglass.features.mask import Mask
from deepglass.formatting import percent
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.report.facts_of.cases import cases
from deepglass.report.image_facts import Drawn, Legend, Overlay
from deepglass.web import encode_image as draw
from deepglass.web.palette import colour


def mask(feature: Mask, seen: OutputRows) -> dict[str, Any]:
    names = feature.class_names
    colours = tuple(colour(k) for k in range(len(names)))
    counts = feature.for_scoring(seen.best, seen.truth)[0]["counts"].astype(float)  # (N, K, K), true by said
    right = np.diagonal(counts, axis1=1, axis2=2)
    union = counts.sum(2) + counts.sum(1) - right
    present = counts.sum(2) > 0
    iou = np.divide(right, union, out=np.zeros_like(right), where=union > 0)
    score = np.where(present, iou, 0).sum(1) / np.maximum(present.sum(1), 1)
    overlays = []
    for i, typical in cases(score, seen.truth.mask & present.any(1)):
        picture = row_image(seen, i)
        if picture is None:
            return {"per_class": feature.per_class(seen.best, seen.truth)}
        true, said = (
            cut(v[i].astype(int) - 1, np.array(picture.part)) for v in (seen.truth.values, seen.best["classes"])
        )
        wrong = np.where((true >= 0) & (true != said), 0, -1)
        overlays.append(
            Overlay(
                row=seen.place(i),
                picture=picture.encoded,
                size=picture.size,
                truth=Drawn(draw.classes(true, colours)),
                answer=Drawn(draw.classes(said, colours)),
                wrong=draw.classes(wrong, ((255, 60, 20),)),
                score=float(score[i]),
                score_name="miou",
                caption=_taken_for(counts[i], names),
                typical=typical,
            )
        )
    occurs = counts.sum((0, 2)) + counts.sum((0, 1)) > 0
    legend = tuple(Legend(n, c) for n, c, s in zip(names, colours, occurs, strict=True) if s)
    figures = feature.per_class(seen.best, seen.truth)
    return {"overlays": tuple(overlays), "legend": legend, "per_class": figures}


def _taken_for(counts: np.ndarray, names: tuple[str, ...]) -> str:
    """The most frequent mistake of a picture, such as "road taken for pavement, 12 % of the picture"."""
    wrong = counts * (1 - np.eye(len(counts)))
    share = wrong.max(initial=0) / max(counts.sum(), 1)
    if share < 0.005:
        return ""
    true, said = divmod(int(wrong.argmax()), len(counts))
    return f"{names[true]} taken for {names[said]}, {percent(share, 0)} of the picture"
