"""The network as a drawing: what goes in, each layer with its shape and its weights, what comes out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

from deepglass.formatting import count, number, percent, plural
from deepglass.introspect.layers import Layer
from deepglass.metrics.summaries import Histogram
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, details, label, meter, shorten, text
from deepglass.report.sections.base import PanelSection

T = TypeVar("T")

_MOST = 200  # layers in the table
_SINGLE = 10  # layers of a part that are drawn each by itself; more are drawn as their blocks
_INSIDE = 2  # layers that are drawn as one with the layer that holds them
_NODES = 24  # drawn of a part
_NAMES = 6  # of inputs
_GLYPH = 64  # side of a layer's drawing
_PARTS = {"encoders": "Reads the inputs", "trunk": "The trunk", "heads": "Answers"}


class Node(NamedTuple):
    """Something that is drawn as one: a layer with its norm, or a block of layers, `times` in a row."""

    title: str
    layers: tuple[Layer, ...]
    times: int = 1

    @property
    def shape(self) -> tuple[int | str, ...]:
        return next((layer.shape for layer in reversed(self.layers) if layer.shape), ())

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)


def panel(facts: Facts) -> Panel | None:
    """The drawing, and a table of the layers; None where they are not known."""
    if not facts.layers:
        return None
    total = sum(layer.parameters for layer in facts.layers)
    inputs = [c.name for c in facts.columns if c.role == "input"]
    html = _drawing(facts.layers, inputs, [o.name for o in facts.outputs])
    html += details("Each layer in a table", _table(facts.layers, total))
    lead = (
        f"{plural(len(facts.layers), 'layer')} with {plural(total, 'parameter')}, in the order of the forward pass. "
        "A box is as high as what it gives is wide, the small curve is how its weights are spread."
    )
    return Panel("The network", lead, html, short="Network")


# -- the drawing -----------------------------------------------------------------------------------------------------


def _drawing(layers: Sequence[Layer], inputs: Sequence[str], outputs: Sequence[str]) -> str:
    scale = _Scale(layers)
    parts = [_names("What goes in", inputs)]
    for part, members in _by(layers, lambda layer: _path(layer)[0]):
        parts.append(_part(part, members, scale))
    parts.append(_names("What comes out", outputs))
    return f'<div class="net">{"".join(p for p in parts if p)}</div>'


def _names(title: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    chips = "".join(f"<li>{label(name, 28)}</li>" for name in names[:_NAMES])
    more = f'<li class="dim">{count(len(names) - _NAMES)} more</li>' if len(names) > _NAMES else ""
    return f'<div class="netend"><h3 class="hidden">{title}</h3><ul>{chips}{more}</ul></div>'


def _part(part: str, layers: Sequence[Layer], scale: _Scale) -> str:
    """Encoders and heads stand side by side, all other layers one after the other."""
    depth = 2 if part in ("encoders", "heads") else 1
    chains = []
    for _, members in _by(layers, lambda layer: ".".join(_path(layer)[:depth])):
        named = members[0].ends
        shown = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
        head = f"<h4>{label(shown, 60)}</h4>" if shown else ""
        nodes = _nodes(members)
        boxes = "".join(_box(node, scale) for node in nodes[:_NODES])
        rest = f'<li class="dim">{plural(len(nodes) - _NODES, "more block")}</li>' if len(nodes) > _NODES else ""
        chains.append(f'<div class="chain">{head}<ol>{boxes}{rest}</ol></div>')
    total = count(sum(layer.parameters for layer in layers))
    name = _PARTS.get(part, part.replace("_", " ").capitalize())
    return (
        f'<div class="netpart"><h3>{text(name)} <small>{total} weights</small></h3>'
        f'<div class="chains">{"".join(chains)}</div></div>'
    )


def _nodes(layers: Sequence[Layer]) -> list[Node]:
    """A node a layer, its norm with it; where these are many, a node a block, and like ones in a row as one."""
    nodes: list[Node] = []
    for layer in layers:
        if "Norm" in layer.kind and nodes and _path(nodes[-1].layers[-1])[:-1] == _path(layer)[:-1]:
            nodes[-1] = nodes[-1]._replace(layers=(*nodes[-1].layers, layer))
            continue
        inside = [node for node in nodes if node.layers[0].name.startswith(f"{layer.name}.")]
        if 0 < len(inside) <= _INSIDE:  # a layer of its own that holds others
            nodes = nodes[: -len(inside)]
            nodes.append(Node(layer.kind, (*(part for node in inside for part in node.layers), layer)))
        else:
            nodes.append(Node(layer.kind, (layer,)))
    if len(nodes) > _SINGLE:
        nodes = _blocks(layers)
    return [node._replace(times=len(alike)) for _, alike in _by(nodes, _looks) for node in alike[-1:]]


def _blocks(layers: Sequence[Layer]) -> list[Node]:
    """Layers by their paths, as deep as it takes until no block holds most of them."""
    deepest = max(len(_path(layer)) for layer in layers)
    found: list[tuple[str, list[Layer]]] = []
    for depth in range(2, deepest + 1):
        finer = _by(layers, lambda layer, depth=depth: ".".join(_path(layer)[1:depth]))  # type: ignore[misc]
        if found and len(finer) > _NODES:
            break
        found = finer
        if max(len(members) for _, members in found) <= len(layers) / 2:
            break
    named = [(".".join(path.split(".")[-2:]), tuple(members)) for path, members in found]
    return [Node(name if len(members) > 1 else members[0].kind, members) for name, members in named]


def _looks(node: Node) -> object:
    """Blocks of the same make look the same, whatever they are called."""
    if len(node.layers) < 2:
        return id(node.layers[0])
    return [(layer.kind, layer.shape, layer.parameters) for layer in node.layers]


def _box(node: Node, scale: _Scale) -> str:
    shape = _shape(node.shape)
    times = f' <span class="tag">{node.times} ×</span>' if node.times > 1 else ""
    place = re.sub(r"\.\d+$", "", node.title) if node.times > 1 else node.title
    title = re.sub(
        r"(?<=\.)|(?<=[a-z])(?=[A-Z])", "<wbr>", text(shorten(place, 30))
    )  # long names break at their joints
    beside = ' class="beside"' if node.title.endswith("backwards") else ""
    largest = max(node.layers, key=lambda layer: layer.parameters)
    spread = _curve(largest.spread) if largest.spread is not None else ""
    weights = f"{count(node.parameters)} weights" if node.parameters else "no weights"
    weights = f"{weights} each" if node.times > 1 else weights
    return (
        f'<li{beside} title="{text(node.layers[0].name)}">{scale.glyph(node)}<b>{title}</b>{times}'
        f"<small>{_inner(node)}</small><small>{shape}</small><small>{weights}</small>{spread}</li>"
    )


def _inner(node: Node) -> str:
    """What else is in a node: norm and activation of a layer, the kinds of layers of a block."""
    own = next((layer for layer in node.layers if layer.kind == node.title), None)
    if own is not None:
        others = [layer.kind for layer in node.layers if layer is not own]
        others += [name for layer in node.layers for name in layer.then]
        return " + ".join(text(name) for name in dict.fromkeys(others))
    kinds = [layer.kind for layer in node.layers if "Norm" not in layer.kind]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return ", ".join(f"{n} × {text(kind)}" if n > 1 else text(kind) for kind, n in list(counts.items())[:3])


class _Scale:
    """How large things are drawn: by their logarithms, the largest of the network as large as there is room."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        shapes = [_whole(layer.shape) for layer in layers]
        self.side = max((max(s[1:]) for s in shapes if len(s) == 3), default=1)
        self.width = max((s[0] if len(s) == 3 else s[-1] for s in shapes if s), default=1)
        self.length = max((s[0] for s in shapes if len(s) == 2), default=1)

    def glyph(self, node: Node) -> str:
        shape = _whole(node.shape)
        if len(shape) == 3:
            front = 8 + 30 * _part_of(max(shape[1:]), self.side)
            body = _slab(
                front * shape[2] / max(shape[1:]), front * shape[1] / max(shape[1:]), 3 + 18 * self._wide(shape[0])
            )
        elif shape:
            length = shape[0] if len(shape) == 2 else 1
            body = _slab(6 + 34 * _part_of(length, self.length), 6 + 42 * self._wide(shape[-1]), 4)
        else:
            body = f'<circle class="front" cx="{_GLYPH / 2}" cy="{_GLYPH / 2}" r="7"/>'
        return f'<svg viewBox="0 0 {_GLYPH} {_GLYPH}" aria-hidden="true">{body}</svg>'

    def _wide(self, width: int) -> float:
        return _part_of(width, self.width)


