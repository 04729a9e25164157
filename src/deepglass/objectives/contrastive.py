"""Contrastive learning: two augmented views of a row have similar embeddings (SimCLR, VICReg).

    z, z' = projections of two views of each row
    nt_xent:  cross-entropy of finding z' among all other views by cosine similarity           (SimCLR)
    vicreg:   invariance between z and z', variance of each dimension, no covariance between dimensions

Source: Chen et al., 2020, arXiv 2002.05709, algorithm 1; Bardes, Ponce and LeCun, 2021, arXiv 2105.04906, algorithm 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Count, Fraction, Positive
from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader, ShuffledLoader
from deepglass.data.views import MultiViewLoader, check_augmentable, strong_augmentation
from deepglass.features.base import Feature
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.tokens import whole_batch
from deepglass.objectives._reconstruction import NO_ENSEMBLE
from deepglass.objectives._representation import Representation
from deepglass.objectives.base import Loss, MakeNetwork

INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0  # weights of the terms of VICReg, its section 4.2


class Contrastive(Representation):
    """SimCLR or VICReg on the run's network. `embed` is the input of the projection head.

    Args:
        loss: "nt_xent" contrasts the rows of a batch; "vicreg" needs no negatives and suits small batches.
        projection_dim: width of the projection head.
        temperature: temperature of nt_xent, above 0.
        crop: largest share of an image that a view may cut off.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]

    def __init__(
        self,
        *,
        loss: Literal["nt_xent", "vicreg"] = "nt_xent",
        projection_dim: Count = 256,
        temperature: Positive = 0.2,
        crop: Fraction = 0.0,
    ) -> None:
        super().__init__()
        losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "nt_xent": lambda a, b: nt_xent(a, b, temperature),
            "vicreg": vicreg,
        }
        self.view_loss, self.projection_dim, self.crop = losses[loss], projection_dim, crop

    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        self.view = strong_augmentation(inputs, crop=self.crop)
        check_augmentable(self.view, inputs, self.name, "autoencoder")
        self.network = make_network(inputs, [], defaults=NO_ENSEMBLE)
        dim = self.network.trunk.out_dim * self.network.ensemble_size
        self.projector = nn.Sequential(
            nn.Linear(dim, self.projection_dim),
            nn.BatchNorm1d(self.projection_dim),
            nn.ReLU(),
            nn.Linear(self.projection_dim, self.projection_dim),
        )
        return dim

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return replace(defaults, batch_size=max(defaults.batch_size, 256), augment=False, weight_decay=1e-4)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.projector])}

    def make_loader(self, data: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None) -> Loader:
        """Each row in two views, by `training.augment` or else by strong augmentation."""
        view = transform or self.view
        return MultiViewLoader(ShuffledLoader(data, batch_size, seed), seed, (view, view))

    def loss(self, batch: Batch) -> Loss:
        views = [self._project(batch), self._project(replace(batch, inputs=batch.views[0]))]
        views = [whole_batch().gather(view) for view in views]  # each row is contrasted with all of the batch
        return Loss(self.view_loss(*views), weight=len(batch))

    def own_metrics(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        """Loss between fixed views, top-1 retrieval of the other view, standard deviation of unit embeddings."""
        generator = Generator(data.device).manual_seed(0)
        losses, correct, embeddings = [], [], []
        for batch in data.batches(256):
            a, b = (self._project(self.view(batch, generator)) for _ in range(2))
            if len(a) > 1:
                losses.append(self.view_loss(a, b))
            correct.append((F.normalize(a) @ F.normalize(b).T).argmax(1) == torch.arange(len(a), device=a.device))
            embeddings.append(F.normalize(self.embed(batch)))
        std = torch.cat(embeddings).std(0, correction=0).norm()  # 0: collapse to one point; 1: uniform on the sphere
        loss = float(torch.stack(losses).mean()) if losses else float("nan")
        accuracy = float(torch.cat(correct).float().mean())
        return {"loss": loss, "view_accuracy": accuracy, "embedding_std": float(std)}, loss

    def _project(self, batch: Batch) -> Tensor:
        return self.projector(self.embed(batch)).float()


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """NT-Xent loss: cross-entropy of each view's partner among the other 2B - 1 views.

    Shapes:
        a, b: (B, D).

    Source: arXiv 2002.05709, equation 1.
    """
    z = F.normalize(torch.cat([a, b]))  # (2B, D)
    similarity = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * len(a), device=a.device).roll(len(a))
    return F.cross_entropy(similarity, partner)


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """VICReg loss: invariance, variance hinge at standard deviation 1, and off-diagonal covariance.

    Shapes:
        a, b: (B, D), B at least 2.

    Source: arXiv 2105.04906, equations 1 to 6.
    """
    total = INVARIANCE * F.mse_loss(a, b)
    for z in (a, b):
        total = total + VARIANCE / 2 * F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()
        z = z - z.mean(0)
        covariance = (z.T @ z / (len(z) - 1)).fill_diagonal_(0)
        total = total + COVARIANCE * covariance.square().sum() / z.shape[1]
    return total
