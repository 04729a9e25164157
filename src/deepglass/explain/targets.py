"""What is explained of an answer: one or several figures of it, in the answer's own terms, that gradients can reach.

A class is explained by its log-odds, a number in its units, an object by the log-odds of its own cell, a class of a
mask by its log-odds over the pixels that it was given, a written word by its log-probability.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.errors import SpecError
from deepglass.features._text_outputs import CTCPrediction
from deepglass.features._value_keys import native
from deepglass.features.base import Calibration, Feature, Prediction
from deepglass.features.text import END
from deepglass.nn.tokens import Field

MOST = {"boxes": 6, "mask": 4, "tags": 40, "text": 60, "set": 5, "vector": 6}  # questions an answer
LEAST_SHARE = 0.01  # of a mask's pixels that a class must have to be asked about


@dataclass(frozen=True)
class Asked:
    """What is asked of an output for one row.

    Args:
        names: of the questions.
        unit: of their figures.
        scores: the figures of variants of this row.
        target: what must be given to the network to read them off, for texts that are written.
        boxes: where the objects of the questions are, in shares of the picture.

    Shapes:
        scores: a `Prediction` to B variants of the row -> (B, Q).
    """

    names: tuple[str, ...]
    unit: str
    scores: Callable[[Any], Tensor]
    target: Field | None = None
    boxes: tuple[tuple[float, ...], ...] = ()

    def together(self) -> Asked:
        """The sum of all figures as the only question."""
        if len(self.names) == 1:
            return self
        return Asked(("all together",), self.unit, lambda a: self.scores(a).sum(1, keepdim=True), self.target)


def ask(
    feature: Feature,
    answer: Prediction,
    best: Mapping[str, Tensor],
    decoded: Mapping[str, Any],
    calibration: Calibration,
) -> Asked:
    """The questions that suit the answer to one row.

    Args:
        best: what `prediction.mode()` gave, which may take a search; decoded: the same in the user's terms.

    Raises:
        SpecError: `bad-value` for kinds that cannot be explained.
    """
    function = KINDS.get(feature.kind)
    if function is None:
        raise SpecError(
            "bad-value",
            f"outputs.{feature.name}: a {feature.kind} cannot be explained; what can: {', '.join(KINDS)}",
        )
    return function(cast(Any, feature), cast(Any, answer), best, decoded, calibration)


def log_odds(log_probs: Tensor, k: int | Tensor) -> Tensor:
    """log p / (1 - p) of class k over the last axis, stable near certainty."""
    chosen = torch.zeros(log_probs.shape[-1], dtype=torch.bool, device=log_probs.device)
    if isinstance(k, int):
        chosen[k] = True
    else:
        chosen = torch.arange(log_probs.shape[-1], device=log_probs.device) == k[..., None]
    own = log_probs.masked_fill(~chosen, -torch.inf).logsumexp(-1)
    return own - log_probs.masked_fill(chosen, -torch.inf).logsumexp(-1)


# -- one function a kind of answer ------------------------------------------------------------------------------------


def _class(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    temperature = calibration.get("temperature", 1.0)
    k = [native(v, feature.type_) for v in feature.class_names].index(decoded["value"])
    return Asked((str(decoded["value"]),), "log-odds", lambda a: log_odds(a.log_probs / temperature, k)[:, None])


def _number(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    return Asked((feature.name,), feature.name, lambda a: (a.mode()["value"] + feature.offset_)[:, None])


def _vector(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    value = best["value"][0]
    far = ((value - value.new_tensor(feature.mean_)) / value.new_tensor(feature.std_)).abs()
    places = sorted(far.topk(min(MOST["vector"], len(far))).indices.tolist())
    names = tuple(f"entry {k}" for k in places)
    return Asked(names, feature.name, lambda a: a.mode()["value"][:, places])


def _set(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    labels = list(decoded["value"]) or list(decoded["probabilities"])[:1]
    places = [feature.class_names.index(label) for label in labels[: MOST["set"]]]
    names = _named([feature.class_names[k] for k in places], decoded)
    temperature = calibration.get("temperature", 1.0)
    return Asked(names, "log-odds", lambda a: a.mode()["log_odds"][:, places] / temperature)


def _identity(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    k = int(best["nearest"][0, 0])
    return Asked((str(decoded["value"]),), "similarity", lambda a: a.cosine[:, k : k + 1])


def _sequence(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    mask = best["mask"][0]
    steps = torch.nonzero(mask)[:, 0]

    def mean(a: Any) -> Tensor:
        return a.mode()["value"][:, steps].flatten(1).sum(1, keepdim=True) / max(steps.numel(), 1)

    return Asked(("mean of the steps",), feature.name, mean)


def _tags(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    count = min(len(decoded["value"]), MOST["tags"])
    if not count:  # a text without words
        return Asked(("(nothing)",), "log-odds", lambda a: a.log_probs.new_zeros(len(a.log_probs), 1))
    temperature = calibration.get("temperature", 1.0)
    codes = torch.tensor([feature.class_names.index(t) for t in decoded["value"][:count]])
    scores = lambda a: log_odds(a.log_probs[:, :count] / temperature, codes.to(a.log_probs.device))  # noqa: E731
    return Asked(tuple(decoded["value"][:count]), "log-odds", scores)


def _mask(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    said = answer.params[0].argmax(0)  # (y, x)
    shares = torch.bincount(said.flatten(), minlength=answer.params.shape[1]) / said.numel()
    top = shares.argsort(descending=True)[: MOST["mask"]].tolist()
    classes = [k for k in top if shares[k] >= LEAST_SHARE] or top[:1]

    def scores(a: Any) -> Tensor:
        log_probs = a.params.float().log_softmax(1).movedim(1, -1)  # (B, y, x, K)
        return torch.stack([log_odds(log_probs[:, said == k], k).mean(1) for k in classes], 1)

    return Asked(tuple(feature.class_names[k] for k in classes), "log-odds", scores)


def _boxes(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    cells = answer.cells
    shown = max(1, min(len(decoded["value"]), MOST["boxes"]))
    slots = best["scores"][0].masked_fill(~best["mask"][0], -1).topk(shown).indices.tolist()
    found, labels = [], []
    for slot in slots:
        label = int(best["labels"][0, slot])
        away = (cells.boxes[0].clamp(0, 1) - best["boxes"][0, slot]).abs().sum(-1)
        away = away + (cells.logits[0, :, label].sigmoid() - best["scores"][0, slot]).abs()
        found.append(int(away.argmin()))
        labels.append(label)
    names = _named([feature.class_names[k] for k in labels], decoded)
    places = tuple(tuple(best["boxes"][0, slot].tolist()) for slot in slots)
    return Asked(names, "log-odds", lambda a: a.cells.logits[:, found, labels].float(), boxes=places)


def _named(names: list[str], decoded: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of what was found; where nothing was, what comes nearest to it."""
    return tuple(names) if decoded["value"] else tuple(f"{name}, which was not found" for name in names)


