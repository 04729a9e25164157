"""What kinds of learning share that learn from rows without an answer too, by answering them themselves.

Two networks of one shape: the student is trained, and its weights, averaged over the steps, are `network`, which
evaluates, predicts and explains.

Source of the average: Polyak and Juditsky, 1992, SIAM J. Control Optim. 30; Tarvainen and Valpola, 2017, arXiv
1703.01780.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader
from deepglass.data.views import MultiViewLoader, TwoPoolLoader
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output, Prediction
from deepglass.networks.network import Network
from deepglass.nn.tokens import Field
from deepglass.objectives.base import MakeNetwork
from deepglass.objectives.supervised import Supervised, loss_sums

LEAST = 16  # labelled rows in a batch, where it is small: up to half of it
LONGEST = 0.999  # what a running mean keeps of the steps before, at most


class Guess(NamedTuple):
    """Answers that a network gives itself.

    Shapes:
        values: (B,), as `Feature.encode` gives them.
        confidence: (B,), from 0 to 1; nan for numbers.
        sure: (B,) bool, those that are learned from.
    """

    values: Tensor
    confidence: Tensor
    sure: Tensor


class SemiSupervised(Supervised):
    """The base of such kinds: labelled rows as in supervised learning, unlabelled ones by guesses.

    Args:
        unlabelled_ratio: unlabelled rows in a batch for each labelled one.
        weight: of the loss on guesses beside that on answers.

    A subclass says in `guessed` what its guesses are, and in `losses` what is learned from them.
    """

    uses_unlabelled: ClassVar[bool] = True
    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]  # of outputs that are guessed
    student: Network
    averaged: Tensor  # steps that the average has seen

    def __init__(self, unlabelled_ratio: float, weight: float) -> None:
        super().__init__()
        if not 0 < unlabelled_ratio <= 100:
            raise ValueError(f"unlabelled_ratio: expected a number above 0 and at most 100, got {unlabelled_ratio}")
        if weight < 0:
            raise ValueError(f"weight: expected a number of at least 0, got {weight}")
        self.unlabelled_ratio, self.weight = unlabelled_ratio, weight

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        super().build(inputs, outputs, make_network)
        self.supports_mixup = False
        self.inputs = tuple(inputs)
        self.guessable = {f.name: f for f in outputs if f.kind in self.kinds}
        if not self.guessable:
            came = ", ".join(f"{f.name} ({f.kind})" for f in outputs)
            raise SpecError(
                "bad-value",
                f"objective: {self.name} learns from its own answers of the kinds {', '.join(self.kinds)}; the outputs "
                f"are {came}; take objective=supervised",
            )
        self.student = copy.deepcopy(self.network)
        self.network.requires_grad_(False)
        self.register_buffer("averaged", torch.zeros((), dtype=torch.int64))

    def on_fit_start(self, train: Dataset) -> None:
        super().on_fit_start(train)
        self.student.load_state_dict(self.network.state_dict())  # which may have begun with another run's
        if not len(self.pools(train)[1]):
            raise nothing_to_guess(self.name, len(train))

    def train(self, mode: bool = True) -> SemiSupervised:
        super().train(mode)
        self.network.eval()
        return self

    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.student.parameters())

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": self.student}

    # -- rows --------------------------------------------------------------------------------------------------

    def pools(self, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """The rows with any answer, and those that lack one that can be guessed."""
        known = {n: c.mask for n, c in data.truth.items()}
        labelled = np.any(list(known.values()), axis=0)
        lacking = ~np.all([known[n] for n in self.guessable], axis=0)
        return np.flatnonzero(labelled), np.flatnonzero(lacking)

    def examples_per_epoch(self, train: Dataset) -> int:
        """So many that an epoch shows each unlabelled row once."""
        return max(1, round(len(self.pools(train)[1]) * (1 + 1 / self.unlabelled_ratio)))

    def make_loader(
        self, source: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None
    ) -> Loader:
        labelled, unlabelled = self.pools(source)
        first = max(1, round(batch_size / (1 + self.unlabelled_ratio)), min(LEAST, batch_size // 2))
        first = min(first, len(labelled))
        rest = min(max(1, batch_size - first), len(unlabelled))
        pools = TwoPoolLoader(source, (labelled, unlabelled), (first, rest), seed)
        return MultiViewLoader(pools, seed, self.views(transform))

    def views(self, transform: BatchTransform | None) -> tuple[BatchTransform | None, BatchTransform | None]:
        """How a batch's rows are seen, and how its unlabelled rows are seen beside that."""
        raise NotImplementedError

    # -- losses ------------------------------------------------------------------------------------------------

    def guessed(self, answers: Mapping[str, Prediction]) -> dict[str, Guess]:
        """What follows from a network's answers to unlabelled rows, output -> guess; nothing is changed by it."""
        raise NotImplementedError

    def thresholds(self) -> dict[str, Tensor]:
        """Output -> the confidence from which on each class is learned from, (K,)."""
        raise NotImplementedError

    def parts(self, inputs: Mapping[str, Field], batch: Batch, guesses: Mapping[str, Guess]) -> tuple[Tensor, Tensor]:
        """The loss on answers and the loss on guesses, summed over the outputs.

        Args:
            inputs: of the whole batch, as the student sees them.
            batch: labelled rows first.
            guesses: for its last rows, output -> what they should be.
        """
        params = self.student(inputs, batch.targets)
        first = len(batch) - len(next(iter(guesses.values())).values)
        on_answers = [self._mean(n, params[n], _only(batch.targets[n], first), None) for n in params]
        on_guesses = [self._on_guesses(n, params[n], batch.targets[n], first, g) for n, g in guesses.items()]
        return torch.stack(on_answers).sum(), torch.stack(on_guesses).sum()

    @property
    def keep(self) -> float:
        """What a running mean keeps of the steps before: about the last tenth of all steps counts."""
        return min((int(self.averaged) + 1) / (int(self.averaged) + 11), LONGEST)

    def average(self) -> None:
        """Move the averaged network towards the student."""
        keep = self.keep
        self.averaged += 1
        with torch.no_grad():
            for mine, theirs in zip(self.network.state_dict().values(), self.student.state_dict().values()):
                if mine.is_floating_point():
                    mine.lerp_(theirs, 1 - keep)
                else:
                    mine.copy_(theirs)

    def _on_guesses(self, name: str, params: object, target: Field, first: int, guess: Guess) -> Tensor:
        """The loss on the sure guesses, added up and divided by how many rows could have been guessed."""
        lacking = ~target.known[first:]
        values = torch.cat([guess.values.new_zeros(first), guess.values])
        sure = torch.cat([lacking.new_zeros(first), guess.sure & lacking])
        total, _ = loss_sums(
            self.network.features[name].prediction(params), Field(values, sure), self.network.ensemble_size
        )
        return total / (lacking.sum() * self.network.ensemble_size).clamp_min(1)


