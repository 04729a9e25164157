"""What a generating run draws as it learns: a sheet an evaluation, always from the same random numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch

from deepglass.errors import SpecError, near_miss
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.outputs.base import as_output
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Objective, concatenate_predictions
from deepglass.run.context import RunContext
from deepglass.run.write_predictions import Answers
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.checkpoint import write_atomic

ROWS = 64  # of a sheet
POINTS = 400  # of a sheet of rows that are no pictures, or of a class of theirs: one alone says little
A_CLASS, MOST_CLASSES = 8, 16  # rows that are asked for of each class, where they can be; of so many classes at most
FOLDER = "samples"


class SampleRecorder(Callback):
    """Keeps samples/STEP.json: {feature: [value, ...]}, values as `Feature.decode` gives them.

    Args:
        folder: of the run.
        features: those that the objective may draw.
    """

    def __init__(self, folder: Path, objective: Objective, features: Sequence[Feature], seed: int) -> None:
        self.folder, self.objective, self.features, self.seed = folder / FOLDER, objective, features, seed
        pictures = any(isinstance(f, Image) for f in features)
        self.given = conditions_by_class(objective, A_CLASS if pictures else POINTS)
        self.count = len(next(iter(self.given.values()), ())) or (ROWS if pictures else POINTS)

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        training = self.objective.training
        rows = draw(self.objective, self.features, self.count, self.seed, self.given)
        self.objective.train(training)
        content = {name: [row[name]["value"] for row in rows] for name in rows[0]}
        self.folder.mkdir(exist_ok=True)
        write_atomic(self.folder / f"{record.step:08d}.json", json.dumps(content))


def sample_recorder(context: RunContext) -> list[Callback]:
    """The callback for kinds of learning that generate; none for others."""
    if not context.objective.generative:
        return []
    features = (*context.experiment.inputs, *context.experiment.outputs)
    return [SampleRecorder(context.path, context.objective, features, context.plan.seed)]


def conditions_by_class(objective: Objective, each: int) -> dict[str, list[str]]:
    """What the rows of a sheet are asked to be: so many of each class of the first condition, class after class."""
    if not objective.conditions:
        return {}
    feature = objective.conditions[0]
    return {feature.name: [name for name in feature.class_names[:MOST_CLASSES] for _ in range(each)]}


def draw(
    objective: Objective,
    features: Sequence[Feature],
    count: int,
    seed: int,
    given: Mapping[str, object] | None = None,
) -> Answers:
    """New rows in the user's terms, {feature: {"value": ..., ...}} each.

    Args:
        features: fitted, of the run.
        given: feature name -> what all new rows must be, in the user's terms, such as {"label": "7"}, or a list of what
            each must be.

    Raises:
        SpecError: `bad-value` for a kind of learning that draws nothing, for a column that rows cannot be asked for by,
            and for a given value that is not known.
    """
    if not objective.generative:
        raise SpecError(
            "bad-value",
            "generate: expected a run of a generative objective, such as gan",
        )
    objective.eval()
    device = next(objective.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    for name in given or {}:
        _askable(name, objective, features)
    fields = {name: _field(name, value, features, count, device) for name, value in (given or {}).items()}
    with torch.inference_mode():
        best = {
            name: concatenate_predictions([answers])
            for name, answers in objective.sample(count, generator, fields).items()
        }
    by_name = {f.name: f for f in features}
    decoded = {name: as_output(by_name[name]).decode(answers) for name, answers in best.items()}
    return [dict(zip(decoded, row, strict=True)) for row in zip(*decoded.values(), strict=True)]


def _askable(name: str, objective: Objective, features: Sequence[Feature]) -> None:
    """Refuse a column that new rows cannot be asked for by."""
    names = [f.name for f in features]
    if name not in names:
        raise SpecError("unknown-name", f"--given: no column {name!r}{near_miss(name, names)}")
    askable = [f.name for f in objective.conditions]
    if name not in askable:
        hint = f"expected one of {', '.join(askable)}" if askable else "it was trained without an output"
        raise SpecError("bad-value", f"--given {name}: this run cannot be conditioned on it; {hint}")


def _field(name: str, value: object, features: Sequence[Feature], count: int, device: torch.device) -> Field:
    """A value in the user's terms, or one a row, as `count` encoded rows."""
    feature = next(f for f in features if f.name == name)
    items = value if isinstance(value, list) else [value]
    column = feature.encode(pl.Series(name, items, strict=False))
    if not column.mask.all() or column.offsets is not None:
        wrong = next((v for v, there in zip(items, column.mask, strict=False) if not there), value)
        choices = f", one of {', '.join(feature.class_names[:10])}" if feature.class_names else ""
        raise SpecError("bad-value", f"--given {name}={wrong}: expected a {feature.kind} of the training data{choices}")
    values = torch.from_numpy(np.repeat(column.values, count // len(items), 0)).to(device)
    return Field(values, torch.ones(count, dtype=torch.bool, device=device))


def read_samples(folder: Path) -> dict[int, dict[str, list]]:
    """The sheets of a run by step, in order."""
    paths = sorted((folder / FOLDER).glob("*.json"))
    return {int(path.stem): json.loads(path.read_text()) for path in paths}
