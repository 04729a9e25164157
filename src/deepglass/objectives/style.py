"""Style transfer: a feed-forward network learns to paint any photo in the style of one image.

    image = transform(photo)
    style loss   = distance of the Gram matrices of features(image) from those of features(style image)
    content loss = distance of one feature map of image from that of photo
    minimise content_weight * content + style_weight * style + tv_weight * total variation over the photos

Source: Johnson et al., 2016, arXiv 1603.08155; instance normalisation: Ulyanov et al., 2016, arXiv 1607.08022; softmax
over activations: SWAG, Wang et al., 2021, arXiv 2104.05623. Both distances are relative to the squared norm of their
target, so that the weights suit any features.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.constraints import Count, Ge, Le, NonNegative, Positive
from deepglass.data.batches import Batch, Dataset
from deepglass.data.style_images import SYNTHETIC, read_style_image
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.outputs.base import Output
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.style_transfer import (
    MIN_SIDE,
    PlainFeatures,
    TransformationNetwork,
    gram_matrix,
    smooth,
    total_variation,
    with_channels,
)
from deepglass.nn.tokens import Fields
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, inference

MAX_EVALUATED_ROWS = 16
RANDOM_WIDTHS = (24, 48, 64, 64, 64)  # channels of the random features
STYLE_SIDE = 128  # pixels of the style image, as the photos' default


class Style(Objective):
    """Style transfer by an image transformation network.

    Args:
        style_image: an image file, or `synthetic:waves` or `synthetic:embers`, which the project generates.
        features: a run of an image classifier with `network.trunk=alexnet`, whose feature maps are compared; empty: a
            plain network with random weights. Its weights become part of the run.
        norm: "instance" or "batch" normalisation in the transformation network.
        smoothing: "softmax" over the activations of a layer before they are compared, or "none".
        content_weight: weight of the content loss.
        style_weight: weight of the style loss.
        tv_weight: weight of the total variation, which smooths the image.
        style_size: side of the style image in pixels, 16 to 1024: larger makes larger strokes.
        width: channels of the transformation network at full size.
        blocks: number of its residual blocks.
    """

    monitor: ClassVar[Metric] = METRICS["total_loss"]
    builds_network: ClassVar[bool] = True
    takes_targets: ClassVar[bool] = False

    def __init__(
        self,
        *,
        style_image: str = f"{SYNTHETIC}waves",
        features: str = "",
        norm: Literal["instance", "batch"] = "instance",
        smoothing: Literal["softmax", "none"] = "softmax",
        content_weight: Positive = 1.0,
        style_weight: Positive = 5.0,
        tv_weight: NonNegative = 1.0,
        style_size: Annotated[int, Ge(16), Le(1024)] = STYLE_SIDE,
        width: Count = 16,
        blocks: Count = 3,
    ) -> None:
        super().__init__()
        self.style_image, self.features_run, self.norm, self.smoothing = style_image, features, norm, smoothing
        self.content_weight, self.style_weight, self.tv_weight = content_weight, style_weight, tv_weight
        self.style_size, self.width, self.blocks = style_size, width, blocks
        self.targets: list[Tensor] = []

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        self.feature = _only_image(inputs, outputs)
        channels = self.feature.channels_ or 1
        self.transform = TransformationNetwork(channels, self.width, self.blocks, self.norm)
        self.unit = self.feature.normalizer("unit")
        self.style_pixels = nn.Buffer(torch.zeros(3, self.style_size, self.style_size, dtype=torch.uint8))
        self.features = PlainFeatures()
        if not self.features_run:
            self.features.set_random_layers(RANDOM_WIDTHS)

    def read_style_image(self) -> None:
        """Read the style image; a loaded or resumed run has its own."""
        pixels = read_style_image(self.style_image, self.style_size)
        self.style_pixels.copy_(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return TrainingDefaults("adam", 2e-3, 0.0, batch_size=4, schedule="cosine", epochs=2, warmup=0.02, clip=1.0)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": self.transform}

    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.transform.parameters())

    def loss(self, batch: Batch) -> Loss:
        parts = {name: value.mean() for name, value in self.loss_parts(self.photos(batch.inputs)).items()}
        return Loss(self.weighted(parts), logs={k: v.detach() for k, v in parts.items()}, weight=len(batch))

    def loss_parts(self, photos: Tensor) -> dict[str, Tensor]:
        """The three losses of each photo, (B,) each.

        Shapes:
            photos: (B, C, Y, X) from 0 to 1.
        """
        images = self.transform(photos)
        maps = self.feature_maps(images)
        with torch.no_grad():
            middle = len(maps) // 2
            content = self.feature_maps(photos)[middle]
        grams = [_relative_distance(gram_matrix(m), t) for m, t in zip(maps, self.style_targets(), strict=True)]
        return {
            "style_loss": torch.stack(grams).mean(0),
            "content_loss": _relative_distance(maps[middle], content),
            "total_variation": total_variation(images.float()),
        }

    def weighted(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The sum that is minimised."""
        weights = (self.style_weight, self.content_weight, self.tv_weight)
        names = ("style_loss", "content_loss", "total_variation")
        return torch.stack([w * parts[name] for name, w in zip(names, weights, strict=True)]).sum(0)

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """The maps that are compared, finest first; images: (B, C, Y, X) from 0 to 1."""
        maps = self.features(images)
        return [smooth(m) for m in maps] if self.smoothing == "softmax" else maps

    def style_targets(self) -> list[Tensor]:
        """Gram matrices of the style image, (1, C, C) each."""
        if not self.targets:
            with torch.inference_mode(False), torch.no_grad():
                image = with_channels(self.style_pixels[None].float() / 255, self.feature.channels_ or 1)
                self.targets = [gram_matrix(m) for m in self.feature_maps(image)]
        return self.targets

    def photos(self, inputs: Fields) -> Tensor:
        """Encoded images as floats from 0 to 1, (B, C, Y, X)."""
        return self.unit(inputs[self.feature.name].values).float()

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """The mean losses of rows at even distances."""
        rows = torch.linspace(0, len(data) - 1, min(len(data), MAX_EVALUATED_ROWS)).long()
        if not len(rows):
            return Evaluation({self.name: {}}, float("nan"))
        with inference(self):
            batches = [self.loss_parts(self.photos(data.batch(r).inputs)) for r in rows.split(min(batch_size, 8))]
            means = {name: torch.cat([parts[name] for parts in batches]).mean() for name in batches[0]}
            loss = float(self.weighted(means))
        metrics = {"total_loss": loss, **{name: float(value) for name, value in means.items()}}
        return Evaluation({self.name: metrics}, loss, loss=loss)

    def paint(self, photos: Tensor) -> Tensor:
        """Photos as bytes in the learned style; photos: (B, C, Y, X), from 0 to 1 -> the same shape, uint8."""
        with inference(self):
            return (self.transform(photos) * 255).round().to(torch.uint8)

    def embed(self, batch: Batch) -> Tensor:
        return self.transform.embed(self.photos(batch.inputs))

    def forward_pass(self, batch: Batch) -> Any:
        return self.transform(self.photos(batch.inputs))

    def predict(self, batch: Batch) -> Any:
        raise SpecError("bad-value", "this run paints images: use deepglass predict RUN photo.jpg --out painted.png")

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        self.targets = []
        return super().load_state_dict(*args, **kwargs)


def _relative_distance(values: Tensor, target: Tensor) -> Tensor:
    """Squared distance of each row over the squared norm of its target, (B,)."""
    values, target = values.float().flatten(1), target.float().flatten(1)
    return (values - target).square().sum(1) / target.square().sum(1).clamp_min(1e-12)


def _only_image(inputs: Sequence[Feature], outputs: Sequence[Output]) -> Image:
    if outputs:
        raise SpecError("bad-value", f"--target: style has no target; leave {outputs[0].name!r} out")
    if len(inputs) != 1 or not isinstance(inputs[0], Image):
        came = ", ".join(f"{f.name} ({f.kind})" for f in inputs[:6])
        raise SpecError("bad-value", f"inputs: style expects one image column, got {came}; name it")
    image = inputs[0]
    size, channels = image.size_ or (0, 0), image.channels_
    if channels not in (1, 3):
        raise SpecError("bad-value", f"inputs.{image.name}: style expects images of 1 or 3 channels, got {channels}")
    if min(size) < MIN_SIDE:
        where, least = f"inputs.{image.name}.size", f"at least {MIN_SIDE} x {MIN_SIDE} pixels"
        raise SpecError("bad-value", f"{where}: style expects images of {least}, got {size[0]} x {size[1]}")
    return image
