"""Generative adversarial network (GAN): R3GAN losses, conditional by projection, sampled from an EMA generator.

Source: Goodfellow et al., 2014, arXiv 1406.2661; loss and gradient penalties: R3GAN (Huang et al., 2025, arXiv
2501.05441); conditions: Mirza and Osindero, 2014, arXiv 1411.1784, and Miyato and Koyama, 2018, arXiv 1802.05637; EMA
of the generator: Yazici et al., 2018, arXiv 1806.04498.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from deepglass.constraints import Count, NonNegative, Positive
from deepglass.data.batches import Batch, Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.binary import Binary
from deepglass.features.category import Category
from deepglass.features.image import Image
from deepglass.features.outputs.base import Output, Prediction
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.adversarial import (
    ImageCritic,
    ProjectionHead,
    VectorCritic,
    gradient_penalty,
    relativistic_loss,
)
from deepglass.nn.ema import ema_copy, ema_update
from deepglass.nn.frozen import frozen
from deepglass.nn.tokens import Fields
from deepglass.objectives._flatten import FlatDecoder, FlatInputs
from deepglass.objectives._sample_quality import quality_warnings, sample_quality
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, ParameterGroup

MAX_EVALUATED_ROWS = 2_000
EMA_HALF_LIFE = 0.05  # as a share of the steps so far: Karras et al., 2023, arXiv 2312.02696, section 3
MAX_EMA_HALF_LIFE = 2_000  # steps


class Gan(Objective):
    """GAN. With outputs it is conditional: samples can be requested by class.

    Args:
        latent_dim: width of the latent vector.
        width: channels of the generator's first feature map for images; the critic starts with half of them.
        gradient_penalty: weight of the R1 and R2 gradient penalties (gamma / 2); more is stabler and slower.
        gradient_penalty_interval: steps between gradient penalties (lazy regularisation: the weight is multiplied by
            it). None: 4 for images, else 1.
        critic_lr_ratio: learning rate of the critic over that of the generator (TTUR: Heusel et al., 2017, arXiv
            1706.08500).
    """

    monitor: ClassVar[Metric] = METRICS["sliced_wasserstein"]
    uses_unlabelled: ClassVar[bool] = True
    generative: ClassVar[bool] = True
    builds_network: ClassVar[bool] = True

    def __init__(
        self,
        *,
        latent_dim: Count = 64,
        width: Count = 64,
        gradient_penalty: NonNegative = 0.1,
        gradient_penalty_interval: Count | None = None,
        critic_lr_ratio: Positive = 1.0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.width, self.critic_lr_ratio = latent_dim, width, critic_lr_ratio
        self.gradient_penalty, self.gradient_penalty_interval = gradient_penalty, gradient_penalty_interval

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        for feature in outputs:
            if not isinstance(feature, Category | Binary):
                raise SpecError(
                    "bad-value",
                    f"outputs.{feature.name}: a gan is conditioned on a category or a binary column, not on the kind "
                    f"{feature.kind}; leave it out",
                )
        self.flat = FlatInputs(inputs, "signed", self.name)
        self.conditions = tuple(outputs)
        classes = [len(f.class_names) for f in outputs]
        self.has_images = any(len(shape) == 3 for shape in self.flat.shapes)
        self.gradient_penalty_interval = self.gradient_penalty_interval or (4 if self.has_images else 1)
        self.generator = Generator(self.flat, classes, self.latent_dim, self.width)
        self.critic = Critic(self.flat, classes, self.width // 2)
        self.average = ema_copy(self.generator)  # generates the samples
        self.step = nn.Buffer(torch.zeros((), dtype=torch.int64))
        for i, count in enumerate(classes):
            self.register_buffer(f"class_shares_{i}", torch.full((count,), 1 / count))

    def on_fit_start(self, train: Dataset) -> None:
        """Store the class frequencies, from which unconditioned samples take their classes."""
        for i, feature in enumerate(self.conditions):
            codes = train.truth[feature.name].values.reshape(-1)
            counts = torch.bincount(torch.as_tensor(codes).long(), minlength=1 + len(feature.class_names))[1:]
            class_shares: Tensor = getattr(self, f"class_shares_{i}")
            class_shares.copy_(counts / counts.sum())

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        size = 64 if self.has_images else 256
        return TrainingDefaults(
            "adam", 2e-3, weight_decay=0.0, batch_size=size, schedule="cosine", epochs=100, warmup=0.02
        )

    def parameter_groups(self) -> Mapping[str, ParameterGroup]:
        for parameter in self.critic.parameters():
            parameter.lr_multiplier = self.critic_lr_ratio  # type: ignore[attr-defined]
        settings = {"betas": (0.0, 0.99)}  # no momentum, as the other network has changed
        return {
            "critic": ParameterGroup(self.critic, settings=settings),
            "generator": ParameterGroup(self.generator, settings=settings),
        }

    def num_parameters(self) -> int:
        return sum(p.numel() for p in (*self.critic.parameters(), *self.generator.parameters()))

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        real, present = self.flat(batch.inputs)
        codes = self._codes(batch.targets, len(batch))
        with torch.no_grad():
            samples = self.generate(self.generator, codes, present)
            rows, both = torch.cat([real, samples]), torch.cat([codes, codes])
        due = int(self.step) % (self.gradient_penalty_interval or 1) == 0 and self.gradient_penalty > 0
        logits = self.critic(rows.requires_grad_(due), both)
        real_logits, sample_logits = logits.chunk(2)
        loss = relativistic_loss(real_logits, sample_logits)
        if due:  # half of R1 and half of R2: the mean over both halves of the batch
            loss = loss + self.gradient_penalty * (self.gradient_penalty_interval or 1) * gradient_penalty(logits, rows)
        accuracy = (real_logits > sample_logits).float().mean()
        yield Loss(loss, group="critic", logs={"critic_accuracy": accuracy}, weight=len(batch))

        samples = self.generate(self.generator, codes, present)
        with frozen(self.critic):
            real_logits, sample_logits = self.critic(torch.cat([real, samples]), both).chunk(2)
        yield Loss(relativistic_loss(sample_logits, real_logits), group="generator", weight=len(batch))
        self.step.add_(1)
        half_life = min(max(EMA_HALF_LIFE * int(self.step), 1e-3), MAX_EMA_HALF_LIFE)
        ema_update(self.average, self.generator, 0.5 ** (1 / half_life))

    def generate(
        self, generator: nn.Module, codes: Tensor, present: Tensor, random: torch.Generator | None = None
    ) -> Tensor:
        """Samples as vectors, (B, flat.size); 0 where `present` is False, as in the real rows beside them."""
        latent = torch.randn(len(codes), self.latent_dim, generator=random, device=codes.device)
        return torch.where(present, generator(latent, codes), 0.0)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """Compare samples with the rows, conditioned on the rows' classes."""
        self.eval()
        if not len(data):
            return Evaluation({self.name: {}}, math.nan)
        rows = torch.linspace(0, len(data) - 1, min(len(data), MAX_EVALUATED_ROWS)).long()
        random = torch.Generator(data.device).manual_seed(0)
        parts: list[tuple[Tensor, ...]] = []
        with torch.inference_mode():
            for indices in rows.split(batch_size):
                batch = data.batch(indices)
                real, present = self.flat(batch.inputs)
                codes = self._codes(batch.targets, len(batch))
                samples = self.generate(self.average, codes, present, random)
                parts.append((real, samples, codes, self.critic(real, codes) > self.critic(samples, codes)))
            real, samples, codes, correct = map(torch.cat, zip(*parts, strict=True))
            metrics = {**sample_quality(real, samples, codes), "critic_accuracy": float(correct.float().mean())}
            warnings = quality_warnings(metrics, real, samples, codes, self.conditions)
        return Evaluation({self.name: metrics}, metrics["sliced_wasserstein"], warnings=warnings)

    def sample(self, count: int, generator: torch.Generator, given: Fields) -> dict[str, dict[str, Tensor]]:
        device = self.step.device
        codes = torch.zeros(count, len(self.conditions), dtype=torch.long, device=device)
        for i, feature in enumerate(self.conditions):
            if feature.name in given:
                codes[:, i] = given[feature.name].values.reshape(-1).long()
            else:
                codes[:, i] = 1 + torch.multinomial(
                    getattr(self, f"class_shares_{i}"), count, True, generator=generator
                )
        present = torch.ones(count, self.flat.size, dtype=torch.bool, device=device)
        predictions = self.flat.to_predictions(self.generate(self.average, codes, present, generator))
        for feature, code in zip(self.conditions, codes.unbind(1), strict=True):
            classes = torch.arange(1, 1 + len(feature.class_names), device=device)
            predictions[feature.name] = {"log_probs": (classes == code[:, None]).float().clamp_min(1e-9).log()}
        return predictions

    def embed(self, batch: Batch) -> Tensor:
        """Features of the critic, (B, D)."""
        return self.critic.features(self.flat(batch.inputs)[0])

    def forward_pass(self, batch: Batch) -> Any:
        real, present = self.flat(batch.inputs)
        codes = self._codes(batch.targets, len(batch))
        self.generate(self.average, codes, present, torch.Generator(present.device).manual_seed(0))
        return self.critic(real, codes)

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        raise SpecError("bad-value", "this run generates rows and predicts nothing: use deepglass generate")

    def _codes(self, targets: Fields, count: int) -> Tensor:
        """Class codes of the conditions, (B, number of conditions); 0 where unknown."""
        codes = [targets[f.name].values.reshape(-1).long() for f in self.conditions]
        return torch.stack(codes, 1) if codes else torch.zeros(count, 0, dtype=torch.long, device=self.step.device)


