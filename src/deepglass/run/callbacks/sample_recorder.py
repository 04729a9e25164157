"""Records samples of a generative run at each evaluation, always from the same random numbers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch

from deepglass.errors import SpecError, near_miss
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.outputs.base import as_output
from deepglass.files import write_file
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Objective, concatenate_predictions
from deepglass.run.callbacks.snapshots import snapshots_of
from deepglass.run.context import RunContext
from deepglass.run.folder import Folder
from deepglass.run.write_predictions import Predictions
from deepglass.training.callbacks import Callback, EvaluationRecord

NUM_IMAGES = 64  # samples of an evaluation, if they are images
NUM_POINTS = 400  # samples of other rows, or of each class of them
IMAGES_PER_CLASS, MAX_CLASSES = 8, 16  # of conditional image generation
FOLDER = "samples"


class SampleRecorder(Callback):
    """Writes samples/STEP.json: {feature: [value, ...]}, values in the format of `Output.decode`.

    Samples of an objective with conditions are class by class of the first condition.
    """

    is_recorder = True

    def __init__(self, context: RunContext) -> None:
        self.folder, self.objective, self.seed = context.path / FOLDER, context.objective, context.plan.seed
        self.features = (*context.experiment.inputs, *context.experiment.outputs)
        images = any(isinstance(f, Image) for f in self.features)
        each = IMAGES_PER_CLASS if images else NUM_POINTS
        conditions = {f.name: f.class_names[:MAX_CLASSES] for f in self.objective.conditions[:1]}
        self.given = {name: [c for c in classes for _ in range(each)] for name, classes in conditions.items()}
        self.count = len(next(iter(self.given.values()), ())) or (NUM_IMAGES if images else NUM_POINTS)

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        training = self.objective.training
        try:
            rows = sample_rows(self.objective, self.features, self.count, self.seed, self.given)
        finally:
            self.objective.train(training)
        content = {name: [row[name]["value"] for row in rows] for name in rows[0]}
        self.folder.mkdir(exist_ok=True)
        write_file(self.folder / f"{record.step:08d}.json", json.dumps(content))


def sample_recorder(context: RunContext) -> list[Callback]:
    """The recorder, for generative objectives; [] for others."""
    return [SampleRecorder(context)] if context.objective.generative else []


def sample_rows(
    objective: Objective,
    features: Sequence[Feature],
    count: int,
    seed: int,
    given: Mapping[str, object] | None = None,
) -> Predictions:
    """Sample new rows, {feature: {"value": ..., ...}} each.

    Args:
        features: fitted, of the run.
        given: conditions, feature name -> a decoded value for all rows, such as {"label": "7"}, or a list with one for
            each row.

    Raises:
        SpecError: `bad-value` for an objective that is not generative, a feature that is no condition, and an unknown
            value.
    """
    if not objective.generative:
        raise SpecError("bad-value", "generate: expected a run of a generative objective")
    objective.eval()
    device = next(objective.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    for name in given or {}:
        _check_condition(name, objective, features)
    fields = {name: _field(name, value, features, count, device) for name, value in (given or {}).items()}
    with torch.inference_mode():
        samples = {n: concatenate_predictions([s]) for n, s in objective.sample(count, generator, fields).items()}
    by_name = {f.name: f for f in features}
    decoded = {name: as_output(by_name[name]).decode(arrays) for name, arrays in samples.items()}
    return [dict(zip(decoded, row, strict=True)) for row in zip(*decoded.values(), strict=True)]


def _check_condition(name: str, objective: Objective, features: Sequence[Feature]) -> None:
    """Check that a feature is a condition of the objective."""
    names = [f.name for f in features]
    if name not in names:
        raise SpecError("unknown-name", f"--given: no column {name!r}{near_miss(name, names)}")
    conditions = [f.name for f in objective.conditions]
    if name not in conditions:
        hint = f"expected one of {', '.join(conditions)}" if conditions else "it was trained without an output"
        raise SpecError("bad-value", f"--given {name}: no condition of this run; {hint}")


def _field(name: str, value: object, features: Sequence[Feature], count: int, device: torch.device) -> Field:
    """A decoded value, or one per row, as `count` encoded rows."""
    feature = next(f for f in features if f.name == name)
    items = value if isinstance(value, list) else [value]
    column = feature.encode(pl.Series(name, items, strict=False))
    if not column.mask.all() or column.offsets is not None:
        wrong = next((v for v, there in zip(items, column.mask, strict=False) if not there), value)
        choices = f", one of {', '.join(feature.class_names[:10])}" if feature.class_names else ""
        raise SpecError("bad-value", f"--given {name}={wrong}: expected a {feature.kind} of the training data{choices}")
    values = torch.from_numpy(np.repeat(column.values, count // len(items), 0)).to(device)
    return Field(values, torch.ones(count, dtype=torch.bool, device=device))


def read_samples(run: Folder) -> dict[int, dict[str, list]]:
    """Step -> samples of a run, in order.

    Raises:
        SourceError: `damaged-run`, `unreadable-file`.
    """
    snapshots = snapshots_of(run, FOLDER, ".json")
    return {step: run.files.read_recorded(path, dict[str, list[Any]]) for step, path in snapshots}
