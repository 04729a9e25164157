"""Learning to answer alike however a row is changed: a sure answer to the row as it is, is the label of the same row
changed strongly.

Source: Sohn et al., 2020, arXiv 2001.07685, algorithm 1. Without its fixed threshold the network's own confidence says
from where on it is sure, class by class: Wang et al., 2022, arXiv 2205.07246 (FreeMatch, equations 5 to 8; the running
means are those of the last tenth of the run so far, as runs are short).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, BatchTransform, Dataset
from deepglass.data.views import AUGMENTABLE, strong_augmentation, weak_augmentation
from deepglass.errors import SpecError
from deepglass.features.base import CLASSIFICATION_KINDS, Feature
from deepglass.features.outputs.base import Output, Prediction
from deepglass.networks.network import key_of
from deepglass.objectives._semi import Guess, SemiSupervised, probabilities, shares, unlabelled_part, with_view
from deepglass.objectives.base import Loss, MakeNetwork


class FixMatch(SemiSupervised):
    """Guesses from weakly changed rows teach the same rows changed strongly.

    Args:
        unlabelled_ratio: unlabelled rows in a batch for each labelled one.
        weight: of the loss on guesses beside that on answers.
        threshold: the confidence from which on a guess is learned from, in (0, 1). None: it follows the network's own
            confidence, class by class, which uses more rows, but errs where classes are uneven or learned slowly.
        distribution_alignment: scale predicted class probabilities to the class shares of the labelled rows. Only for
            data where the unlabelled rows have the same shares.
    """

    name: ClassVar[str] = "fixmatch"
    kinds: ClassVar[tuple[str, ...]] = CLASSIFICATION_KINDS

    def __init__(
        self,
        *,
        unlabelled_ratio: float = 7.0,
        weight: float = 1.0,
        threshold: float | None = 0.95,
        distribution_alignment: bool = False,
    ) -> None:
        super().__init__(unlabelled_ratio, weight)
        if threshold is not None and not 0 < threshold < 1:
            raise ValueError(f"threshold: expected a number between 0 and 1, got {threshold}")
        self.threshold, self.distribution_alignment = threshold, distribution_alignment

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        super().build(inputs, outputs, make_network)
        classes = [name for f in self.guessable.values() for name in f.class_names]
        self.weak, self.strong = weak_augmentation(inputs, classes), strong_augmentation(inputs, classes)
        if self.strong.is_identity:
            came = ", ".join(f"{f.name} ({f.kind})" for f in inputs[:6])
            raise SpecError(
                "bad-value",
                f"objective: fixmatch needs inputs that can be changed and still be known: {AUGMENTABLE}; the inputs "
                f"are {came}; take objective=pseudo_label",
            )
        self.sureness = nn.ModuleDict(
            {key_of(n, "of_"): _Sureness(len(f.class_names)) for n, f in self.guessable.items()}
        )

    def on_fit_start(self, train: Dataset) -> None:
        super().on_fit_start(train)
        for name, feature in self.guessable.items():
            self._sureness(name).wanted.copy_(shares(train, feature))

    def views(self, transform: BatchTransform | None) -> tuple[BatchTransform | None, BatchTransform | None]:
        return transform or self.weak, self.strong

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        first, weak = unlabelled_part(batch)
        with torch.no_grad():
            answers = self.student.predictions(weak)
            for name in self.guessable:
                self._sureness(name).update(probabilities(answers[name]), self.keep)
            guesses = self.guessed(answers)
        on_answers, on_guesses = self.parts(with_view(batch, first), batch, guesses)
        logs = {"on_answers": on_answers.detach(), "on_guesses": on_guesses.detach()}
        logs |= {f"sure_{name}": guess.sure.float().mean() for name, guess in guesses.items()}
        yield Loss(on_answers + self.weight * on_guesses, logs=logs, weight=len(batch))
        self.average()

    def guessed(self, answers: Mapping[str, Prediction]) -> dict[str, Guess]:
        found = {}
        for name in self.guessable:
            q = probabilities(answers[name])
            if self.distribution_alignment:
                q = self._sureness(name).aligned(q)
            confidence, likeliest = q.max(1)
            sure = confidence >= self.thresholds()[name][likeliest]
            found[name] = Guess(likeliest + 1, confidence, sure)  # code 0 is what is unknown
        return found

    def thresholds(self) -> dict[str, Tensor]:
        own = {n: self._sureness(n).thresholds() for n in self.guessable}
        return own if self.threshold is None else {n: torch.full_like(t, self.threshold) for n, t in own.items()}

    def _sureness(self, name: str) -> _Sureness:
        module = self.sureness[key_of(name, "of_")]
        assert isinstance(module, _Sureness)
        return module


class _Sureness(nn.Module):
    """How sure the network is of unlabelled rows, and how often it thinks of each class.

    Args:
        classes: K.
    """

    overall: Tensor
    shares: Tensor
    wanted: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        even = torch.full((classes,), 1 / classes)
        self.register_buffer("overall", even[0].clone())
        self.register_buffer("shares", even.clone())
        self.register_buffer("wanted", even.clone())

    def update(self, q: Tensor, keep: float) -> None:
        """Take in a batch's probabilities (B, K); `keep` is what stays of those before."""
        self.overall.lerp_(q.amax(1).mean(), 1 - keep)
        self.shares.lerp_(q.mean(0), 1 - keep)

    def thresholds(self) -> Tensor:
        """(K,): the mean confidence, lowered for classes that are thought of less often."""
        return self.overall * self.shares / self.shares.max()

    def aligned(self, q: Tensor) -> Tensor:
        """Probabilities (B, K) brought to the wanted shares: Berthelot et al., 2019, arXiv 1911.09785, section 3.1."""
        q = q * (self.wanted / self.shares.clamp_min(1e-6))
        return q / q.sum(1, keepdim=True)
