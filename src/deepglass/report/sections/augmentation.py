"""How training pictures were varied: before and after, with what moved along."""

from __future__ import annotations

from deepglass.report.facts import Facts
from deepglass.report.image_facts import Varied, Version
from deepglass.report.markup import Panel, colour_keys, image, label, source_of, text
from deepglass.report.sections.base import PanelSection
from deepglass.web.palette import css


def panel(facts: Facts) -> Panel | None:
    """A row a picture; None where pictures were not varied."""
    varied = facts.varied
    if varied is None or not varied.rows:
        return None
    return Panel("Varied in training", _lead(varied), _sheet(varied), short="Varied")


def _lead(varied: Varied) -> str:
    done = ", ".join(text(c) for c in varied.changes)
    return (
        f"Each time a picture comes again it looks a little different: {done}."
        if done
        else ("Each time a picture comes again it looks a little different.")
    )


def _sheet(varied: Varied) -> str:
    groups = "".join(_group(row) for row in varied.rows)
    keys = colour_keys((label(k.name, 30), css(k.colour)) for k in varied.legend)
    return f'{keys}<div class="varied">{groups}</div>'


def _group(versions: tuple[Version, ...]) -> str:
    cells = "".join(
        f"<figure>{_version(v, 'as it is' if i == 0 else 'varied')}"
        f"<figcaption>{'as it is' if i == 0 else ('varied' if i == 1 else '')}</figcaption></figure>"
        for i, v in enumerate(versions)
    )
    return f'<div class="versions">{cells}</div>'


def _version(version: Version, alt: str) -> str:
    shown = image(version.picture, alt)
    over = ""
    if version.drawn.mask:
        over += f'<img class="masklayer" src="{source_of(version.drawn.mask)}" alt="">'
    if version.drawn.boxes:
        rects = "".join(
            f'<rect x="{b.left:.4f}" y="{b.top:.4f}" width="{max(b.right - b.left, 0):.4f}" '
            f'height="{max(b.bottom - b.top, 0):.4f}"/>'
            for b in version.drawn.boxes
        )
        drawn = f'<g class="box right">{rects}</g>'
        over += f'<svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'
    return f'<span class="stack">{shown}{over}</span>'


class AugmentationSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Data augmentation", "Augmentation", 40
    panel = staticmethod(panel)
