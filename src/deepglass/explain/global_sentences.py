"""What follows from a global explanation, in sentences with their evidence."""

import math
from collections.abc import Sequence

from deepglass.explain.global_explanation import GlobalExplanation, InputReliance
from deepglass.explain.importance import MIN_TURNED, NUM_TIMES, Importance, PatchImportance
from deepglass.explain.profiles import Profile
from deepglass.formatting import first_names, plain_percent
from deepglass.metrics.table import higher_is_better, metric_text, metric_title

SHORTCUT = 0.8  # of what all inputs tell together, that one input tells alone
LESS, RIVAL = 0.6, 0.1  # the same is a shortcut where no other input loses this share of what the first one does
LITTLE = 0.1  # of what all inputs tell together
WORD = 0.5  # of a class's texts that change without one word
STRONG_H = 0.3
MAX_NAMES = 3
ALMOST = 0.8  # of the largest share of images that a place turns into a class


def sentences_of(e: GlobalExplanation, together: Importance) -> list[str]:
    """The sentences of an explanation.

    Args:
        together: what all inputs together tell.
    """
    metric, sentences = metric_title(e.metric), []
    clear = [i for i in e.inputs if i.permutation.is_clear(len(e.inputs))]
    if not e.lead.is_clear():
        sentences.append(
            "On these rows the predictions are not shown to be better than a constant one: what they rest on need not "
            "tell anything."
        )
    if e.inputs and not clear:
        sentences.append(
            f"No input alone matters beyond chance: the {e.loss_title} by permuting any of them is within its error."
        )
    elif clear:
        sentences.append(_most_important(e, clear))
        if e.lead.is_clear() and clear[0] is e.inputs[0] and _is_shortcut(e, together.fall):
            assert e.alone is not None
            sentences.append(
                f"{clear[0].input} alone carries the prediction: with all other inputs permuted {metric} is still "
                f"{_text(e, e.alone)} ({_text(e, e.without)} with all permuted). Is it known at prediction time, and "
                "is it a cause?"
            )
        sentences += _disagreements(e, together.loss.value)
    matter = {i.input for i in clear}
    if e.interaction is not None and e.interaction.h >= STRONG_H and matter & set(e.interaction.inputs):
        a, b = e.interaction.inputs
        sentences.append(
            f"{a} and {b} act together: {plain_percent(e.interaction.h**2, 0)} of the variance of their joint effect "
            "is no sum of single effects (Friedman's H)."
        )
    sentences += [s for patches in e.patches for s in _place(patches)]
    sentences += _word_sentences(e)
    for name, parts in e.times.items():
        t = max(range(len(parts)), key=lambda i: parts[i].value)
        if not parts[t].is_clear(len(parts)):
            sentences.append(f"{name}: none of {NUM_TIMES} equal parts in time matters beyond its error.")
        else:
            sentences.append(
                f"{name}: part {t + 1} of {NUM_TIMES} equal ones in time matters most: with it exchanged "
                f"{_changed_loss(e, parts[t].value)}."
            )
    return [*sentences, *map(_profile_sentence, e.profiles)]


def _most_important(e: GlobalExplanation, clear: Sequence[InputReliance]) -> str:
    """The inputs that matter most, together with those whose importance is the same within the errors."""
    first, size, error = clear[0].input, clear[0].permutation.value, clear[0].permutation.error
    alike = [i.input for i in clear if size - i.permutation.value <= 2 * math.hypot(error, i.permutation.error)]
    further = [i.input for i in clear if i.input not in alike][:MAX_NAMES]
    rest = f"; then {'comes' if len(further) == 1 else 'come'} {', '.join(further)}" if further else ""
    fall = clear[0].fall
    main = f", {metric_title(e.metric)} {_without(e, fall)} instead of {_text(e, e.value)}"
    values = _changed_loss(e, size) + (main if e.metric != e.loss_metric and fall > 0 else "")
    if len(alike) == 1:
        return f"It relies most on {first}: with its values permuted {values}{rest}."
    names = first_names(alike[1:], MAX_NAMES)
    return (
        f"It relies most on {first}: with its values permuted {values}; that it is more than {names} is within the "
        f"error{rest}."
    )


