"""Pseudo-labelling: predicted classes of unlabelled rows are their labels, the most confident rows first.

Source: Lee, 2013, ICML workshop ("Pseudo-Label", equations 15 and 16: pseudo-labels and ramp-up of their weight). Ours
differs in two things: the averaged network labels anew in each step, and only the most confident share of each class is
used, which grows over the run, as in Cascante-Bonilla et al., 2020, arXiv 2001.06001.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from deepglass.constraints import Gt, Le, NonNegative, PositiveShare
from deepglass.data.batches import Batch, BatchTransform
from deepglass.features.base import Feature
from deepglass.features.binary import Binary
from deepglass.features.category import Category
from deepglass.features.number import Number
from deepglass.features.outputs.base import Output, Prediction
from deepglass.networks.network import key_of
from deepglass.nn.tokens import whole_batch
from deepglass.objectives._semi import PseudoLabels, SemiSupervised, probabilities
from deepglass.objectives.base import Loss, MakeNetwork

THRESHOLD_STEP = 0.05  # step size of the thresholds towards the quantile of the confidence
RAMP_UP = (0.1, 0.6)  # start and end of the ramp-up of the weight, as shares of the run


class PseudoLabel(SemiSupervised):
    """Pseudo-labels by the averaged network, learned by the student.

    Args:
        unlabelled_ratio: unlabelled rows in a batch per labelled row.
        weight: weight of the loss on pseudo-labels after the ramp-up.
        start_quantile: share of each class's pseudo-labels used at the start of the run, the most confident first.
        end_quantile: the same at the end of the run.
    """

    pseudo_label_features: ClassVar[tuple[type[Feature], ...]] = (Category, Binary, Number)

    def __init__(
        self,
        *,
        unlabelled_ratio: Annotated[float, Gt(0), Le(100)] = 3.0,
        weight: NonNegative = 1.0,
        start_quantile: PositiveShare = 0.2,
        end_quantile: PositiveShare = 0.8,
    ) -> None:
        super().__init__(unlabelled_ratio, weight)
        if start_quantile > end_quantile:
            raise ValueError(f"start_quantile: expected at most end_quantile, {end_quantile}, got {start_quantile}")
        self.start_quantile, self.end_quantile = start_quantile, end_quantile

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        super().build(inputs, outputs, make_network)
        classified = {n: f for n, f in self.pseudo_labelled.items() if f.has_classes}
        self.curricula: Any = nn.ModuleDict(
            {key_of(n, "of_"): Curriculum(len(f.class_names)) for n, f in classified.items()}
        )

    def views(self, transform: BatchTransform | None) -> tuple[BatchTransform | None, BatchTransform | None]:
        return transform, None

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        quantile = self.start_quantile + (self.end_quantile - self.start_quantile) * progress
        with torch.no_grad():
            predictions = self.network.predictions(batch.views[0])
            for name, curriculum in self._curricula():
                curriculum.update(probabilities(predictions[name]), quantile)
            labels = self.pseudo_labels(predictions)
        supervised, unsupervised = self.loss_terms(batch.inputs, batch, labels)
        start, end = RAMP_UP
        weight = self.weight * min(max((progress - start) / (end - start), 0.0), 1.0)
        logs = self.logs(supervised, unsupervised, labels)
        yield Loss(supervised + weight * unsupervised, logs=logs, weight=len(batch))
        self.update_average()

    def pseudo_labels(self, predictions: Mapping[str, Prediction]) -> dict[str, PseudoLabels]:
        labels, thresholds = {}, self.thresholds()
        for name in self.pseudo_labelled:
            if name in thresholds:
                confidence, best = probabilities(predictions[name]).max(1)
                labels[name] = PseudoLabels(best + 1, confidence, confidence >= thresholds[name][best])
            else:
                value = predictions[name].mode()["value"].float()
                labels[name] = PseudoLabels(value, torch.full_like(value, torch.nan), torch.ones_like(value).bool())
        return labels

    def thresholds(self) -> dict[str, Tensor]:
        return {name: curriculum.thresholds for name, curriculum in self._curricula()}

    def _curricula(self) -> Iterator[tuple[str, Curriculum]]:
        for name in self.pseudo_labelled:
            if key_of(name, "of_") in self.curricula:
                yield name, self.curricula[key_of(name, "of_")]


class Curriculum(nn.Module):
    """Running quantile of the confidence in each class, by stochastic approximation.

    Args:
        classes: K.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.thresholds = nn.Buffer(torch.full((classes,), (1 + 1 / classes) / 2))

    def update(self, q: Tensor, share: float) -> None:
        """Move each threshold so that a share of the predictions of its class exceeds it.

        Shapes:
            q: (B, K) class probabilities.
        """
        confidence, best = q.max(1)
        passes = (confidence >= self.thresholds[best]).float()
        count = torch.zeros_like(self.thresholds).index_add_(0, best, torch.ones_like(passes))
        passed = torch.zeros_like(self.thresholds).index_add_(0, best, passes)
        count, passed = whole_batch().total(torch.stack([count, passed]))
        moved = self.thresholds + THRESHOLD_STEP * (passed - share * count) / count.clamp_min(1)
        self.thresholds.copy_(moved.clamp(0, 1))
