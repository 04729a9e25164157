"""SVG and HTML elements as escaped text, so that a chart is built without writing markup by hand."""

from collections.abc import Iterable

from markupsafe import Markup, escape

from deepglass.report.templates import printable


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """An element. Children and attribute values are escaped unless they are markup; False and None leave one out.

    In names of attributes `_` stands for `-`; `css` is the class.
    """
    written = "".join(
        f' {"class" if key == "css" else key.replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    inner = Markup("").join(map(_escaped, children))
    return Markup(f"<{name}{written}>{inner}</{name}>")


def _escaped(value: object) -> Markup:
    return escape(value if isinstance(value, Markup) else printable(str(value)))


def joined(parts: Iterable[object]) -> Markup:
    """Elements one after the other."""
    return Markup("").join(map(_escaped, parts))


def titled(title: object, small: str) -> Markup:
    """A chart's title with small words behind it."""
    return joined([title, " ", tag("small", small)])