def _text(feature: Any, answer: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration) -> Asked:
    tokens = best["tokens"][0][best["mask"][0]]
    if isinstance(answer, CTCPrediction):
        return _heard(feature, answer, tokens)
    field = Field(tokens[None], torch.ones(1, len(tokens), dtype=torch.bool, device=tokens.device))
    groups, words = _words(feature, tokens.tolist())
    owner = torch.tensor(groups, device=tokens.device)

    def scores(a: Any) -> Tensor:
        members, T = a.members, len(tokens)
        log_probs = a.params.logits.float().log_softmax(-1).view(-1, members, T, a.params.logits.shape[-1])
        each = log_probs.logsumexp(1) - torch.tensor(float(members)).log()  # (B, T, V)
        own = each.gather(-1, tokens.view(1, T, 1).expand(len(each), T, 1))[..., 0]
        return _summed(own, owner, len(words))

    return Asked(words, "log-probability", scores, field)


def _heard(feature: Any, answer: Any, tokens: Tensor) -> Asked:
    """Each word by the steps at which its letters were heard."""
    codes = answer.log_probs[0].argmax(-1).masked_fill(~answer.mask[0], 0)
    kept = (codes != 0) & answer.mask[0]
    kept[1:] &= codes[1:] != codes[:-1]
    if not kept.any():
        silent = answer.mask[0]
        return Asked(("(nothing)",), "log-probability", lambda a: a.log_probs[:, silent, 0].sum(1, keepdim=True))
    steps = torch.nonzero(kept)[:, 0]
    groups, words = _words(feature, tokens.tolist())
    owner = torch.tensor(groups, device=tokens.device)
    return Asked(words, "log-probability", lambda a: _summed(a.log_probs[:, steps, codes[steps]], owner, len(words)))


def _summed(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Figures of tokens (B, T) to those of their words (B, Q), without tokens that belong to none of them."""
    sums = F.one_hot(owner.clamp(-1, count) + 1, count + 2).to(values.dtype)[:, 1 : count + 1]
    return values @ sums


def _words(feature: Any, codes: list[int]) -> tuple[list[int], tuple[str, ...]]:
    """Which word each code belongs to, -1 for the end of the text, and the words."""
    groups, words = grouped([feature.piece_of([c]) for c in codes])
    groups = [-1 if c == END else g for c, g in zip(codes, groups, strict=True)]
    used = sorted({g for g in groups if g >= 0 and words[g].strip()})[: MOST["text"]]
    place = {g: i for i, g in enumerate(used)}
    if not used:
        return [0] * len(codes), ("(nothing)",)
    return [place.get(g, len(used) if g >= 0 else -1) for g in groups], tuple(words[g].strip() for g in used)


def grouped(pieces: list[str]) -> tuple[list[int], list[str]]:
    """Pieces of a text as its words: a word begins with a space, and each mark stands alone.

    Example:
        >>> grouped(["the", " cat", "s", "."])
        ([0, 1, 1, 2], ['the', ' cats', '.'])
    """
    groups: list[int] = []
    words: list[str] = []
    for piece in pieces:
        starts = not words or piece[:1].isspace() or not piece.strip() or not _letters(piece) or not _letters(words[-1])
        if starts and not (words and not words[-1].strip() and not piece[:1].isspace()):
            words.append(piece)
        else:
            words[-1] += piece
        groups.append(len(words) - 1)
    return groups, words


def _letters(piece: str) -> bool:
    return any(c.isalnum() or c == "\ufffd" for c in piece) or not piece.strip()


KINDS: dict[str, Callable[[Any, Any, Any, Mapping[str, Any], Calibration], Asked]] = {
    "category": _class,
    "binary": _class,
    "number": _number,
    "vector": _vector,
    "set": _set,
    "identity": _identity,
    "sequence": _sequence,
    "tags": _tags,
    "mask": _mask,
    "boxes": _boxes,
    "text": _text,
}
