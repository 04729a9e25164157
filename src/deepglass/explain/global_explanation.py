"""What the predictions of a run rest on over all rows: plain data that becomes JSON and a section of the report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from deepglass.explain.importance import Estimate, PatchImportance
from deepglass.explain.interactions import DependenceCurve, Interaction
from deepglass.explain.word_effects import WordEffect


class InputReliance(NamedTuple):
    """How much the predictions rest on one input.

    Args:
        permutation: fall of the main metric when its values are permuted.
        attribution: mean absolute attribution; None where it was not measured.
    """

    input: str
    permutation: Estimate
    attribution: Estimate | None


@dataclass(frozen=True)
class GlobalExplanation:
    """What the predictions of one output rest on.

    Args:
        metric: the main metric, by which importance is measured.
        value: of the metric on the rows.
        without: the same with all inputs permuted.
        rows: how many were used.
        inputs: the most important first.
        curves: of the most important inputs.
        interaction: the strongest among the most important inputs.
        patches: of images.
        words: class -> words.
        times: input -> importance of each part of a sequence or sound.
        alone: the metric with all inputs but the most important one permuted; None with a single input.
        sentences: what follows from all this.
    """

    output: str
    metric: str
    value: float
    without: float
    rows: int
    inputs: tuple[InputReliance, ...]
    curves: tuple[DependenceCurve, ...] = ()
    interaction: Interaction | None = None
    patches: tuple[PatchImportance, ...] = ()
    words: Mapping[str, tuple[WordEffect, ...]] = field(default_factory=dict)
    times: Mapping[str, list[Estimate]] = field(default_factory=dict)
    alone: float | None = None
    sentences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        values = asdict(self)
        values["inputs"] = [
            {
                "input": i.input,
                "permutation": i.permutation._asdict(),
                "attribution": i.attribution and i.attribution._asdict(),
            }
            for i in self.inputs
        ]
        values["curves"] = [c._asdict() for c in self.curves]
        values["interaction"] = self.interaction and self.interaction._asdict()
        values["patches"] = [
            p._asdict() | {"loss": p.loss.tolist(), "by_class": {k: v.tolist() for k, v in p.by_class.items()}}
            for p in self.patches
        ]
        values["words"] = {k: [w._asdict() for w in effects] for k, effects in self.words.items()}
        values["times"] = {k: [e._asdict() for e in estimates] for k, estimates in self.times.items()}
        return values
