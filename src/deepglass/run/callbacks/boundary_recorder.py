"""Records the predictions of a network over a plane as it learns: of two columns, and of the embedding.

One file per snapshot. On the plane of the two most informative columns, all other inputs have their typical values. In
the embedding, some rows are projected on its two principal directions, with their predictions. The weights of a small
network over columns are stored too, so that the boundary over any two columns can be computed afterwards.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.features.outputs.base import Calibration, Output
from deepglass.nn.pca import fit_pca
from deepglass.objectives._linear_unit import LinearUnit
from deepglass.objectives._semi import SemiSupervised
from deepglass.objectives.base import Objective, embed_dataset, inference
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.embedding_recorder import MAX_ABS
from deepglass.run.callbacks.planes import CLASSES, informative_planes, only_tabular
from deepglass.run.callbacks.snapshots import Snapshots, read_snapshots
from deepglass.run.context import RunContext
from deepglass.run.folder import Folder
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.plan import Plan, steps_per_record

FOLDER, WEIGHTS = "boundaries", "weights."
ROWS = 400  # projected in the embedding
MAX_SNAPSHOTS = 16  # beyond it every second one is deleted, and half as many are added
ROWS_PER_QUERY = 10  # rows learned from for each prediction, so that recording costs little
MAX_STORED_WEIGHTS = 300_000  # parameters of a network whose weights are stored: half a megabyte a snapshot


class PlanePredictions(NamedTuple):
    """Predictions: the predicted class and its probability; for a number the encoded value, and ones.

    Shapes: (N,) float32 each.
    """

    value: np.ndarray
    sure: np.ndarray


class BoundarySnapshot(NamedTuple):
    """The predictions at one step.

    Args:
        ground: on the plane of the two most informative columns; None where there are none.
        points: (R, 2) rows on the principal directions of the embedding; `predictions`: theirs.
        explained_variance: share of the variance on these directions.
        weights: of a small network over columns; empty for others.
    """

    step: int
    ground: PlanePredictions | None
    points: np.ndarray
    predictions: PlanePredictions
    explained_variance: float
    weights: Mapping[str, np.ndarray]


class BoundaryRecorder(Callback):
    """Writes boundaries/STEP.safetensors. Draws no random numbers.

    Args:
        context: of the run; files of steps after `from_step` are removed, since a resumed run writes them again.
        output: whose predictions are recorded.
        rows: indices of the rows that are projected in the embedding.
    """

    is_recorder = True

    def __init__(self, context: RunContext, output: Output, rows: np.ndarray, from_step: int) -> None:
        data, self.objective, self.output = context.data, context.objective, output
        self.snapshots = Snapshots(context.path / FOLDER, MAX_SNAPSHOTS, from_step)
        self.earlier = context.folder.history() if from_step else []
        self.rows = data.dataset(rows, context.device)
        planes = informative_planes(data, output)
        self.plane = planes[0].data(context.device) if planes else None
        self.store_weights = only_tabular(data) and self.objective.num_parameters() <= MAX_STORED_WEIGHTS
        self.every, self.last, self.next = 1, 0, 0

    def on_train_start(self, plan: Plan, step: int) -> None:
        num_queries = 2 * len(self.rows) + (len(self.plane) if self.plane is not None else 0)
        self.every = steps_per_record(plan, num_queries, ROWS_PER_QUERY)
        self.every = max(self.every, plan.steps // (4 * MAX_SNAPSHOTS))  # not of a replan, as when the run began
        self.last = plan.last_step
        self.next = min(self.every, plan.steps // MAX_SNAPSHOTS)
        if step == 0:
            self._record(0)
            return
        self.snapshots.add(0)
        for record in self.earlier:  # the same moments as in an unbroken run
            if self._is_due(record["step"], record["event"]) and self.snapshots.add(record["step"]):
                self.every *= 2

    def on_replan(self, plan: Plan) -> None:
        self.last = plan.last_step

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if self._is_due(record.step, record.event):
            self._record(record.step)

    def _is_due(self, step: int, event: str) -> bool:
        """Whether the evaluation at a step is recorded; the next one then is `every` steps later."""
        due = step >= min(self.next, self.last) and not event.startswith("non-finite")
        if due:
            self.next = step + self.every
        return due

    def _record(self, step: int) -> None:
        points = embed_dataset(self.objective, self.rows, 512)
        predictions = predict_values(self.objective, self.output, self.rows)
        ground = predict_values(self.objective, self.output, self.plane) if self.plane is not None else None
        if not (np.abs(points) < MAX_ABS).all():  # nan too
            return
        axes = fit_pca(points, 2)
        content: dict[str, Any] = {"points": axes(points), "value": predictions.value, "sure": predictions.sure}
        content["kept"] = np.array([axes.explained], np.float32)
        if ground is not None:
            content |= {"ground": ground.value, "ground_sure": ground.sure}
        if self.store_weights:
            content |= _weights(self.objective)
        if self.snapshots.write(step, content):
            self.every *= 2


def _weights(objective: Objective) -> dict[str, np.ndarray]:
    """Parameters as float16, which no image shows; buffers as they are."""
    learned = {n for n, _ in objective.named_parameters()}
    state = {n: t.detach().cpu() for n, t in objective.state_dict().items()}
    return {f"{WEIGHTS}{n}": (t.half() if n in learned else t).numpy() for n, t in state.items()}


@contextmanager
def temporary_weights(objective: Objective, weights: Mapping[str, np.ndarray]) -> Iterator[None]:
    """Use the weights of a snapshot inside the block."""
    own = {n: t.detach().clone() for n, t in objective.state_dict().items()}
    objective.load_state_dict({n: torch.from_numpy(v).to(own[n]) for n, v in weights.items()})
    try:
        yield
    finally:
        objective.load_state_dict(own)


def predict_values(
    objective: Objective, output: Output, data: Dataset, calibration: Calibration | None = None
) -> PlanePredictions:
    """The predictions of a network for all rows; before the end of training without a calibration."""
    values, confidences = [], []
    with inference(objective):
        for batch in data.batches(512):
            best = {k: v.float().cpu().numpy() for k, v in objective.predict(batch)[output.name].mode().items()}
            probabilities = output.class_probabilities(best, calibration)
            if probabilities is None:
                value, confidence = best["value"], np.ones_like(best["value"])
            else:
                value = output.predicted_classes(best, calibration)
                confidence = np.take_along_axis(probabilities, value[:, None], 1)[:, 0]
            values.append(value.astype(np.float32))
            confidences.append(confidence.astype(np.float32))
    return PlanePredictions(np.concatenate(values), np.concatenate(confidences))


def boundary_recorder(context: RunContext, from_step: int = 0) -> list[Callback]:
    """The recorder, for runs whose predictions can be drawn as colours; [] for others."""
    output, rows = boundary_output(context.data, context.objective), boundary_rows(context.data)
    return [] if output is None or len(rows) < 3 else [BoundaryRecorder(context, output, rows, from_step)]


def boundary_output(prepared: PreparedData, objective: Objective) -> Output | None:
    """The first of `boundary_outputs`; None where there is none."""
    return next(iter(boundary_outputs(prepared, objective)), None)


def boundary_outputs(prepared: PreparedData, objective: Objective) -> list[Output]:
    """The outputs that are numbers or of few classes; none for objectives that predict only at their end."""
    if not isinstance(objective, Supervised | SemiSupervised | LinearUnit) or prepared.table.environment is not None:
        return []
    return [f for f in prepared.outputs if f.has_axis or (f.has_classes and len(f.class_names) <= CLASSES)]


def boundary_rows(prepared: PreparedData) -> np.ndarray:
    """Rows shown on the plane: spread over the test split, with the training split where it is small."""
    rows = prepared.rows("test")
    rows = rows if len(rows) >= ROWS // 8 else np.sort(np.concatenate([rows, prepared.rows("train")]))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int))] if len(rows) else rows


def read_boundaries(run: Folder) -> list[BoundarySnapshot]:
    """The snapshots of a run, in order. Raises as `read_snapshots`."""
    return read_snapshots(run, FOLDER, _snapshot)


def _snapshot(step: int, arrays: Mapping[str, np.ndarray]) -> BoundarySnapshot:
    ground = PlanePredictions(arrays["ground"], arrays["ground_sure"]) if "ground" in arrays else None
    predictions, points = PlanePredictions(arrays["value"], arrays["sure"]), arrays["points"]
    shapes = {a.shape for a in (*predictions, points[:, 0])} | {(len(points),)}
    if len(shapes) > 1 or points.shape[1:] != (2,) or (ground is not None and ground.value.shape != ground.sure.shape):
        raise ValueError(f"arrays of the shapes {sorted(shapes)}")
    if not all(np.isfinite(a).all() for a in (*predictions, points, *(ground or ()))):
        raise ValueError("values that are not finite")
    weights = {n.removeprefix(WEIGHTS): v for n, v in arrays.items() if n.startswith(WEIGHTS)}
    return BoundarySnapshot(step, ground, points, predictions, float(arrays["kept"][0]), weights)
