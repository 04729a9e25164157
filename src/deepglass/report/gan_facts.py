"""What a report tells of a contest between a generator and its critic: plain data, as in `facts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Contest(NamedTuple):
    """How generator and critic learned from each other, a value an evaluation.

    Args:
        critic, generator: their mean losses since the evaluation before.
        figures: "sliced_wasserstein", "density_coverage", "diversity", "critic_accuracy", and "class_agreement" where
            samples are conditioned on a class.
        warned: (step, what had gone wrong then), for the evaluations where something had.
        remarks: what is wrong with the weights that were kept; empty where nothing is.
    """

    steps: Sequence[int]
    critic: Sequence[float]
    generator: Sequence[float]
    figures: Mapping[str, Sequence[float]]
    warned: Sequence[tuple[int, str]] = ()
    remarks: Sequence[str] = ()
