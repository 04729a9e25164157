"""The jinja2 environment of all pages: autoescaping, filters for numbers and user text, templates by path.

Templates lie beside what they show: `sections/NAME.html`, `macros.html`, and the page shell in `deepglass.web`.
"""

from base64 import b64encode
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup

from deepglass import formatting
from deepglass.formatting import printable
from deepglass.metrics.table import metric_text, metric_title
from deepglass.report.charts.axes import TOP, WIDTH

MAX_TOOLTIP = 1_000  # characters


@cache
def environment() -> Environment:
    """The environment, made once a process."""
    jinja = Environment(
        loader=ChoiceLoader([PackageLoader("deepglass.report", ""), PackageLoader("deepglass.web", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        extensions=[_Unindented],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    jinja.filters |= {
        "label": label,
        "shorten": shorten,
        "shorten_middle": shorten_middle,
        "capital": capital,
        "data_url": data_url,
    }
    for name in ("count", "number", "short", "exact", "percent", "confidence", "duration", "baseline_name"):
        jinja.filters[name] = getattr(formatting, name)
    jinja.filters["plural"] = formatting.plural
    jinja.tests["finite"] = formatting.finite
    jinja.filters["metric_name"] = metric_title
    jinja.globals |= {"metric_value": metric_text, "CHART_WIDTH": WIDTH, "CHART_TOP": TOP}
    return jinja


def draw(chart: str, **values: object) -> Markup:
    """A chart, drawn by a macro of `charts.html`."""
    html: Markup = getattr(environment().get_template("charts.html").module, chart)(**values)
    return html


def titled(title: object, small: str) -> Markup:
    """A chart's title with small words behind it."""
    return Markup("{} <small>{}</small>").format(_printable(title), small)


class _Unindented(Extension):
    """Drops the indentation of templates, so that it does not fill the page."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return "\n".join(line.strip() for line in source.splitlines())


def _printable(value: object) -> object:
    """Any value as text without the characters that HTML cannot hold, which become �."""
    return value if isinstance(value, Markup) else printable(str(value))


def shorten(value: object, longest: int = 40) -> str:
    """Text on one line, cut to at most `longest` characters."""
    plain = printable(" ".join(str(value).split()))
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def shorten_middle(value: object, longest: int) -> str:
    """Text on one line, its middle left out beyond `longest` characters: names of columns often differ at their end."""
    plain = printable(" ".join(str(value).split()))
    left = (longest - 1) // 2
    return plain if len(plain) <= longest else plain[:left] + "…" + plain[left + 1 - longest :]


def label(value: object, longest: int = 40) -> Markup:
    """Text of at most `longest` characters; where it was cut, the tooltip has the whole."""
    plain = printable(" ".join(str(value).split()))
    short = shorten(plain, longest)
    if short == plain:
        return Markup.escape(plain)
    return Markup('<span title="{}">{}</span>').format(plain[:MAX_TOOLTIP], short)


def capital(words: str) -> str:
    """The first letter as a capital, unless the next one is: mAP."""
    return words if words[1:2].isupper() else words[:1].upper() + words[1:]


def data_url(media: bytes) -> str:
    """The bytes of an image (PNG, JPEG, WebP) or of a WAV file as a `data:` address."""
    return f"data:{_media_type(media)};base64,{b64encode(media).decode()}"


def _media_type(media: bytes) -> str:
    if media.startswith(b"RIFF"):
        return "audio/wav" if media[8:12] == b"WAVE" else "image/webp"
    return "image/jpeg" if media.startswith(b"\xff\xd8") else "image/png"
