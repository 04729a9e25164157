"""Activity of the units of a network on some rows: dead and saturated units, closed and open gates."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from deepglass.data.batches import Dataset
from deepglass.networks.network import Network
from deepglass.nn.recurrent import NormedLayer, Recurrent, gates_of
from deepglass.nn.temporal import TemporalBlock
from deepglass.objectives.base import Objective, inference

BATCH = 256
SATURATION_MARGIN = 0.03  # share of the range of a sigmoid or tanh next to its ends, where the slope is nearly 0
MIN_SATURATED = 0.95  # share of a unit's activations in this margin from which it is saturated
MIN_STATE = 0.01  # a recurrent unit whose state never exceeds it is dead
CLOSED, OPEN = 0.1, 0.9  # of a gate. Source: Karpathy et al., 2015, arXiv 1506.02078

_RANGES: dict[type[nn.Module], tuple[float, float]] = {nn.Tanh: (-1.0, 1.0), nn.Sigmoid: (0.0, 1.0)}
_MIN_INPUTS: dict[type[nn.Module], float] = {nn.ReLU: 0.0, nn.GELU: -3.0, nn.SiLU: -6.0, nn.Mish: -6.0}
"""Inputs below it have a slope of at most 1/50."""


class UnitStatistics(NamedTuple):
    """Layer -> share of dead and of saturated units; layer -> gate -> shares of time steps closed and open."""

    dead: dict[str, float]
    saturated: dict[str, float]
    gates: dict[str, dict[str, list[float]]]


class UnitActivity:
    """Measures the activity of units, by layer, with forward hooks.

    Args:
        names: module path -> name of its layer.
    """

    def __init__(self, objective: Objective, names: Mapping[str, str]) -> None:
        self.objective, self.names = objective, names
        self.layer = ""
        self.token_mask: Tensor | None = None  # (B, T) bool of sequences, present tokens first
        self.active: dict[str, Tensor] = {}  # layer -> (units,) active on any row
        self.saturated: dict[str, Tensor] = {}  # layer -> (2, units): saturated activations, all activations
        self.gates: dict[str, dict[str, Tensor]] = {}  # layer -> gate -> closed, open, all time steps

    def measure(self, data: Dataset) -> UnitStatistics:
        """The shares over all rows of a data set, in evaluation mode; the mode is restored."""
        with ExitStack() as hooks, inference(self.objective):
            for name, module in self.objective.named_modules():
                hooks.enter_context(module.register_forward_hook(self._hook(name)))
                if isinstance(module, Recurrent | TemporalBlock):
                    hooks.enter_context(module.register_forward_pre_hook(self._set_token_mask))
            for batch in data.batches(BATCH):
                self.layer, self.token_mask = "", None
                self.objective.embed(batch)
        dead = {n: float((~v).float().mean()) for n, v in self.active.items()}
        full = {n: float((v[0] / v[1] >= MIN_SATURATED).float().mean()) for n, v in self.saturated.items()}
        gates = {n: {gate: (v[:2] / v[2]).tolist() for gate, v in counted.items()} for n, counted in self.gates.items()}
        return UnitStatistics(dead, full, gates)

    def _set_token_mask(self, _: nn.Module, inputs: tuple[Tensor, Tensor]) -> None:
        mask = inputs[1]
        self.token_mask = torch.arange(mask.shape[1], device=mask.device) < mask.sum(1, keepdim=True)

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], object], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], out: object) -> None:
            if name in self.names:
                self.layer = self.names[name]
            if isinstance(module, nn.RNNBase | NormedLayer) and isinstance(out, tuple):
                self._cell(module, inputs[0], out[0])
            if not isinstance(out, Tensor) or not self.layer or out.ndim < 2:
                return
            if type(module) in _MIN_INPUTS:
                self._add_active(self._units(inputs[0]) > _MIN_INPUTS[type(module)])
            for kind, ends in _RANGES.items():
                if isinstance(module, kind):
                    self._add_saturated(self._units(out), ends)

        return hook

    def _cell(self, layer: nn.RNNBase | NormedLayer, x: Tensor, states: Tensor) -> None:
        """States, candidate states and gates of a recurrent layer, at present tokens."""
        here = self.token_mask if self.token_mask is not None else torch.ones_like(states[..., 0], dtype=torch.bool)
        gates = gates_of(layer, x, states)
        self._add_active(states[here].T.abs() > MIN_STATE)
        self._add_saturated(gates.pop("new", states)[here].T, (-1.0, 1.0))
        counts = self.gates.setdefault(self.layer, {}) if gates else {}
        for gate, value in gates.items():
            valid = value[here]
            sums = [(valid < CLOSED).sum(), (valid > OPEN).sum(), torch.tensor(valid.numel(), device=valid.device)]
            counts[gate] = counts.get(gate, 0) + torch.stack(sums).double()

    def _units(self, out: Tensor) -> Tensor:
        """Activations as (units, N): channels of maps, units of each ensemble member, present tokens only."""
        if out.ndim == 4:
            return out.float().transpose(0, 1).flatten(1)
        members = next((m.ensemble_size for m in self.objective.modules() if isinstance(m, Network)), 1)
        if out.ndim == 3 and members > 1 and out.shape[1] == members:
            return out.float().permute(1, 2, 0).flatten(0, 1)
        if self.token_mask is not None and out.shape[:-1] == self.token_mask.shape:
            return out.float()[self.token_mask].T
        return out.float().flatten(0, -2).T

    def _add_active(self, activity: Tensor) -> None:
        """Add which units, (units, N) bool, are active on any row."""
        self._add(self.active, activity.any(1))

    def _add_saturated(self, units: Tensor, ends: tuple[float, float]) -> None:
        """Count activations near the ends of the range, per unit."""
        low, high = ends
        room = SATURATION_MARGIN * (high - low) / 2
        near = ((units < low + room) | (units > high - room)).float().sum(1)
        self._add(self.saturated, torch.stack([near, torch.full_like(near, units.shape[1])]))

    def _add(self, sums: dict[str, Tensor], values: Tensor) -> None:
        """Add to the layer's sum; values of another shape are of a module without a name behind the layer."""
        previous = sums.get(self.layer, torch.zeros_like(values))
        if previous.shape == values.shape:
            sums[self.layer] = previous + values  # of bool: or
