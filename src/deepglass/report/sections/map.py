"""The map: rows as points in the learned space; `page/map.js` makes it move."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from typing import Any

import numpy as np
from PIL import Image as Pillow

from deepglass.formatting import count, percent, plural
from deepglass.projection.facts import STEPS, UNKNOWN, Colouring, Layout, MapFacts
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, colour_keys, image, label, source_of, text
from deepglass.web.palette import Colour, colour, css

NONE: Colour = (150, 150, 150)
_VERDICT: tuple[Colour, ...] = ((150, 150, 150), (213, 60, 40))  # right, wrong
_SCALE = np.array([[68, 40, 130], [52, 110, 150], [40, 165, 130], [150, 205, 70], [250, 215, 60]], float)
_STATIC = (1000, 640)  # pixels of the picture for print
_LEGEND = 24  # names
_ROOM = 0.6  # of the map's size that rows may lie beyond it while they learn


def panel(facts: Facts) -> Panel | None:
    """Points, what colours them, and what they are; None for runs without a map."""
    seen = facts.map
    if seen is None:
        return None
    return Panel("The map", _lead(seen), _html(seen), short="Map")


def _lead(seen: MapFacts) -> str:
    parts = [
        plural(there, f"{part} row") if there == whole else f"{count(there)} of {plural(whole, f'{part} row')}"
        for part, (there, whole) in seen.parts.items()
        if there
    ]
    where = f"the space of layer {text(seen.layer)}" if seen.layer else "the space that the network has learned"
    kept = f"PCA shows {percent(seen.kept, 0)} of the variance of its {plural(seen.dim, 'dimension')}"
    return f"{' and '.join(parts)} in {where}: what lies together looks alike to the network. {kept}."


def _html(seen: MapFacts) -> str:
    layouts = "".join(
        f'<option value="{i}"{" selected" if p.name == seen.shown else ""}>{text(p.name)}</option>'
        for i, p in enumerate(seen.layouts)
    )
    colours = "".join(f'<option value="{i}">{label_text(c.name)}</option>' for i, c in enumerate(seen.colourings))
    several = f"<label>Layout <select data-map-layout>{layouts}</select></label>" if len(seen.layouts) > 1 else ""
    course = (
        f'<label class="mapcourse">Training <input type="range" min="0" max="{len(seen.steps)}" '
        f'value="{len(seen.steps)}" data-map-course><output>end</output></label>'
        if seen.steps
        else ""
    )
    bar = (
        f'<div class="mapbar scripted" hidden>{several}<label>Colour <select data-map-colour>{colours}</select></label>'
        '<span class="mapkeys" role="group" aria-label="What dragging does">'
        '<button type="button" data-map-tool="move" aria-pressed="true">Move</button>'
        '<button type="button" data-map-tool="lasso" aria-pressed="false">Lasso</button></span>'
        '<span class="mapkeys" role="group" aria-label="Zoom">'
        '<button type="button" data-map-zoom="in" aria-label="Zoom in">+</button>'
        '<button type="button" data-map-zoom="out" aria-label="Zoom out">−</button>'
        f'<button type="button" data-map-zoom="whole">Whole</button></span>{course}</div>'
    )
    said = f"{plural(len(seen), 'row')} as points, coloured by {label_text(seen.colourings[0].name)}"
    keys = "Arrow keys move, plus and minus zoom, 0 shows all, Enter picks the point in the middle"
    view = (
        f'<div class="mapview"><canvas class="mappoints scripted" hidden tabindex="0" role="application" '
        f'aria-label="{said}. {keys}."></canvas><canvas class="mapover scripted" hidden aria-hidden="true"></canvas>'
        f'<div class="mapstatic">{image(static(seen), said)}</div></div>'
    )
    what = "its neighbours" if seen.items is None else "what it is and its neighbours"
    hint = (
        f'<p class="dim">Choose a point to see {what}. Drag moves the map (with Shift it is a lasso), the wheel zooms '
        f"once the map was clicked. {keys}.</p>"
    )
    sides = f'<div class="mapcols">{view}<div class="maplist scripted" hidden aria-live="polite">{hint}</div></div>'
    return (
        f'<div class="map" data-map>{bar}{sides}<div class="maplegend">{_keys(seen.colourings[0])}</div>'
        f'<script type="application/json">{_json(seen)}</script></div>'
    )


def label_text(name: str) -> str:
    """A name as the text of an option, short."""
    return text(name if len(name) <= 40 else name[:39] + "…")


def _keys(shown: Colouring) -> str:
    """The legend before the script makes its own."""
    used = [k for k in np.unique(shown.codes).tolist() if k != UNKNOWN][:_LEGEND]
    return colour_keys((label(shown.names[k], 24), css(tint(shown, k))) for k in used) if shown.names else ""


def tint(shown: Colouring, code: int) -> Colour:
    """The colour of a code."""
    if code == UNKNOWN:
        return NONE
    if shown.names == ("right", "wrong"):
        return _VERDICT[code]
    if shown.names:
        return colour(code)
    at = code / STEPS * (len(_SCALE) - 1)
    mixed = [float(np.interp(at, np.arange(len(_SCALE)), _SCALE[:, c])) for c in range(3)]
    return round(mixed[0]), round(mixed[1]), round(mixed[2])


# -- data for the script -----------------------------------------------------------------------------------------------


def _json(seen: MapFacts) -> str:
    """All that the script needs; arrays as base64 of little-endian uint16."""
    kept = seen.kept_rows
    content: dict[str, Any] = {
        "count": len(seen),
        "layouts": [_layout(p) for p in seen.layouts],
        "colours": [_colouring(c) for c in seen.colourings],
        "kept": _packed(np.asarray(kept)),
        "near": {"of": "all" if len(seen.neighbours) == len(seen) else "kept", "k": int(seen.neighbours.shape[1])},
        "neighbours": _packed(seen.neighbours),
    }
    if seen.course is not None and seen.followed is not None:
        first = seen.layouts[0].places
        content["course"] = {
            "steps": list(seen.steps),
            "which": _packed(seen.followed),
            "places": _packed(np.concatenate([shares(first, moment) for moment in seen.course])),
        }
    if (items := seen.items) is not None:
        content["items"] = {"rows": items.rows, "said": items.said, "texts": items.texts}
        if items.sprites is not None:
            sprites = items.sprites
            content["sprites"] = {"source": source_of(sprites.picture), "size": sprites.size, "across": sprites.across}
    return (
        json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    )


def _layout(layout: Layout) -> dict[str, Any]:
    which = None if layout.which is None else _packed(layout.which)
    return {"name": layout.name, "places": _packed(shares(layout.places, layout.places)), "which": which}


def shares(frame: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places in a square around `frame`, one scale for both axes, as uint16; those far outside lie on its border.

    Shapes:
        frame, places: (N, 2) float; the result (N, 2) uint16, the second axis upwards.
    """
    low, high = frame.min(0), frame.max(0)
    side = max(float((high - low).max()), 1e-12) * (1 + _ROOM)
    share = (places - (low + high) / 2) / side + 0.5
    return np.round(65_535 * np.clip(share, 0, 1)).astype(np.uint16)


