"""One row on its way through the network, layer by layer."""

from __future__ import annotations

from deepglass.formatting import count, percent
from deepglass.introspect.facts import ForwardExample, LayerOutput
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, image, label, meter, shorten, text
from deepglass.report.sections.base import PanelSection

_HEIGHT = 60
_LONGEST = 14  # letters of a word below the times


def panel(facts: Facts) -> Panel | None:
    """What goes in, what each layer makes of it, what comes out; None where no row was followed."""
    example = facts.inside.example if facts.inside is not None else None
    if example is None:
        return None
    maps = any(s.kind == "maps" for s in example.layers)
    kinds = {s.kind for s in example.layers}
    what = "the maps of some channels" if maps else "the units over time" if "times" in kinds else "the units as bars"
    lead = f"Row {count(example.row)} on its way: {what}, each layer on its own scale."
    html = _given(example) + "".join(map(_stop, example.layers)) + _scores(example)
    return Panel("One example, layer by layer", lead, f'<div class="stops">{html}</div>', short="Example")


def _given(example: ForwardExample) -> str:
    if example.picture is not None:
        body = f'<div class="whole">{image(example.picture, "the picture")}</div>'
    elif example.given:
        body = "<p>" + " · ".join(f"{label(n, 30)} <b>{label(v, 120)}</b>" for n, v in example.given) + "</p>"
    else:
        return ""
    return f"<figure><h3>What goes in</h3>{body}</figure>"


def _stop(stop: LayerOutput) -> str:
    shape = " × ".join(count(n) for n in stop.shape)
    more = f" · {count(stop.more)} more" if stop.more else ""
    if stop.kind == "bars":
        body = _bars(stop)
    elif stop.kind == "times":
        body = _over_time(stop)
    else:
        tiles = "".join(image(p, f"map {i + 1}") for i, p in enumerate(stop.pictures))
        body = f'<div class="stoptiles">{tiles}</div>'
    return f"<figure><h3>{text(stop.layer)} <small>{shape}{more}</small></h3>{body}</figure>"


def _over_time(stop: LayerOutput) -> str:
    """Units from top to bottom, time from left to right, and what stands there: words lean, figures stand."""
    picture = image(stop.pictures[0], "units from top to bottom, places from left to right")
    if not stop.marks:
        return f'<div class="overtime">{picture}</div>'
    marks = "".join(
        f'<span style="left:{100 * at:.2f}%">{text(shorten(said, _LONGEST))}</span>' for at, said in stop.marks
    )
    unit = f'<p class="dim">{stop.unit}</p>' if stop.unit else ""
    css = "figures" if stop.unit else "words"
    return f'<div class="overtime">{picture}<div class="{css}">{marks}</div>{unit}</div>'


def _bars(stop: LayerOutput) -> str:
    """A bar a unit, upwards for positive ones."""
    below = min(stop.values, default=0.0) < 0
    zero = _HEIGHT / 2 if below else _HEIGHT - 1
    room = zero - 2
    bars = "".join(
        f'<rect class="{"up" if v >= 0 else "down"}" x="{10 * i + 1}" width="8" '
        f'y="{zero - room * v if v >= 0 else zero:.1f}" height="{max(room * abs(v), 0.4):.1f}"/>'
        for i, v in enumerate(stop.values)
    )
    width = 10 * max(len(stop.values), 24)
    return (
        f'<svg viewBox="0 0 {width} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{count(len(stop.values))} units of {text(stop.layer)}">'
        f'<line x1="0" x2="{width}" y1="{zero}" y2="{zero}"/>{bars}</svg>'
    )


def _scores(example: ForwardExample) -> str:
    truth = dict(example.truth)
    html = ""
    for name, scores in example.scores:
        rows = "".join(
            f"<p><span>{label(said, 30)}</span>{meter(share)}<span>{percent(share)}</span></p>"
            if share is not None
            else f"<p><b>{label(said, 40)}</b></p>"
            for said, share in scores
        )
        true = f'<p class="dim">true: {label(truth[name], 40)}</p>' if name in truth else ""
        html += f'<figure><h3>What comes out: {label(name, 40)}</h3><div class="scorelist">{rows}</div>{true}</figure>'
    return html


class ExampleSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Feature maps of one example", "Example", 260
    assets = ("inside",)
    panel = staticmethod(panel)
