"""Linear probe: evaluates an embedding by linear heads on frozen features."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.features.outputs.base import Output, Prediction, PredictionArrays
from deepglass.networks.network import Network, key_of
from deepglass.nn.encoders_heads import LinearHead
from deepglass.nn.tokens import Field, Fields, Tokens, pool
from deepglass.objectives.base import concatenate_predictions
from deepglass.objectives.supervised import loss_sums

MAX_ROWS = 30_000  # for the fit
MAX_ITERATIONS = 200  # of L-BFGS
WEIGHT_DECAY = 1e-4  # L2 penalty added to the mean loss


class Probe(nn.Module):
    """A linear head per output on standardised, frozen embeddings.

    Args:
        outputs: fitted features.
        dim: width D of the embedding.
        gaussian_prior: the weights have a Gaussian prior of variance 1 / D, so that fewer labels mean a stronger L2
            penalty; else the penalty is 1e-4 for any number of labels.

    Source: Alain and Bengio, 2016, arXiv 1610.01644.
    """

    def __init__(self, outputs: Sequence[Output], dim: int, gaussian_prior: bool = False) -> None:
        super().__init__()
        self.outputs = {f.name: f for f in outputs}
        self.heads = nn.ModuleDict({key_of(f.name, "probe_"): f.head(dim) for f in outputs})
        self.dim, self.gaussian_prior = dim, gaussian_prior
        self.mean = nn.Buffer(torch.zeros(dim))
        self.std = nn.Buffer(torch.ones(dim))
        self.fitted = nn.Buffer(torch.zeros((), dtype=torch.bool))

    def fit(self, train: Dataset, embed: Callable[[Batch], Tensor], batch_size: int = 512) -> bool:
        """Fit the heads on the training rows with a target. False without outputs or targets.

        Args:
            embed: batch -> embeddings (B, D).
        """
        rows = self.labelled_rows(train, MAX_ROWS)
        if not self.outputs or not len(rows):
            return False
        embeddings, targets = [], []
        with torch.no_grad():
            for indices in torch.from_numpy(rows).split(batch_size):
                batch = train.batch(indices)
                embeddings.append(embed(batch).float())
                targets.append(batch.targets)
        x = torch.cat(embeddings)
        self.mean.copy_(x.mean(0))
        self.std.copy_(x.std(0, correction=0).clamp_min(1e-6))
        joined = {n: _concatenate([t[n] for t in targets]) for n in self.outputs}
        self._fit_lbfgs((x - self.mean) / self.std, joined)
        self.fitted.fill_(True)
        return True

    def predictions(self, embeddings: Tensor) -> dict[str, Prediction]:
        """Output name -> prediction for embeddings (B, D)."""
        tokens = Tokens.of_vector((embeddings.float() - self.mean) / self.std)
        return {n: f.prediction(self.heads[key_of(n, "probe_")](tokens)) for n, f in self.outputs.items()}

    def evaluate(
        self, data: Dataset, embed: Callable[[Batch], Tensor], batch_size: int
    ) -> tuple[dict[str, PredictionArrays], float]:
        """Predictions of all rows, and the mean loss of those with a target, summed over outputs."""
        modes: dict[str, list[Mapping[str, Tensor]]] = {name: [] for name in self.outputs}
        totals = {name: torch.zeros(2) for name in self.outputs}  # of the losses, and rows
        for batch in data.batches(batch_size):
            for name, prediction in self.predictions(embed(batch)).items():
                modes[name].append(prediction.mode())
                totals[name] += torch.stack(loss_sums(prediction, batch.targets[name], 1)).cpu()
        loss = float(sum(total / rows.clamp_min(1) for total, rows in totals.values()))
        return {name: concatenate_predictions(parts) for name, parts in modes.items()}, loss

    def labelled_rows(self, train: Dataset, limit: int) -> np.ndarray:
        """Indices of the rows with a target, of more than `limit` a random sample."""
        masks = [column.mask for name, column in train.truth.items() if name in self.outputs]
        rows = np.flatnonzero(np.any(masks, axis=0)) if masks else np.zeros(0, np.int64)
        if len(rows) > limit:
            rows = np.sort(np.random.default_rng(0).choice(rows, limit, replace=False))
        return rows

    def _fit_lbfgs(self, x: Tensor, targets: Fields) -> None:
        weights = list(self.heads.parameters())
        penalty = self.dim / (2 * len(x)) if self.gaussian_prior else WEIGHT_DECAY
        optimizer = torch.optim.LBFGS(weights, max_iter=MAX_ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            total = sum((w.square().sum() for w in weights if w.ndim > 1), torch.zeros((), device=x.device)) * penalty
            tokens = Tokens.of_vector(x)
            for name, feature in self.outputs.items():
                present = targets[name].present
                rows = feature.prediction(self.heads[key_of(name, "probe_")](tokens)).loss(targets[name])
                total = total + torch.where(present, rows, 0.0).sum() / present.sum().clamp_min(1)
            total.backward()
            return total

        with torch.enable_grad():
            optimizer.step(loss)


def start_heads(network: Network, train: Dataset) -> None:
    """Set the linear heads of a network to those of a probe on its features, before all of it is fine-tuned.

    Heads of random weights would first change the learned features at random.

    Source: Kumar et al., 2022, arXiv 2202.10054 (LP-FT).
    """
    heads = {n: h for n in network.features if isinstance(h := network.heads[key_of(n)], LinearHead)}
    probe = Probe([network.features[n] for n in heads], network.trunk.out_dim, gaussian_prior=True)
    probe.to(train.device)
    network.eval()
    if not probe.fit(train, lambda batch: pool(network.embed(batch.inputs))):
        return
    with torch.no_grad():
        for name, head in heads.items():
            fitted = cast(LinearHead, probe.heads[key_of(name, "probe_")]).linear
            head.linear.weight.copy_(fitted.weight / probe.std)
            head.linear.bias.copy_(fitted.bias - head.linear.weight @ probe.mean)


def _concatenate(fields: Sequence[Field]) -> Field:
    return Field(torch.cat([f.values for f in fields]), torch.cat([f.mask for f in fields]))