def _colouring(shown: Colouring) -> dict[str, Any]:
    codes = range(len(shown.names)) if shown.names else range(0, STEPS + 1, 5)
    return {
        "name": shown.name,
        "names": shown.names,
        "ends": shown.ends,
        "codes": _packed(shown.codes),
        "tints": [tint(shown, c) for c in codes],
        "none": NONE,
    }


def _packed(values: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(values, "<u2").tobytes()).decode()


# -- the picture for print ---------------------------------------------------------------------------------------------


def static(seen: MapFacts) -> bytes:
    """The map as it is first seen, a PNG without ground."""
    layout = next(p for p in seen.layouts if p.name == seen.shown)
    shown = seen.colourings[0]
    codes = shown.codes if layout.which is None else shown.codes[layout.which]
    kinds = np.unique(codes)
    palette = [NONE, *(tint(shown, int(k)) for k in kinds)][:256]
    width, height = _STATIC
    low, high = layout.places.min(0), layout.places.max(0)
    unit = max(float(((high - low) / (np.array([width, height]) * 0.94)).max()), 1e-12)
    at = np.round((layout.places - (low + high) / 2) / unit + np.array([width / 2, height / 2])).astype(int)
    sheet = np.zeros((height, width), np.uint8)
    reach = 1 if len(at) > 4_000 else 2
    place = np.minimum(np.searchsorted(kinds, codes) + 1, 255).astype(np.uint8)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dx * dx + dy * dy <= reach * reach:
                x, y = np.clip(at[:, 0] + dx, 0, width - 1), np.clip(height - 1 - at[:, 1] + dy, 0, height - 1)
                sheet[y, x] = place
    picture = Pillow.fromarray(sheet, "P")
    picture.putpalette([v for c in palette for v in c])
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True, transparency=0)
    return out.getvalue()
