"""Capsule network: a capsule per class, trained by the margin loss and by reconstruction of the image.

Source: Sabour, Frosst and Hinton, 2017, arXiv 1710.09829.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import one_hot

from deepglass.constraints import NonNegative, Share
from deepglass.data.batches import Batch, Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.category import Category
from deepglass.features.image import Image
from deepglass.features.outputs.base import Output
from deepglass.metrics.table import METRICS, Metric
from deepglass.networks.trunks.capsule import CapsuleNet
from deepglass.nn.capsule import CapsuleDecoder, EvidenceHead, lengths, margin_loss
from deepglass.nn.tokens import whole_batch
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, predict_dataset


class Capsule(Objective):
    """Capsule network with dynamic routing.

    The decoder sees only the capsule of the true class, which therefore encodes the pose: slant, width, stroke length.
    Probabilities follow from the odds of the capsules' lengths.

    Args:
        reconstruction_weight: weight of the summed squared reconstruction error, pixels from 0 to 1.
        m_plus: lower margin of the length of the true class's capsule.
        m_minus: upper margin of the lengths of the other capsules.

    Source: arXiv 1710.09829, equation 4 and section 4.1.
    """

    monitor: ClassVar[Metric] = METRICS["log_loss"]

    def __init__(
        self, *, reconstruction_weight: NonNegative = 0.0005, m_plus: Share = 0.9, m_minus: Share = 0.1
    ) -> None:
        super().__init__()
        if m_minus >= m_plus:
            raise ValueError(f"m_minus: expected less than m_plus, {m_plus}, got {m_minus}")
        self.reconstruction_weight, self.m_plus, self.m_minus = reconstruction_weight, m_plus, m_minus

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        """Create the network and the decoder.

        Raises:
            SpecError: `bad-value` unless there are an image input and a single output of the kind `category`, and the
                trunk is `capsule`.
        """
        if len(outputs) != 1 or not isinstance(outputs[0], Category):
            came = ", ".join(f"{f.name} ({f.kind})" for f in outputs) or "none"
            raise SpecError("bad-value", f"objective: 'capsule' expects one output of the kind category, got {came}")
        self.output = outputs[0].name
        self.network = make_network(inputs, outputs)
        if not isinstance(self.network.trunk, CapsuleNet):
            raise SpecError("bad-value", "objective: 'capsule' needs the trunk of that name; add network.trunk=capsule")
        self.classes = len(outputs[0].class_names)
        self.network.trunk.route_to(self.classes)
        self.network.heads = nn.ModuleDict({key: EvidenceHead(self.classes) for key in self.network.heads})
        self.images = [f for f in inputs if isinstance(f, Image)]
        if not self.images:
            raise SpecError("bad-value", "objective: 'capsule' needs an input of the kind image, to reconstruct it")
        self.scales = nn.ModuleList(f.normalizer("unit") for f in self.images)
        pixels = sum((f.channels_ or 0) * math.prod(f.size_ or ()) for f in self.images)
        self.decoder = CapsuleDecoder(self.network.trunk.out_dim, pixels)

    def parameter_groups(self) -> dict[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.decoder])}

    def loss(self, batch: Batch) -> Loss:
        target = batch.targets[self.output]
        labels = (target.values.reshape(-1).long() - 1).clamp_min(0)  # code 0, unknown, is masked below
        capsules = self.network.embed(batch.inputs).values[:, 0].unflatten(-1, (self.classes, -1))  # (B, K, D)
        margin = margin_loss(lengths(capsules), labels, m_plus=self.m_plus, m_minus=self.m_minus)
        true_class = one_hot(labels, self.classes).unsqueeze(-1)  # (B, K, 1)
        errors = self._squared_errors(self.decoder((capsules * true_class).flatten(1)).float(), batch)
        present = target.present.float()
        count = whole_batch().denominator(present.sum())
        margin, errors = ((rows * present).sum() / count for rows in (margin, errors))
        logs = {"margin": margin.detach(), "reconstruction": errors.detach()}
        return Loss(margin + self.reconstruction_weight * errors, logs=logs, weight=len(batch))

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        predictions = predict_dataset(self, data, batch_size)
        metrics = self.network.features[self.output].score(predictions[self.output], data.truth[self.output])
        return Evaluation({self.output: metrics}, metrics["log_loss"], predictions)

    def _squared_errors(self, decoded: Tensor, batch: Batch) -> Tensor:
        """Sum of squared reconstruction errors of each row, (B,)."""
        total = decoded.new_zeros(len(decoded))
        for feature, scale in zip(self.images, self.scales, strict=True):
            field = batch.inputs[feature.name]
            pixels = scale(field.values).flatten(1)  # (B, C * Y * X)
            part, decoded = decoded.tensor_split([pixels.shape[1]], 1)
            total = total + (part - pixels).square().sum(1) * field.mask
        return total
