"""Where the numbers of each input enter the network, so that they can be taken away by degrees.

An attribution needs floats: pixels after their scaling, words as their vectors, sounds as their bands. Each encoder has
one place where they are; a hook there reads them and puts others in their stead, and no network knows of it.
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
from deepglass.networks.network import Network, key_of
from deepglass.nn.audio import AudioEncoder
from deepglass.nn.bag import BagEncoder
from deepglass.nn.conv import PictureEncoder, PixelEncoder
from deepglass.nn.dense import MaskEncoder
from deepglass.nn.embeddings import SequenceEncoder, TokenEncoder
from deepglass.nn.encoders_heads import VectorEncoder
from deepglass.nn.pretrained import PretrainedPictures, PretrainedTexts
from deepglass.nn.sets import LabelsEncoder
from deepglass.nn.tokens import Tokens
from deepglass.nn.video import VideoEncoder
from deepglass.objectives._flatten import Flat
from deepglass.objectives.base import OBJECTIVES, Objective

Kind = Literal["pixels", "frames", "bands", "words", "ngrams", "steps", "entries", "labels", "classes", "tokens"]
Change = Callable[[int, Tensor], Tensor]
Hook = Callable[..., Any]


@dataclass(frozen=True)
class Entry:
    """Where an input enters.

    Args:
        features: the input, or the columns of a joint kind.
        module: whose output it is, or, with `before`, whose input.
        instead: what stands there when nothing is known, made from the values that do.
        said: the same in words.

    Shapes:
        pixels: (B, C, Y, X); frames: (B, T, C, Y, X); bands: (B, 1, T, M); words: (B, T, ..., D); ngrams: (B, T, D);
        steps: (B, T, d); entries, labels: (B, d); classes: (B, Y, X, D); tokens: (B, T, D).
    """

    kind: Kind
    features: tuple[Feature, ...]
    module: nn.Module
    instead: Callable[[Tensor], Tensor]
    said: str
    before: bool = False

    @property
    def name(self) -> str:
        return self.features[0].name

    def nothing(self, values: Tensor) -> Tensor:
        """What stands there when nothing is known; a missing entry (NaN) stays one."""
        return torch.where(values.isnan(), values, self.instead(values))


def entries_of(objective: Objective, typical: Mapping[str, Tensor] | None = None) -> list[list[Entry]]:
    """The entries of each of the objective's networks, which are all alike; input by input.

    Args:
        typical: the mean tokens of training rows, by the name of an input: what stands for columns that are unknown.
    """
    if objective.builds_network:
        return [_flat_entries(objective)]
    names = {f.name for group in objective.network.groups for f in group}
    networks = [m for m in objective.modules() if isinstance(m, Network)]
    alike = [n for n in networks if {f.name for group in n.groups for f in group} == names]
    return [[_entry(tuple(g), e, typical or {}) for g, e in zip(n.groups, n.encoders, strict=True)] for n in alike]


@contextmanager
def changed(places: Sequence[Sequence[Entry]], change: Change) -> Iterator[None]:
    """While it lasts, `change(i, values)` gives what the network reads in place of the i-th input's values."""
    handles = []
    for entries in places:
        for i, entry in enumerate(entries):
            if entry.before:
                handles.append(entry.module.register_forward_pre_hook(_entering(i, change)))
            else:
                handles.append(entry.module.register_forward_hook(_leaving(i, entry, change)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _entering(i: int, change: Change) -> Hook:
    def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (change(i, args[0]), *args[1:])

    return hook


def _leaving(i: int, entry: Entry, change: Change) -> Hook:
    def hook(module: nn.Module, args: tuple[Any, ...], out: Any) -> Any:
        if entry.kind == "ngrams":
            ids, mask = args
            return torch.where(mask.any(1, keepdim=True), change(i, _ngrams(cast(Any, module), ids, mask)).sum(1), out)
        if isinstance(out, Tokens):
            return out._replace(values=change(i, out.values))
        return change(i, out)

    return hook


def _ngrams(bag: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """What each n-gram adds to the bag, (B, T, D)."""
    weights = bag.scale[ids.long()] * mask
    weights = weights / weights.norm(dim=1, keepdim=True).clamp_min(1e-6)
    return bag.weight[ids.long()] * weights[..., None]


def _flat_entries(objective: Objective) -> list[Entry]:
    """Those of a network that takes its inputs end to end."""
    flat = next((m for m in objective.modules() if isinstance(m, Flat)), None)
    wide = [f for f in flat.inputs if f.kind in ("image", "vector")] if flat is not None else []
    if flat is None or not wide:
        name = OBJECTIVES.name_of(type(objective))
        raise SpecError("bad-value", f"explain: a run of {name} that reads no picture and no vector is not explained")
    entries = []
    for feature in wide:
        scale = flat.scales[key_of(feature.name, "in_")]
        if feature.kind == "vector":
            entries.append(Entry("entries", (feature,), scale, _mean_vector(feature, scale), "the training rows' mean"))
        else:
            entries.append(Entry("pixels", (feature,), scale, _mean_colour(feature, scale), "the mean colour"))
    return entries


def _mean_colour(feature: Any, prepare: Any) -> Callable[[Tensor], Tensor]:
    """A picture, or the frames of a video, all of the training pictures' mean."""
    mean = torch.tensor(feature.mean_).view((1, 1, -1, 1, 1) if feature.kind == "video" else (1, -1, 1, 1))
    return lambda x: prepare.forward(mean.to(x).expand((*x.shape[:-2], 1, 1))).expand_as(x)


def _mean_vector(feature: Any, prepare: Any) -> Callable[[Tensor], Tensor]:
    """The training rows' mean."""
    mean = torch.tensor([feature.mean_])
    return lambda x: prepare.forward(mean.to(x)).expand_as(x)


def _entry(group: tuple[Feature, ...], encoder: nn.Module, typical: Mapping[str, Tensor]) -> Entry:
    """What is known of an encoder; of others the tokens that they give are taken."""
    feature: Any = group[0]
    if isinstance(encoder, PictureEncoder | PixelEncoder | PretrainedPictures | VideoEncoder) and feature.kind in (
        "image",
        "video",
    ):
        normalizer: Any = encoder.normalizer
        which: Kind = "frames" if isinstance(encoder, VideoEncoder) else "pixels"
        return Entry(which, group, normalizer, _mean_colour(feature, normalizer), "the mean colour")
    if isinstance(encoder, AudioEncoder):
        first = cast(nn.Module, encoder.convs[0])
        return Entry("bands", group, first, torch.zeros_like, "each band at its own mean", before=True)
    if isinstance(encoder, TokenEncoder | PretrainedTexts):
        table: Any = encoder.table if isinstance(encoder, TokenEncoder) else encoder.model.get_input_embeddings()
        return Entry("words", group, table, lambda x: table.weight[0].expand_as(x), "unknown words")
    if isinstance(encoder, BagEncoder):
        return Entry("ngrams", group, encoder.bag, torch.zeros_like, "no word")
    if isinstance(encoder, VectorEncoder):
        kind: Kind = "steps" if isinstance(encoder, SequenceEncoder) else "entries"
        return Entry(kind, group, encoder.rescale, torch.zeros_like, "the training rows' mean")
    if isinstance(encoder, LabelsEncoder):
        return Entry("labels", group, encoder.linear, torch.zeros_like, "no label", before=True)
    if isinstance(encoder, MaskEncoder):
        table = encoder.embedding
        picture = lambda x: table.weight[0].expand_as(x)  # noqa: E731
        return Entry("classes", group, table, picture, "an unlabelled picture")
    if (mean_tokens := typical.get(feature.name)) is not None:
        return Entry("tokens", group, encoder, lambda x: mean_tokens.to(x).expand_as(x), "a typical training row")
    return Entry("tokens", group, encoder, torch.zeros_like, "nothing")
