"""Learning by a contest: a generator draws rows, a critic says which of two is real, and each learns from the other.

Source: Goodfellow et al., 2014, arXiv 1406.2661; the losses and both penalties are those of R3GAN (Huang et al., 2025,
arXiv 2501.05441), what a row should be enters as in Mirza and Osindero, 2014, arXiv 1411.1784, and Miyato and Koyama,
2018, arXiv 1802.05637.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

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
    PictureCritic,
    Projection,
    VectorCritic,
    averaged,
    follow,
    relativistic,
    steepness,
    still,
)
from deepglass.nn.tokens import Field
from deepglass.objectives._flatten import Drawer, Flat
from deepglass.objectives._sample_quality import compared, remarks
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, ParameterGroup

JUDGED = 2_000  # rows that an evaluation looks at


class Gan(Objective):
    """A generative adversarial network; conditional where an output is named, which new rows can then be asked for.

    Args:
        latent_dim: width of the random vector that a row is drawn from.
        width: channels of the generator's smallest map for pictures; the critic's first has half of them.
        gradient_penalty: of the critic's steepness at real and drawn rows; more is steadier and slower.
        gradient_penalty_interval: steps between gradient penalties (lazy regularisation: the weight is multiplied by
            it). None: 4 for images, else 1.
        critic_lr_ratio: by how much the critic's learning rate is above the generator's (Heusel et al., 2017, arXiv
            1706.08500).
    """

    monitor: ClassVar[Metric] = METRICS["sliced_wasserstein"]
    name: ClassVar[str] = "gan"
    uses_unlabelled: ClassVar[bool] = True
    generative: ClassVar[bool] = True
    builds_network: ClassVar[bool] = True
    step: Tensor

    def __init__(
        self,
        *,
        latent_dim: int = 64,
        width: int = 64,
        gradient_penalty: float = 0.1,
        gradient_penalty_interval: int | None = None,
        critic_lr_ratio: float = 1.0,
    ) -> None:
        super().__init__()
        for key, value in {
            "latent_dim": latent_dim,
            "width": width,
            "gradient_penalty_interval": gradient_penalty_interval or 1,
        }.items():
            if value < 1:
                raise ValueError(f"{key}: expected at least 1, got {value}")
        if gradient_penalty < 0:
            raise ValueError(f"gradient_penalty: expected at least 0, got {gradient_penalty}")
        if critic_lr_ratio <= 0:
            raise ValueError(f"critic_lr_ratio: expected a number above 0, got {critic_lr_ratio}")
        self.latent_dim, self.width, self.gradient_penalty, self.critic_lr_ratio = (
            latent_dim,
            width,
            gradient_penalty,
            critic_lr_ratio,
        )
        self.gradient_penalty_interval = gradient_penalty_interval

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        for feature in outputs:
            if not isinstance(feature, Category | Binary):
                raise SpecError(
                    "bad-value",
                    f"outputs.{feature.name}: a gan draws rows of a given class, not of a given {feature.kind}; take a "
                    "category or a yes-or-no column, or leave it out",
                )
        self.flat = Flat(inputs, "signed", self.name)
        self.conditions = tuple(outputs)
        classes = [len(f.class_names) for f in outputs]
        self.pictures = any(len(shape) == 3 for shape in self.flat.shapes)
        self.gradient_penalty_interval = self.gradient_penalty_interval or (4 if self.pictures else 1)
        self.generator = Draws(self.flat, classes, self.latent_dim, self.width)
        self.critic = Critic(self.flat, classes, self.width // 2)
        self.average = averaged(self.generator)  # what draws once it has learned
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        for i, count in enumerate(classes):
            self.register_buffer(f"shares_{i}", torch.full((count,), 1 / count))

    def on_fit_start(self, train: Dataset) -> None:
        """How often each class is, so that rows that nothing is asked of are drawn as often."""
        for i, feature in enumerate(self.conditions):
            codes = train.truth[feature.name].values.reshape(-1)
            counts = torch.bincount(torch.as_tensor(codes).long(), minlength=1 + len(feature.class_names))[1:]
            shares: Tensor = getattr(self, f"shares_{i}")
            shares.copy_(counts / counts.sum())

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        size = 64 if self.pictures else 256
        return TrainingDefaults(
            "adam", 2e-3, weight_decay=0.0, batch_size=size, schedule="cosine", epochs=100, warmup=0.02
        )

    def parameter_groups(self) -> Mapping[str, ParameterGroup]:
        for parameter in self.critic.parameters():
            parameter.lr_multiplier = self.critic_lr_ratio  # type: ignore[attr-defined]
        settings = {"betas": (0.0, 0.99)}  # what was right for the last opponent is not for this one: no momentum
        return {
            "critic": ParameterGroup(self.critic, settings=settings),
            "generator": ParameterGroup(self.generator, settings=settings),
        }

    def num_parameters(self) -> int:
        return sum(p.numel() for p in (*self.critic.parameters(), *self.generator.parameters()))

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        real, there = self.flat(batch.inputs)
        codes = self._codes(batch.targets, len(batch))
        with torch.no_grad():
            drawn = self.draw(self.generator, codes, there)
            rows, both = torch.cat([real, drawn]), torch.cat([codes, codes])
        due = int(self.step) % (self.gradient_penalty_interval or 1) == 0 and self.gradient_penalty > 0
        logits = self.critic(rows.requires_grad_(due), both)
        of_real, of_drawn = logits.chunk(2)
        loss = relativistic(of_real, of_drawn)
        if due:  # half the penalty on each: the mean over both is a half of their sum
            loss = loss + self.gradient_penalty * (self.gradient_penalty_interval or 1) * steepness(logits, rows)
        told_apart = (of_real > of_drawn).float().mean()
        yield Loss(loss, group="critic", logs={"critic_accuracy": told_apart}, weight=len(batch))

        drawn = self.draw(self.generator, codes, there)
        with still(self.critic):
            of_real, of_drawn = self.critic(torch.cat([real, drawn]), both).chunk(2)
        yield Loss(relativistic(of_drawn, of_real), group="generator", weight=len(batch))
        self.step.add_(1)
        follow(self.average, self.generator, int(self.step))

    def draw(self, generator: nn.Module, codes: Tensor, there: Tensor, random: Generator | None = None) -> Tensor:
        """New rows as vectors, with 0 where the real rows beside them lack something, (B, flat.size)."""
        noise = torch.randn(len(codes), self.latent_dim, generator=random, device=codes.device)
        return torch.where(there, generator(noise, codes), 0.0)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """How far drawn rows are from these, and how varied beside them; drawn with the same classes."""
        self.eval()
        if not len(data):
            return Evaluation({self.name: {}}, math.nan)
        rows = torch.linspace(0, len(data) - 1, min(len(data), JUDGED)).long()
        random = Generator(data.device).manual_seed(0)
        parts: list[tuple[Tensor, ...]] = []
        with torch.inference_mode():
            for some in rows.split(batch_size):
                batch = data.batch(some)
                real, there = self.flat(batch.inputs)
                codes = self._codes(batch.targets, len(batch))
                drawn = self.draw(self.average, codes, there, random)
                parts.append((real, drawn, codes, self.critic(real, codes) > self.critic(drawn, codes)))
            real, drawn, codes, above = map(torch.cat, zip(*parts, strict=True))
            figures = {**compared(real, drawn, codes), "critic_accuracy": float(above.float().mean())}
            said = remarks(figures, real, drawn, codes, self.conditions)
        return Evaluation({self.name: figures}, figures["sliced_wasserstein"], warnings=said)

    def sample(self, count: int, generator: Generator, given: Mapping[str, Field]) -> dict[str, dict[str, Tensor]]:
        device = self.step.device
        codes = torch.zeros(count, len(self.conditions), dtype=torch.long, device=device)
        for i, feature in enumerate(self.conditions):
            if feature.name in given:
                codes[:, i] = given[feature.name].values.reshape(-1).long()
            else:
                codes[:, i] = 1 + torch.multinomial(getattr(self, f"shares_{i}"), count, True, generator=generator)
        there = torch.ones(count, self.flat.size, dtype=torch.bool, device=device)
        best = self.flat.back(self.draw(self.average, codes, there, generator))
        for feature, code in zip(self.conditions, codes.unbind(1), strict=True):
            classes = torch.arange(1, 1 + len(feature.class_names), device=device)
            best[feature.name] = {"log_probs": (classes == code[:, None]).float().clamp_min(1e-9).log()}
        return best

    def embed(self, batch: Batch) -> Tensor:
        """What the critic sees in each row, (B, D)."""
        return self.critic.seen(self.flat(batch.inputs)[0])

    def forward_pass(self, batch: Batch) -> Any:
        real, there = self.flat(batch.inputs)
        codes = self._codes(batch.targets, len(batch))
        self.draw(self.average, codes, there, Generator(there.device).manual_seed(0))
        return self.critic(real, codes)

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        raise SpecError("bad-value", "this run draws new rows, it answers nothing: use deepglass generate")

    def _codes(self, targets: Mapping[str, Field], count: int) -> Tensor:
        """What each row should be, (B, number of conditions); 0 where it is not known."""
        codes = [targets[f.name].values.reshape(-1).long() for f in self.conditions]
        return torch.stack(codes, 1) if codes else torch.zeros(count, 0, dtype=torch.long, device=self.step.device)


class Draws(nn.Module):
    """Noise and what a row should be -> the row as a flat vector, pictures and classes within -1 and 1.

    Shapes:
        noise: (B, N); codes: (B, number of conditions) -> (B, flat.size).
    """

    def __init__(self, flat: Flat, classes: Sequence[int], noise: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList([nn.Embedding(1 + count, noise) for count in classes])
        self.drawer = Drawer(flat, noise * (1 + len(classes)), width=width)
        self.widths = flat.widths
        self.bends = nn.ModuleList([_bend(feature) for feature in flat.inputs])

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        wanted = [embedding(code) for embedding, code in zip(self.embeddings, codes.unbind(1), strict=True)]
        parts = self.drawer(torch.cat([noise, *wanted], 1)).split(self.widths, 1)
        return torch.cat([bend(part) for bend, part in zip(self.bends, parts, strict=True)], 1)


class Critic(nn.Module):
    """How real a flat vector looks, given what it should be.

    Shapes:
        rows: (B, flat.size); codes: (B, number of conditions) -> (B,) logits.
    """

    def __init__(self, flat: Flat, classes: Sequence[int], width: int) -> None:
        super().__init__()
        self.widths, self.shapes = flat.widths, flat.shapes
        rest = sum(w for w, shape in zip(flat.widths, flat.shapes, strict=True) if len(shape) == 1)
        self.pictures = nn.ModuleList([PictureCritic(s, width) for s in flat.shapes if len(s) == 3])  # type: ignore[arg-type]
        self.rest = VectorCritic(rest) if rest else None
        dims = [p.out_dim for p in self.pictures] + ([self.rest.out_dim] if self.rest is not None else [])
        together = sum(dims)  # type: ignore[arg-type]
        self.together = nn.Sequential() if len(dims) == 1 else VectorCritic(together, (256,))
        self.judge = Projection(together if len(dims) == 1 else 256, classes)

    def forward(self, rows: Tensor, codes: Tensor) -> Tensor:
        return self.judge(self.seen(rows), codes)

    def seen(self, rows: Tensor) -> Tensor:
        """What the critic knows of rows before it judges them, (B, D)."""
        found, rest, pictures = [], [], iter(self.pictures)
        for part, shape in zip(rows.split(self.widths, 1), self.shapes, strict=True):
            if len(shape) == 3:
                found.append(next(pictures)(part.view(-1, *shape)))
            else:
                rest.append(part)
        if self.rest is not None:
            found.append(self.rest(torch.cat(rest, 1)))
        return self.together(torch.cat(found, 1))


def _bend(feature: Feature) -> nn.Module:
    """What keeps a drawn input within its range."""
    if isinstance(feature, Category | Binary):
        return Shares()
    return nn.Tanh() if isinstance(feature, Image) else nn.Identity()


class Shares(nn.Module):
    """Logits as the classes' shares, from -1 to 1; values: (B, K) -> (B, K)."""

    def forward(self, values: Tensor) -> Tensor:
        return 2 * values.softmax(1) - 1
