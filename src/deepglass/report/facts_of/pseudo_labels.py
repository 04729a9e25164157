"""From what a semi-supervised run counted to what its report tells."""

from __future__ import annotations

import math
from pathlib import Path

from deepglass.features.base import Feature, take_raw
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.pseudo_label_facts import Guessed
from deepglass.run.callbacks.pseudo_label_history import read_guesses


def guessed(folder: Path, prepared: PreparedData) -> tuple[Guessed, ...]:
    """An entry an output that was guessed; none for other kinds of learning."""
    lines = read_guesses(folder)
    if not lines:
        return ()
    return tuple(_of(f, lines, prepared) for f in prepared.outputs if f.name in lines[-1]["outputs"])


def _of(feature: Feature, lines: list[dict], prepared: PreparedData) -> Guessed:
    own = [line["outputs"][feature.name] for line in lines]
    known = feature.encode(take_raw(prepared.table[feature.column], prepared.rows("train"))).mask
    share = lambda key: tuple(math.nan if o[key] is None else o[key] for o in own)  # noqa: E731
    return Guessed(
        name=feature.name,
        classes=feature.class_names,
        labels=int(known.sum()),
        unlabelled=int((~known).sum()),
        asked=lines[-1]["rows"],
        steps=tuple(line["step"] for line in lines),
        sure=share("sure"),
        right=share("right"),
        all_right=share("all_right"),
        thresholds=tuple(tuple(o["thresholds"]) for o in own),
    )
