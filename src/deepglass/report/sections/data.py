"""The data, and how each column was taken."""

from __future__ import annotations

from collections import Counter

from deepglass.formatting import count, percent, plural
from deepglass.report.charts.bars import mini, share_bar
from deepglass.report.facts import ColumnFacts, DataFacts, Facts
from deepglass.report.markup import Panel, columns, details, label, remarks, table, text
from deepglass.report.sections.base import PanelSection

_MOST_COLUMNS = 1000  # more would make the page slow; the rest is in features.json
_MOST_SKIPPED = 50
_SPLITS = {"train": "c1", "valid": "c3", "test": "c4"}


def panel(facts: Facts) -> Panel | None:
    """The source, its splits, its notes and its columns."""
    data = facts.data
    roles = Counter(c.role for c in facts.columns)
    parts = [plural(roles[r], r) for r in ("input", "output") if roles[r]]
    parts += [f"{count(roles['ignored'])} ignored"] if roles["ignored"] else []
    lead = f"<code>{label(data.source, 60)}</code>: {plural(data.rows, 'row')}"
    lead += f", {plural(len(facts.columns), 'column')} ({', '.join(parts)})." if facts.columns else "."
    said = {r for o in facts.outputs for r in o.remarks}  # beside the figures already
    html = remarks(text(r) for r in data.remarks if r not in said) + columns(_splits(data), _reading(data))
    html += _skipped(data) + _columns(facts.columns)
    return Panel("The data, and how each column was taken", lead, html, short="Data")


def _splits(data: DataFacts) -> str:
    if not data.splits:
        return ""
    parts = [(name, rows, _SPLITS.get(name, "c2")) for name, rows in data.splits.items()]
    return f"<h3>Who was where</h3>{share_bar(parts)}"


def _reading(data: DataFacts) -> str:
    if not data.notes:
        return ""
    items = "".join(
        f"<div><dt>{text(n.what)}</dt><dd><code>{label(n.value, 60)}</code> <small>{text(n.why)}</small></dd></div>"
        for n in data.notes
    )
    return f'<h3>How it was read</h3><dl class="notes">{items}</dl>'


def _skipped(data: DataFacts) -> str:
    if not data.skipped:
        return ""
    rows = [(label(s.name, 80), text(s.reason)) for s in data.skipped[:_MOST_SKIPPED]]
    more = len(data.skipped) - len(rows)
    note = f"<p>{count(more)} more are in log.txt.</p>" if more > 0 else ""
    return details(
        f"{plural(len(data.skipped), 'thing')} left out", table(["what", "why"], rows, caption="Left out") + note
    )


def _columns(found: tuple[ColumnFacts, ...]) -> str:
    if not found:
        return ""
    rows = "".join(_row(c) for c in found[:_MOST_COLUMNS])
    more = len(found) - _MOST_COLUMNS
    note = f"<p>{plural(more, 'further column')} not shown; features.json has all.</p>" if more > 0 else ""
    search = ""
    if len(found) > 8:
        search = (
            '<p class="search"><input type="search" placeholder="Search columns, kinds, reasons" '
            'aria-label="Search columns" data-search="columns"><output></output></p>'
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Column", "Taken as", "Why", "Missing", "Values"))
    return (
        f'<h3>Columns</h3>{search}<table class="columns" id="columns" data-first="30"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{note}"
    )


def _row(column: ColumnFacts) -> str:
    role = "" if column.role == "input" else f' <span class="tag {column.role}">{column.role}</span>'
    why = ". ".join(text(w) for w in (column.why, column.role_why) if w)
    missing = percent(column.missing) if column.missing else '<span class="dim">none</span>'
    seen = f"<small>{label(column.example, 60)}</small>" if column.example else ""
    spread = mini(column.spread) if column.spread is not None else seen
    kind = f"<code>{text(column.kind)}</code>" if column.kind else '<span class="dim">–</span>'
    return (
        f'<tr class="{column.role}"><th scope="row">{label(column.name, 34)}{role}</th><td class="kind">{kind}</td>'
        f'<td class="why">{why}</td><td class="missing" data-name="missing">{missing}</td>'
        f'<td class="values">{spread}</td></tr>'
    )


class DataSection(PanelSection):
    """See `panel`."""

    title, nav, position = "The data", "Data", 30
    panel = staticmethod(panel)
