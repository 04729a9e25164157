"""Records the embedding of some rows as a network learns: at most a file an evaluation."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.nn.pca import fit_pca
from deepglass.objectives.base import Objective, embed_dataset
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.snapshots import Snapshots, read_snapshots
from deepglass.run.context import RunContext
from deepglass.run.folder import Folder
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.plan import FREE_ROWS, MAX_FREE_COLUMNS, Plan, steps_per_record

MAX_ROWS, MIN_ROWS = 2_000, 200  # recorded rows: half as many as validation rows, within these limits
NUM_DIRECTIONS = 32  # principal directions of a snapshot: 130 kB each
MAX_SNAPSHOTS = 40  # beyond it every second one is deleted
ROWS_PER_QUERY = 10  # rows learned from for each recorded one, where there are more, so that recording costs little
MAX_ABS = 1e12  # a sum of squares of larger values may overflow
FOLDER = "embeddings"


class EmbeddingSnapshot(NamedTuple):
    """The embedding of the recorded rows at one step, from its principal directions.

    Shapes:
        points: (R, D) float32.
    """

    step: int
    points: np.ndarray


class EmbeddingRecorder(Callback):
    """Writes embeddings/STEP.safetensors: fixed rows on few principal directions. Draws no random numbers.

    Args:
        context: of the run; files of steps after `from_step` are removed, since a resumed run writes them again.
        data: the encoded rows.
    """

    is_recorder = True

    def __init__(self, context: RunContext, data: Dataset, from_step: int) -> None:
        self.objective, self.data = context.objective, data
        self.snapshots = Snapshots(context.path / FOLDER, MAX_SNAPSHOTS, from_step)
        self.earlier = context.folder.history() if from_step else []
        self.every, self.last, self.next = 1, 0, 0

    def on_train_start(self, plan: Plan, step: int) -> None:
        self.last = plan.last_step
        is_free = len(self.data) <= FREE_ROWS and len(self.data.inputs) <= MAX_FREE_COLUMNS
        if not is_free and plan.budget is None:
            self.every = steps_per_record(plan, len(self.data), ROWS_PER_QUERY)
        if step == 0:
            self._record(0)
            return
        self.snapshots.add(0)
        for record in self.earlier:
            if self._is_due(record["step"]):
                self.snapshots.add(record["step"])

    def on_replan(self, plan: Plan) -> None:
        self.last = plan.last_step

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if self._is_due(record.step):
            self._record(record.step)

    def _is_due(self, step: int) -> bool:
        """Whether the evaluation at a step is recorded; the next one then is `every` steps later."""
        due = step >= min(self.next, self.last)
        if due:
            self.next = step + self.every
        return due

    def _record(self, step: int) -> None:
        points = embed_dataset(self.objective, self.data, 512)
        if not (np.abs(points) < MAX_ABS).all():  # nan too
            return
        axes = fit_pca(points, NUM_DIRECTIONS)
        places = axes(points)
        if np.abs(places).max() > np.finfo(np.float16).max:  # diverging
            return
        content = {"places": places.astype(np.float16), "directions": axes.directions, "mean": axes.mean}
        self.snapshots.write(step, content)


def embedding_recorder(context: RunContext, datasets: Mapping[str, Dataset], from_step: int) -> list[Callback]:
    """The recorder; [] for runs without an embedding of rows."""
    rows = recorded_rows(context.data, context.objective)
    if not len(rows):
        return []
    split = "test" if len(datasets["test"]) else "train"
    dataset = datasets[split].subset(np.searchsorted(context.data.rows(split), rows))
    return [EmbeddingRecorder(context, dataset, from_step)]


def recorded_rows(prepared: PreparedData, objective: Objective) -> np.ndarray:
    """Indices of the recorded rows, spread over the test split; none for runs without an embedding of rows."""
    if objective.learns_from != "rows" or prepared.table.environment is not None:
        return np.zeros(0, int)
    rows = prepared.rows("test")
    rows = rows if len(rows) else prepared.rows("train")
    most = min(max(len(prepared.rows("valid")) // 2, MIN_ROWS), MAX_ROWS, len(rows))
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))] if most >= 3 else np.zeros(0, int)


def read_embeddings(run: Folder) -> list[EmbeddingSnapshot]:
    """The snapshots of a run, in order; [] without any. Raises as `read_snapshots`."""
    return read_snapshots(run, FOLDER, _snapshot)


def _snapshot(step: int, arrays: Mapping[str, np.ndarray]) -> EmbeddingSnapshot:
    points = arrays["places"].astype(np.float32) @ arrays["directions"] + arrays["mean"]
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError(f"expected finite points (R, D), got {points.shape}")
    return EmbeddingSnapshot(step, points)
