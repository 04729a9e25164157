"""Network: encoders, trunk and heads."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from deepglass.config import construct, validated
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output, Prediction
from deepglass.networks.trunks.base import TRUNKS, Trunk
from deepglass.nn.decoding import AutoregressiveHead
from deepglass.nn.dense import SpatialMemory
from deepglass.nn.initialisation import initialise
from deepglass.nn.tokens import Field, Fields, Tokens, TokenShape


class Network(nn.Module):
    """Network over named inputs and outputs.

    Args:
        inputs: fitted features; features of a joint kind share one encoder.
        outputs: fitted features, each with a head.
        trunk: a name in `networks/trunks`, or `module:Class`.
        settings: the trunk's own settings.

    Example:
        >>> network = Network([age, job], [income], "mlp", {"depth": 2})
        >>> params = network(batch.inputs)["income"]
    """

    def __init__(
        self,
        inputs: Sequence[Feature],
        outputs: Sequence[Output],
        trunk: str,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.groups = grouped(inputs)
        self.features = {f.name: f for f in outputs}
        cls = TRUNKS.get(trunk, where="network.trunk")
        settings = validated(cls, settings or {}, "network", ["trunk"], ["inputs"])
        shapes = shapes_of(inputs, cls, settings)
        self.trunk: Trunk = construct(cls, settings, "network", ["trunk"], inputs=shapes)
        self.encoders = nn.ModuleList(_encoder(group, self.trunk.dim, cls, settings) for group in self.groups)
        grid = next((s.grid for s in shapes if s.grid is not None and len(s.grid) == 2), None)
        self.heads = nn.ModuleDict({key_of(f.name): _head(f, self.trunk, trunk, grid) for f in outputs})
        if self.trunk.zero_heads:
            initialise(self.heads, "zeros")
        decodes = any(isinstance(head, AutoregressiveHead) for head in self.heads.values())
        has_maps = len(self.trunk.pyramid) > 1
        self.spatial_memory = SpatialMemory(self.trunk.pyramid, self.trunk.out_dim) if decodes and has_maps else None
        _channels_last(self)  # from_image and Tokens.image are then views

    @property
    def ensemble_size(self) -> int:
        """Number of ensemble members; 1 for a single network."""
        return self.trunk.ensemble_size

    def embed(self, inputs: Fields) -> Tokens:
        """The input of the heads: the learned representation."""
        fields = (_stack([inputs[f.name] for f in group]) for group in self.groups)
        return self.trunk([encoder(field) for encoder, field in zip(self.encoders, fields, strict=True)])

    def forward(self, inputs: Fields, targets: Fields | None = None) -> dict[str, Any]:
        """Output name -> params, rows first (B * members).

        Args:
            targets: for autoregressive outputs (teacher forcing).
        """
        tokens = self.embed(inputs)
        return {name: self._params(name, tokens, (targets or {}).get(name)) for name in self.features}

    def predictions(self, inputs: Fields, targets: Fields | None = None) -> dict[str, Prediction]:
        """Output name -> `Prediction`, the mean over ensemble members; its `mode` does not use the targets."""
        predictions = {n: self.features[n].prediction(params) for n, params in self(inputs, targets).items()}
        if self.ensemble_size == 1:
            return predictions
        return {n: prediction.ensemble_mean(self.ensemble_size) for n, prediction in predictions.items()}

    def _params(self, name: str, tokens: Tokens, target: Field | None) -> Any:
        head = self.heads[key_of(name)]
        if not isinstance(head, AutoregressiveHead):
            return head(tokens)
        tokens = tokens if self.spatial_memory is None else self.spatial_memory(tokens)
        return head(tokens, target.repeat(self.ensemble_size) if target is not None else None)


def _head(feature: Output, trunk: Trunk, name: str, grid: tuple[int, ...] | None) -> nn.Module:
    if not (type(feature).dense or (type(feature).uses_feature_maps and trunk.pyramid)):
        return trunk.make_decoder(feature) or feature.head(trunk.out_dim)
    if not trunk.pyramid:
        raise SpecError(
            "bad-value",
            f"outputs.{feature.name}: kind {feature.kind!r} needs a network with feature maps, and {name!r} has none; "
            "try network.trunk=conv",
        )
    finest = None if grid is None else (grid[0], grid[1])  # the pyramid begins at the grid of the first image
    return feature.dense_head(trunk.out_dim, trunk.pyramid, finest)


def shapes_of(
    inputs: Sequence[Feature], trunk: type[Trunk] = Trunk, settings: Mapping[str, Any] | None = None
) -> list[TokenShape]:
    """Token shapes of the encoders, before the network exists: measured on temporary encoders of small width.

    A pretrained encoder is created on the meta device; that loads torch's compiler, two seconds.
    """
    device = "meta" if "pretrained" in (settings or {}) else "cpu"
    with torch.random.fork_rng(devices=[]), torch.device(device):  # none of the run's random numbers
        encoders = [_encoder(group, 8, trunk, settings or {}) for group in grouped(inputs)]
    return [cast(TokenShape, encoder.shape) for encoder in encoders]


def grouped(inputs: Sequence[Feature]) -> list[list[Feature]]:
    """Features of joint kinds in one group, others alone, in the order of first appearance."""
    by_kind: dict[str, list[Feature]] = {}
    for feature in inputs:
        by_kind.setdefault(feature.kind, []).append(feature)
    groups: list[list[Feature]] = []
    for features in by_kind.values():
        groups += [features] if features[0].joint else [[f] for f in features]
    return groups


def _encoder(group: list[Feature], dim: int, trunk: type[Trunk], settings: Mapping[str, Any]) -> nn.Module:
    first = group[0]
    if type(first).joint:
        return type(first).joint_encoder(group, dim)
    return trunk.make_encoder(first, dim, settings) or first.encoder(dim)


def _channels_last(module: nn.Module) -> None:
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _stack(fields: list[Field]) -> Field:
    if len(fields) == 1 and fields[0].values.ndim != 1:
        return fields[0]
    return Field(torch.stack([f.values for f in fields], 1), torch.stack([f.mask for f in fields], 1))


def key_of(name: str, prefix: str = "out_") -> str:
    """A feature's name as a module name, without full stops."""
    return prefix + name.replace(".", "_dot_")
