"""Pretrained encoder of images, texts or audio, from a folder or the hub, frozen or fine-tuned."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from deepglass.config import restore
from deepglass.constraints import NonNegative, Share
from deepglass.errors import SpecError
from deepglass.features.audio import Audio
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.text import Text
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.pretrained import PretrainedAudio, PretrainedImages, PretrainedText, Source, find
from deepglass.nn.tokens import Tokens, TokenShape, pool

_READ: dict[str, type[Feature]] = {"images": Image, "texts": Text, "audio": Audio}  # by input kind of the model
_MAX_TOKENS = 256  # of a text: most models were not trained on more


class Pretrained(Trunk):
    """Mean token of a pretrained encoder, joined with the other inputs.

    `deepglass train photos/ network.pretrained=facebook/dinov2-small` loads it from the hub, a path from a folder. Only
    safetensors are loaded, and no code of the repository runs. A run stores all weights and does not need the folder
    or the hub again.

    Args:
        pretrained: a folder, or a name on the hub.
        freeze: keep the encoder's weights; only the layers on top are trained.
        lr_multiplier: learning rate of the fine-tuned encoder relative to the rest.
        dropout: dropout rate for the pooled values.
        source_config: the model's configuration, as the run stores it; not set by users.

    Raises:
        SpecError: `bad-value` for inputs that the model does not read, and for audio of another sample rate.
        SourceError, MissingExtra: see `nn.pretrained.find`.
    """

    training_defaults = replace(IMAGE_DEFAULTS, learning_rate=1e-3, batch_size=32, epochs=20, clip=1.0)

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        pretrained: str,
        freeze: bool = False,
        lr_multiplier: NonNegative = 0.1,
        dropout: Share = 0.1,
        source_config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dim = self.out_dim = _source(pretrained, source_config).width
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(self.out_dim)
        self.join = nn.Identity() if len(inputs) == 1 else nn.Linear(len(inputs) * self.dim, self.out_dim)

    @classmethod
    def source_config(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration of the model, to be stored with the run."""
        source = _source(settings["pretrained"], settings.get("source_config"))._asdict()
        return {k: source[k] for k in ("reads", "config", "mean", "std", "rate", "normalise")}

    @classmethod
    def adapt_inputs(cls, inputs: Sequence[Feature], settings: Mapping[str, Any]) -> list[Feature]:
        """Texts use the model's tokenizer, audio the model's sample rate."""
        source = _source(settings["pretrained"], settings.get("source_config"))
        if not any(isinstance(f, _READ[source.reads]) for f in inputs):
            came = ", ".join(f"{f.name!r} ({f.kind})" for f in inputs)
            raise SpecError("bad-value", f"network.pretrained: {source.name} reads {source.reads}, but there is {came}")
        return [_adapted(f, source) if isinstance(f, _READ[source.reads]) else f for f in inputs]

    @classmethod
    def make_encoder(cls, feature: Feature, dim: int, settings: Mapping[str, Any]) -> nn.Module | None:
        if not isinstance(feature, Image | Text | Audio):
            return None
        source = _source(settings["pretrained"], settings.get("source_config"))
        freeze, multiplier = settings.get("freeze", False), settings.get("lr_multiplier", 0.1)
        if isinstance(feature, Text):
            return PretrainedText(source, freeze=freeze, lr_multiplier=multiplier) if source.reads == "texts" else None
        if isinstance(feature, Audio):
            return PretrainedAudio(source, freeze=freeze, lr_multiplier=multiplier) if source.reads == "audio" else None
        if source.reads != "images":
            reads = f"{source.name} reads {source.reads}, but {feature.name!r} is an image"
            raise SpecError("bad-value", f"network.pretrained: {reads}")
        assert feature.channels_ is not None
        return PretrainedImages(
            feature.normalizer("unit"), feature.channels_, source, freeze=freeze, lr_multiplier=multiplier
        )

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        x = self.join(torch.cat([pool(one) for one in tokens], -1))
        return Tokens.of_vector(self.dropout(self.norm(x)))


def _adapted(feature: Feature, source: Source) -> Feature:
    if isinstance(feature, Text) and not feature.tokenization and not feature.tokenizer:
        return replace(feature, tokenizer=source.name, max_words=min(feature.max_words, _MAX_TOKENS))
    if not isinstance(feature, Audio):
        return feature
    if feature.rate not in (None, source.rate):
        raise SpecError(
            "bad-value",
            f"inputs.{feature.name}.rate: {source.name} expects {source.rate:,} samples per second, got "
            f"{feature.rate:,}",
        )
    return replace(feature, rate=source.rate)


def _source(name: str, source_config: Mapping[str, Any] | None) -> Source:
    return (
        find(name)
        if source_config is None
        else restore(Source, {**source_config, "name": name}, "network.source_config")
    )
