"""Input layers: where each input enters the network as floats, so that attribution methods can replace its values.

Gradients need floats: normalised pixels, word embeddings, mel bands. Each encoder has one module where they appear; a
forward hook there reads and replaces them, without a change to the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.vector import Vector
from deepglass.features.video import Video
from deepglass.networks.network import Network, key_of
from deepglass.nn.audio import AudioEncoder
from deepglass.nn.bag import BagEncoder
from deepglass.nn.conv import FlatImageEncoder, ImageEncoder
from deepglass.nn.dense import MaskEncoder
from deepglass.nn.embeddings import SequenceEncoder, TokenEncoder
from deepglass.nn.encoders_heads import VectorEncoder
from deepglass.nn.pretrained import PretrainedImages, PretrainedText
from deepglass.nn.sets import LabelsEncoder
from deepglass.nn.tokens import Tokens
from deepglass.nn.video import VideoEncoder
from deepglass.objectives._flatten import FlatInputs
from deepglass.objectives.base import OBJECTIVES, Objective

Kind = Literal["pixels", "frames", "bands", "words", "ngrams", "steps", "entries", "labels", "classes", "tokens"]
Replace = Callable[[int, Tensor], Tensor]
Hook = Callable[..., Any]


@dataclass(frozen=True)
class InputLayer:
    """The module where an input enters, and its baseline.

    Args:
        kind: what one unit of the input is; see the shapes.
        features: the input, or the columns that share an encoder.
        module: the values are its output, or, with `before`, its input.
        baseline_of: values -> the baseline, which stands for an absent input.
        description: of the baseline.

    Shapes:
        pixels: (B, C, Y, X); frames: (B, T, C, Y, X); bands: (B, 1, T, M); words: (B, T, ..., D); ngrams: (B, T, D);
        steps: (B, T, d); entries, labels: (B, d); classes: (B, Y, X, D); tokens: (B, T, D).
    """

    kind: Kind
    features: tuple[Feature, ...]
    module: nn.Module
    baseline_of: Callable[[Tensor], Tensor]
    description: str
    before: bool = False

    @property
    def name(self) -> str:
        return self.features[0].name

    def baseline(self, values: Tensor) -> Tensor:
        """The baseline; a missing entry (NaN) stays missing."""
        return torch.where(values.isnan(), values, self.baseline_of(values))


def input_layers(objective: Objective, mean_tokens: Mapping[str, Tensor] | None = None) -> list[list[InputLayer]]:
    """The input layers of each of the objective's networks that read the same inputs, one per input.

    Args:
        mean_tokens: input name -> mean tokens of training rows, the baseline of columns.

    Raises:
        SpecError: `bad-value` for an objective whose own network reads neither an image nor a vector.
    """
    if objective.builds_network:
        return [_flattened(objective)]
    names = {f.name for group in objective.network.groups for f in group}
    networks = [m for m in objective.modules() if isinstance(m, Network)]
    alike = [n for n in networks if {f.name for group in n.groups for f in group} == names]
    return [
        [_input_layer(tuple(g), e, mean_tokens or {}) for g, e in zip(n.groups, n.encoders, strict=True)] for n in alike
    ]


@contextmanager
def replaced(layers: Sequence[Sequence[InputLayer]], replace: Replace) -> Iterator[None]:
    """While it lasts, the network reads `replace(i, values)` instead of the i-th input's values."""
    handles = []
    for network in layers:
        for i, layer in enumerate(network):
            if layer.before:
                handles.append(layer.module.register_forward_pre_hook(_pre_hook(i, replace)))
            else:
                handles.append(layer.module.register_forward_hook(_forward_hook(i, layer, replace)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _pre_hook(i: int, replace: Replace) -> Hook:
    def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (replace(i, args[0]), *args[1:])

    return hook


def _forward_hook(i: int, layer: InputLayer, replace: Replace) -> Hook:
    def hook(module: nn.Module, args: tuple[Any, ...], out: Any) -> Any:
        if layer.kind == "ngrams":
            ids, mask = args
            ngrams = replace(i, _ngram_vectors(cast(Any, module), ids, mask))
            return torch.where(mask.any(1, keepdim=True), ngrams.sum(1), out)
        if isinstance(out, Tokens):
            return out._replace(values=replace(i, out.values))
        return replace(i, out)

    return hook


def _ngram_vectors(bag: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """The summands of the bag, one per n-gram, (B, T, D)."""
    weights = bag.scale[ids.long()] * mask
    weights = weights / weights.norm(dim=1, keepdim=True).clamp_min(1e-6)
    return bag.weight[ids.long()] * weights[..., None]


def _flattened(objective: Objective) -> list[InputLayer]:
    """The input layers of an objective that concatenates its flattened inputs."""
    flat = next((m for m in objective.modules() if isinstance(m, FlatInputs)), None)
    wide = [f for f in flat.inputs if isinstance(f, Image | Vector)] if flat is not None else []
    if flat is None or not wide:
        name = OBJECTIVES.name_of(type(objective))
        raise SpecError("bad-value", f"explain: {name} can be explained for inputs of kind image or vector only")
    layers = []
    for feature in wide:
        scale = flat.scales[key_of(feature.name, "in_")]
        if isinstance(feature, Vector):
            layers.append(
                InputLayer("entries", (feature,), scale, _mean_vector(feature, scale), "the training rows' mean")
            )
        else:
            layers.append(InputLayer("pixels", (feature,), scale, _mean_colour(feature, scale), "the mean colour"))
    return layers


def _mean_colour(feature: Any, prepare: Any) -> Callable[[Tensor], Tensor]:
    """An image, or the frames of a video, filled with the mean colour of the training rows."""
    mean = torch.tensor(feature.mean_).view((1, 1, -1, 1, 1) if isinstance(feature, Video) else (1, -1, 1, 1))
    return lambda x: prepare.forward(mean.to(x).expand((*x.shape[:-2], 1, 1))).expand_as(x)


def _mean_vector(feature: Any, prepare: Any) -> Callable[[Tensor], Tensor]:
    """The mean of the training rows."""
    mean = torch.tensor([feature.mean_])
    return lambda x: prepare.forward(mean.to(x)).expand_as(x)


def _input_layer(group: tuple[Feature, ...], encoder: nn.Module, mean_tokens: Mapping[str, Tensor]) -> InputLayer:
    """The input layer of an encoder; the encoder's tokens where none of its modules is known."""
    feature: Any = group[0]
    images = isinstance(encoder, ImageEncoder | FlatImageEncoder | PretrainedImages | VideoEncoder)
    if images and isinstance(feature, Image | Video):
        normalizer: Any = encoder.normalizer
        which: Kind = "frames" if isinstance(encoder, VideoEncoder) else "pixels"
        return InputLayer(which, group, normalizer, _mean_colour(feature, normalizer), "the mean colour")
    if isinstance(encoder, AudioEncoder):
        first = cast(nn.Module, encoder.convs[0])
        return InputLayer("bands", group, first, torch.zeros_like, "each band at its own mean", before=True)
    if isinstance(encoder, TokenEncoder | PretrainedText):
        table: Any = encoder.table if isinstance(encoder, TokenEncoder) else encoder.model.get_input_embeddings()
        return InputLayer("words", group, table, lambda x: table.weight[0].expand_as(x), "unknown words")
    if isinstance(encoder, BagEncoder):
        return InputLayer("ngrams", group, encoder.bag, torch.zeros_like, "no word")
    if isinstance(encoder, VectorEncoder):
        kind: Kind = "steps" if isinstance(encoder, SequenceEncoder) else "entries"
        return InputLayer(kind, group, encoder.rescale, torch.zeros_like, "the training rows' mean")
    if isinstance(encoder, LabelsEncoder):
        return InputLayer("labels", group, encoder.linear, torch.zeros_like, "no label", before=True)
    if isinstance(encoder, MaskEncoder):
        table = encoder.embedding
        return InputLayer("classes", group, table, lambda x: table.weight[0].expand_as(x), "an unlabelled image")
    if (mean := mean_tokens.get(feature.name)) is not None:
        return InputLayer("tokens", group, encoder, lambda x: mean.to(x).expand_as(x), "a typical training row")
    return InputLayer("tokens", group, encoder, torch.zeros_like, "zero tokens")
