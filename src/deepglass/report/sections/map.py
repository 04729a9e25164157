"""The embedding map: rows as points in the learned space; `web/map.js` makes it interactive."""

import io
import json
from base64 import b64encode
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image as Pillow

from deepglass.objectives._word_vectors import WordVectors
from deepglass.projection.facts import STEPS, UNKNOWN, Colouring, ProjectionLayout, ProjectionMap
from deepglass.projection.projection import projection_map
from deepglass.projection.words import word_map
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import data_url
from deepglass.run.callbacks.embedding_recorder import FOLDER
from deepglass.web.palette import Colour, colour, css

NO_COLOUR: Colour = (150, 150, 150)
RIGHT_WRONG: tuple[Colour, ...] = ((150, 150, 150), (213, 60, 40))
SCALE = np.array([[68, 40, 130], [52, 110, 150], [40, 165, 130], [150, 205, 70], [250, 215, 60]], float)
STATIC_SIZE = (1000, 640)  # pixels of the image for print
MAX_LEGEND = 24  # names
ITEM_FIELDS = ("rows", "predictions", "truths", "names", "values")
MARGIN = 0.6  # of the map's size that rows may lie beyond it while they learn


class MapSection(Section):
    """Points, what colours them, and what they are."""

    title, nav, position = "Embedding map", "Map", 20
    layer = "why"
    folded = True
    files = ("metrics.json", f"{FOLDER}/*")
    assets = ("map",)

    def collect(self, report: ReportData) -> ProjectionMap | None:
        objective, points = report.context.objective, report.points
        if isinstance(objective, WordVectors):
            return word_map(objective, report.options.projection)
        return None if points is None else projection_map(report.context, points, report.options.projection)

    def view(self, facts: ProjectionMap, report: ReportData) -> View:
        first = facts.colourings[0]
        used = [k for k in np.unique(first.codes).tolist() if k != UNKNOWN][:MAX_LEGEND]
        return {
            "map": facts,
            "rows": len(facts),
            "image": static(facts),
            "legend": [(first.names[k], css(tint(first, k))) for k in used] if first.names else [],
            "data": Markup(_json(facts)),
        }


def tint(colouring: Colouring, code: int) -> Colour:
    """The colour of a code."""
    if code == UNKNOWN:
        return NO_COLOUR
    if colouring.names == ("right", "wrong"):
        return RIGHT_WRONG[code]
    if colouring.names:
        return colour(code)
    at = code / STEPS * (len(SCALE) - 1)
    mixed = [float(np.interp(at, np.arange(len(SCALE)), SCALE[:, c])) for c in range(3)]
    return round(mixed[0]), round(mixed[1]), round(mixed[2])


# -- data for the script -----------------------------------------------------------------------------------------------


def _json(facts: ProjectionMap) -> str:
    """All that the script needs, safe inside a script element; arrays as base64 of little-endian uint16."""
    neighbours_of = "all" if len(facts.neighbours) == len(facts) else "items"
    content: dict[str, Any] = {
        "count": len(facts),
        "noun": facts.noun,
        "layouts": [_layout(layout) for layout in facts.layouts],
        "colourings": [_colouring(c) for c in facts.colourings],
        "item_points": _packed(np.asarray(facts.detailed_points)),
        "neighbours": {"of": neighbours_of, "k": facts.neighbours.shape[1], "points": _packed(facts.neighbours)},
    }
    if facts.trajectories is not None and facts.trajectory_points is not None:
        first = facts.layouts[0].positions
        content["trajectories"] = {
            "steps": list(facts.steps),
            "points": _packed(facts.trajectory_points),
            "positions": _packed(np.concatenate([shares(first, positions) for positions in facts.trajectories])),
        }
    if (items := facts.items) is not None:
        content["items"] = {name: getattr(items, name) for name in ITEM_FIELDS}
        if items.sprites is not None:
            sprites = items.sprites
            content["sprites"] = {"source": data_url(sprites.image), "size": sprites.size, "across": sprites.across}
    return (
        json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    )


def _layout(layout: ProjectionLayout) -> dict[str, Any]:
    points = None if layout.points is None else _packed(layout.points)
    positions = _packed(shares(layout.positions, layout.positions))
    return {"name": layout.name, "positions": positions, "points": points}


def shares(frame: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Positions in a square around `frame`, one scale for both axes, as uint16; those far outside lie on its border.

    Shapes:
        frame, places: (N, 2) float; the result (N, 2) uint16, the second axis upwards.
    """
    low, high = frame.min(0), frame.max(0)
    side = max(float((high - low).max()), 1e-12) * (1 + MARGIN)
    share = (places - (low + high) / 2) / side + 0.5
    return np.round(65_535 * np.clip(share, 0, 1)).astype(np.uint16)


def _colouring(colouring: Colouring) -> dict[str, Any]:
    codes = range(len(colouring.names)) if colouring.names else range(0, STEPS + 1, 5)
    return {
        "name": colouring.name,
        "names": colouring.names,
        "ends": colouring.ends,
        "codes": _packed(colouring.codes),
        "colours": [tint(colouring, c) for c in codes],
        "missing": NO_COLOUR,
    }


def _packed(values: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(values, "<u2").tobytes()).decode()


# -- the image for print ---------------------------------------------------------------------------------------------


def static(facts: ProjectionMap) -> bytes:
    """The map as it is at first, a PNG with a transparent background."""
    layout = next(p for p in facts.layouts if p.name == facts.default_layout)
    colouring = facts.colourings[0]
    codes = colouring.codes if layout.points is None else colouring.codes[layout.points]
    kinds = np.unique(codes)
    palette = [NO_COLOUR, *(tint(colouring, int(k)) for k in kinds)][:256]
    width, height = STATIC_SIZE
    low, high = layout.positions.min(0), layout.positions.max(0)
    unit = max(float(((high - low) / (np.array([width, height]) * 0.94)).max()), 1e-12)
    at = np.round((layout.positions - (low + high) / 2) / unit + np.array([width / 2, height / 2])).astype(int)
    sheet = np.zeros((height, width), np.uint8)
    reach = 1 if len(at) > 4_000 else 2
    place = np.minimum(np.searchsorted(kinds, codes) + 1, 255).astype(np.uint8)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dx * dx + dy * dy <= reach * reach:
                x, y = np.clip(at[:, 0] + dx, 0, width - 1), np.clip(height - 1 - at[:, 1] + dy, 0, height - 1)
                sheet[y, x] = place
    image = Pillow.fromarray(sheet, "P")
    image.putpalette([v for c in palette for v in c])
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, transparency=0)
    return out.getvalue()
