"""Rows as points in the space of a layer, and what is answered to them, in one pass."""

from __future__ import annotations

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

LAYERS = 12  # named in an error


class EmbeddingSpace:
    """The space of a layer.

    Args:
        layer: the module's name, as the report's network panel has it; empty: what the heads read.
        answers: also ask for answers.

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """

    def __init__(self, objective: Objective, layer: str = "", answers: bool = True) -> None:
        self.objective, self.answers = objective, answers
        self.module = find_layer(objective, layer) if layer else None
        plain = type(objective).embed is Objective.embed
        if self.module is None and plain and answers:
            self.module = objective.network.trunk  # its tokens are what `embed` pools: one pass gives both

    def look(self, batch: Batch) -> tuple[Tensor, dict[str, Prediction]]:
        """Points (B, D) float32 and the answers, none where they were not asked for."""
        B = len(batch)
        with self.overhearing() as heard, torch.inference_mode():
            seen: Any = self.objective.predict(batch) if self.answers else None
            if self.module is not None and all(len(vectors) % B for vectors in heard):
                self.objective.forward_pass(batch)
        found = next((vectors for vectors in heard if len(vectors) % B == 0), None)
        if found is not None:
            return found.reshape(B, -1), seen or {}  # an ensemble's members side by side
        with torch.inference_mode():
            return self.objective.embed(batch).float(), seen or {}

    @contextmanager
    def overhearing(self) -> Iterator[list[Tensor]]:
        """The vectors (n, D) that the layer gives meanwhile; none of a space that has no layer."""
        heard: list[Tensor] = []
        if self.module is None:
            yield heard
            return

        def hear(_: nn.Module, __: object, out: object) -> None:
            if (vectors := _vectors(out)) is not None:
                heard.append(vectors)

        hook = self.module.register_forward_hook(hear)
        try:
            yield heard
        finally:
            hook.remove()


def find_layer(objective: Objective, name: str) -> nn.Module:
    """A module by its name."""
    modules = {n: m for n, m in objective.named_modules() if n}
    modules |= {n.removeprefix("network."): m for n, m in modules.items() if n.startswith("network.")}
    if name not in modules:
        shown = ", ".join([n for n in modules if n.count(".") <= 2][:LAYERS])
        raise SpecError("unknown-name", f"--layer: no layer {name!r}{near_miss(name, modules)}; there are {shown}, ...")
    return modules[name]


def _vectors(out: object) -> Tensor | None:
    """One vector for each row of what a layer gives, float32: means over places or time."""
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
