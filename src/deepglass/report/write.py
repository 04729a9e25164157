"""The report of a run as one HTML file that works offline."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from deepglass.files import write_file
from deepglass.registry import Registry
from deepglass.report.data import ReportData
from deepglass.report.sections.base import Layer, Section
from deepglass.report.templates import environment
from deepglass.web import REPORT_STYLES, asset, bundle

SECTIONS: Registry[Section] = Registry("deepglass.report.sections", "Section", "report section")


LAYERS: Mapping[Layer, str] = {
    "result": "How good the predictions are",
    "data": "What the network has learned from",
    "why": "What the predictions rest on",
    "inside": "The network and its training",
}
"""The parts of the page in their order, and what each is about."""


@cache
def sections() -> tuple[Section, ...]:
    """All sections in the order of the page."""
    return tuple(sorted((cls() for _, cls in SECTIONS), key=_order))


def _order(section: Section) -> tuple[int, int]:
    return list(LAYERS).index(section.layer), section.position


def write_report(report: ReportData, path: Path) -> None:
    """Write the report to `path`, whole or not at all.

    Raises:
        StorageError: `disk-full` or `read-only`.
    """
    write_file(path, render(report).encode("utf-8", "replace"))


def render(report: ReportData, further: Sequence[Section] = ()) -> str:
    """The whole page: the head, the sections that this run has, and the styles and scripts that they need.

    Args:
        further: sections from outside the package; they stand where their `layer` and `position` say.

    Raises:
        DeepglassError: the run, its data or its test predictions cannot be read; a section that fails says so itself.
    """
    report.require()
    chosen = sorted((*sections(), *further), key=_order)
    parts = [(section, html) for section in chosen if (html := section.render(report)) is not None]
    assets = dict.fromkeys(name for section, _ in parts for name in section.assets)
    version = report.metrics.get("versions", {}).get("deepglass", "")
    return (
        environment()
        .get_template("page.html")
        .render(
            title=report.name,
            theme=Markup(asset("theme.js")),
            style=Markup("\n".join(asset(f"{name}.css") for name in dict.fromkeys((*REPORT_STYLES, *assets)))),
            script=Markup(bundle(("report", *assets))),
            layers=[(name, LAYERS[name], list(group)) for name, group in groupby(parts, lambda part: part[0].layer)],
            version=version,
        )
    )
