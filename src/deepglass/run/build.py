"""From spec and features to an objective with its networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepglass.config import construct
from deepglass.device import pick, seed_everything
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.networks.network import Network
from deepglass.networks.trunks.base import TRUNKS
from deepglass.objectives.base import OBJECTIVES, Objective
from deepglass.prepare.resolve import trunk_of
from deepglass.spec.spec import Spec


def build(spec: Spec, inputs: Sequence[Feature], outputs: Sequence[Feature], device: str) -> Objective:
    """The objective with its networks, initialised from the seed.

    Raises:
        SpecError: an unknown objective, network or setting; a kind that cannot be an output.
    """
    name = spec.objective["name"]
    settings = {k: v for k, v in spec.objective.items() if k != "name"}
    objective: Objective = construct(OBJECTIVES.get(name, where="objective.name"), settings, "objective", ["name"])
    if objective.builds_network and (asked := [k for k in spec.network if k != "init_from"]):
        raise SpecError(
            "unknown-key",
            f"network.{asked[0]}: {name!r} has a network of its own; leave it out, its settings stand under objective",
        )
    for feature in outputs:
        if feature.metric is None:
            advice = f"take it for another kind, such as --kind {feature.name}=category"
            raise SpecError("bad-value", f"outputs.{feature.name}: a {feature.kind} cannot be an answer; {advice}")
    chosen = trunk_of(spec, inputs, outputs)
    given = {k: v for k, v in spec.network.items() if k not in ("trunk", "init_from")}
    seed_everything(spec.training.seed)

    def make(
        inputs: Sequence[Feature],
        outputs: Sequence[Feature],
        trunk: str | None = None,
        settings: Mapping[str, Any] | None = None,
        causal: bool = False,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Network:
        name = trunk or chosen
        own = given if settings is None and trunk is None else settings or {}
        own = {**(defaults or {}).get(name, {}), **own}
        return Network(inputs, outputs, name, TRUNKS.get(name).causal(own) if causal else own)

    objective.build(inputs, outputs, make)
    return objective.to(pick(device))
