"""The network as a drawing: inputs, each layer with its output shape and its weights, predictions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

from deepglass.formatting import count, first_names
from deepglass.introspect.layers import Layer
from deepglass.objectives._agents import Agent
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import shorten

T = TypeVar("T")

MAX_ROWS = 200  # layers in the table
MAX_SINGLE = 10  # layers of a part that are drawn each by itself; more are drawn as their blocks
MAX_INNER = 2  # layers that are drawn as one with the layer that holds them
MAX_NODES = 24  # drawn of a part
MAX_NAMES = 6  # of inputs
PART_TITLES = {"encoders": "Encoders", "trunk": "Trunk", "heads": "Heads"}


class NetworkSection(Section):
    """The drawing, and a table of the layers."""

    title, nav, position = "Network", "Network", 20
    layer = "inside"
    folded = True
    files = ("spec.yaml", "model.safetensors")
    assets = ("network",)

    def view(self, facts: None, report: ReportData) -> View | None:
        layers = [layer for layer in report.layers if layer.parameters or layer.shape]
        if not layers:
            return None
        scale = _Scale(layers)
        acts = report.is_objective(Agent)  # an agent's result has the name of its objective
        output_columns = [c.name for c in report.columns if c.role == "output"]
        of_layers = sum(layer.parameters for layer in layers)
        trained = (report.plan.parameters if report.plan is not None else None) or of_layers
        return {
            "layers": layers,
            "total": max(trained, of_layers),
            "trained": trained,
            "copied": max(of_layers - trained, 0),  # running averages and target networks
            "others": max(trained - of_layers, 0),  # such as the tokens of missing values
            "largest": max(1, *(layer.parameters for layer in layers)),
            "inputs": [c.name for c in report.columns if c.role == "input"],
            "output_names": output_columns if acts else [o.name for o in report.outputs],
            "parts": [_part(part, members, scale) for part, members in _by(layers, lambda layer: _path(layer)[0])],
            "max_names": MAX_NAMES,
            "max_rows": MAX_ROWS,
        }


class Node(NamedTuple):
    """What is drawn as one: a layer with its norm, or a block of layers, repeated `times`."""

    title: str
    layers: tuple[Layer, ...]
    times: int = 1

    @property
    def shape(self) -> tuple[int | str, ...]:
        return next((layer.shape for layer in reversed(self.layers) if layer.shape), ())

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)


# -- the drawing -----------------------------------------------------------------------------------------------------


def _part(part: str, layers: Sequence[Layer], scale: _Scale) -> View:
    """Encoders and heads stand side by side, all other layers one after the other."""
    depth = 2 if part in ("encoders", "heads") else 1
    chains = []
    for _, members in _by(layers, lambda layer: ".".join(_path(layer)[:depth])):
        ends = members[0].ends
        nodes = _nodes(members)
        chains.append(
            {
                "title": first_names(ends, 3),
                "boxes": [_box(node, scale) for node in nodes[:MAX_NODES]],
                "more": max(len(nodes) - MAX_NODES, 0),
            }
        )
    title = PART_TITLES.get(part, part.replace("_", " ").capitalize())
    return {"title": title, "weights": sum(layer.parameters for layer in layers), "chains": chains}


def _nodes(layers: Sequence[Layer]) -> list[Node]:
    """A node a layer, its norm with it; where these are many, a node a block, and like ones in a row as one."""
    nodes: list[Node] = []
    for layer in layers:
        if layer.is_norm and nodes and _path(nodes[-1].layers[-1])[:-1] == _path(layer)[:-1]:
            nodes[-1] = nodes[-1]._replace(layers=(*nodes[-1].layers, layer))
            continue
        inside = [node for node in nodes if node.layers[0].name.startswith(f"{layer.name}.")]
        if 0 < len(inside) <= MAX_INNER:  # a layer of its own that holds others
            nodes = nodes[: -len(inside)]
            nodes.append(Node(layer.kind, (*(part for node in inside for part in node.layers), layer)))
        else:
            nodes.append(Node(layer.kind, (layer,)))
    if len(nodes) > MAX_SINGLE:
        nodes = _blocks(layers)
    return [node._replace(times=len(alike)) for _, alike in _by(nodes, _signature) for node in alike[-1:]]


def _blocks(layers: Sequence[Layer]) -> list[Node]:
    """Layers by their paths, as deep as it takes until no block holds most of them."""
    deepest = max(len(_path(layer)) for layer in layers)
    blocks: list[tuple[str, list[Layer]]] = []
    for depth in range(2, deepest + 1):
        finer = _by(layers, lambda layer, depth=depth: ".".join(_path(layer)[1:depth]))  # type: ignore[misc]
        if blocks and len(finer) > MAX_NODES:
            break
        blocks = finer
        if max(len(members) for _, members in blocks) <= len(layers) / 2:
            break
    named = [(".".join(path.split(".")[-2:]), tuple(members)) for path, members in blocks]
    return [Node(name if len(members) > 1 else members[0].kind, members) for name, members in named]


def _signature(node: Node) -> object:
    """What two blocks of the same structure have in common, whatever they are called."""
    if len(node.layers) < 2:
        return id(node.layers[0])
    return [(layer.kind, layer.shape, layer.parameters) for layer in node.layers]


def _box(node: Node, scale: _Scale) -> View:
    title = re.sub(r"\.\d+$", "", node.title) if node.times > 1 else node.title
    largest = max(node.layers, key=lambda layer: layer.parameters)
    weights = f"{count(node.parameters)} weights" if node.parameters else "no weights"
    return {
        "backwards": node.title.endswith("backwards"),
        "path": node.layers[0].name,
        "slab": scale.slab(node),
        "title": re.split(r"(?<=\.)|(?<=[a-z])(?=[A-Z])", shorten(title, 30)),  # long names may break here
        "times": node.times,
        "inner": _inner(node),
        "shape": node.shape,
        "weights": f"{weights} each" if node.times > 1 else weights,
        "spread": largest.spread,
    }


def _inner(node: Node) -> str:
    """What else is in a node: norm and activation of a layer, the kinds of layers of a block."""
    own = next((layer for layer in node.layers if layer.kind == node.title), None)
    if own is not None:
        others = [layer.kind for layer in node.layers if layer is not own]
        others += [name for layer in node.layers for name in layer.then]
        return " + ".join(dict.fromkeys(others))
    kinds = [layer.kind for layer in node.layers if not layer.is_norm]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return ", ".join(f"{n} × {kind}" if n > 1 else kind for kind, n in list(counts.items())[:3])


class _Scale:
    """How large things are drawn: by their logarithms, the largest of the network as large as there is room."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        shapes = [_sizes(layer.shape) for layer in layers]
        self.side = max((max(s[1:]) for s in shapes if len(s) == 3), default=1)
        self.width = max((s[0] if len(s) == 3 else s[-1] for s in shapes if s), default=1)
        self.length = max((s[0] for s in shapes if len(s) == 2), default=1)

    def slab(self, node: Node) -> tuple[float, float, float] | None:
        """Width, height and depth of the block that stands for a node; None for a node without a shape."""
        shape = _sizes(node.shape)
        if len(shape) == 3:
            front, longest = 8 + 30 * _part_of(max(shape[1:]), self.side), max(shape[1:])
            width, height, depth = front * shape[2] / longest, front * shape[1] / longest, 3 + 18 * self._wide(shape[0])
        elif shape:
            length = shape[0] if len(shape) == 2 else 1
            width, height, depth = 6 + 34 * _part_of(length, self.length), 6 + 42 * self._wide(shape[-1]), 4.0
        else:
            return None
        return max(width, 4.0), max(height, 4.0), depth

    def _wide(self, width: int) -> float:
        return _part_of(width, self.width)


def _part_of(size: int, most: int) -> float:
    return math.log2(1 + size) / math.log2(1 + max(most, size)) if size > 1 else 0.0


# -- layers ----------------------------------------------------------------------------------------------------------


def _path(layer: Layer) -> list[str]:
    return layer.name.removeprefix("network.").split(".")


def _sizes(shape: Sequence[int | str]) -> list[int]:
    return [s for s in shape if isinstance(s, int)]


def _by(items: Iterable[T], key: Callable[[T], object]) -> list[tuple[str, list[T]]]:
    """Neighbours with the same key together."""
    return [(str(name), list(group)) for name, group in groupby(items, key)]
