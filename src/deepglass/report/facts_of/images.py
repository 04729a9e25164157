"""Pictures as answers: what was given, what should have come of it, what came; the worst first."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepglass.features._dense_outputs import cut
from deepglass.features._display import to_pixels
from deepglass.features.image import Image
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.report.facts_of.cases import cases
from deepglass.report.image_facts import Redrawn
from deepglass.web import encode_image as draw

LONGEST = 240  # pixels


def images(feature: Image, seen: OutputRows) -> dict[str, Any]:
    """Rows by their signal-to-noise ratio in decibels."""
    error = feature.for_scoring(seen.best, seen.truth)[0]["error"].astype(float)
    ratio = -10 * np.log10(np.maximum(error, 1e-10))
    redrawn = []
    for i, typical in cases(ratio, seen.truth.mask):
        given = row_image(seen, i, LONGEST)
        frame = seen.best["letterbox"][i] if "letterbox" in seen.best else None
        true, said = (
            draw.photo(to_pixels(cut(codes[i], frame), feature.levels_ or 255), LONGEST)
            for codes in (seen.truth.values, seen.best["codes"])
        )
        redrawn.append(Redrawn(seen.place(i), given and given.encoded, true, said, float(ratio[i]), "psnr", typical))
    return {"redrawn": tuple(redrawn)}
