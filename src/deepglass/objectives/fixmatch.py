"""FixMatch: confident predictions on weakly augmented rows are pseudo-labels for the same rows strongly augmented.

Source: Sohn et al., 2020, arXiv 2001.07685, algorithm 1. Without a fixed threshold, the thresholds adapt to the
network's confidence in each class: FreeMatch, Wang et al., 2022, arXiv 2205.07246, equations 5 to 8. The EMAs cover
the last tenth of the run so far, as runs are short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from deepglass.constraints import Gt, Le, NonNegative, OpenShare
from deepglass.data.batches import Batch, BatchTransform, Dataset
from deepglass.data.views import check_augmentable, strong_augmentation, weak_augmentation
from deepglass.features.base import Feature
from deepglass.features.binary import Binary
from deepglass.features.category import Category
from deepglass.features.outputs.base import Output, Prediction
from deepglass.networks.network import key_of
from deepglass.nn.tokens import whole_batch
from deepglass.objectives._semi import (
    PseudoLabels,
    SemiSupervised,
    class_shares,
    probabilities,
    unlabelled_inputs,
    with_augmented,
)
from deepglass.objectives.base import Loss, MakeNetwork


class FixMatch(SemiSupervised):
    """FixMatch, with an optional adaptive threshold (FreeMatch).

    Args:
        unlabelled_ratio: unlabelled rows in a batch per labelled row.
        weight: weight of the loss on pseudo-labels.
        threshold: smallest confidence of a pseudo-label, in (0, 1). None adapts it to each class, which uses more rows,
            but fails for imbalanced classes and slow learning.
        distribution_alignment: scale predicted class probabilities to the class shares of the labelled rows. Only for
            data where the unlabelled rows have the same shares.
    """

    pseudo_label_features: ClassVar[tuple[type[Feature], ...]] = (Category, Binary)

    def __init__(
        self,
        *,
        unlabelled_ratio: Annotated[float, Gt(0), Le(100)] = 7.0,
        weight: NonNegative = 1.0,
        threshold: OpenShare | None = 0.95,
        distribution_alignment: bool = False,
    ) -> None:
        super().__init__(unlabelled_ratio, weight)
        self.threshold, self.distribution_alignment = threshold, distribution_alignment

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        super().build(inputs, outputs, make_network)
        classes = [name for f in self.pseudo_labelled.values() for name in f.class_names]
        self.weak, self.strong = weak_augmentation(inputs, classes), strong_augmentation(inputs, classes)
        check_augmentable(self.strong, inputs, self.name, "pseudo_label")
        self.adaptive_thresholds: Any = nn.ModuleDict(
            {key_of(n, "of_"): AdaptiveThreshold(len(f.class_names)) for n, f in self.pseudo_labelled.items()}
        )

    def on_fit_start(self, train: Dataset) -> None:
        super().on_fit_start(train)
        for name, feature in self.pseudo_labelled.items():
            self._adaptive_threshold(name).target_shares.copy_(class_shares(train, feature))

    def views(self, transform: BatchTransform | None) -> tuple[BatchTransform | None, BatchTransform | None]:
        return transform or self.weak, self.strong

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        first, unlabelled = unlabelled_inputs(batch)
        with torch.no_grad():
            predictions = self.student.predictions(unlabelled)
            for name in self.pseudo_labelled:
                self._adaptive_threshold(name).update(probabilities(predictions[name]), self.ema_decay)
            labels = self.pseudo_labels(predictions)
        supervised, unsupervised = self.loss_terms(with_augmented(batch, first), batch, labels)
        logs = self.logs(supervised, unsupervised, labels)
        yield Loss(supervised + self.weight * unsupervised, logs=logs, weight=len(batch))
        self.update_average()

    def pseudo_labels(self, predictions: Mapping[str, Prediction]) -> dict[str, PseudoLabels]:
        labels, thresholds = {}, self.thresholds()
        for name in self.pseudo_labelled:
            q = probabilities(predictions[name])
            if self.distribution_alignment:
                q = self._adaptive_threshold(name).align(q)
            confidence, best = q.max(1)
            labels[name] = PseudoLabels(best + 1, confidence, confidence >= thresholds[name][best])  # code 0: unknown
        return labels

    def thresholds(self) -> dict[str, Tensor]:
        adaptive = {n: self._adaptive_threshold(n).thresholds() for n in self.pseudo_labelled}
        return (
            adaptive if self.threshold is None else {n: torch.full_like(t, self.threshold) for n, t in adaptive.items()}
        )

    def _adaptive_threshold(self, name: str) -> AdaptiveThreshold:
        return self.adaptive_thresholds[key_of(name, "of_")]


class AdaptiveThreshold(nn.Module):
    """Self-adaptive confidence thresholds: EMAs of the mean confidence and of the predicted class shares.

    Args:
        classes: K.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        uniform = torch.full((classes,), 1 / classes)
        self.confidence = nn.Buffer(uniform[0].clone())
        self.class_shares = nn.Buffer(uniform.clone())
        self.target_shares = nn.Buffer(uniform.clone())

    def update(self, q: Tensor, ema_decay: float) -> None:
        """Update the EMAs with the class probabilities of a batch, (B, K)."""
        self.confidence.lerp_(whole_batch().mean(q.amax(1)), 1 - ema_decay)
        self.class_shares.lerp_(whole_batch().mean(q), 1 - ema_decay)

    def thresholds(self) -> Tensor:
        """Threshold of each class, (K,): the mean confidence, lowered for classes that are predicted less often."""
        return self.confidence * self.class_shares / self.class_shares.max()

    def align(self, q: Tensor) -> Tensor:
        """Distribution alignment of (B, K) probabilities: Berthelot et al., 2019, arXiv 1911.09785, section 3.1."""
        q = q * (self.target_shares / self.class_shares.clamp_min(1e-6))
        return q / q.sum(1, keepdim=True)
