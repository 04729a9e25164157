"""The health of a network as it learns: dead and saturated units, gradients that vanish or explode.

Units are looked at through a small pass over the same few rows at each evaluation. Gradients cost no pass of their own:
those of the last step still lie beside the weights. Nothing here draws a random number or changes a weight.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.data.batches import Dataset
from deepglass.networks.network import Network
from deepglass.networks.trunks.base import TRUNKS
from deepglass.objectives.base import Objective
from deepglass.training.checkpoint import storage_error, write_atomic
from deepglass.training.events import Listener, Record, read_history
from deepglass.training.plan import Plan

FILE = "health.jsonl"
ROWS, FEWEST = 256, 64  # rows that are looked at; a quarter of the validation rows, but not fewer than so many
END = 0.03  # of the way between the ends of a sigmoid or tanh: closer to one of them the slope is nearly nothing
ALWAYS = 0.95  # of a unit's answers that lie there when it counts as saturated
SICK = 0.5  # of a layer's units: sparse layers rest on many rows, but not half of them on all
VANISHED = 1e-4  # the first layer's share of the last one's relative gradient
DEEP = 4  # layers from which gradients can vanish on their way
EXPLODED = 10.0  # times a layer's weights; healthy gradients are some hundredths of them

KINDS = ("dead", "saturated", "vanishing", "exploding")
_SQUASHED: dict[type[nn.Module], tuple[float, float]] = {nn.Tanh: (-1.0, 1.0), nn.Sigmoid: (0.0, 1.0)}


class Moment(NamedTuple):
    """What was seen at one evaluation.

    Args:
        dead, saturated: layer -> share of its units, for layers that have such activations.
        gradient: layer -> norm of its gradient relative to its weights', first layer first.
        most: the greatest of these relative norms since the last evaluation, and `where` it was.
        usual: the middle of the greatest ones of each look since then.
        broken: how often a loss was not finite since then.
    """

    step: int
    dead: Mapping[str, float]
    saturated: Mapping[str, float]
    gradient: Mapping[str, float]
    most: float = 0.0
    where: str = ""
    usual: float = 0.0
    broken: int = 0


@dataclass(frozen=True)
class Alarm:
    """Something that ails a layer.

    Args:
        kind: one of `KINDS`.
        layer: its name in words, with its path.
        text: what was seen.
        cure: what helps, as settings.
        step: where it was seen last.
    """

    kind: str
    layer: str
    text: str
    cure: str
    step: int

    def __str__(self) -> str:
        return f"{self.layer}: {self.text}; {self.cure}"


class Watch(Listener):
    """Writes health.jsonl, a line an evaluation, each a `Moment`.

    Args:
        folder: of the run; lines of steps after `from_step` are cut off, since a resumed run writes them again.
        data: encoded rows to look at.
    """

    def __init__(self, folder: Path, objective: Objective, data: Dataset, from_step: int = 0) -> None:
        self.path, self.objective, self.data = folder / FILE, objective, data
        self.names = names_of(objective)
        self.weights = [(n, p) for n, p in _weights(objective) if n in self.names]
        self.looks: list[tuple[float, str]] = []
        self.broken = 0
        kept = [r for r in read_history(self.path) if r["step"] <= from_step] if from_step else []
        write_atomic(self.path, "".join(json.dumps(r) + "\n" for r in kept))

    def stepped(self, step: int, plan: Plan, loss: float) -> None:
        ratios = self._ratios()
        if ratios:
            name = max(ratios, key=lambda n: ratios[n])
            self.looks.append((ratios[name], name))

    def evaluated(self, record: Record) -> None:
        if record.event.startswith("non-finite"):
            self.broken += 1
            return
        seen = Activity(self.objective, self.names).look(self.data)
        most, where = max(self.looks, default=(0.0, ""))
        usual = float(np.median([value for value, _ in self.looks])) if self.looks else 0.0
        moment = Moment(record.step, seen.dead, seen.saturated, self._ratios(), most, where, usual, self.broken)
        self.looks, self.broken = [], 0
        line = {k: _rounded(v) for k, v in moment._asdict().items()}
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise storage_error(self.path, error) from error

    def _ratios(self) -> dict[str, float]:
        """Layer -> norm of its gradient relative to its weights', or to a fresh layer's where these are larger."""
        there = [(n, p, p.grad) for n, p in self.weights if p.grad is not None]
        if not there:
            return {}
        with torch.no_grad():
            grads = torch.stack([g.detach().float().norm() for _, _, g in there])
            fresh = torch.tensor([math.sqrt(len(p) / 3) for _, p, _ in there], device=grads.device)  # heads begin at 0
            sizes = torch.stack([p.detach().float().norm() for _, p, _ in there])
            found = (grads / torch.maximum(sizes, fresh)).cpu().tolist()
        return {self.names[n]: v for (n, _, _), v in zip(there, found, strict=True) if math.isfinite(v)}


class Seen(NamedTuple):
    """Layer -> share of its units that are ill."""

    dead: dict[str, float]
    saturated: dict[str, float]


class Activity:
    """Hears the activations of one pass, and says of which layer each is."""

    def __init__(self, objective: Objective, names: Mapping[str, str]) -> None:
        self.objective, self.names = objective, names
        self.layer = ""
        self.highest: dict[str, Tensor] = {}
        self.ends: dict[str, Tensor] = {}
        self.rows = 0

    def look(self, data: Dataset) -> Seen:
        """The shares over all rows of the data set, in evaluation mode; the mode is put back."""
        training = self.objective.training
        self.objective.eval()
        hooks = [m.register_forward_hook(self._hear(n)) for n, m in self.objective.named_modules()]
        try:
            with torch.inference_mode():
                for batch in data.batches(ROWS):
                    self.layer, self.rows = "", self.rows + len(batch)
                    self.objective.embed(batch)
        finally:
            for hook in hooks:
                hook.remove()
            self.objective.train(training)
        dead = {n: float((v <= 0).float().mean()) for n, v in self.highest.items()}
        full = {n: float((v / self.rows >= ALWAYS).float().mean()) for n, v in self.ends.items()}
        return Seen(dead, full)

    def _hear(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def hear(module: nn.Module, _: object, out: object) -> None:
            if name in self.names:
                self.layer = self.names[name]
            if isinstance(module, nn.RNN) and module.nonlinearity == "tanh" and isinstance(out, tuple):
                self._squashed(out[0], (-1.0, 1.0))
            if not isinstance(out, Tensor) or not self.layer or out.ndim < 2:
                return
            if isinstance(module, nn.ReLU):
                highest = _units(out, self.objective).amax(1)
                known = self.highest.get(self.layer)
                self.highest[self.layer] = highest if known is None else torch.maximum(known, highest)
            for kind, ends in _SQUASHED.items():
                if isinstance(module, kind):
                    self._squashed(out, ends)

        return hear

    def _squashed(self, out: Tensor, ends: tuple[float, float]) -> None:
        """Add up, unit by unit, how many rows (in places and time: their mean) lie near an end."""
        low, high = ends
        room = END * (high - low) / 2
        near = ((out < low + room) | (out > high - room)).float()
        count = _units(near, self.objective).mean(1) * len(out)
        known = self.ends.get(self.layer)
        self.ends[self.layer] = count if known is None else known + count


def _units(out: Tensor, objective: Objective) -> Tensor:
    """Answers as (units, times): maps by channel, an ensemble's members each with their own units."""
    if out.ndim == 4:
        return out.float().transpose(0, 1).flatten(1)
    members = next((m.members for m in objective.modules() if isinstance(m, Network)), 1)
    if out.ndim == 3 and members > 1 and out.shape[1] == members:
        return out.float().permute(1, 2, 0).flatten(0, 1)
    return out.float().flatten(0, -2).T


