"""Which network a run takes where nobody says, and what its features must be for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.video import Video
from deepglass.networks.trunks.base import TRUNKS
from deepglass.objectives.base import OBJECTIVES
from deepglass.spec.spec import Spec

_HEARD = ("audio", "sequence")


def trunk_of(spec: Spec, inputs: Sequence[Feature], outputs: Sequence[Feature]) -> str:
    """The network that was asked for, or the default for this kind of learning, these inputs and outputs."""
    objective = OBJECTIVES.get(spec.objective["name"], where="objective.name")
    if objective.builds_network:
        return "mlp"  # never made; it wants nothing of the features
    if "trunk" in spec.network:
        return spec.network["trunk"]
    if "pretrained" in spec.network:
        return "pretrained"
    return objective.default_trunk or default_trunk(inputs, outputs)


def network_of(spec: Spec, inputs: Sequence[Feature], outputs: Sequence[Feature]) -> dict[str, Any]:
    """The network's settings and `trunk`, its name; nothing for kinds of learning with a network of their own."""
    if OBJECTIVES.get(spec.objective["name"], where="objective.name").builds_network:
        return {}
    return {**spec.network, "trunk": trunk_of(spec, inputs, outputs)}


def default_trunk(inputs: Sequence[Feature], outputs: Sequence[Feature] = ()) -> str:
    """An answer may ask for its own; else pictures decide, by their size; then what comes in order; a table is left.

    Texts alone are a bag of n-grams, unless the answer goes along with their words.
    """
    if wished := next((type(f).trunk for f in outputs if type(f).trunk), None):
        return wished
    pictures = [f for f in inputs if isinstance(f, Image | Video)]
    if pictures:
        return "resnet" if max((max(f.size_) for f in pictures if f.size_), default=0) > 64 else "conv"
    kinds = {f.kind for f in inputs}
    if "text" in kinds and any(f.kind == "text" for f in outputs):
        return "transformer"
    if ("text" in kinds and any(f.kind in ("tags", "sequence") for f in outputs)) or "sequence" in kinds:
        return "gru"
    if "audio" in kinds:
        return "tcn"
    return "bag" if kinds == {"text"} else "mlp"


def suited(spec: Spec, inputs: Sequence[Feature], outputs: Sequence[Feature]) -> tuple[list[Feature], list[Feature]]:
    """The features, not fitted yet, as this kind of learning, each other and the network want them."""
    objective = OBJECTIVES.get(spec.objective["name"], where="objective.name")
    outputs = [f.configure_output(inputs) for f in outputs]
    inputs = [objective.adapt_input(f) for f in inputs]
    trunk = TRUNKS.get(trunk_of(spec, inputs, outputs), where="network.trunk")
    return trunk.adapt_inputs(inputs, spec.network), outputs
