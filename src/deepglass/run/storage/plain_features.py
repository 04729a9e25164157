"""Feature maps for style transfer, taken from a run of a plain convolutional network."""

from pathlib import Path

import torch
from torch import Tensor, nn

from deepglass.errors import DeepglassError, SpecError
from deepglass.networks.network import Network
from deepglass.networks.trunks.alexnet import Alexnet
from deepglass.nn.conv import ImageEncoder
from deepglass.nn.style_transfer import PlainLayer
from deepglass.objectives.style import Style
from deepglass.run.build import load_objective
from deepglass.run.folder import Folder

WHERE = "objective.features"


def read_style_files(objective: Style) -> None:
    """Read style image and features of a run that begins, without using its random numbers.

    Raises:
        SourceError: `not-found`, `unreadable-image`, `unknown-name`, `damaged-run`.
        SpecError: `bad-value` for a run of another kind.
    """
    objective.read_style_image()
    if objective.features_run:
        objective.features.set_layers(*plain_layers(Path(objective.features_run)))
    objective.targets = []


def plain_layers(path: Path) -> tuple[list[PlainLayer], Tensor, Tensor]:
    """Convolutions of a run with batch normalisation folded into them, and the scaling of its images.

    Raises:
        SourceError: `not-found` without such a run; `damaged-run`.
        SpecError: `bad-value` for a run that is no AlexNet of one image with ReLU and batch or no normalisation.
    """
    try:
        folder = Folder.open(path)
    except DeepglassError as error:
        raise type(error)(error.code, f"{WHERE}: {error.message}") from error
    experiment = folder.state().experiment
    trunk, name = experiment.trunk_class, folder.name
    builds_network = experiment.objective_class.builds_network
    if not issubclass(trunk, Alexnet) or builds_network:
        came = f"objective={experiment.objective}" if builds_network else f"network.trunk={experiment.trunk}"
        raise _wrong(name, f"a run with network.trunk=alexnet, whose layers are plain convolutions, got {came}")
    with torch.random.fork_rng(devices=[]):
        network = load_objective(folder, experiment, "cpu").network
    encoders = [e for e in network.encoders if isinstance(e, ImageEncoder)]
    if len(network.encoders) != 1 or len(encoders) != 1:
        raise _wrong(name, "a run with one image as its only input")
    shift, factor = encoders[0].normalizer.shift, encoders[0].normalizer.factor
    if not isinstance(shift, Tensor) or not isinstance(factor, Tensor) or shift.shape[1] not in (1, 3):
        raise _wrong(name, "images of 1 or 3 channels")
    levels = float(network.groups[0][0].levels_ or 255)  # type: ignore[attr-defined]
    return _layers(network, encoders[0], name), shift / levels, factor * levels


def _layers(network: Network, encoder: ImageEncoder, name: str) -> list[PlainLayer]:
    body = network.trunk.body
    modules: list[nn.Module] = [encoder.stem.conv, *(m for stage in body.stages for m in stage)]  # type: ignore[union-attr]
    layers: list[PlainLayer] = []
    for module in modules:
        if isinstance(module, nn.Conv2d):
            bias = module.bias if module.bias is not None else torch.zeros(len(module.weight))
            layers.append(PlainLayer(module.weight, bias, module.stride[0], False))
        elif isinstance(module, nn.BatchNorm2d):
            layers[-1] = _folded(layers[-1], module)
        elif isinstance(module, nn.MaxPool2d):
            layers[-1] = layers[-1]._replace(pool=True)
        elif not isinstance(module, nn.ReLU | nn.Identity):
            raise _wrong(name, f"activation relu and norm batch or none, got {type(module).__name__}")
    return layers


def _folded(layer: PlainLayer, norm: nn.BatchNorm2d) -> PlainLayer:
    """The convolution and the batch normalisation after it as one convolution."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = norm.bias + (layer.bias - norm.running_mean) * gain
    return layer._replace(weight=layer.weight * gain.view(-1, 1, 1, 1), bias=bias)


def _wrong(name: str, expected: str) -> SpecError:
    fix = "train one: deepglass train PHOTOS --target label --network alexnet"
    return SpecError("bad-value", f"{WHERE}: {name}: expected {expected}; {fix}")
