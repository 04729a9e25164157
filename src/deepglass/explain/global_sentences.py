"""What follows from a global explanation, in sentences with their evidence."""

from deepglass.explain.global_explanation import GlobalExplanation
from deepglass.explain.importance import MIN_TURNED, NUM_TIMES, PatchImportance
from deepglass.explain.profiles import Profile
from deepglass.metrics.table import higher_is_better, metric_text, metric_title

SHORTCUT = 0.8  # of what all inputs tell together, that one input tells alone
LESS, RIVAL = 0.6, 0.1  # the same is a shortcut where no other input loses this share of what the first one does
LITTLE = 0.1  # of what all inputs tell together
WORD = 0.5  # of a class's texts that change without one word
STRONG_H = 0.3
ALMOST = 0.8  # of the largest share of images that a place turns into a class


def sentences_of(e: GlobalExplanation, together: float) -> list[str]:
    """The sentences of an explanation.

    Args:
        together: what all inputs together tell: the fall of the main metric with all of them permuted.
    """
    metric, sentences = metric_title(e.metric), []
    names = [i.input for i in e.inputs if i.permutation.is_clear]
    if e.inputs and not names:
        sentences.append(f"No input alone matters beyond chance: permuting any of them leaves {metric} as it is.")
    elif names:
        first = e.inputs[0]
        rest = f"; then come {', '.join(names[1:4])}" if len(names) > 1 else ""
        sentences.append(
            f"It relies most on {first.input}: with its values permuted {metric} is "
            f"{_without(e, first.permutation.value)} instead of {_text(e, e.value)}{rest}."
        )
        if _is_shortcut(e, together):
            assert e.alone is not None
            sentences.append(
                f"{first.input} alone carries the prediction: with all other inputs permuted {metric} is still "
                f"{_text(e, e.alone)} ({_text(e, e.without)} with all permuted). Is it known at prediction time, and "
                "is it a cause?"
            )
    sentences += _disagreements(e, together)
    if e.interaction is not None and e.interaction.h >= STRONG_H:
        a, b = e.interaction.inputs
        sentences.append(
            f"{a} and {b} act together: {e.interaction.h**2:.0%} of the variance of their joint effect is no sum of "
            "single effects (Friedman's H)."
        )
    sentences += [s for patches in e.patches for s in _place(patches)]
    sentences += _word_sentences(e)
    for name, parts in e.times.items():
        t = max(range(len(parts)), key=lambda i: parts[i].value)
        if not parts[t].is_clear:
            sentences.append(f"{name}: none of {NUM_TIMES} equal parts in time matters beyond its error.")
        else:
            sentences.append(
                f"{name}: the {t + 1}. of {NUM_TIMES} equal parts in time matters most: with it exchanged {metric} is "
                f"{_without(e, parts[t].value)} instead of {_text(e, e.value)}."
            )
    return [*sentences, *map(_profile_sentence, e.profiles)]


def _is_shortcut(e: GlobalExplanation, together: float) -> bool:
    """Whether the first input alone tells most of what all inputs tell together."""
    if e.alone is None or together <= 0:
        return False
    share = _sign(e) * (e.alone - e.without) / together
    first, *others = (i.permutation.value for i in e.inputs)
    has_rival = any(value > RIVAL * first for value in others)
    return share >= SHORTCUT or (share >= LESS and not has_rival)


def _disagreements(e: GlobalExplanation, together: float) -> list[str]:
    """An input that the network uses and that can be permuted at little loss: others tell the same."""
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
        f"{p.input}: {share.value:.0%} (standard error {share.error:.0%}) of the attribution lies in {places}; equally "
        f"spread it would be {even:.0%}."
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
        f"{patches.input}: {area:.1%} of the area, at the {where}, decides {name!r}: put into images of other classes, "
        f"it turns {patches.turned[name]:.0%} of them into {name!r}. Is there a mark or a border?"
    ]


def _third(index: int, low: str, high: str) -> str:
    return low if index < 3 else high if index > 4 else "middle"


def _word_sentences(e: GlobalExplanation) -> list[str]:
    sentences = []
    for name, effects in e.words.items():
        if effects and effects[0].coverage >= WORD and effects[0].changed >= WORD:
            word = effects[0]
            sentences.append(
                f"The word {word.word!r} alone decides {name!r}: {word.coverage:.0%} of the texts predicted so have "
                f"it, and without it {word.changed:.0%} of these predictions change."
            )
    return sentences


def _sign(e: GlobalExplanation) -> int:
    return 1 if higher_is_better(e.metric) else -1


def _without(e: GlobalExplanation, loss: float) -> str:
    """The main metric after a loss."""
    return _text(e, e.value - _sign(e) * loss)


def _text(e: GlobalExplanation, value: float) -> str:
    return metric_text(e.metric, value)
