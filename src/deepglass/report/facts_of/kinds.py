"""A kind's name -> the function that makes the facts of its panels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deepglass.features.base import Feature
from deepglass.introspect.rows import OutputRows
from deepglass.report.facts_of.audio import heard
from deepglass.report.facts_of.boxes import boxes
from deepglass.report.facts_of.images import images
from deepglass.report.facts_of.labels import labels
from deepglass.report.facts_of.masks import mask
from deepglass.report.facts_of.pairs import pairs
from deepglass.report.facts_of.texts import read_before, tags, texts

KINDS: Mapping[str, Callable[[Any, OutputRows], dict[str, Any]]] = {
    "mask": mask,
    "boxes": boxes,
    "multilabel": labels,
    "identity": pairs,
    "image": images,
    "text": texts,
    "tags": tags,
}


def facts_of(feature: Feature, seen: OutputRows) -> dict[str, Any]:
    """Fields of `OutputFacts` that a kind fills, or that what it is answered from does; none where nobody knows."""
    if not seen.truth.mask.any():
        return {}
    function = KINDS.get(feature.kind, read_before)
    return {**function(feature, seen), "heard": heard(feature, seen)}
