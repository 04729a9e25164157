"""What drawn rows are beside real ones, in figures and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, cdist

from deepglass.features.base import Feature
from deepglass.nn.sample_metrics import covered, sliced_wasserstein, variety

VARIED, COVERED, KNOWN = 0.5, 0.1, 0.2  # below these something has gone wrong
TOLD_APART = 0.99  # and above this


def compared(real: Tensor, drawn: Tensor, codes: Tensor) -> dict[str, float]:
    """`sliced_wasserstein` (0 is best), `density_coverage` and `diversity` (1 is best), `class_agreement` with classes.

    Diversity is the mean distance between two drawn rows, in that of two real ones; where there are classes, within
    them, since a class of which always the same row is drawn has collapsed too. Agreement is the share of drawn rows
    whose nearest real row is of the class that was asked for.

    Shapes:
        real, drawn: (N, D) float; codes: (N, number of conditions), the class that both rows should be.
    """
    figures = {
        "sliced_wasserstein": sliced_wasserstein(real, drawn),
        "density_coverage": covered(real, drawn),
        "diversity": variety(drawn) / max(variety(real), 1e-9),
    }
    for code in codes.unbind(1):
        groups = [code == k for k in code.unique() if int((code == k).sum()) > 2]
        within = [variety(drawn[group]) / max(variety(real[group]), 1e-9) for group in groups]
        figures["diversity"] = min(figures["diversity"], sum(within) / max(len(within), 1))
        found = float((nearest_class(real, drawn, code) == code).float().mean())
        figures["class_agreement"] = min(figures.get("class_agreement", 1.0), found)
    return figures


def nearest_class(real: Tensor, drawn: Tensor, code: Tensor) -> Tensor:
    """The class of the real row that is nearest to each drawn one, (N,)."""
    return code[cdist(drawn, real).argmin(1)]


def remarks(
    figures: Mapping[str, float], real: Tensor, drawn: Tensor, codes: Tensor, conditions: Sequence[Feature]
) -> tuple[str, ...]:
    """Sentences about what has gone wrong: a collapse, a contest that is decided, classes that are never drawn."""
    said = []
    if figures["diversity"] < VARIED or figures["density_coverage"] < COVERED:
        said.append(
            f"collapse: drawn rows lie {figures['diversity']:.0%} as far from each other as real ones, and "
            f"{figures['density_coverage']:.0%} of the real rows have a drawn one near them"
        )
    if figures.get("critic_accuracy", 0.0) > TOLD_APART:
        said.append(f"the critic tells {figures['critic_accuracy']:.0%} of the drawn rows from real ones")
    for feature, code in zip(conditions, codes.unbind(1), strict=True):
        found = nearest_class(real, drawn, code)
        wrong = [
            name
            for k, name in enumerate(feature.class_names, 1)
            if (asked := code == k).sum() >= 5 and float((found[asked] == k).float().mean()) < KNOWN
        ]
        if wrong:
            shown = ", ".join(wrong[:6]) + (f" and {len(wrong) - 6} more" if len(wrong) > 6 else "")
            said.append(f"{feature.name}: what is drawn for {shown} looks like other classes")
    return tuple(said)
