"""Input layers: where each input enters the network as floats, so that attribution methods can replace its values.

Gradients need floats: normalised pixels, word embeddings, mel bands. Each encoder has one module where they appear; a
forward hook there reads and replaces them, without a change to the network.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.errors import SpecError
from deepglass.explain.aggregate import (
    PartAttributions,
    PartsOf,
    column_attributions,
    encoder_tokens,
    entries,
    image_region,
    ngram_words,
    spectrogram_regions,
    time_steps,
    token_words,
    video_frames,
)
from deepglass.features.base import Column, Feature
from deepglass.networks.network import Network, key_of
from deepglass.nn.audio import AudioEncoder
from deepglass.nn.bag import BagEmbedding, BagEncoder
from deepglass.nn.conv import FlatImageEncoder, ImageEncoder
from deepglass.nn.dense import MaskEncoder
from deepglass.nn.embeddings import SequenceEncoder, TokenEncoder
from deepglass.nn.encoders_heads import LabelsEncoder, VectorEncoder
from deepglass.nn.pretrained import PretrainedImages, PretrainedText
from deepglass.nn.tokens import Tokens
from deepglass.nn.video import VideoEncoder
from deepglass.objectives._flatten import FlatInputs
from deepglass.objectives.base import OBJECTIVES, Objective

TRAINING_MEAN = "the training rows' mean"

Replace = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class InputLayer:
    """The module where an input enters, and its baseline.

    Args:
        features: the input, or the columns that share an encoder.
        module: the values are its output, or, with `before`, its input.
        baseline_of: values -> the baseline, which stands for an absent input.
        description: of the baseline.
        unit_axes: the axes of a row's values along which units lie, such as (1, 2) of pixels (C, Y, X); an attribution
            is summed over the other axes.
        parts_of: attributions of units -> those of parts that a user knows.
        before: the values are the input of `module`.
    """

    features: tuple[Feature, ...]
    module: nn.Module
    baseline_of: Callable[[Tensor], Tensor]
    description: str
    unit_axes: tuple[int, ...] = (0,)
    parts_of: PartsOf = encoder_tokens
    before: bool = False

    @property
    def name(self) -> str:
        return self.features[0].name

    @property
    def has_map(self) -> bool:
        """Whether the units are positions of an image or a spectrogram, that attributions can be drawn over."""
        feature = self.features[0]
        return len(self.unit_axes) == 2 and (feature.is_image or feature.is_audio)

    def parts(self, units: np.ndarray, row: Mapping[str, Column], raw: dict[str, Any]) -> PartAttributions:
        """Attributions of units (Q, ...) as those of parts; one of weight 0 where there is none.

        Args:
            row: the encoded inputs of the row.
            raw: its values as the user wrote them, by column.
        """
        if len(self.features) > 1:
            return column_attributions(self.features, units, raw)
        feature = self.features[0]
        parts = self.parts_of(feature, units, row[feature.name], raw.get(feature.column))
        return parts if any(parts.names) else PartAttributions((self.name,), np.zeros((len(units), 1)))

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
    with ExitStack() as hooks:
        for i, layer in (pair for network in layers for pair in enumerate(network)):
            if layer.before:
                hook = layer.module.register_forward_pre_hook(lambda _, args, i=i: (replace(i, args[0]), *args[1:]))
            else:
                hook = layer.module.register_forward_hook(_forward_hook(i, replace))
            hooks.enter_context(hook)
        yield


def _forward_hook(i: int, replace: Replace) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], out: Any) -> Any:
        if isinstance(module, BagEmbedding):
            ids, mask = args
            ngrams = replace(i, _ngram_vectors(cast(Any, module), ids, mask))
            return torch.where(mask.any(1, keepdim=True), ngrams.sum(1), out)
        if isinstance(out, Tokens):
            return out._replace(values=replace(i, out.values))
        return replace(i, out)

    return hook


def _ngram_vectors(bag: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """The summands of the bag, one per n-gram, (B, T, D)."""
    return bag.weight[ids.long()] * bag.weights_of(ids.long(), mask)[..., None]


def _flattened(objective: Objective) -> list[InputLayer]:
    """The input layers of an objective that concatenates its flattened inputs."""
    flat = next((m for m in objective.modules() if isinstance(m, FlatInputs)), None)
    layers = []
    scales: Any = {} if flat is None else flat.scales
    for feature in () if flat is None else flat.inputs:
        key = key_of(feature.name, "in_")  # of a feature with a scale
        if feature.is_image:
            layers.append(_image_layer((feature,), scales[key], (1, 2)))
        elif feature.has_entries and not feature.class_names:
            scale = scales[key]
            baseline = _rescaled(scale, torch.tensor([cast(Any, feature).mean_]))
            layers.append(InputLayer((feature,), scale, baseline, TRAINING_MEAN, parts_of=entries))
    if not layers:
        name = OBJECTIVES.name_of(type(objective))
        raise SpecError("bad-value", f"explain: {name} can be explained for inputs of kind image or vector only")
    return layers


def _image_layer(group: tuple[Feature, ...], normalizer: Any, unit_axes: tuple[int, ...]) -> InputLayer:
    """Pixels of an image, or of the frames of a video; the baseline is the mean colour of the training rows."""
    frames = len(unit_axes) == 3
    parts_of = video_frames if frames else image_region
    if (mean := getattr(group[0], "mean_", None)) is None:  # a kind from elsewhere may have learned none
        return InputLayer(group, normalizer, torch.zeros_like, "zero pixels", unit_axes, parts_of)
    colour = torch.tensor(mean).view((1, 1, -1, 1, 1) if frames else (1, -1, 1, 1))
    return InputLayer(group, normalizer, _rescaled(normalizer, colour), "the mean colour", unit_axes, parts_of)


def _rescaled(normalizer: Any, mean: Tensor) -> Callable[[Tensor], Tensor]:
    """The mean of the training rows at the scale of the network, for all positions of an image."""

    def baseline(x: Tensor) -> Tensor:
        values = mean.to(x).expand((*x.shape[:-2], 1, 1)) if mean.ndim > 2 else mean.to(x)
        return normalizer.forward(values).expand_as(x)

    return baseline


def _input_layer(group: tuple[Feature, ...], encoder: nn.Module, mean_tokens: Mapping[str, Tensor]) -> InputLayer:
    """The input layer of an encoder; the encoder's tokens where none of its modules is known."""
    match encoder:
        case VideoEncoder():
            return _image_layer(group, encoder.normalizer, (0, 2, 3))
        case ImageEncoder() | FlatImageEncoder() | PretrainedImages():
            return _image_layer(group, encoder.normalizer, (1, 2))
        case AudioEncoder():
            bands, baseline = cast(nn.Module, encoder.convs[0]), "each band at its own mean"
            return InputLayer(group, bands, torch.zeros_like, baseline, (1, 2), spectrogram_regions, before=True)
        case TokenEncoder() | PretrainedText():
            table: Any = encoder.table if isinstance(encoder, TokenEncoder) else encoder.model.get_input_embeddings()
            return InputLayer(group, table, _first_embedding(table), "unknown words", parts_of=token_words)
        case BagEncoder():
            return InputLayer(group, encoder.bag, torch.zeros_like, "no word", parts_of=ngram_words)
        case SequenceEncoder():
            return InputLayer(group, encoder.rescale, torch.zeros_like, TRAINING_MEAN, parts_of=time_steps)
        case VectorEncoder():
            return InputLayer(group, encoder.rescale, torch.zeros_like, TRAINING_MEAN, parts_of=entries)
        case LabelsEncoder():
            return InputLayer(group, encoder.linear, torch.zeros_like, "no label", parts_of=entries, before=True)
        case MaskEncoder():
            table, baseline = encoder.embedding, "an unlabelled image"
            return InputLayer(group, table, _first_embedding(table), baseline, (0, 1), image_region)
    if (mean := mean_tokens.get(group[0].name)) is not None:
        return InputLayer(group, encoder, lambda x: mean.to(x).expand_as(x), "a typical training row")
    return InputLayer(group, encoder, torch.zeros_like, "zero tokens")


def _first_embedding(table: Any) -> Callable[[Tensor], Tensor]:
    """The embedding of code 0, which means unknown."""
    return lambda x: table.weight[0].expand_as(x)
