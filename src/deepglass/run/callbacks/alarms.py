"""What a watch over a training saw, and what of it is an illness: in words, with the layer's name and a cure."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deepglass.networks.trunks.base import TRUNKS
from deepglass.training.callbacks import read_history
from deepglass.training.plan import Plan

FILE = "health.jsonl"
DEAD = 0.75  # of a layer's units: in deep narrow networks that learn well, half of them may rest on all rows
STUCK = 0.5  # of a layer's units that are saturated
VANISHED = 1e-4  # the first layer's share of the last one's relative gradient
DEEP = 4  # layers from which gradients can vanish on their way
FAST = 5.0  # times the network's own rate
EXPLODED = 10.0  # times a layer's weights; healthy gradients are some hundredths of them

KINDS = ("dead", "saturated", "vanishing", "exploding")


class Moment(NamedTuple):
    """What was seen at one evaluation.

    Args:
        dead, saturated: layer -> share of its units, for layers that have such activations.
        gradient: layer -> norm of its gradient relative to its weights', first layer first.
        most: the greatest of these relative norms since the last evaluation, and `where` it was.
        usual: the middle of the greatest ones of each look since then.
        broken: how often a loss was not finite since then.
        gates: recurrent layer -> gate -> at which shares of all places it is shut, and open.
    """

    step: int
    dead: Mapping[str, float]
    saturated: Mapping[str, float]
    gradient: Mapping[str, float]
    most: float = 0.0
    where: str = ""
    usual: float = 0.0
    broken: int = 0
    gates: Mapping[str, Mapping[str, Sequence[float]]] = {}


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


def moments_of(folder: Path) -> list[Moment]:
    """What was written of a run; empty for runs that were not watched."""
    return [Moment(**line) for line in read_history(folder / FILE)]


def alarms(moments: Sequence[Moment], network: Mapping[str, Any], plan: Plan) -> list[Alarm]:
    """What ails the network, the gravest kind first; empty for a healthy one.

    Args:
        network: its settings and `trunk`, its name: only settings that it has, and has otherwise, are advised.
    """
    if not moments:
        return []
    last, cures = moments[-1], _Cures(network, plan)
    found = _exploding(moments, cures)
    for layer, share in last.dead.items():
        if share >= DEAD:
            said = f"{_percent(share)} of its units answer to nothing (dead: idle on all rows that were looked at)"
            found.append(Alarm("dead", layer, said, cures.dead, last.step))
    for layer, share in last.saturated.items():
        if share >= STUCK:
            said = f"{_percent(share)} of its units stay at an end of their range (saturated), where nothing is learned"
            found.append(Alarm("saturated", layer, said, cures.saturated, last.step))
    stopped = any(a.kind == "dead" for a in found)  # behind dead layers there is no gradient that could vanish
    return found if stopped else found + _vanishing(moments, cures)


class _Cures:
    """Settings that help and that are not so already."""

    def __init__(self, network: Mapping[str, Any], plan: Plan) -> None:
        self.trunk, self.plan = network.get("trunk", ""), plan
        self.settings: dict[str, Any] = {}
        if self.trunk:
            parameters = inspect.signature(TRUNKS.get(self.trunk)).parameters
            self.settings = {n: p.default for n, p in parameters.items() if p.default is not p.empty}
        self.settings |= {k: v for k, v in network.items() if k in self.settings}
        defaults = TRUNKS.get(self.trunk).training_defaults if self.trunk else None
        self.own = defaults.learning_rate if defaults is not None and defaults.optimizer == plan.optimizer else None

    @property
    def dead(self) -> str:
        return self._unless_fast("activation=leaky_relu", "norm=batch")

    @property
    def saturated(self) -> str:
        return self._unless_fast("activation=relu", "norm=layer", "layer_norm=true")

    @property
    def vanishing(self) -> str:
        depth = ["a smaller network.depth"] if "depth" in self.settings else []
        ways = [*self._offered("activation=relu"), *depth]
        return _either(*ways) or "a network with skip connections, such as network=resnet"

    @property
    def exploding(self) -> str:
        clip = [] if self.plan.clip else ["training.clip=1"]
        ways = [self._slower, *clip] if self._fast else [*clip, self._slower]
        return _either(*ways, *(["network=lstm, whose memory is not multiplied at each step"] * (self.trunk == "rnn")))

    @property
    def _fast(self) -> bool:
        """Whether the rate is far above the network's own: then nothing but a lower one helps."""
        return self.own is not None and self.plan.learning_rate > FAST * self.own

    @property
    def _slower(self) -> str:
        rate = self.plan.learning_rate
        lower = self.own if self.own is not None and self._fast else rate / 10
        return f"training.learning_rate={lower:.3g} (it is {rate:.3g})"

    def _unless_fast(self, *ways: str) -> str:
        return self._slower if self._fast else _either(*self._offered(*ways), self._slower)

    def _offered(self, *ways: str) -> list[str]:
        """`activation=relu` as a setting, where the network has it and it says otherwise."""
        pairs = (way.split("=") for way in ways)
        return [f"network.{k}={v}" for k, v in pairs if k in self.settings and str(self.settings[k]).lower() != v]


def _vanishing(moments: Sequence[Moment], cures: _Cures) -> list[Alarm]:
    ratios, ends = [], ("", "")
    for moment in moments:
        layers = [(n, v) for n, v in moment.gradient.items() if not n.startswith("encoder")]
        if len(layers) >= DEEP and layers[-1][1] > 0:
            ratios.append(layers[0][1] / layers[-1][1])
            ends = (layers[0][0], layers[-1][0])
    if not ratios or (middle := float(np.median(ratios))) >= VANISHED:
        return []
    said = f"its gradient is {middle:.1g} of that of {ends[1]}, relative to the weights (vanishing): it hardly learns"
    return [Alarm("vanishing", ends[0], said, cures.vanishing, moments[-1].step)]


def _exploding(moments: Sequence[Moment], cures: _Cures) -> list[Alarm]:
    worst = max(moments, key=lambda m: m.most)
    usual = float(np.median([m.usual for m in moments]))
    broken = sum(m.broken for m in moments)
    grew = worst.most >= EXPLODED and (worst.most >= EXPLODED * usual or usual >= EXPLODED**2)  # a spike, or all of it
    if not broken and not grew:
        return []
    said = []
    if grew:
        beside = f", {usual:.2g} is usual" if usual else ""
        said.append(f"its gradient grew to {worst.most:.3g} times its weights (exploding){beside}")
    if broken:
        times = "once" if broken == 1 else f"{broken} times"
        said.append(f"the loss stopped being finite {times} (exploding)")
    layer = worst.where if grew else "the network"
    return [Alarm("exploding", layer, "; ".join(said), cures.exploding, worst.step)]


def _either(*ways: str) -> str:
    """`a, b or c`."""
    return ", ".join(ways[:-1]) + (" or " if len(ways) > 1 else "") + ways[-1] if ways else ""


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
