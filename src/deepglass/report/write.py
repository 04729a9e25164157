"""The report of a run as one HTML file that works offline."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from markupsafe import Markup

from deepglass.files import write_file
from deepglass.registry import Registry
from deepglass.report.data import ReportData
from deepglass.report.sections.base import Section
from deepglass.report.templates import environment
from deepglass.web import REPORT_STYLES, asset, bundle

SECTIONS: Registry[Section] = Registry("deepglass.report.sections", "Section", "report section")


@cache
def sections() -> tuple[Section, ...]:
    """All sections in the order of the page."""
    return tuple(sorted((cls() for _, cls in SECTIONS), key=lambda section: section.position))


def write_report(report: ReportData, path: Path) -> None:
    """Write the report to `path`, whole or not at all.

    Raises:
        StorageError: `disk-full` or `read-only`.
    """
    write_file(path, render(report).encode("utf-8", "replace"))


def render(report: ReportData, further: Sequence[Section] = ()) -> str:
    """The whole page: the head, the sections that this run has, and the styles and scripts that they need.

    Args:
        further: sections from outside the package; they stand where their `position` says.

    Raises:
        DeepglassError: the run, its data or its test predictions cannot be read; a section that fails says so itself.
    """
    report.require()
    chosen = sorted((*sections(), *further), key=lambda section: section.position)
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
            parts=parts,
            version=version,
        )
    )
