"""Learning from its own answers: the likeliest class of an unlabelled row counts as its label, the surest rows first.

Source: Lee, 2013, ICML workshop ("Pseudo-Label", equations 15 and 16: the labels and the weight that grows). Ours
differs in two things: the averaged network labels anew in each step, and of each class only the surest share is
learned from, a share that grows over the run, as in Cascante-Bonilla et al., 2020, arXiv 2001.06001.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, BatchTransform
from deepglass.features.base import CLASSIFICATION_KINDS, Feature
from deepglass.features.outputs.base import Output, Prediction
from deepglass.networks.network import key_of
from deepglass.objectives._semi import Guess, SemiSupervised, probabilities
from deepglass.objectives.base import Loss, MakeNetwork

STEP = 0.05  # by which a threshold moves towards the confidence that the wanted share of rows exceeds
GROWTH = (0.1, 0.6)  # of the run, between which the weight of guesses grows


class PseudoLabel(SemiSupervised):
    """The averaged network answers unlabelled rows; the student learns these answers.

    Args:
        unlabelled_ratio: unlabelled rows in a batch for each labelled one.
        weight: of the loss on guesses at its greatest.
        start_quantile: share of each class's pseudo-labels used at the start of the run, the most confident first.
        end_quantile: the same at the end of the run.
    """

    name: ClassVar[str] = "pseudo_label"
    kinds: ClassVar[tuple[str, ...]] = (*CLASSIFICATION_KINDS, "number")

    def __init__(
        self,
        *,
        unlabelled_ratio: float = 3.0,
        weight: float = 1.0,
        start_quantile: float = 0.2,
        end_quantile: float = 0.8,
    ) -> None:
        super().__init__(unlabelled_ratio, weight)
        if not 0 < start_quantile <= end_quantile <= 1:
            raise ValueError(
                f"start_quantile, end_quantile: expected 0 < start_quantile <= end_quantile <= 1, got {start_quantile} "
                f"and {end_quantile}"
            )
        self.start_quantile, self.end_quantile = start_quantile, end_quantile

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        super().build(inputs, outputs, make_network)
        classed = {n: f for n, f in self.guessable.items() if f.has_classes}
        self.curricula = nn.ModuleDict({key_of(n, "of_"): _Curriculum(len(f.class_names)) for n, f in classed.items()})

    def views(self, transform: BatchTransform | None) -> tuple[BatchTransform | None, BatchTransform | None]:
        return transform, None

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        with torch.no_grad():
            answers = self.network.predictions(batch.views[0])
            for name, curriculum in self._curricula():
                curriculum.update(
                    probabilities(answers[name]),
                    self.start_quantile + (self.end_quantile - self.start_quantile) * progress,
                )
            guesses = self.guessed(answers)
        on_answers, on_guesses = self.parts(batch.inputs, batch, guesses)
        start, end = GROWTH
        weight = self.weight * min(max((progress - start) / (end - start), 0.0), 1.0)
        logs = {"on_answers": on_answers.detach(), "on_guesses": on_guesses.detach()}
        logs |= {f"sure_{name}": guess.sure.float().mean() for name, guess in guesses.items()}
        yield Loss(on_answers + weight * on_guesses, logs=logs, weight=len(batch))
        self.average()

    def guessed(self, answers: Mapping[str, Prediction]) -> dict[str, Guess]:
        thresholds = self.thresholds()
        found = {}
        for name in self.guessable:
            if name in thresholds:
                confidence, likeliest = probabilities(answers[name]).max(1)
                found[name] = Guess(likeliest + 1, confidence, confidence >= thresholds[name][likeliest])
            else:
                value = answers[name].mode()["value"].float()
                found[name] = Guess(value, torch.full_like(value, torch.nan), torch.ones_like(value, dtype=torch.bool))
        return found

    def thresholds(self) -> dict[str, Tensor]:
        return {name: curriculum.thresholds for name, curriculum in self._curricula()}

    def _curricula(self) -> Iterator[tuple[str, _Curriculum]]:
        for name in self.guessable:
            if key_of(name, "of_") in self.curricula:
                curriculum = self.curricula[key_of(name, "of_")]
                assert isinstance(curriculum, _Curriculum)
                yield name, curriculum


class _Curriculum(nn.Module):
    """The confidence that a wanted share of each class's guesses exceeds, followed over the batches.

    Args:
        classes: K.
    """

    thresholds: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("thresholds", torch.full((classes,), (1 + 1 / classes) / 2))

    def update(self, q: Tensor, share: float) -> None:
        """Take in a batch's probabilities (B, K): where too many guesses of a class pass, its threshold rises."""
        confidence, likeliest = q.max(1)
        passes = (confidence >= self.thresholds[likeliest]).float()
        count = torch.zeros_like(self.thresholds).index_add_(0, likeliest, torch.ones_like(passes))
        passed = torch.zeros_like(self.thresholds).index_add_(0, likeliest, passes)
        moved = self.thresholds + STEP * (passed - share * count) / count.clamp_min(1)
        self.thresholds.copy_(moved.clamp(0, 1))
