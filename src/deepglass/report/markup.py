"""Pieces of html. Every text that came from the user passes `text` (or `label`, which also shortens it)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple
from unicodedata import category


class Panel(NamedTuple):
    """One part of the report.

    Args:
        title: its heading.
        lead: one sentence (html) that says what is to be seen.
        html: what is to be seen.
        short: its name in the navigation; the title where empty.
    """

    title: str
    lead: str
    html: str
    short: str = ""


def text(value: object) -> str:
    """Any value as html text. Characters that html cannot hold are shown as �."""
    shown = "".join("�" if category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in str(value))
    return escape(shown, quote=True)


def shorten(value: object, longest: int = 40) -> str:
    """Plain text, at most so long, with the end cut off."""
    plain = " ".join(str(value).split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def label(value: object, longest: int = 40) -> str:
    """Html text of at most so many characters; the whole is in the tooltip."""
    plain = " ".join(str(value).split())
    short = shorten(plain, longest)
    if short == plain:
        return text(plain)
    return f'<span title="{text(plain[:1000])}">{text(short)}</span>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, css: str = "", caption: str = "") -> str:
    """A table of cells that are html already. The first cell of a row is its heading.

    The head's cells may be empty; a caption is for screen readers.
    """
    top = "".join(f'<th scope="col">{cell}</th>' if cell else "<td></td>" for cell in head)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>' + "".join(_cells(head[1:], row[1:])) + "</tr>" for row in rows)
    hidden = f'<caption class="hidden">{caption}</caption>' if caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{caption or "table"}">'
        f'<table class="{css}">{hidden}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cells(names: Sequence[str], cells: Sequence[str]) -> Iterable[str]:
    """Cells that carry their column's name, which stands above them on narrow screens."""
    plain = (re.sub(r"<[^>]*>", " ", name).strip() for name in names)
    return (f'<td data-name="{name}">{cell}</td>' for name, cell in zip(plain, cells, strict=True))


def facts_list(pairs: Iterable[tuple[str, str]]) -> str:
    """A row of small facts: name, value (html)."""
    return (
        '<dl class="facts">' + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs) + "</dl>"
    )


def remarks(sentences: Iterable[str]) -> str:
    """Sentences (html) set apart from the text."""
    items = "".join(f"<p>{s}</p>" for s in sentences)
    return f'<div class="remark">{items}</div>' if items else ""


def details(summary: str, html: str, *, css: str = "") -> str:
    """Something that opens on a click."""
    return f'<details class="{css}"><summary>{summary}</summary>{html}</details>'


def folded(worst: Sequence[str], typical: Sequence[str], *, first: tuple[int, int], css: str) -> str:
    """Cards (html) in a grid: the first of the worst and of the typical ones; the rest opens on a click."""
    shown = [*worst[: first[0]], *typical[: first[1]]]
    rest = [*worst[first[0] :], *typical[first[1] :]]
    html = f'<div class="{css}">{"".join(shown)}</div>'
    if rest:
        html += details(f"{len(rest)} more", f'<div class="{css}">{"".join(rest)}</div>', css="screen")
    return html


def meter(share: float) -> str:
    """A short bar, filled to this share."""
    return f'<span class="meter" style="--w:{share:.1%}"></span>'


def columns(*parts: str) -> str:
    """Parts side by side where there is room, one under the other where there is not."""
    present = [p for p in parts if p]
    if len(present) < 2:
        return "".join(present)
    return '<div class="side">' + "".join(f"<div>{p}</div>" for p in present) + "</div>"


def source_of(picture: bytes) -> str:
    """Encoded bytes as the address of a picture."""
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "webp" if picture.startswith(b"RIFF") else "png"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"


def image(picture: bytes, alt: str) -> str:
    """A picture with what it shows in words; `alt` is html."""
    return f'<img src="{source_of(picture)}" alt="{alt}" loading="lazy">'


def colour_keys(legend: Iterable[tuple[str, str]]) -> str:
    """Names (html) with their colours, css text."""
    keys = "".join(f'<span class="key patch" style="--c:{colour}"><i></i>{name}</span>' for name, colour in legend)
    return f'<p class="keys legend">{keys}</p>' if keys else ""


def capital(words: str) -> str:
    """The first letter as a capital, unless the next one is: mAP."""
    return words if words[1:2].isupper() else words[:1].upper() + words[1:]


def each_output(parts: Sequence[tuple[str, str]], *, named: bool) -> str:
    """What a panel says about each output: (name, html), with the name above where there are several."""
    if not named:
        return "".join(html for _, html in parts)
    return "".join(f'<h3 class="output">{label(name, 60)}</h3>{html}' for name, html in parts)
