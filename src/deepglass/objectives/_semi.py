"""Base class of semi-supervised objectives with a student network and an EMA of its weights.

The student is trained. The averaged network is `network`: it evaluates, predicts and explains.

Source: Polyak and Juditsky, 1992, SIAM J. Control Optim. 30; Tarvainen and Valpola, 2017, arXiv 1703.01780.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader
from deepglass.data.views import MultiViewLoader, TwoPoolLoader
from deepglass.errors import SpecError
from deepglass.features.base import FEATURES, Feature
from deepglass.features.outputs.base import Output, Prediction
from deepglass.networks.network import Network
from deepglass.nn.ema import ema_update
from deepglass.nn.tokens import Field, Fields, whole_batch
from deepglass.objectives.base import Evaluation, MakeNetwork
from deepglass.objectives.supervised import Supervised, loss_sums

MIN_LABELLED_ROWS = 16  # in a batch, but at most half of it
MAX_EMA_DECAY = 0.999


class PseudoLabels(NamedTuple):
    """Pseudo-labels of unlabelled rows.

    Shapes:
        values: (B,), as `Feature.encode` gives them.
        confidence: (B,), from 0 to 1; nan for numbers.
        confident: (B,) bool, rows that the student is trained on.
    """

    values: Tensor
    confidence: Tensor
    confident: Tensor


class SemiSupervised(Supervised):
    """Supervised loss on labelled rows plus a loss on pseudo-labels of unlabelled rows.

    A subclass defines the pseudo-labels in `pseudo_labels` and the loss in `losses`.

    Args:
        unlabelled_ratio: unlabelled rows in a batch per labelled row.
        weight: of the loss on pseudo-labels.
    """

    uses_unlabelled: ClassVar[bool] = True
    pseudo_label_features: ClassVar[tuple[type[Feature], ...]]  # kinds of outputs that get pseudo-labels
    student: Network

    def __init__(self, unlabelled_ratio: float, weight: float) -> None:
        super().__init__()
        self.unlabelled_ratio, self.weight = unlabelled_ratio, weight

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        super().build(inputs, outputs, make_network)
        self.supports_mixup = False
        self.inputs = tuple(inputs)
        self.pseudo_labelled = {f.name: f for f in outputs if isinstance(f, self.pseudo_label_features)}
        if not self.pseudo_labelled:
            came = ", ".join(f"{f.name} ({f.kind})" for f in outputs)
            kinds = ", ".join(map(FEATURES.name_of, self.pseudo_label_features))
            raise SpecError(
                "bad-value",
                f"objective: {self.name} makes pseudo-labels for the kinds {kinds}; the outputs are "
                f" {came}; take objective=supervised",
            )
        self.student = copy.deepcopy(self.network)
        self.network.requires_grad_(False)
        self.num_averaged = nn.Buffer(torch.zeros((), dtype=torch.int64))  # steps in the EMA

    def on_fit_start(self, train: Dataset) -> None:
        super().on_fit_start(train)
        self.student.load_state_dict(self.network.state_dict())  # which may come from another run
        if not len(self.row_pools(train)[1]):
            raise no_unlabelled_rows(self.name, len(train))

    def train(self, mode: bool = True) -> SemiSupervised:
        super().train(mode)
        self.network.eval()
        return self

    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.student.parameters())

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": self.student}

    # -- rows --------------------------------------------------------------------------------------------------

    def row_pools(self, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Rows with any target, and rows that lack a target that can be pseudo-labelled."""
        masks = {n: c.mask for n, c in data.truth.items()}
        labelled = np.any(list(masks.values()), axis=0)
        lacking = ~np.all([masks[n] for n in self.pseudo_labelled], axis=0)
        return np.flatnonzero(labelled), np.flatnonzero(lacking)

    def examples_per_epoch(self, train: Dataset) -> int:
        """An epoch has each unlabelled row once."""
        return max(1, round(len(self.row_pools(train)[1]) * (1 + 1 / self.unlabelled_ratio)))

    def make_loader(self, data: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None) -> Loader:
        labelled, unlabelled = self.row_pools(data)
        first = max(1, round(batch_size / (1 + self.unlabelled_ratio)), min(MIN_LABELLED_ROWS, batch_size // 2))
        first = min(first, len(labelled))
        rest = min(max(1, batch_size - first), len(unlabelled))
        pools = TwoPoolLoader(data, (labelled, unlabelled), (first, rest), seed)
        return MultiViewLoader(pools, seed, self.views(transform))

    def views(self, transform: BatchTransform | None) -> tuple[BatchTransform | None, BatchTransform | None]:
        """Augmentation of a batch, and that of a second view of its unlabelled rows."""
        raise NotImplementedError

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        # the loss of a training step has a term for pseudo-labels
        return replace(super().evaluate(data, batch_size, search), loss=None)

    # -- losses ------------------------------------------------------------------------------------------------

    def pseudo_labels(self, predictions: Mapping[str, Prediction]) -> dict[str, PseudoLabels]:
        """Pseudo-labels from predictions on unlabelled rows, by output. Changes no state."""
        raise NotImplementedError

    def thresholds(self) -> dict[str, Tensor]:
        """Output -> confidence threshold of each class, (K,)."""
        raise NotImplementedError

    def loss_terms(self, inputs: Fields, batch: Batch, labels: Mapping[str, PseudoLabels]) -> tuple[Tensor, Tensor]:
        """The supervised loss and the loss on pseudo-labels, each summed over the outputs.

        Args:
            inputs: of the whole batch, as augmented for the student.
            batch: labelled rows first.
            labels: output -> pseudo-labels of the last rows.
        """
        params = self.student(inputs, batch.targets)
        first = len(batch) - len(next(iter(labels.values())).values)
        supervised = [self._mean(n, params[n], _first_rows(batch.targets[n], first), None) for n in params]
        unsupervised = [self._unsupervised_loss(n, params[n], batch.targets[n], first, x) for n, x in labels.items()]
        return torch.stack(supervised).sum(), torch.stack(unsupervised).sum()

    def logs(self, supervised: Tensor, unsupervised: Tensor, labels: Mapping[str, PseudoLabels]) -> dict[str, Tensor]:
        """Both loss terms and the share of confident pseudo-labels, for the history."""
        shares = {f"confident_{name}": x.confident.float().mean() for name, x in labels.items()}
        return {"supervised": supervised.detach(), "unsupervised": unsupervised.detach(), **shares}

    @property
    def ema_decay(self) -> float:
        """Decay of all EMAs: about the last tenth of the steps so far counts."""
        return min((int(self.num_averaged) + 1) / (int(self.num_averaged) + 11), MAX_EMA_DECAY)

    def update_average(self) -> None:
        """Update the averaged network, after a step of the student."""
        decay = self.ema_decay
        self.num_averaged.add_(1)
        ema_update(self.network, self.student, decay)

    def _unsupervised_loss(self, name: str, params: object, target: Field, first: int, labels: PseudoLabels) -> Tensor:
        """Sum of the losses on confident pseudo-labels, divided by the number of unlabelled rows."""
        lacking = ~target.present[first:]
        values = torch.cat([labels.values.new_zeros(first), labels.values])
        mask = torch.cat([lacking.new_zeros(first), labels.confident & lacking])
        prediction, members = self.network.features[name].prediction(params), self.network.ensemble_size
        total, _ = loss_sums(prediction, Field(values, mask), members)
        return total / whole_batch().denominator(lacking.sum() * members)


def no_unlabelled_rows(objective: str, rows: int) -> SpecError:
    """The error for training data where all rows have a target."""
    return SpecError(
        "bad-value",
        f"objective: {objective} needs training rows without a target, and all {rows:,} have one; add rows with "
        "data.unlabelled, hide targets with data.num_labels, or take objective=supervised",
    )


def unlabelled_inputs(batch: Batch) -> tuple[int, dict[str, Field]]:
    """Number of labelled rows at the start of a batch, and the inputs of the unlabelled rows."""
    first = len(batch) - len(next(iter(batch.views[0].values())).values)
    rest = torch.arange(first, len(batch), device=batch.rows.device)
    return first, {n: field.take(rest) for n, field in batch.inputs.items()}


def with_augmented(batch: Batch, first: int) -> dict[str, Field]:
    """The inputs of the first rows unchanged, those of the others from the second view."""
    return {n: _concatenate(field, batch.views[0][n], first) for n, field in batch.inputs.items()}


def probabilities(prediction: Prediction) -> Tensor:
    """Class probabilities, (B, K)."""
    return prediction.mode()["log_probs"].float().exp()


def class_shares(data: Dataset, feature: Output) -> Tensor:
    """Class frequencies of the labelled rows, (K,); an absent class counts as half a row."""
    truth = data.truth[feature.name]
    return torch.from_numpy(feature.baseline(truth)["log_probs"][0]).float().exp()


def _concatenate(field: Field, view: Field, first: int) -> Field:
    """Concatenate rows, ragged ones padded to the longer length."""
    own, mask = field.values[:first], field.mask[:first]
    if field.rows is None:
        dtype = torch.promote_types(own.dtype, view.values.dtype)  # augmented bytes are floats
        return Field(torch.cat([own.to(dtype), view.values.to(dtype)]), torch.cat([mask, view.mask]))
    length = max(field.values.shape[1], view.values.shape[1])
    values = [_padded(own, length), _padded(view.values, length)]
    masks = [_padded(mask, length), _padded(view.mask, length)]
    assert view.rows is not None
    return Field(torch.cat(values), torch.cat(masks), torch.cat([field.rows[:first], view.rows]))


def _padded(values: Tensor, length: int) -> Tensor:
    padding = values.new_zeros(len(values), length - values.shape[1], *values.shape[2:])
    return torch.cat([values, padding], 1)


def _first_rows(field: Field, first: int) -> Field:
    """The field with all but the first rows missing."""
    name = "mask" if field.rows is None else "rows"
    mask = getattr(field, name).clone()
    mask[first:] = False
    return field._replace(**{name: mask})
