"""What an estimator keeps of its training, beside the run."""

from collections.abc import Mapping
from typing import Any

from deepglass.explain import load
from deepglass.features.base import Column
from deepglass.features.outputs.base import PredictionArrays
from deepglass.prepare.prepared_data import PreparedData
from deepglass.training.callbacks import Callback

MAX_BACKGROUND = 200  # training rows that are stored for explanations


class FitRecorder(Callback):
    """Some training rows, for explanations, and the predictions of the validation rows with their targets."""

    background: Any
    valid: tuple[PredictionArrays, Column] | None = None

    def on_data_ready(self, prepared: PreparedData) -> None:
        self.background = load("reference").training_rows(prepared, MAX_BACKGROUND)

    def on_predictions(self, split: str, predictions: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
        if split == "valid":
            self.valid = next(((arrays, truth[name]) for name, arrays in predictions.items()), None)
