"""What the predictions of a run rest on over all rows: plain data that becomes JSON and a section of the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from deepglass.explain.importance import Estimate, PatchImportance
from deepglass.explain.interactions import DependenceCurve, Interaction
from deepglass.explain.profiles import Profile
from deepglass.explain.word_effects import WordEffect
from deepglass.metrics.table import higher_is_better, metric_title


class InputReliance(NamedTuple):
    """How much the predictions rest on one input.

    Args:
        permutation: rise of the loss when its values are permuted.
        fall: of the main metric, when they are.
        attribution: mean absolute attribution; None where it was not measured.
    """

    input: str
    permutation: Estimate
    fall: float
    attribution: Estimate | None


@dataclass(frozen=True)
class GlobalExplanation:
    """What the predictions of one output rest on.

    Args:
        metric: the main metric.
        value: of the metric on the rows.
        loss_metric: by which importance is measured: log_loss, or r2, whose fall is the rise of the loss.
        loss: of this metric on the rows.
        lead: mean by which the best constant prediction loses more.
        without: the same with all inputs permuted.
        rows: how many were used.
        inputs: the most important first.
        curves: of the most important inputs.
        interaction: the strongest among the most important inputs.
        patches: of images.
        words: class -> words.
        times: input -> rise of the loss without each part of a sequence or sound.
        profiles: bands, times and positions in which the attributions of sounds and sequences lie.
        alone: the metric with all inputs but the most important one permuted; None with a single input.
        sentences: what follows from all this.
    """

    output: str
    metric: str
    value: float
    loss_metric: str
    loss: float
    lead: Estimate
    without: float
    rows: int
    inputs: tuple[InputReliance, ...]
    curves: tuple[DependenceCurve, ...] = ()
    interaction: Interaction | None = None
    patches: tuple[PatchImportance, ...] = ()
    words: Mapping[str, tuple[WordEffect, ...]] = field(default_factory=dict)
    times: Mapping[str, list[Estimate]] = field(default_factory=dict)
    profiles: tuple[Profile, ...] = ()
    alone: float | None = None
    sentences: tuple[str, ...] = ()

    @property
    def loss_title(self) -> str:
        """What importance is: the rise of log loss, the fall of R²."""
        return f"{'fall' if higher_is_better(self.loss_metric) else 'rise'} of {metric_title(self.loss_metric)}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:
    """Named tuples and what they hold as dicts, arrays as lists."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
