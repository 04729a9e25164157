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
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Objective, join_best
from deepglass.run.answers import Answers
from deepglass.training.checkpoint import write_atomic
from deepglass.training.events import Listener, Record

ROWS = 64  # of a sheet
FOLDER = "samples"


class SampleSheets(Listener):
    """Keeps samples/STEP.json: {feature: [value, ...]}, values as `Feature.decode` gives them.

    Args:
        folder: of the run.
        features: those that the objective may draw.
    """

    def __init__(self, folder: Path, objective: Objective, features: Sequence[Feature], seed: int) -> None:
        self.folder, self.objective, self.features, self.seed = folder / FOLDER, objective, features, seed

    def evaluated(self, record: Record) -> None:
        training = self.objective.training
        rows = draw(self.objective, self.features, ROWS, self.seed)
        self.objective.train(training)
        content = {name: [row[name]["value"] for row in rows] for name in rows[0]}
        self.folder.mkdir(exist_ok=True)
        write_atomic(self.folder / f"{record.step:08d}.json", json.dumps(content))


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
        given: feature name -> what all new rows must be, in the user's terms, such as {"label": "7"}.

    Raises:
        SpecError: `bad-value` for a kind of learning that draws nothing, and for a given value that is not known.
    """
    if not objective.generates:
        raise SpecError("bad-value", "generate: this run answers questions and draws nothing new")
    objective.eval()
    device = next(objective.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    fields = {name: _field(name, value, features, count, device) for name, value in (given or {}).items()}
    with torch.inference_mode():
        best = {name: join_best([answers]) for name, answers in objective.sample(count, generator, fields).items()}
    by_name = {f.name: f for f in features}
    decoded = {name: by_name[name].decode(answers) for name, answers in best.items()}
    return [dict(zip(decoded, row, strict=True)) for row in zip(*decoded.values(), strict=True)]


def _field(name: str, value: object, features: Sequence[Feature], count: int, device: torch.device) -> Field:
    """A value in the user's terms as `count` encoded rows."""
    feature = next((f for f in features if f.name == name), None)
    if feature is None:
        raise SpecError("unknown-name", f"--given: no column {name!r}{near_miss(name, [f.name for f in features])}")
    column = feature.encode(pl.Series(name, [value], strict=False))
    if not column.mask.all() or column.offsets is not None:
        known = f", one of {', '.join(feature.class_names[:10])}" if feature.class_names else ""
        raise SpecError("bad-value", f"--given {name}={value}: expected a known {feature.kind}{known}")
    values = torch.from_numpy(np.repeat(column.values, count, 0)).to(device)
    return Field(values, torch.ones(count, dtype=torch.bool, device=device))


def sheets(folder: Path) -> dict[int, dict[str, list]]:
    """The sheets of a run by step, in order."""
    found = sorted((folder / FOLDER).glob("*.json"))
    return {int(path.stem): json.loads(path.read_text()) for path in found}
