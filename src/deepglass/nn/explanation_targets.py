"""Explanation targets: the scalars of a prediction that an attribution method explains, each differentiable.

A class is explained by its log-odds, a number in its unit, an object by the log-odds of its anchor point, a class of a
mask by its mean log-odds over its pixels, a generated word by its log-probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.nn.tokens import Field

MIN_MASK_SHARE = 0.01  # of a mask's pixels, from which a class is a target
MAX_MASK_CLASSES = 4
LOG_ODDS, LOG_PROBABILITY = "log-odds", "log-probability"


@dataclass(frozen=True)
class ExplanationTarget:
    """What is explained of one output of one row: one or several scalars.

    Args:
        names: of the scalars.
        unit: of all of them.
        scores: a `Prediction` for B variants of the row -> (B, Q).
        target: teacher-forced target of an autoregressive output.
        boxes: of objects, left, top, right, bottom as shares of the image.
    """

    names: tuple[str, ...]
    unit: str
    scores: Callable[[Any], Tensor]
    target: Field | None = None
    boxes: tuple[tuple[float, ...], ...] = ()

    def total(self) -> ExplanationTarget:
        """The sum of all scalars as the only one."""
        if len(self.names) == 1:
            return self
        return ExplanationTarget(("total",), self.unit, lambda p: self.scores(p).sum(1, keepdim=True), self.target)


def log_odds(log_probs: Tensor, k: int | Tensor) -> Tensor:
    """log p / (1 - p) of class k over the last axis, stable near p = 1."""
    chosen = torch.zeros(log_probs.shape[-1], dtype=torch.bool, device=log_probs.device)
    if isinstance(k, int):
        chosen[k] = True
    else:
        chosen = torch.arange(log_probs.shape[-1], device=log_probs.device) == k[..., None]
    own = log_probs.masked_fill(~chosen, -torch.inf).logsumexp(-1)
    return own - log_probs.masked_fill(chosen, -torch.inf).logsumexp(-1)


def class_target(name: str, k: int, temperature: float, bias: Sequence[float] | None = None) -> ExplanationTarget:
    """The log-odds of class k.

    Args:
        bias: of each class, added after the temperature.
    """

    def scores(prediction: Any) -> Tensor:
        logits = prediction.log_probs / temperature
        return log_odds(logits if bias is None else logits + logits.new_tensor(bias), k)[:, None]

    return ExplanationTarget((name,), LOG_ODDS, scores)


def label_target(names: Sequence[str], columns: Sequence[int], temperature: float) -> ExplanationTarget:
    """The log-odds of some labels of a multi-label output."""
    columns = list(columns)
    return ExplanationTarget(tuple(names), LOG_ODDS, lambda p: p.mode()["log_odds"][:, columns] / temperature)


def token_target(names: Sequence[str], codes: Sequence[int], temperature: float) -> ExplanationTarget:
    """The log-odds of the predicted label of each token."""
    if not names:
        return ExplanationTarget(("(nothing)",), LOG_ODDS, lambda p: p.log_probs.new_zeros(len(p.log_probs), 1))
    labels = torch.tensor(codes)

    def scores(prediction: Any) -> Tensor:
        log_probs = prediction.log_probs[:, : len(labels)] / temperature
        return log_odds(log_probs, labels.to(log_probs.device))

    return ExplanationTarget(tuple(names), LOG_ODDS, scores)


def mask_target(logits: Tensor, names: Sequence[str]) -> ExplanationTarget:
    """The mean log-odds of each of the largest classes over the pixels that are predicted as it.

    Shapes: logits: (K, Y, X).
    """
    predicted = logits.argmax(0)
    shares = torch.bincount(predicted.flatten(), minlength=len(logits)) / predicted.numel()
    largest = shares.argsort(descending=True)[:MAX_MASK_CLASSES].tolist()
    classes = [k for k in largest if shares[k] >= MIN_MASK_SHARE] or largest[:1]

    def scores(prediction: Any) -> Tensor:
        log_probs = prediction.params.float().log_softmax(1).movedim(1, -1)  # (B, Y, X, K)
        return torch.stack([log_odds(log_probs[:, predicted == k], k).mean(1) for k in classes], 1)

    return ExplanationTarget(tuple(names[k] for k in classes), LOG_ODDS, scores)


def object_target(
    boxes: Tensor, logits: Tensor, detected: Tensor, labels: Sequence[int], confidence: Tensor, names: Sequence[str]
) -> ExplanationTarget:
    """The log-odds of each detected object at the anchor point that predicts it.

    Shapes: boxes: (P, 4), logits: (P, K) of all anchor points; detected: (N, 4); confidence: (N,).
    """
    points = []
    for box, label, score in zip(detected, labels, confidence, strict=True):
        distance = (boxes.clamp(0, 1) - box).abs().sum(-1) + (logits[:, label].sigmoid() - score).abs()
        points.append(int(distance.argmin()))
    labels = list(labels)
    where = tuple(tuple(box) for box in detected.tolist())
    return ExplanationTarget(tuple(names), LOG_ODDS, lambda p: p.cells.logits[:, points, labels].float(), boxes=where)


def generated_target(tokens: Tensor, groups: Sequence[int], words: Sequence[str]) -> ExplanationTarget:
    """The log-probability of each word of an autoregressive output, given those before it.

    Args:
        tokens: (T,) the generated codes.
        groups: which word each token belongs to; -1 or len(words): none.
    """
    field = Field(tokens[None], torch.ones(1, len(tokens), dtype=torch.bool, device=tokens.device))
    owner = torch.tensor(groups, device=tokens.device)

    def scores(prediction: Any) -> Tensor:
        members, T = prediction.members, len(tokens)
        logits = prediction.params.logits
        log_probs = logits.float().log_softmax(-1).view(-1, members, T, logits.shape[-1])
        mixture = log_probs.logsumexp(1) - torch.tensor(float(members)).log()  # (B, T, V)
        own = mixture.gather(-1, tokens.view(1, T, 1).expand(len(mixture), T, 1))[..., 0]
        return _sum_words(own, owner, len(words))

    return ExplanationTarget(tuple(words), LOG_PROBABILITY, scores, field)


def ctc_target(log_probs: Tensor, mask: Tensor, groups: Sequence[int], words: Sequence[str]) -> ExplanationTarget:
    """The log-probability of each word of a CTC output at the steps that emit its letters.

    Shapes: log_probs: (T, V); mask: (T,).
    """
    codes = log_probs.argmax(-1).masked_fill(~mask, 0)
    emitted = (codes != 0) & mask
    emitted[1:] &= codes[1:] != codes[:-1]
    if not emitted.any():
        return ExplanationTarget(
            ("(nothing)",), LOG_PROBABILITY, lambda p: p.log_probs[:, mask, 0].sum(1, keepdim=True)
        )
    steps = torch.nonzero(emitted)[:, 0]
    owner = torch.tensor(groups, device=log_probs.device)

    def scores(prediction: Any) -> Tensor:
        return _sum_words(prediction.log_probs[:, steps, codes[steps]], owner, len(words))

    return ExplanationTarget(tuple(words), LOG_PROBABILITY, scores)


def _sum_words(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Values of tokens (B, T) summed per word, (B, count); tokens of no word are left out."""
    members = F.one_hot(owner.clamp(-1, count) + 1, count + 2).to(values.dtype)[:, 1 : count + 1]
    return values @ members