def _part_of(size: int, most: int) -> float:
    return math.log2(1 + size) / math.log2(1 + max(most, size)) if size > 1 else 0.0


def _slab(across: float, up: float, deep: float) -> str:
    """A block seen from its front, a little from above and from the right."""
    across, up = max(across, 4.0), max(up, 4.0)
    slant = 0.6 * deep
    x, y = (_GLYPH - across - deep) / 2, (_GLYPH - up + slant) / 2
    right, bottom = x + across, y + up
    top = f"M{x:.1f} {y:.1f}l{deep:.1f} {-slant:.1f}h{across:.1f}l{-deep:.1f} {slant:.1f}z"
    side = f"M{right:.1f} {y:.1f}l{deep:.1f} {-slant:.1f}v{up:.1f}L{right:.1f} {bottom:.1f}z"
    return (
        f'<path class="top" d="{top}"/><path class="side" d="{side}"/>'
        f'<rect class="front" x="{x:.1f}" y="{y:.1f}" width="{across:.1f}" height="{up:.1f}"/>'
    )


def _curve(spread: Histogram) -> str:
    """Weights from the smallest to the largest, and where zero is."""
    most, step = max(spread.counts), 100 / len(spread.counts)
    points = "".join(f"L{step * (i + 0.5):.1f} {22 - 20 * n / most:.1f}" for i, n in enumerate(spread.counts))
    zero = ""
    if spread.low < 0 < spread.high:
        at = 100 * -spread.low / (spread.high - spread.low)
        zero = f'<path class="zero" d="M{at:.1f} 0V22"/>'
    said = f"weights from {number(spread.low)} to {number(spread.high)}"
    return (
        f'<svg class="weights" viewBox="0 0 100 22" preserveAspectRatio="none" role="img" aria-label="{said}">'
        f'<path class="spread" d="M0 22{points}L100 22z"/>{zero}</svg>'
        f"<small>{number(spread.low)} … {number(spread.high)}</small>"
    )


