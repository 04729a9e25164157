"""Where some rows lie in the learned space as a run goes on: a file an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.nn.pca import fit_pca
from deepglass.objectives.base import Objective, embed_dataset
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.snapshots import Moments, kept_moments
from deepglass.run.context import RunContext
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.plan import Plan

ROWS, FEWEST = 2_000, 200  # rows that are followed; half as many as are evaluated, but not fewer than so many
AXES = 32  # of each moment's own directions that are kept: 130 kB a moment
MOMENTS = 40  # kept of a run: beyond them, every second one goes
TOO_FAR = 1e12  # whose squares, added up, would not be finite
FOLDER = "course"


class Moment(NamedTuple):
    """Rows as points at one step, close to where they were.

    Shapes:
        points: (R, D) float32.
    """

    step: int
    points: np.ndarray


class Course(Callback):
    """Keeps course/STEP.safetensors: the places of fixed rows, in few directions. Draws no random numbers.

    Args:
        folder: of the run; files of steps after `from_step` are removed, since a resumed run writes them again.
        data: the encoded rows.
    """

    def __init__(self, folder: Path, objective: Objective, data: Dataset, from_step: int = 0) -> None:
        self.objective, self.data = objective, data
        self.moments = Moments(folder / FOLDER, MOMENTS, from_step)

    def on_train_start(self, plan: Plan, step: int) -> None:
        if step == 0:
            self._keep(0)

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        self._keep(record.step)

    def _keep(self, step: int) -> None:
        points = embed_dataset(self.objective, self.data, 512)
        if not (np.abs(points) < TOO_FAR).all():  # nan too
            return
        axes = fit_pca(points, AXES)
        places = axes(points)
        if np.abs(places).max() > np.finfo(np.float16).max:  # a run that goes astray
            return
        content = {"places": places.astype(np.float16), "directions": axes.directions, "mean": axes.mean}
        self.moments.keep(step, content)


def course(context: RunContext, datasets: Mapping[str, Dataset], from_step: int = 0) -> list[Callback]:
    """The callback for runs whose rows lie in a space; none for others."""
    rows = followed(context.data, context.objective)
    if not len(rows):
        return []
    split = "test" if len(datasets["test"]) else "train"
    dataset = datasets[split].subset(np.searchsorted(context.data.rows(split), rows))
    return [Course(context.path, context.objective, dataset, from_step)]


def followed(prepared: PreparedData, objective: Objective) -> np.ndarray:
    """Which rows of the table are followed: spread over the test part; none where rows lie in no space."""
    if objective.reinforcement or objective.sequential_rows or prepared.table.environment is not None:
        return np.zeros(0, int)
    rows = prepared.rows("test")
    rows = rows if len(rows) else prepared.rows("train")
    most = min(max(len(prepared.rows("valid")) // 2, FEWEST), ROWS, len(rows))
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))] if most >= 3 else np.zeros(0, int)


def course_of(folder: Path) -> list[Moment]:
    """The kept moments of a run, in their order; none for runs that kept none."""
    found = []
    for step, kept in kept_moments(folder / FOLDER):
        points = kept["places"].astype(np.float32) @ kept["directions"] + kept["mean"]
        found.append(Moment(step, points))
    return found