def _changed_loss(e: GlobalExplanation, rise: float) -> str:
    """`log loss is 0.35 instead of 0.20`."""
    changed = e.loss - rise if higher_is_better(e.loss_metric) else e.loss + rise
    values = (metric_text(e.loss_metric, v) for v in (changed, e.loss))
    return f"{metric_title(e.loss_metric)} is {' instead of '.join(values)}"


def _is_shortcut(e: GlobalExplanation, together: float) -> bool:
    """Whether the first input alone tells most of what all inputs tell together."""
    if e.alone is None or together <= 0:
        return False
    share = _sign(e) * (e.alone - e.without) / together
    first, *others = (i.permutation.value for i in e.inputs)
    has_rival = any(value > RIVAL * first for value in others)
    return share >= SHORTCUT or (share >= LESS and not has_rival)


def _disagreements(e: GlobalExplanation, together: float) -> list[str]:
    """An input that the network uses and that can be permuted at little loss: others tell the same.

    Args:
        together: rise of the loss with all inputs permuted.
    """
    sizes = [i.attribution.value for i in e.inputs if i.attribution is not None]
    used = [
        i.input
        for i in e.inputs
        if i.attribution is not None
        and i.attribution.value >= 0.5 * max(sizes)
        and i.permutation.value + 2 * i.permutation.error < LITTLE * together
    ]
    if not used:
        return []
    return [
        f"The network uses {used[0]} (by its attributions), yet little is lost when its values are permuted: other "
        "inputs tell the same (correlated columns)."
    ]


def _profile_sentence(p: Profile) -> str:
    """Where the attribution of a sound or sequence lies."""
    if p.region_share is None:
        return f"{p.input}: the attribution is spread over the whole {p.axis} axis; no part of it exceeds its error."
    share = p.region_share
    even = sum(sum(p.equal[first : last + 1]) for first, last in p.regions)
    places = " and ".join(p.span(*region) for region in p.regions)
    return (
        f"{p.input}: {plain_percent(share.value, 0)} (standard error {plain_percent(share.error, 0)}) of the "
        f"attribution lies in {places}; equally spread it would be {plain_percent(even, 0)}."
    )


def _place(patches: PatchImportance) -> list[str]:
    """A small place that decides a class: of those that it turns about as many images into, that with a mark."""
    least = max(MIN_TURNED, ALMOST * max(patches.turned.values(), default=0.0))
    name = next((name for name, share in patches.turned.items() if share >= least), None)
    if name is None:
        return []
    top, left, bottom, right = patches.window
    area = (bottom - top) * (right - left) / patches.loss.size
    where = f"{_third(top, 'top', 'bottom')} {_third(left, 'left', 'right')}".replace("middle middle", "middle")
    return [
        f"{patches.input}: {plain_percent(area)} of the area, at the {where}, decides {name!r}: put into images of "
        f"other classes, it turns {plain_percent(patches.turned[name], 0)} of them into {name!r}. Is there a mark or "
        "a border?"
    ]


def _third(index: int, low: str, high: str) -> str:
    return low if index < 3 else high if index > 4 else "middle"


def _word_sentences(e: GlobalExplanation) -> list[str]:
    sentences = []
    for name, effects in e.words.items():
        if effects and effects[0].coverage >= WORD and effects[0].changed >= WORD:
            word = effects[0]
            sentences.append(
                f"The word {word.word!r} alone decides {name!r}: {plain_percent(word.coverage, 0)} of the texts "
                f"predicted so have it, and without it {plain_percent(word.changed, 0)} of these predictions change."
            )
    return sentences


def _sign(e: GlobalExplanation) -> int:
    return 1 if higher_is_better(e.metric) else -1


def _without(e: GlobalExplanation, loss: float) -> str:
    """The main metric after a loss."""
    return _text(e, e.value - _sign(e) * loss)


def _text(e: GlobalExplanation, value: float) -> str:
    return metric_text(e.metric, value)
