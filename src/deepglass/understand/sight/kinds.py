"""A kind's name -> the function that makes the facts of its panels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deepglass.features.base import Feature
from deepglass.understand.language import read_before, tags, texts
from deepglass.understand.sight.boxes import boxes
from deepglass.understand.sight.cases import Seen
from deepglass.understand.sight.images import images
from deepglass.understand.sight.labels import labels
from deepglass.understand.sight.masks import mask
from deepglass.understand.sight.pairs import pairs
from deepglass.understand.sight.sounds import heard

KINDS: Mapping[str, Callable[[Any, Seen], dict[str, Any]]] = {
    "mask": mask,
    "boxes": boxes,
    "set": labels,
    "identity": pairs,
    "image": images,
    "text": texts,
    "tags": tags,
}


def facts_of(feature: Feature, seen: Seen) -> dict[str, Any]:
    """Fields of `OutputFacts` that a kind fills, or that what it is answered from does; none where nobody knows."""
    if not seen.truth.mask.any():
        return {}
    function = KINDS.get(feature.kind, read_before)
    return {**function(feature, seen), "heard": heard(feature, seen)}
