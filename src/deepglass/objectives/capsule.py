"""Capsules as classes: a long capsule for the class that is there, short ones for the others, and the picture redrawn.

Source: Sabour, Frosst and Hinton, 2017, arXiv 1710.09829.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import one_hot

from deepglass.data.batches import Batch, Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.outputs.base import Output
from deepglass.metrics.table import METRICS, Metric
from deepglass.networks.trunks.capsule import Capsule as Trunk
from deepglass.nn.capsule import EvidenceHead, Reconstruction, lengths, margin_loss
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, predict_dataset


class Capsule(Objective):
    """The network `capsule` with a capsule a class, trained by the margin loss and by drawing its pictures again.

    What is drawn comes from the capsule of the right class alone, so that it has to hold how this one digit is
    written: its slant, its width, the length of a stroke. The answer's probability follows from the lengths' odds.

    Args:
        reconstruction_weight: weight of the summed squared reconstruction error, pixels from 0 to 1.
        m_plus: lower margin of the length of the true class's capsule.
        m_minus: upper margin of the lengths of the other capsules.

    Source: arXiv 1710.09829, equation 4 and section 4.1.
    """

    monitor: ClassVar[Metric] = METRICS["log_loss"]

    def __init__(self, *, reconstruction_weight: float = 0.0005, m_plus: float = 0.9, m_minus: float = 0.1) -> None:
        super().__init__()
        if not 0 <= m_minus < m_plus <= 1:
            raise ValueError(f"expected 0 <= m_minus < m_plus <= 1, got m_minus {m_minus}, m_plus {m_plus}")
        self.reconstruction_weight, self.m_plus, self.m_minus = reconstruction_weight, m_plus, m_minus

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        """The network with a capsule a class, and one that draws.

        Raises:
            SpecError: `bad-value` unless there are a picture and one output, of the kind `category`, and the network is
                `capsule`.
        """
        if len(outputs) != 1 or outputs[0].kind != "category":
            came = ", ".join(f"{f.name} ({f.kind})" for f in outputs) or "none"
            raise SpecError("bad-value", f"objective: 'capsule' answers one output of the kind category, got {came}")
        self.output = outputs[0].name
        self.network = make_network(inputs, outputs)
        if not isinstance(self.network.trunk, Trunk):
            raise SpecError(
                "bad-value", "objective: 'capsule' needs the network of that name; add network.trunk=capsule"
            )
        self.classes = len(outputs[0].class_names)
        self.network.trunk.route_to(self.classes)
        self.network.heads = nn.ModuleDict({key: EvidenceHead(self.classes) for key in self.network.heads})
        self.pictures = [f for f in inputs if isinstance(f, Image)]
        if not self.pictures:
            raise SpecError("bad-value", "objective: 'capsule' needs an input of the kind image, to draw it again")
        self.scales = nn.ModuleList(f.normalizer("unit") for f in self.pictures)
        pixels = sum((f.channels_ or 0) * math.prod(f.size_ or ()) for f in self.pictures)
        self.decoder = Reconstruction(self.network.trunk.out_dim, pixels)

    def parameter_groups(self) -> dict[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.decoder])}

    def loss(self, batch: Batch) -> Loss:
        target = batch.targets[self.output]
        labels = (target.values.reshape(-1).long() - 1).clamp_min(0)  # code 0 is unknown, and not counted below
        capsules = self.network.embed(batch.inputs).values[:, 0].unflatten(-1, (self.classes, -1))  # (B, K, D)
        margin = margin_loss(lengths(capsules), labels, m_plus=self.m_plus, m_minus=self.m_minus)
        right = one_hot(labels, self.classes).unsqueeze(-1)  # (B, K, 1)
        squares = self._squares(self.decoder((capsules * right).flatten(1)).float(), batch)
        known = target.known.float()
        margin, squares = ((rows * known).sum() / known.sum().clamp_min(1) for rows in (margin, squares))
        logs = {"margin": margin.detach(), "squares": squares.detach()}
        return Loss(margin + self.reconstruction_weight * squares, logs=logs, weight=len(batch))

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        best = predict_dataset(self, data, batch_size)
        figures = self.network.features[self.output].score(best[self.output], data.truth[self.output])
        return Evaluation({self.output: figures}, figures["log_loss"], best)

    def _squares(self, drawn: Tensor, batch: Batch) -> Tensor:
        """The sum of squared differences between what was drawn and each row's pictures, (B,)."""
        total = drawn.new_zeros(len(drawn))
        for feature, scale in zip(self.pictures, self.scales, strict=True):
            field = batch.inputs[feature.name]
            seen = scale(field.values).flatten(1)  # (B, C * Y * X)
            mine, drawn = drawn.tensor_split([seen.shape[1]], 1)
            total = total + (mine - seen).square().sum(1) * field.mask
        return total
