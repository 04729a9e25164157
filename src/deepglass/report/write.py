"""Facts -> one html file that works offline."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from deepglass.errors import StorageError
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, shorten, text
from deepglass.report.sections import (
    agent,
    attention,
    augmentation,
    boundary,
    calibration,
    confusion,
    data,
    example,
    filters,
    findings,
    health,
    learning,
    map,
    mistakes,
    network,
    per_class,
    precision_recall,
    reproduce,
    samples,
    slices,
    texts,
    thresholds,
    verification,
)
from deepglass.report.sections import audio as sounds
from deepglass.report.sections import explanations as why
from deepglass.report.sections import feature_visualization as visions
from deepglass.report.sections import gan as adversarial
from deepglass.report.sections import image_outputs as redrawn
from deepglass.report.sections import image_predictions as overlays
from deepglass.report.sections import metrics as figures
from deepglass.report.sections import pseudo_labels as semi
from deepglass.report.sections import reconstructions as again
from deepglass.report.sections import regression as numbers
from deepglass.report.sections import summary as story
from deepglass.web import STYLE, THEME

PANELS = (
    story,
    agent,
    figures,
    data,
    augmentation,
    learning,
    semi,
    adversarial,
    confusion,
    per_class,
    precision_recall,
    thresholds,
    calibration,
    numbers,
    slices,
    verification,
    overlays,
    redrawn,
    samples,
    again,
    texts,
    sounds,
    mistakes,
    why,
    attention,
    health,
    example,
    filters,
    visions,
    network,
    map,
    boundary,
    findings,
    reproduce,
)
"""The parts in the order of the page; the first is its head."""


def write_report(facts: Facts, path: Path) -> None:
    """Write the report to `path`, whole or not at all.

    Raises:
        StorageError: `disk-full` or `read-only`.
    """
    html = render(facts).encode("utf-8", "replace")
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(html)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        message = f"cannot write the report {path}: {error.strerror or error}"
        raise StorageError("disk-full" if full else "read-only", message) from error


def render(facts: Facts) -> str:
    """The report as html text."""
    made = [p for p in (module.panel(facts) for module in PANELS) if p is not None]
    head, parts = made[0], made[1:]
    page = files("deepglass.web")
    return Template(page.joinpath("report.html").read_text("utf-8")).substitute(
        title=text(shorten(facts.name, 80)),
        theme=THEME.read_text("utf-8"),
        style=STYLE.read_text("utf-8") + _parts(page, "css", facts),
        script=_parts(page, "js", facts),
        nav="".join(f'<a href="#{_anchor(p)}">{p.short or p.title}</a>' for p in made),
        anchor=_anchor(head),
        heading=head.title,
        lead=head.lead,
        story=head.html,
        panels="".join(_section(p) for p in parts),
        foot=_foot(facts),
    )


def _parts(page: Traversable, ending: str, facts: Facts) -> str:
    """The page's own style or script, and those of the parts that it has."""
    parts = {"report": True, "map": facts.map is not None, "inside": facts.inside is not None, "network": facts.layers}
    found = (page.joinpath(f"{name}.{ending}") for name, there in parts.items() if there)
    return "\n".join(file.read_text("utf-8") for file in found if file.is_file())


def _section(panel: Panel) -> str:
    anchor = _anchor(panel)
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-title"><header><h2 id="{anchor}-title">{panel.title}</h2>'
        f'<p class="lead">{panel.lead}</p></header>{panel.html}</section>'
    )


def _anchor(panel: Panel) -> str:
    return re.sub(r"[^a-z0-9]+", "-", (panel.short or panel.title).lower()).strip("-")


def _foot(facts: Facts) -> str:
    version = facts.reproduce.versions.get("deepglass", "") if facts.reproduce else ""
    return f"Written by deepglass {text(version)}".rstrip() + ". This file needs no network."
