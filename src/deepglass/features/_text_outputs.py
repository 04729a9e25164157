"""Texts as answers: their losses, and how far what was written is from the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from deepglass import metrics
from deepglass.features._tokenizers import UNKNOWN
from deepglass.features.outputs.base import Prediction

if TYPE_CHECKING:
    from torch import Tensor

    from deepglass.nn.decoding import DecoderOutput as Params
    from deepglass.nn.tokens import Field


class AutoregressivePrediction(Prediction):
    """A text that is written a token at a time; params: `nn.search.Written`.

    Args:
        mean_length: tokens of the training texts, which makes losses of short and of long texts comparable.
    """

    needs_decoding: ClassVar[bool] = True

    def __init__(self, params: Params, beams: int, label_smoothing: float, mean_length: float, members: int = 1):
        self.params, self.beams, self.members = params, beams, members
        self.label_smoothing, self.mean_length = label_smoothing, mean_length

    def loss(self, target: Field) -> Tensor:
        """The tokens' cross-entropies added up, as a share of the mean text's length: nats a token."""
        import torch
        from torch.nn import functional as F

        assert self.params.logits is not None
        logits, codes, smoothing = self.params.logits.float(), target.values.long(), self.label_smoothing
        if self.members > 1:
            logits = _mixed(logits, target.mask, self.members)
        smoothing = smoothing if torch.is_grad_enabled() else 0.0
        nats = F.cross_entropy(logits, codes[target.mask], reduction="none", label_smoothing=smoothing)
        return torch.zeros(codes.shape).to(nats).masked_scatter(target.mask, nats).sum(1) / self.mean_length

    def mode(self) -> dict[str, Tensor]:
        found = self.params.search(self.beams, self.members)
        return {"tokens": found.tokens, "mask": found.mask, "log_prob": found.log_prob}

    def ensemble_mean(self, members: int) -> AutoregressivePrediction:
        return AutoregressivePrediction(self.params, self.beams, self.label_smoothing, self.mean_length, members)


class CTCPrediction(Prediction):
    """A text that lies along the input's steps, code 0 between its tokens; params: `nn.embeddings.TokenLogits`.

    Source: Graves et al., 2006, ICML, "Connectionist temporal classification".
    """

    def __init__(self, params: Any) -> None:
        self.log_probs = params.values.float().log_softmax(-1)  # (B, T, V)
        self.mask = params.mask

    def loss(self, target: Field) -> Tensor:
        """Nats a row; a text that is longer than its input has steps counts as 0, as it cannot be learned."""
        from torch.nn import functional as F

        steps, lengths = self.mask.sum(1), target.mask.sum(1)
        log_probs = self.log_probs.transpose(0, 1)
        return F.ctc_loss(
            log_probs, target.values.long(), steps, lengths, UNKNOWN, reduction="none", zero_infinity=True
        )

    def mode(self) -> dict[str, Tensor]:
        """The likeliest code of each step, repeats as one, blanks left out; padded to the number of steps."""
        from deepglass.nn.token_ops import pack_left

        likeliest = self.log_probs.max(-1)
        codes = likeliest.indices.masked_fill(~self.mask, UNKNOWN)
        new = codes[:, 1:] != codes[:, :-1]
        kept = (codes != UNKNOWN) & self.mask
        kept[:, 1:] &= new
        order, _ = pack_left(kept)
        log_prob = (likeliest.values * self.mask).sum(1)
        return {"tokens": codes.gather(1, order), "mask": kept.gather(1, order), "log_prob": log_prob}

    def ensemble_mean(self, members: int) -> CTCPrediction:
        """The members' probabilities are averaged at each step."""
        pooled = object.__new__(CTCPrediction)
        _, T, V = self.log_probs.shape
        pooled.log_probs = self.log_probs.view(-1, members, T, V).logsumexp(1) - math.log(members)
        pooled.mask = self.mask.view(-1, members, T)[:, 0]
        return pooled


def _mixed(logits: Tensor, mask: Tensor, members: int) -> Tensor:
    """The members' mean log probabilities (n, V), from (n * members, V), whose rows' members lie side by side."""
    rows = mask.repeat_interleave(members, 0)
    whole = logits.new_zeros(*rows.shape, logits.shape[-1])
    whole[rows] = logits.log_softmax(-1)
    B, T, V = len(mask), mask.shape[1], logits.shape[-1]
    return (whole.view(B, members, T, V).logsumexp(1) - math.log(members))[mask]


def figures(said: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """What texts are worth beside the truth; BLEU only where its library is there."""
    if not true:
        return {}
    found = {
        "word_error_rate": metrics.error_rate([t.split() for t in true], [s.split() for s in said]),
        "character_error_rate": metrics.error_rate(true, said),
        "accuracy": sum(a == b for a, b in zip(said, true, strict=True)) / len(true),
    }
    return {"bleu": metrics.bleu(true, said), **found} if _has_bleu() else found


def target_warnings(name: str) -> list[str]:
    """A sentence where BLEU cannot be taken."""
    return [] if _has_bleu() else [f"{name}: bleu is left out, it needs the extra text: pip install 'deepglass[text]'"]


def _has_bleu() -> bool:
    return find_spec("sacrebleu") is not None
