"""How the units of a network answer to some rows: which are idle or stuck, and how far gates are open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from deepglass.data.batches import Dataset
from deepglass.networks.network import Network
from deepglass.nn.recurrent import NormedLayer, Recurrent, gates_of
from deepglass.nn.temporal import TemporalBlock
from deepglass.objectives.base import Objective, inference

BATCH = 256
END = 0.03  # of the way between the ends of a sigmoid or tanh: closer to one of them the slope is nearly nothing
ALWAYS = 0.95  # of a unit's answers that lie there when it counts as saturated
STILL = 0.01  # a recurrent unit whose state never leaves zero by more says nothing
SHUT, OPEN = 0.1, 0.9  # of a gate. Source: Karpathy et al., 2015, arXiv 1506.02078

_SQUASHED: dict[type[nn.Module], tuple[float, float]] = {nn.Tanh: (-1.0, 1.0), nn.Sigmoid: (0.0, 1.0)}
_FLAT: dict[type[nn.Module], float] = {nn.ReLU: 0.0, nn.GELU: -3.0, nn.SiLU: -6.0, nn.Mish: -6.0}
"""What goes in and gives almost nothing if it is less: a slope of at most a fiftieth."""


class UnitStatistics(NamedTuple):
    """Layer -> share of its units that are ill; layer -> gate -> the shares of places where it is shut, and open."""

    dead: dict[str, float]
    saturated: dict[str, float]
    gates: dict[str, dict[str, list[float]]]


class UnitActivity:
    """Hears the activations of one pass, and says of which layer each is."""

    def __init__(self, objective: Objective, names: Mapping[str, str]) -> None:
        self.objective, self.names = objective, names
        self.layer = ""
        self.there: Tensor | None = None  # which places of sequences hold a token, those that do first
        self.awake: dict[str, Tensor] = {}  # layer -> which units ever answered
        self.ends: dict[str, Tensor] = {}  # layer -> how many answers lay near an end, and of how many
        self.gates: dict[str, dict[str, Tensor]] = {}  # likewise shut, open, and of how many

    def measure(self, data: Dataset) -> UnitStatistics:
        """The shares over all rows of the data set, in evaluation mode; the mode is put back."""
        hooks = [m.register_forward_hook(self._hear(n)) for n, m in self.objective.named_modules()]
        ordered = (m for m in self.objective.modules() if isinstance(m, Recurrent | TemporalBlock))
        hooks += [m.register_forward_pre_hook(self._begin) for m in ordered]
        try:
            with inference(self.objective):
                for batch in data.batches(BATCH):
                    self.layer, self.there = "", None
                    self.objective.embed(batch)
        finally:
            for hook in hooks:
                hook.remove()
        dead = {n: float((~v).float().mean()) for n, v in self.awake.items()}
        full = {n: float((v[0] / v[1] >= ALWAYS).float().mean()) for n, v in self.ends.items()}
        gates = {n: {gate: (v[:2] / v[2]).tolist() for gate, v in counted.items()} for n, counted in self.gates.items()}
        return UnitStatistics(dead, full, gates)

    def _begin(self, _: nn.Module, given: tuple[Tensor, Tensor]) -> None:
        mask = given[1]
        self.there = torch.arange(mask.shape[1], device=mask.device) < mask.sum(1, keepdim=True)

    def _hear(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], object], None]:
        def hear(module: nn.Module, given: tuple[Any, ...], out: object) -> None:
            if name in self.names:
                self.layer = self.names[name]
            if isinstance(module, nn.RNNBase | NormedLayer) and isinstance(out, tuple):
                self._cell(module, given[0], out[0])
            if not isinstance(out, Tensor) or not self.layer or out.ndim < 2:
                return
            if type(module) in _FLAT:
                self._answered(self._units(given[0]) > _FLAT[type(module)])
            for kind, ends in _SQUASHED.items():
                if isinstance(module, kind):
                    self._squashed(self._units(out), ends)

        return hear

    def _cell(self, layer: nn.RNNBase | NormedLayer, x: Tensor, states: Tensor) -> None:
        """A recurrent layer: what it keeps, what it would write, its gates, where there are tokens."""
        here = self.there if self.there is not None else torch.ones_like(states[..., 0], dtype=torch.bool)
        gates = gates_of(layer, x, states)
        self._answered(states[here].T.abs() > STILL)
        self._squashed(gates.pop("new", states)[here].T, (-1.0, 1.0))
        counts = self.gates.setdefault(self.layer, {}) if gates else {}
        for gate, value in gates.items():
            valid = value[here]
            sums = [(valid < SHUT).sum(), (valid > OPEN).sum(), torch.tensor(valid.numel(), device=valid.device)]
            counts[gate] = counts.get(gate, 0) + torch.stack(sums).double()

    def _units(self, out: Tensor) -> Tensor:
        """Answers as (units, times): maps by channel, an ensemble's members each with their own units, tokens alone."""
        if out.ndim == 4:
            return out.float().transpose(0, 1).flatten(1)
        members = next((m.ensemble_size for m in self.objective.modules() if isinstance(m, Network)), 1)
        if out.ndim == 3 and members > 1 and out.shape[1] == members:
            return out.float().permute(1, 2, 0).flatten(0, 1)
        if self.there is not None and out.shape[:-1] == self.there.shape:
            return out.float()[self.there].T
        return out.float().flatten(0, -2).T

    def _answered(self, answers: Tensor) -> None:
        """Remember which units (a row each) answered anywhere."""
        awake = answers.any(1)
        previous = self.awake.get(self.layer)
        if (
            previous is None or previous.shape == awake.shape
        ):  # else units of a layer that has no name, behind one that has
            self.awake[self.layer] = awake if previous is None else previous | awake

    def _squashed(self, units: Tensor, ends: tuple[float, float]) -> None:
        """Add up, unit by unit, how many answers lie near an end."""
        low, high = ends
        room = END * (high - low) / 2
        near = ((units < low + room) | (units > high - room)).float().sum(1)
        count = torch.stack([near, torch.full_like(near, units.shape[1])])
        previous = self.ends.get(self.layer)
        if previous is None or previous.shape == count.shape:
            self.ends[self.layer] = count if previous is None else previous + count
