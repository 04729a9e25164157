"""Parts of style transfer: the image transformation network, feature maps of a plain network, Gram matrices."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.norms import Norm, norm2d

MIN_SIDE = 8  # pixels; smaller images cannot be padded by reflection after two halvings
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
POOL, POOL_STRIDE = 3, 2  # AlexNet's overlapping max pooling


class ReflectedConv(nn.Sequential):
    """Convolution with reflection padding, norm and ReLU: zeros at the border would become visible.

    Shapes:
        x: (B, dim, Y, X) -> (B, out_dim, ceil(Y / stride), ceil(X / stride)).
    """

    def __init__(
        self, dim: int, out_dim: int, kernel: int, stride: int = 1, norm: Norm = "instance", relu: bool = True
    ) -> None:
        convolution = nn.Conv2d(dim, out_dim, kernel, stride, kernel // 2, padding_mode="reflect")
        super().__init__(convolution, norm2d(norm, out_dim), nn.ReLU() if relu else nn.Identity())


class ReflectedResidualBlock(nn.Module):
    """Residual block without an activation after the sum; x: (B, dim, Y, X) -> the same shape.

    Source: Gross and Wilber, 2016, as in Johnson et al., 2016, supplement.
    """

    def __init__(self, dim: int, norm: Norm) -> None:
        super().__init__()
        first, second = ReflectedConv(dim, dim, 3, norm=norm), ReflectedConv(dim, dim, 3, norm=norm, relu=False)
        self.body = nn.Sequential(first, second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class TransformationNetwork(nn.Module):
    """Image transformation network: two halvings, residual blocks, two resize-convolutions.

    A nearest-neighbour resize and a convolution replace the paper's transposed convolution, whose unevenly overlapping
    filters paint a checkerboard.

    Args:
        channels: C of the images.
        width: channels at full size; 2 and 4 times as many at a half and a quarter of it.
        blocks: number of residual blocks.
        norm: "instance" as in Ulyanov et al., or "batch" as in Johnson et al.

    Shapes:
        image: (B, C, Y, X) from 0 to 1, Y and X at least `MIN_SIDE` -> the same.

    Source: Johnson et al., 2016, arXiv 1603.08155; instance normalisation: Ulyanov et al., 2016, arXiv 1607.08022;
    resize-convolution: Odena et al., 2016, doi 10.23915/distill.00003.
    """

    def __init__(self, channels: int, width: int, blocks: int, norm: Norm) -> None:
        super().__init__()
        self.first = ReflectedConv(channels, width, 9, norm=norm)
        self.down_2 = ReflectedConv(width, 2 * width, 3, 2, norm)
        self.down_4 = ReflectedConv(2 * width, 4 * width, 3, 2, norm)
        self.blocks = nn.Sequential(*(ReflectedResidualBlock(4 * width, norm) for _ in range(blocks)))
        self.up_2 = ReflectedConv(4 * width, 2 * width, 3, norm=norm)
        self.up_1 = ReflectedConv(2 * width, width, 3, norm=norm)
        self.last = nn.Conv2d(width, channels, 9, padding=4, padding_mode="reflect")

    def forward(self, image: Tensor) -> Tensor:
        full = self.first(2 * image - 1)
        half = self.down_2(full)
        x = self.blocks(self.down_4(half))
        x = self.up_2(F.interpolate(x, half.shape[2:]))
        x = self.up_1(F.interpolate(x, full.shape[2:]))
        return 0.5 + 0.5 * self.last(x).tanh()

    def embed(self, image: Tensor) -> Tensor:
        """Mean of the map after the residual blocks, (B, 4 * width)."""
        return self.blocks(self.down_4(self.down_2(self.first(2 * image - 1)))).mean((2, 3))


class PlainLayer(NamedTuple):
    """A convolution that a ReLU follows.

    Args:
        weight: (out, in, kernel, kernel).
        bias: (out,).
        stride: of the convolution.
        pool: whether AlexNet's max pooling follows the ReLU.
    """

    weight: Tensor
    bias: Tensor
    stride: int
    pool: bool


class PlainFeatures(nn.Module):
    """Feature maps of a plain convolutional network, which is not trained: the output of each ReLU.

    Its layers are made by `set_layers`, or by the weights that it loads: their number and widths stand in the weights,
    so that a run needs no other run to be loaded.

    Shapes:
        image: (B, 1 or 3, Y, X) from 0 to 1 -> one map (B, ..., ..., ...) per layer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shift, self.factor = nn.Buffer(torch.zeros(1, 3, 1, 1)), nn.Buffer(torch.ones(1, 3, 1, 1))
        self.layout = nn.Buffer(torch.zeros(0, 2, dtype=torch.int64))  # (layers, 2): stride, pool
        self.convolutions = nn.ModuleList()

    def set_layers(self, layers: Sequence[PlainLayer], shift: Tensor, factor: Tensor) -> None:
        """Replace the layers; an image is scaled to (image - shift) * factor, (1, C, 1, 1) each."""
        device = self.shift.device
        self.shift, self.factor = nn.Buffer(shift.to(device)), nn.Buffer(factor.to(device))
        self.layout = nn.Buffer(torch.tensor([[layer.stride, layer.pool] for layer in layers], device=device))
        self.convolutions = nn.ModuleList(_convolution(layer) for layer in layers).to(device)

    def set_random_layers(self, widths: Sequence[int]) -> None:
        """Layers of 3 x 3 filters with random weights (He initialisation), each but the last with pooling."""
        layers = []
        for i, (dim, out_dim) in enumerate(zip((3, *widths), widths, strict=False)):
            weight = nn.init.kaiming_normal_(torch.empty(out_dim, dim, 3, 3), nonlinearity="relu")
            layers.append(PlainLayer(weight, torch.zeros(out_dim), 1, i + 1 < len(widths)))
        self.set_layers(layers, torch.full((1, 3, 1, 1), 0.5), torch.full((1, 3, 1, 1), 4.0))

    def forward(self, image: Tensor) -> list[Tensor]:
        maps, x = [], (with_channels(image, self.shift.shape[1]) - self.shift) * self.factor
        for convolution, pool in zip(self.convolutions, self.layout[:, 1].tolist(), strict=True):
            maps.append(convolution(x).relu())
            x = F.max_pool2d(maps[-1], POOL, POOL_STRIDE, POOL // 2) if pool else maps[-1]
        return maps

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Make the layers that the weights have, before they are loaded."""
        layout = state_dict.get(f"{prefix}layout")
        if layout is not None and layout.shape != self.layout.shape:
            names = [(f"{prefix}convolutions.{i}.weight", f"{prefix}convolutions.{i}.bias") for i in range(len(layout))]
            pairs = [(state_dict.get(w), state_dict.get(b)) for w, b in names]
            if layout.ndim == 2 and layout.shape[1] == 2 and all(_is_convolution(*pair) for pair in pairs):
                values = zip(names, layout.tolist(), strict=True)
                layers = [PlainLayer(state_dict[w], state_dict[b], stride, pool) for (w, b), (stride, pool) in values]
                self.set_layers(layers, state_dict[f"{prefix}shift"], state_dict[f"{prefix}factor"])
        super()._load_from_state_dict(state_dict, prefix, *args)


def _is_convolution(weight: Tensor | None, bias: Tensor | None) -> bool:
    return weight is not None and bias is not None and weight.ndim == 4 and bias.ndim == 1


def _convolution(layer: PlainLayer) -> nn.Conv2d:
    out_dim, dim, kernel, _ = layer.weight.shape
    convolution = nn.Conv2d(dim, out_dim, kernel, layer.stride, kernel // 2, device="meta")  # draws no random numbers
    convolution.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
    convolution.bias = nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
    return convolution


def with_channels(image: Tensor, channels: int) -> Tensor:
    """Images (B, 1 or 3, Y, X) as colour or grey."""
    if image.shape[1] == channels:
        return image
    if channels == 3:
        return image.expand(-1, 3, -1, -1)
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def smooth(activations: Tensor) -> Tensor:
    """Softmax over all activations of a layer, times their number: mean 1, whatever the size of the map.

    Few large activations, of which a Gram matrix would consist otherwise, no longer dominate.

    Shapes:
        activations: (B, C, Y, X) -> the same.

    Source: SWAG (Wang et al., 2021, arXiv 2104.05623), without the factor.
    """
    flat = activations.float().flatten(1)
    return (flat.softmax(1) * flat.shape[1]).view(activations.shape)


def gram_matrix(activations: Tensor) -> Tensor:
    """Mean products of the channels over the pixels; activations: (B, C, Y, X) -> (B, C, C).

    Source: Gatys et al., 2015, arXiv 1508.06576, eq. 3, divided by the number of pixels.
    """
    flat = activations.float().flatten(2)
    return flat @ flat.mT / flat.shape[2]


def total_variation(image: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, (B,); image: (B, C, Y, X)."""
    down, right = image.diff(dim=2).square(), image.diff(dim=3).square()
    return down.mean((1, 2, 3)) + right.mean((1, 2, 3))