def _weights(objective: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The matrices of layers, each by its module's path; of several in a module, the largest."""
    found: dict[str, nn.Parameter] = {}
    for name, module in objective.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            continue
        own = [p for p in module.parameters(recurse=False) if p.ndim > 1 and p.requires_grad]
        if own and not any(True for _ in module.children()):
            found[name] = max(own, key=lambda p: p.numel())
    return sorted(found.items(), key=lambda item: ".encoders." not in f".{item[0]}")  # which come first


def names_of(objective: nn.Module) -> dict[str, str]:
    """A layer's path -> its name in words: "conv 2 (trunk.body.3)". Embeddings and encoders are no layers here."""
    modules = dict(objective.named_modules())
    counts: dict[str, int] = {}
    names = {}
    for path, _ in _weights(objective):
        kind = type(modules[path])
        word = "layer"
        if issubclass(kind, nn.modules.conv._ConvNd):
            word = "conv"
        elif issubclass(kind, nn.RNNBase):
            word = "recurrent layer"
        elif ".encoders." in f".{path}":
            word = "encoder"
        elif ".heads." in f".{path}":
            word = "head"
        counts[word] = counts.get(word, 0) + 1
        names[path] = f"{word} {counts[word]} ({path.removeprefix('network.').removesuffix('.linear')})"
    return names


def watched(objective: Objective, parts: Mapping[str, Dataset], folder: Path, from_step: int = 0) -> list[Listener]:
    """The watch over a run; none for kinds that have no rows to look at."""
    data = parts["valid"] if len(parts["valid"]) else parts["train"]
    if objective.acts or objective.in_order or not len(data):
        return []
    most = min(max(len(data) // 4, FEWEST), ROWS, len(data))
    rows = np.unique(np.linspace(0, len(data) - 1, most).astype(int))
    return [Watch(folder, objective, data.subset(rows), from_step)]


# -- in words ------------------------------------------------------------------------------------------------------


def moments_of(folder: Path) -> list[Moment]:
    """What was written of a run; empty for runs that were not watched."""
    return [Moment(**line) for line in read_history(folder / FILE)]


def alarms(moments: Sequence[Moment], trunk: str = "", rate: float | None = None, clip: float = 0.0) -> list[Alarm]:
    """What ails the network, the gravest kind first; empty for a healthy one.

    Args:
        trunk: the network's name: only settings that it has are advised.
        rate, clip: the plan's.
    """
    if not moments:
        return []
    last = moments[-1]
    known = set(inspect.signature(TRUNKS.get(trunk)).parameters) if trunk else set()
    found = _exploding(moments, trunk, rate, clip)
    slower = f"lower training.learning_rate ({rate:g})" if rate else "lower training.learning_rate"
    leaky = [f"network.{k}" for k in ("activation=leaky_relu", "norm=batch") if k.split("=")[0] in known]
    for layer, share in last.dead.items():
        if share >= SICK:
            said = f"{_percent(share)} of its units answer to nothing (dead: 0 on all rows that were looked at)"
            found.append(Alarm("dead", layer, said, _either([slower, *leaky]), last.step))
    smaller = [f"network.{k}" for k in ("norm=layer", "activation=relu") if k.split("=")[0] in known]
    for layer, share in last.saturated.items():
        if share >= SICK:
            said = f"{_percent(share)} of its units stay at an end of their range (saturated), where nothing is learned"
            cure = _either([slower, *smaller])
            found.append(Alarm("saturated", layer, said, cure, last.step))
    stopped = any(a.kind == "dead" for a in found)  # behind dead layers there is no gradient that could vanish
    return found if stopped else found + _vanishing(moments, known)


def _vanishing(moments: Sequence[Moment], known: set[str]) -> list[Alarm]:
    ratios, ends = [], ("", "")
    for moment in moments:
        layers = [(n, v) for n, v in moment.gradient.items() if not n.startswith("encoder")]
        if len(layers) >= DEEP and layers[-1][1] > 0:
            ratios.append(layers[0][1] / layers[-1][1])
            ends = (layers[0][0], layers[-1][0])
    if not ratios or (middle := float(np.median(ratios))) >= VANISHED:
        return []
    advice = [f"network.{k}" for k in ("activation=relu", "norm=layer") if k.split("=")[0] in known]
    if "depth" in known:
        advice.append("a smaller network.depth")
    said = f"its gradient is {middle:.1g} of that of {ends[1]}, relative to the weights (vanishing): it hardly learns"
    cure = _either(advice) or "a network with skip connections, such as network=resnet"
    return [Alarm("vanishing", ends[0], said, cure, moments[-1].step)]


def _exploding(moments: Sequence[Moment], trunk: str, rate: float | None, clip: float) -> list[Alarm]:
    worst = max(moments, key=lambda m: m.most)
    usual = float(np.median([m.usual for m in moments]))
    broken = sum(m.broken for m in moments)
    grew = worst.most >= EXPLODED
    if not broken and not grew:
        return []
    cure = [] if clip else ["training.clip=1"]
    cure.append(f"a lower training.learning_rate ({rate:g})" if rate else "a lower training.learning_rate")
    if trunk == "rnn":
        cure.append("network=lstm, whose memory is not multiplied at each step")
    said = []
    if grew:
        said.append(f"its gradient grew to {worst.most:.3g} times its weights (exploding), {usual:.2g} is usual")
    if broken:
        times = "once" if broken == 1 else f"{broken} times"
        said.append(f"the loss stopped being finite {times} (exploding)")
    layer = worst.where if grew else "the network"
    return [Alarm("exploding", layer, "; ".join(said), _either(cure), worst.step)]


def _either(ways: Sequence[str]) -> str:
    """`a, b or c`."""
    return ", ".join(ways[:-1]) + (" or " if len(ways) > 1 else "") + ways[-1] if ways else ""


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: float(f"{v:.4g}") for k, v in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