class Generator(nn.Module):
    """Generator network: latent vector and class codes -> flat vector, images and classes in [-1, 1].

    Shapes:
        latent: (B, latent_dim); codes: (B, number of conditions) -> (B, flat.size).
    """

    def __init__(self, flat: FlatInputs, classes: Sequence[int], latent_dim: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList([nn.Embedding(1 + count, latent_dim) for count in classes])
        self.decoder = FlatDecoder(flat, latent_dim * (1 + len(classes)), width=width)
        self.widths = flat.widths
        self.output_activations = nn.ModuleList([_output_activation(feature) for feature in flat.inputs])

    def forward(self, latent: Tensor, codes: Tensor) -> Tensor:
        conditions = [embedding(code) for embedding, code in zip(self.embeddings, codes.unbind(1), strict=True)]
        parts = self.decoder(torch.cat([latent, *conditions], 1)).split(self.widths, 1)
        return torch.cat([activation(part) for activation, part in zip(self.output_activations, parts, strict=True)], 1)


class Critic(nn.Module):
    """Critic network: flat vector and class codes -> logit, higher for real rows.

    Shapes:
        rows: (B, flat.size); codes: (B, number of conditions) -> (B,) logits.
    """

    def __init__(self, flat: FlatInputs, classes: Sequence[int], width: int) -> None:
        super().__init__()
        self.widths, self.shapes = flat.widths, flat.shapes
        rest = sum(w for w, shape in zip(flat.widths, flat.shapes, strict=True) if len(shape) == 1)
        self.image_critics = nn.ModuleList([ImageCritic(s, width) for s in flat.shapes if len(s) == 3])  # type: ignore[arg-type]
        self.vector_critic = VectorCritic(rest) if rest else None
        dims = [critic.out_dim for critic in (*self.image_critics, self.vector_critic) if critic is not None]
        joint_dim = sum(dims)  # type: ignore[arg-type]
        self.joint = nn.Sequential() if len(dims) == 1 else VectorCritic(joint_dim, (256,))
        self.head = ProjectionHead(joint_dim if len(dims) == 1 else 256, classes)

    def forward(self, rows: Tensor, codes: Tensor) -> Tensor:
        return self.head(self.features(rows), codes)

    def features(self, rows: Tensor) -> Tensor:
        """Input of the head, (B, D)."""
        features, rest, image_critics = [], [], iter(self.image_critics)
        for part, shape in zip(rows.split(self.widths, 1), self.shapes, strict=True):
            if len(shape) == 3:
                features.append(next(image_critics)(part.view(-1, *shape)))
            else:
                rest.append(part)
        if self.vector_critic is not None:
            features.append(self.vector_critic(torch.cat(rest, 1)))
        return self.joint(torch.cat(features, 1))


def _output_activation(feature: Feature) -> nn.Module:
    """Activation that keeps a generated input within its range."""
    if isinstance(feature, Category | Binary):
        return SignedSoftmax()
    return nn.Tanh() if isinstance(feature, Image) else nn.Identity()


class SignedSoftmax(nn.Module):
    """Softmax scaled to [-1, 1]; values: (B, K) -> (B, K)."""

    def forward(self, values: Tensor) -> Tensor:
        return 2 * values.softmax(1) - 1