# -- the table -------------------------------------------------------------------------------------------------------


def _table(layers: Sequence[Layer], total: int) -> str:
    largest = max(1, *(layer.parameters for layer in layers))
    rows = "".join(_layer(layer, total, largest) for layer in layers[:_MOST])
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Layer", "Shape", "Parameters"))
    more = len(layers) - _MOST
    rest = f'<p class="note">{plural(more, "further layer")} not shown.</p>' if more > 0 else ""
    return (
        f'<table class="layers"><caption class="hidden">Layers</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{rest}"
    )


def _layer(layer: Layer, total: int, largest: int) -> str:
    share = layer.parameters / max(total, 1)
    weight = meter(layer.parameters / largest) if layer.parameters else ""
    parameters = f"{count(layer.parameters)} <small>{percent(share, 0)}</small>" if layer.parameters else "–"
    return (
        f'<tr><th scope="row"><b>{label(layer.kind, 30)}</b> <small>{label(layer.name, 48)}</small></th>'
        f'<td class="shape">{_shape(layer.shape)}</td><td class="parameters">{weight}{parameters}</td></tr>'
    )


# -- layers ----------------------------------------------------------------------------------------------------------


def _path(layer: Layer) -> list[str]:
    return layer.name.removeprefix("network.").split(".")


def _shape(shape: Sequence[int | str]) -> str:
    return "\N{NO-BREAK SPACE}× ".join(count(s) if isinstance(s, int) else text(s) for s in shape) if shape else "–"


def _whole(shape: Sequence[int | str]) -> list[int]:
    return [s for s in shape if isinstance(s, int)]


def _by(items: Iterable[T], key: Callable[[T], object]) -> list[tuple[str, list[T]]]:
    """Neighbours with the same key together."""
    return [(str(name), list(group)) for name, group in groupby(items, key)]


class NetworkSection(PanelSection):
    """See `panel`."""

    title, nav, position = "The network", "Network", 290
    assets = ("network",)
    panel = staticmethod(panel)
