"""Records a few validation images in the style that a run has learned so far, at each evaluation."""

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepglass.data.batches import Dataset
from deepglass.features.outputs.base import as_output
from deepglass.files import write_file
from deepglass.objectives.style import Style
from deepglass.run.callbacks.sample_recorder import FOLDER
from deepglass.run.context import RunContext
from deepglass.training.callbacks import Callback, EvaluationRecord

NUM_IMAGES = 4


class PaintingRecorder(Callback):
    """Writes samples/STEP.json: {feature: [value, ...]}, as the recorder of samples does.

    The file of step 0 holds the images themselves.

    Args:
        codes: encoded images, (N, C, Y, X).
    """

    is_recorder = True

    def __init__(self, context: RunContext, objective: Style, codes: Tensor) -> None:
        self.folder, self.objective, self.codes = context.path / FOLDER, objective, codes

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        levels = self.objective.feature.levels_ or 255
        if not (first := self.folder / f"{0:08d}.json").exists():
            self._write(first, self.codes)
        painted = self.objective.paint(self.objective.unit(self.codes)).float() * (levels / 255)
        self._write(self.folder / f"{record.step:08d}.json", painted.round().to(self.codes.dtype))

    def _write(self, path: Any, codes: Tensor) -> None:
        feature = self.objective.feature
        rows = as_output(feature).decode({"codes": codes.cpu().numpy()})
        self.folder.mkdir(exist_ok=True)
        write_file(path, json.dumps({feature.name: [row["value"] for row in rows]}))


def painting_recorder(context: RunContext, data: Dataset) -> list[Callback]:
    """The recorder, for style transfer; [] for others."""
    if not isinstance(context.objective, Style) or not len(data):
        return []
    rows = np.unique(np.linspace(0, len(data) - 1, NUM_IMAGES).astype(int))
    codes = data.batch(torch.from_numpy(rows)).inputs[context.objective.feature.name].values
    return [PaintingRecorder(context, context.objective, codes)]
