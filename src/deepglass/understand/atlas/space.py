"""Rows as points in the space of a layer, and what is answered to them, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch
from deepglass.errors import SpecError, near_miss
from deepglass.features.base import Answer
from deepglass.nn.tokens import Tokens, pool
from deepglass.objectives.base import Objective

LAYERS = 12  # named in an error


class Space:
    """The space of a layer.

    Args:
        layer: the module's name, as the report's network panel has it; empty: what the heads read.
        answers: also ask for answers.

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """

    def __init__(self, objective: Objective, layer: str = "", answers: bool = True) -> None:
        self.objective, self.answers = objective, answers
        self.module = layer_of(objective, layer) if layer else None
        plain = type(objective).embed is Objective.embed
        if self.module is None and plain and answers:
            self.module = objective.network.trunk  # its tokens are what `embed` pools: one pass gives both

    def look(self, batch: Batch) -> tuple[Tensor, dict[str, Answer]]:
        """Points (B, D) float32 and the answers, none where they were not asked for."""
        heard: list[Tensor] = []
        hook = self.module.register_forward_hook(_hear(heard, len(batch))) if self.module is not None else None
        try:
            with torch.inference_mode():
                seen: Any = self.objective.predict(batch) if self.answers else None
                if self.module is not None and not heard:
                    self.objective.look(batch)
        finally:
            if hook is not None:
                hook.remove()
        if heard:
            return heard[0], seen or {}
        with torch.inference_mode():
            return self.objective.embed(batch).float(), seen or {}

    @contextmanager
    def overhearing(self) -> Iterator[list[Tensor]]:
        """The points (B, D) of the batches that are answered meanwhile; none of a space that has no layer."""
        heard: list[Tensor] = []
        if self.module is None or self.objective.own_network or self.objective.generates:
            yield heard
            return
        members = self.objective.network.members

        def hear(_: nn.Module, __: object, out: object) -> None:
            vectors = _vectors(out)
            if vectors is not None and len(vectors) % members == 0:
                heard.append(vectors.reshape(len(vectors) // members, -1))

        hook = self.module.register_forward_hook(hear)
        try:
            yield heard
        finally:
            hook.remove()


def layer_of(objective: Objective, name: str) -> nn.Module:
    """A module by its name."""
    modules = {n: m for n, m in objective.named_modules() if n}
    modules |= {n.removeprefix("network."): m for n, m in modules.items() if n.startswith("network.")}
    if name not in modules:
        shown = ", ".join([n for n in modules if n.count(".") <= 2][:LAYERS])
        raise SpecError("unknown-name", f"--layer: no layer {name!r}{near_miss(name, modules)}; there are {shown}, ...")
    return modules[name]


def _hear(heard: list[Tensor], rows: int) -> Callable[[nn.Module, object, object], None]:
    def hear(_: nn.Module, __: object, out: object) -> None:
        point = _pooled(out, rows)
        if point is not None and not heard:
            heard.append(point)

    return hear


def _pooled(out: object, rows: int) -> Tensor | None:
    """One vector a row (B, D), an ensemble's members side by side."""
    vectors = _vectors(out)
    return None if vectors is None or len(vectors) % rows else vectors.reshape(rows, -1)


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
