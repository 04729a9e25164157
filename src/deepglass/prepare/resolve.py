"""Choosing the network: its architecture, its settings, and the input features as it needs them."""

from collections.abc import Sequence
from dataclasses import replace

from deepglass.config import validated
from deepglass.data.transforms.history import EntityHistory
from deepglass.device import multiplications, pick
from deepglass.features.audio import Audio
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.outputs.base import Output
from deepglass.features.sequence import Sequence as SequenceFeature
from deepglass.features.tags import Tags
from deepglass.features.text import Text
from deepglass.features.video import Video
from deepglass.networks.network import shapes_of
from deepglass.networks.trunks.base import TRUNKS
from deepglass.networks.trunks.pretrained import Pretrained
from deepglass.objectives.base import OBJECTIVES
from deepglass.prepare.experiment import Experiment
from deepglass.spec.spec import Spec
from deepglass.training.planning import threads_for
from deepglass.values import plain

MAX_SMALL_IMAGE = 64  # pixels of the longer side up to which a small convolutional network is the default
SMALL_IMAGES, LARGE_IMAGES = "conv", "resnet"
UNUSED_TRUNK = "mlp"  # of objectives that build their own network: never built, adapts no feature


def choose_trunk(spec: Spec, inputs: Sequence[Feature], outputs: Sequence[Output]) -> tuple[str, bool]:
    """The network architecture, and whether it is a default that may still follow from the size of the images.

    Args:
        inputs, outputs: not fitted yet.
    """
    objective = OBJECTIVES.get(spec.objective.name, where="objective.name")
    if objective.builds_network:
        return UNUSED_TRUNK, False
    if spec.network.trunk is not None:
        return spec.network.trunk, False
    if "pretrained" in spec.network.settings:
        return "pretrained", False
    if objective.default_trunk is not None:
        return objective.default_trunk, False
    if trunk := next((type(f).trunk for f in outputs if type(f).trunk), None):
        return trunk, False
    if any(isinstance(f, Image | Video) for f in inputs):
        return SMALL_IMAGES, True
    past = EntityHistory.sequences(spec.data.history)
    return _default_trunk([f for f in inputs if f.column not in past], outputs), False


def _default_trunk(inputs: Sequence[Feature], outputs: Sequence[Output]) -> str:
    """A sequence model for sequences; bag of n-grams for texts alone, unless the output follows their words."""
    texts = [isinstance(f, Text) for f in inputs]
    if any(texts) and any(isinstance(f, Text) for f in outputs):
        return "transformer"
    if any(texts) and any(isinstance(f, Tags | SequenceFeature) for f in outputs):
        return "gru"
    if any(isinstance(f, SequenceFeature) for f in inputs):
        return "gru"
    if any(isinstance(f, Audio) for f in inputs):
        return "tcn"
    return "bag" if inputs and all(texts) else "mlp"


def trunk_for_size(inputs: Sequence[Feature]) -> str:
    """The default for images of the fitted size."""
    sizes = [max(f.size_) for f in inputs if isinstance(f, Image | Video) and f.size_]
    return LARGE_IMAGES if max(sizes, default=0) > MAX_SMALL_IMAGE else SMALL_IMAGES


def adapt_features(
    spec: Spec, inputs: Sequence[Feature], outputs: Sequence[Output]
) -> tuple[list[Feature], list[Output], str, bool]:
    """Unfitted features as the objective, each other and the network need them, and the result of `choose_trunk`."""
    objective = OBJECTIVES.get(spec.objective.name, where="objective.name")
    outputs = [f.configure_output(inputs) for f in outputs]
    inputs = objective.adapt_inputs(inputs)
    trunk, by_size = choose_trunk(spec, inputs, outputs)
    trunk_class = TRUNKS.get(trunk, where="network.trunk")
    settings = plain(spec.network.settings)
    if not objective.builds_network:
        validated(trunk_class, settings, "network", ["trunk", "init_from"], ["inputs"])
    return trunk_class.adapt_inputs(inputs, settings), outputs, trunk, by_size


def resolve_network(experiment: Experiment, rows: int) -> Experiment:
    """The experiment with all settings that the trunk chooses for itself.

    Its size is fitted to the time budget, where there is one and the spec does not state the size.

    Args:
        rows: number of training rows.
    """
    spec, trunk = experiment.spec, experiment.trunk_class
    settings = experiment.network
    if issubclass(trunk, Pretrained):  # so that the run needs neither the folder nor the hub again
        settings = {**settings, "source_config": trunk.source_config(settings)}
    if (budget := spec.training.budget) is not None:
        work = budget * multiplications(pick(spec.training.device), threads_for(spec.training))
        shapes = shapes_of(experiment.inputs, trunk, experiment.network)
        settings = {**trunk.size_for_budget(shapes, rows, work), **settings}
    network = replace(spec.network, settings=settings)
    return replace(experiment, spec=replace(spec, network=network))
