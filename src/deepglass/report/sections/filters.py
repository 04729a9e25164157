"""What the network looks for: its first filters, and the patches that the channels of each later map answer to most."""

from __future__ import annotations

from deepglass.formatting import count, plural
from deepglass.introspect.filters import ChannelPatches, Filters, LayerPatches
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, image, label, text
from deepglass.report.sections.base import PanelSection

_BYTES = 1_100_000  # base64 makes a third more of it


def panel(facts: Facts) -> Panel | None:
    """Filters, then stage by stage; None where the network reads no picture."""
    filters = facts.filters
    if filters is None or not (filters.first or filters.stages):
        return None
    lead = (
        "From edges to parts to whole things: below each map are the pieces of "
        f"{plural(filters.looked_at, 'picture')} that some of its channels answer to most."
        if filters.stages
        else "What the first layer weighs, place by place: mid grey counts nothing, light for, dark against."
    )
    left = _BYTES
    html = _first(filters) if filters.first else ""
    for place, stage in enumerate(filters.stages):
        size = sum(len(p) for u in stage.units for p in u.patches)
        left -= size
        if left > 0:
            html += _stage(place, stage, filters)
    return Panel("What the network looks for", lead, html, short="Looks for")


def _first(filters: Filters) -> str:
    kernel = f"{filters.kernel[0]}&nbsp;×&nbsp;{filters.kernel[1]}"
    whole = filters.kernel == filters.size
    shown = "".join(image(f, f"filter {i}") for i, f in enumerate(filters.first))
    more = filters.units > len(filters.first)
    many = (
        f"{count(len(filters.first))} of {plural(filters.units, 'filter')}"
        if more
        else plural(len(filters.first), "filter")
    )
    largest = ", those with the largest weights" if more and whole else ""
    means = "; mid grey counts nothing, light for, dark against" if filters.stages else ""
    return (
        f"<h3>The first filters <small>{many} of {kernel} pixels{largest}{means}</small></h3>"
        f'<div class="kernels{" whole" if whole else ""}">{shown}</div>'
    )


def _stage(place: int, stage: LayerPatches, filters: Filters) -> str:
    name = "First map" if place == 0 else "Last map" if stage is filters.stages[-1] else f"Map {place + 1}"
    whole = stage.field[0] >= filters.size[0] and stage.field[1] >= filters.size[1]
    sees = "the whole picture" if whole else f"{stage.field[0]}&nbsp;×&nbsp;{stage.field[1]} pixels"
    grid = f"{stage.grid[0]}&nbsp;×&nbsp;{stage.grid[1]} places"
    one = stage.grid == (1, 1)
    said = f"{plural(stage.channels, 'channel')}, " + (
        f"one place, which sees {sees}" if one else f"{grid}, each sees {sees}"
    )
    units = "".join(map(_unit, stage.units))
    return f'<h3>{name} <small>{said} · <code>{text(stage.name)}</code></small></h3><div class="units">{units}</div>'


def _unit(unit: ChannelPatches) -> str:
    patches = "".join(image(p, f"patch {i + 1}") for i, p in enumerate(unit.patches))
    common = f" · {label(unit.common, 30)}" if unit.common else ""
    return (
        f'<figure class="unit"><div class="patches">{patches}</div>'
        f"<figcaption>channel {count(unit.channel)}{common}</figcaption></figure>"
    )


class FiltersSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Filters", "Filters", 270
    panel = staticmethod(panel)
