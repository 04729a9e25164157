"""Supervised learning: the sum of the outputs' mean losses over the rows with a target.

Source: Rumelhart, Hinton and Williams 1986, Nature 323 (back-propagation of an error).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset, Mix
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output, Prediction
from deepglass.networks.network import Network
from deepglass.nn.decoding import AutoregressiveHead
from deepglass.nn.tokens import Field, whole_batch
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, concatenate_predictions

MAX_ENSEMBLE_CLASSES = 1_000  # beyond which the members' heads would take most of the time
MAX_EVALUATED_VALUES = 4_000_000  # logits of a batch in an evaluation


class Supervised(Objective):
    """One network with a head for each output.

    The monitored value is the mean over the outputs of the loss relative to that of a constant prediction: 1 is no
    better than a constant, 0 is perfect, and outputs of different units have the same weight.
    """

    weighs_rows: ClassVar[bool] = True
    supports_mixup: bool  # the loss weighs both targets of mixed rows (`Batch.mix`)
    network: Network

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        if not outputs:
            names = ", ".join(f.name for f in inputs[:8]) + (", ..." if len(inputs) > 8 else "")
            alone = all(f.is_text for f in inputs)
            advice = "; without one, --objective next_token is a language model, cbow are word vectors" if alone else ""
            raise SpecError("bad-value", f"--target: expected the column to predict, one of: {names}{advice}")
        classes = sum(len(f.class_names) for f in outputs if f.has_classes)
        if classes <= MAX_ENSEMBLE_CLASSES:
            self.network = make_network(inputs, outputs)
        else:
            self.network = make_network(inputs, outputs, defaults={"mlp": {"ensemble_size": 1}})
        # an autoregressive head reads its target, and a mixed row has two
        self.supports_mixup = not any(isinstance(head, AutoregressiveHead) for head in self.network.heads.values())
        self.baseline_loss = nn.Buffer(torch.ones(len(outputs)))

    def on_fit_start(self, train: Dataset) -> None:
        for i, (name, feature) in enumerate(self.network.features.items()):
            self.baseline_loss[i] = feature.baseline_loss(train.truth[name])

    def loss(self, batch: Batch) -> Loss:
        params = self.network(batch.inputs, batch.targets)
        parts = [self._mean(name, params[name], batch.targets[name], batch.mix) for name in params]
        return Loss(torch.stack(parts).sum(), weight=len(batch))

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        self.eval()
        names = list(self.network.features)
        total = torch.zeros(len(names))
        count = torch.zeros(len(names))
        batches: dict[str, list[dict[str, Tensor]]] = {name: [] for name in names}
        classes = max((len(f.class_names) for f in self.network.features.values() if f.has_classes), default=1)
        batch_size = max(1, min(batch_size, MAX_EVALUATED_VALUES // (classes * self.network.ensemble_size)))
        with torch.inference_mode():
            for batch in data.batches(batch_size):
                for i, (name, prediction) in enumerate(self.predict(batch).items()):
                    target = batch.targets[name]
                    present = target.present
                    losses, rows = prediction.loss(target).float()[present], present.sum()
                    if target.weight is not None:
                        losses, rows = losses * target.weight[present], target.weight[present].sum()
                    total[i] += losses.sum().cpu()
                    count[i] += rows.cpu()
                    if search or not prediction.needs_decoding:
                        batches[name].append(prediction.mode())
        predictions = {name: concatenate_predictions(part) for name, part in batches.items() if part}
        means = total / count.clamp_min(1e-12)  # the weights of a few rows may sum to less than 1
        relative = means / self.baseline_loss.cpu().clamp_min(1e-12)
        for i, name in enumerate(names):
            if name not in predictions:
                continue
            own = self.network.features[name].selection_value(predictions[name], data.truth[name])
            if own is not None:
                relative[i] = own
        metrics = {name: self.network.features[name].score(p, data.truth[name]) for name, p in predictions.items()}
        metrics |= {n: {"loss": float(v)} for n, v in zip(names, means) if n not in predictions}
        return Evaluation(metrics, float(relative.mean()), predictions, loss=float(means.sum()))

    def _mean(self, name: str, params: Any, target: Field, mix: Mix | None) -> Tensor:
        """Mean loss of an output over the rows with a target; mixed rows weigh both targets.

        Source: Zhang et al., 2017, arXiv 1710.09412, (mixup).
        """
        prediction, members = self.network.features[name].prediction(params), self.network.ensemble_size
        if mix is None:
            total, count = loss_sums(prediction, target, members)
        else:
            own = loss_sums(prediction, target, members, mix.weight)
            other = loss_sums(prediction, mix.targets[name], members, 1 - mix.weight)
            total, count = own[0] + other[0], own[1] + other[1]
        return total / whole_batch().denominator(count)


def loss_sums(
    prediction: Prediction, target: Field, members: int, share: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum of the losses of the rows with a target, and their number; `share` (B,) weighs the rows.

    Losses are multiplied by the weights of the target, whose mean over the training rows is 1, and the number of rows
    is not: so the mean of a batch has the weighted mean of the training rows as its expectation.
    """
    if members > 1:
        target = target.repeat(members)
    rows = prediction.loss(target)  # (B * members,)
    if target.weight is not None:
        rows = rows * target.weight
    present = target.present
    if share is None:
        return torch.where(present, rows, 0.0).sum(), present.sum()
    weight = torch.where(present, share.repeat_interleave(members), 0.0)
    return torch.where(present, rows * weight, 0.0).sum(), weight.sum()
