"""How to come to the same run again."""

from __future__ import annotations

from deepglass.formatting import plural
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, details, facts_list, text
from deepglass.report.sections.base import PanelSection


def panel(facts: Facts) -> Panel | None:
    """Commands, seed, hash, versions and the spec."""
    known = facts.reproduce
    if known is None:
        return None
    commands = _code("\n".join(known.commands), "command lines") if known.commands else ""
    pairs = []
    if known.seed is not None:
        pairs.append(("seed", text(known.seed)))
    if known.weights_sha256:
        pairs.append(("weights", f'<code class="hash">{text(known.weights_sha256)}</code>'))
    versions = facts_list((text(name), text(version)) for name, version in known.versions.items())
    spec = details("The spec as resolved", _code(known.spec, "spec")) if known.spec else ""
    more = details(plural(len(known.versions), "version"), versions) if known.versions else ""
    lead = "The same spec on the same machine gives the same bits; the hash of the weights tells."
    return Panel("Do it again", lead, commands + (facts_list(pairs) if pairs else "") + spec + more, short="Again")


def _code(code: str, what: str) -> str:
    return (
        f'<div class="code"><button type="button" data-copy aria-label="Copy the {what}">Copy</button>'
        f'<pre tabindex="0" aria-label="{what}"><code>{text(code)}</code></pre></div>'
    )


class ReproduceSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Reproduce", "Reproduce", 330
    panel = staticmethod(panel)
