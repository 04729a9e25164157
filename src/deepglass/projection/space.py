"""The embedding of rows by any layer, and their predictions, in one forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch
from deepglass.errors import SpecError, near_miss
from deepglass.features.outputs.base import Prediction
from deepglass.nn.tokens import Tokens, pool
from deepglass.objectives.base import Objective

MAX_NAMED = 12  # layers in an error


class EmbeddingSpace:
    """The output of a layer as an embedding.

    Args:
        layer: name of the module, as in the report's network section; empty: what the heads read.
        predictions: whether to compute predictions too.

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """

    def __init__(self, objective: Objective, layer: str = "", predictions: bool = True) -> None:
        self.objective, self.predictions = objective, predictions
        self.module = find_layer(objective, layer) if layer else None
        plain = type(objective).embed is Objective.embed
        if self.module is None and plain and predictions:
            self.module = objective.network.trunk  # its tokens are what `embed` pools: one pass gives both

    def embed(self, batch: Batch) -> tuple[Tensor, dict[str, Prediction]]:
        """Points (B, D) float32 and the predictions, {} without them."""
        B = len(batch)
        with self.recording() as recorded, torch.inference_mode():
            predictions: Any = self.objective.predict(batch) if self.predictions else None
            if self.module is not None and all(len(vectors) % B for vectors in recorded):
                self.objective.forward_pass(batch)
        points = next((vectors for vectors in recorded if len(vectors) % B == 0), None)
        if points is not None:
            return points.reshape(B, -1), predictions or {}  # an ensemble's members side by side
        with torch.inference_mode():
            return self.objective.embed(batch).float(), predictions or {}

    @contextmanager
    def recording(self) -> Iterator[list[Tensor]]:
        """The vectors (n, D) that the layer outputs meanwhile; none for an embedding without a layer."""
        recorded: list[Tensor] = []
        if self.module is None:
            yield recorded
            return

        def record(_: nn.Module, __: object, out: object) -> None:
            if (vectors := _vectors(out)) is not None:
                recorded.append(vectors)

        with self.module.register_forward_hook(record):
            yield recorded


def find_layer(objective: Objective, name: str) -> nn.Module:
    """A module by its name."""
    modules = {n: m for n, m in objective.named_modules() if n}
    modules |= {n.removeprefix("network."): m for n, m in modules.items() if n.startswith("network.")}
    if name not in modules:
        outer_first = sorted(dict.fromkeys(n.removeprefix("network.") for n in modules), key=lambda n: n.count("."))
        raise SpecError("unknown-name", f"--layer: no layer {name!r}{near_miss(name, outer_first, show=MAX_NAMED)}")
    return modules[name]


def _vectors(out: object) -> Tensor | None:
    """One vector per row of a layer's output, float32: the mean over positions or time."""
    if isinstance(out, Tokens):
        out = pool(out)
    elif isinstance(out, tuple) and out:
        out = out[0]
    if not isinstance(out, Tensor) or not out.is_floating_point() or out.ndim < 2:
        return None
    if out.ndim == 4:  # (B, C, Y, X)
        out = out.mean((2, 3))
    elif out.ndim == 3:  # (B, T, D)
        out = out.mean(1)
    return out.float()
