"""What is wrong with the data, and the fix of each finding."""

from __future__ import annotations

from deepglass.formatting import count, percent, plural
from deepglass.report.facts import Facts, Finding
from deepglass.report.markup import Panel, label, text
from deepglass.report.sections.base import PanelSection

_ROWS_SHOWN = 12
_MOST = 50


def panel(facts: Facts) -> Panel | None:
    """The findings, surest first; None where there are none."""
    if not facts.findings:
        return None
    ordered = sorted(facts.findings, key=lambda f: -f.sure)
    items = "".join(_finding(f) for f in ordered[:_MOST])
    lead = f"{plural(len(ordered), 'finding')} worth a look before the figures are trusted."
    return Panel("What is odd in the data", lead, f'<div class="findings">{items}</div>', short="Findings")


def _finding(finding: Finding) -> str:
    where = []
    if finding.columns:
        noun = "column " if len(finding.columns) == 1 else "columns "
        where.append(noun + ", ".join(f"<code>{label(c, 30)}</code>" for c in finding.columns[:8]))
    if finding.rows:
        shown = ", ".join(count(r) for r in finding.rows[:_ROWS_SHOWN])
        more = f" and {count(len(finding.rows) - _ROWS_SHOWN)} more" if len(finding.rows) > _ROWS_SHOWN else ""
        where.append(f"{'row' if len(finding.rows) == 1 else 'rows'} {shown}{more}")
    where.append("certain" if finding.sure >= 1 else f"{percent(finding.sure, 0)} sure")
    fix = f"<p>Fix: <code>{text(finding.fix)}</code></p>" if finding.fix else ""
    kind = text(finding.kind.replace("_", " "))
    return (
        f'<article><h3><span class="tag">{kind}</span> {text(finding.text)}</h3>'
        f'<p class="dim">{" · ".join(where)}</p>{fix}</article>'
    )


class FindingsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Data problems", "Findings", 320
    panel = staticmethod(panel)