def nothing_to_guess(objective: str, rows: int) -> SpecError:
    """The error to raise where all training rows have an answer."""
    return SpecError(
        "bad-value",
        f"objective: {objective} learns from rows without an answer, and all {rows:,} training rows have one; add some "
        "with data.unlabelled, hide answers with data.num_labels, or take objective=supervised",
    )


def unlabelled_part(batch: Batch) -> tuple[int, dict[str, Field]]:
    """How many labelled rows a batch begins with, and the inputs of the others."""
    first = len(batch) - len(next(iter(batch.views[0].values())).values)
    rest = torch.arange(first, len(batch), device=batch.rows.device)
    return first, {n: field.take(rest) for n, field in batch.inputs.items()}


def with_view(batch: Batch, first: int) -> dict[str, Field]:
    """The first rows' inputs as they are, the others' as the batch's view shows them."""
    return {n: _joined(field, batch.views[0][n], first) for n, field in batch.inputs.items()}


def probabilities(answer: Prediction) -> Tensor:
    """Of the classes, (B, K)."""
    return answer.mode()["log_probs"].float().exp()


def shares(data: Dataset, feature: Output) -> Tensor:
    """The classes' shares among the known answers, (K,); an absent class has that of half a row."""
    truth = data.truth[feature.name]
    return torch.from_numpy(feature.baseline(truth)["log_probs"][0]).float().exp()


def _joined(field: Field, view: Field, first: int) -> Field:
    """Rows of differing length are padded to the longer of the two."""
    own, mask = field.values[:first], field.mask[:first]
    if field.rows is None:
        dtype = torch.promote_types(own.dtype, view.values.dtype)  # what was resampled or made noisy is no longer bytes
        return Field(torch.cat([own.to(dtype), view.values.to(dtype)]), torch.cat([mask, view.mask]))
    longest = max(field.values.shape[1], view.values.shape[1])
    parts = [_padded(own, longest), _padded(view.values, longest)]
    masks = [_padded(mask, longest), _padded(view.mask, longest)]
    assert view.rows is not None
    return Field(torch.cat(parts), torch.cat(masks), torch.cat([field.rows[:first], view.rows]))


def _padded(values: Tensor, length: int) -> Tensor:
    room = values.new_zeros(len(values), length - values.shape[1], *values.shape[2:])
    return torch.cat([values, room], 1)


def _only(field: Field, first: int) -> Field:
    """The field with all rows unknown but the first ones."""
    if field.rows is not None:
        return field._replace(rows=_cut(field.rows, first))
    return field._replace(mask=_cut(field.mask, first))


def _cut(mask: Tensor, first: int) -> Tensor:
    mask = mask.clone()
    mask[first:] = False
    return mask
