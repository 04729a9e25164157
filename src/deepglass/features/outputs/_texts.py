"""Predictions and metrics of text outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.features._tokenizers import UNKNOWN
from deepglass.features.outputs.base import Prediction

if TYPE_CHECKING:
    from torch import Tensor

    from deepglass.nn.decoding import DecoderOutput as Params
    from deepglass.nn.tokens import Field


class AutoregressivePrediction(Prediction):
    """An autoregressive text; params: `nn.decoding.DecoderOutput`.

    Args:
        beams: width of the beam search.
        label_smoothing: in training.
        mean_length: mean tokens of the training texts; normalises the loss.
        members: of the ensemble, whose rows are adjacent in `params`.
    """

    needs_decoding: ClassVar[bool] = True

    def __init__(self, params: Params, beams: int, label_smoothing: float, mean_length: float, members: int = 1):
        self.params, self.beams, self.members = params, beams, members
        self.label_smoothing, self.mean_length = label_smoothing, mean_length

    def loss(self, target: Field) -> Tensor:
        """Sum of the token cross-entropies over the mean training length, in nats per token."""
        import torch
        from torch.nn import functional as F

        assert self.params.logits is not None
        logits, codes, smoothing = self.params.logits.float(), target.values.long(), self.label_smoothing
        if self.members > 1:
            logits = _mean_log_probs(logits, target.mask, self.members)
        smoothing = smoothing if torch.is_grad_enabled() else 0.0
        nats = F.cross_entropy(logits, codes[target.mask], reduction="none", label_smoothing=smoothing)
        return torch.zeros(codes.shape).to(nats).masked_scatter(target.mask, nats).sum(1) / self.mean_length

    def mode(self) -> dict[str, Tensor]:
        result = self.params.search(self.beams, self.members)
        return {"tokens": result.tokens, "mask": result.mask, "log_prob": result.log_prob}

    def ensemble_mean(self, members: int) -> AutoregressivePrediction:
        return AutoregressivePrediction(self.params, self.beams, self.label_smoothing, self.mean_length, members)


class CTCPrediction(Prediction):
    """A text aligned with the steps of the input, with blanks (code 0); params: `nn.embeddings.TokenLogits`.

    Source: Graves et al., 2006, ICML, "Connectionist temporal classification".
    """

    def __init__(self, params: Any) -> None:
        self.log_probs = params.values.float().log_softmax(-1)  # (B, T, V)
        self.mask = params.mask

    def loss(self, target: Field) -> Tensor:
        """CTC loss of each row in nats; 0 for texts with more tokens than the input has steps."""
        from torch.nn import functional as F

        steps, lengths = self.mask.sum(1), target.mask.sum(1)
        log_probs = self.log_probs.transpose(0, 1)
        return F.ctc_loss(
            log_probs, target.values.long(), steps, lengths, UNKNOWN, reduction="none", zero_infinity=True
        )

    def mode(self) -> dict[str, Tensor]:
        """The most likely code of each step, repeats collapsed, without blanks; padded to the number of steps."""
        from deepglass.nn.token_ops import pack_left

        best = self.log_probs.max(-1)
        codes = best.indices.masked_fill(~self.mask, UNKNOWN)
        changes = codes[:, 1:] != codes[:, :-1]
        mask = (codes != UNKNOWN) & self.mask
        mask[:, 1:] &= changes
        order, _ = pack_left(mask)
        log_prob = (best.values * self.mask).sum(1)
        return {"tokens": codes.gather(1, order), "mask": mask.gather(1, order), "log_prob": log_prob}

    def ensemble_mean(self, members: int) -> CTCPrediction:
        """Averages the members' probabilities at each step."""
        pooled = object.__new__(CTCPrediction)
        _, T, V = self.log_probs.shape
        pooled.log_probs = self.log_probs.view(-1, members, T, V).logsumexp(1) - math.log(members)
        pooled.mask = self.mask.view(-1, members, T)[:, 0]
        return pooled


def _mean_log_probs(logits: Tensor, mask: Tensor, members: int) -> Tensor:
    """Log of the members' mean probabilities (n, V), from (n * members, V) with adjacent members."""
    rows = mask.repeat_interleave(members, 0)
    whole = logits.new_zeros(*rows.shape, logits.shape[-1])
    whole[rows] = logits.log_softmax(-1)
    B, T, V = len(mask), mask.shape[1], logits.shape[-1]
    return (whole.view(B, members, T, V).logsumexp(1) - math.log(members))[mask]


def text_metrics(predicted: Sequence[str], truth: Sequence[str]) -> dict[str, float]:
    """Metrics of texts; BLEU only if sacrebleu is installed."""
    if not truth:
        return {}
    bleu = {"bleu": metrics.bleu(truth, predicted)} if _has_bleu() else {}
    return {
        **bleu,
        "word_error_rate": metrics.error_rate([t.split() for t in truth], [p.split() for p in predicted]),
        "character_error_rate": metrics.error_rate(truth, predicted),
        "accuracy": sum(a == b for a, b in zip(predicted, truth, strict=True)) / len(truth),
    }


def text_counts(predicted: Sequence[str], truth: Sequence[str]) -> np.ndarray:
    """Counts of each text that add up to those of `text_metrics`, (N, 15) int: edits and units of words and of
    characters, whether it is exact, and BLEU's correct and all n-grams and lengths (0 without sacrebleu)."""
    counts = np.zeros((len(truth), 15), np.int64)
    bleu = _bleu()() if _has_bleu() else None
    for row, (own, other) in enumerate(zip(predicted, truth, strict=True)):
        units = [(other.split(), own.split()), (other, own)]
        counts[row, :5] = [n for a, b in units for n in (metrics.edits(a, b), len(a))] + [own == other]
        if bleu is not None:
            score = bleu.corpus_score([own], [[other]])
            counts[row, 5:] = [*score.counts, *score.totals, score.sys_len, score.ref_len]
    return counts


def counted_metrics(counts: np.ndarray) -> dict[str, float]:
    """`text_metrics` of texts by their `text_counts`."""
    if not len(counts):
        return {}
    totals = counts.sum(0).tolist()
    word_edits, words, character_edits, characters, exact, *grams, sys_len, ref_len = totals
    score = {}
    if _has_bleu():
        compute = _bleu().compute_bleu
        score = {"bleu": float(compute(grams[:4], grams[4:], sys_len, ref_len, smooth_method="exp").score)}
    return {
        **score,
        "word_error_rate": word_edits / words if words else math.nan,
        "character_error_rate": character_edits / characters if characters else math.nan,
        "accuracy": exact / len(counts),
    }


def target_warnings(name: str) -> list[str]:
    """A warning if BLEU cannot be computed."""
    return [] if _has_bleu() else [f"{name}: no bleu, it needs the extra text: pip install 'deepglass[text]'"]


def _bleu() -> Any:
    """sacrebleu's class, which takes a second to import."""
    from sacrebleu.metrics import BLEU

    return BLEU


def _has_bleu() -> bool:
    return find_spec("sacrebleu") is not None
