"""What units and classes would like to see: pictures that were made to please them."""

from __future__ import annotations

from deepglass.introspect.facts import LayerImages
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, image, label, text
from deepglass.report.sections.base import PanelSection


def panel(facts: Facts) -> Panel | None:
    """A row of pictures a layer; None where the network reads no pictures by convolutions."""
    seen = facts.inside.optimized_images if facts.inside is not None else ()
    if not seen:
        return None
    lead = (
        "Made from noise, step by step, so that one unit or class answers as strongly as it can. "
        "No such picture was ever seen; it shows what the network looks for, not what things look like."
    )
    return Panel("What it would like to see", lead, "".join(map(_layer, seen)), short="Visions")


def _layer(layer: LayerImages) -> str:
    name = f"Layer <code>{text(layer.layer)}</code>" if layer.layer else "The classes"
    shown = "".join(
        f"<figure>{image(v.picture, f'made for {text(v.name)}')}<figcaption>{label(v.name, 20)}</figcaption></figure>"
        for v in layer.pictures
    )
    return f'<h3>{name}</h3><div class="visions">{shown}</div>'


class FeatureVisualizationSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Feature visualisation", "Visualisation", 280
    assets = ("inside",)
    panel = staticmethod(panel)
