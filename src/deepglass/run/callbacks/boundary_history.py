"""What a network answers over a plane as it learns: over two columns, and over the learned space.

A file a moment. The plane of the two most telling columns is asked directly, all others held at their typical values.
Of the learned space, the places of some rows along its two principal directions are kept with the answers to them. The
weights of a small network over columns are kept too, so that it can be asked over any two columns afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.features.outputs.base import Output
from deepglass.nn.pca import fit_pca
from deepglass.objectives._semi import SemiSupervised
from deepglass.objectives.base import Objective, embed_dataset, inference
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.embedding_history import TOO_FAR
from deepglass.run.callbacks.planes import CLASSES, Plane, only_columns, planes_of
from deepglass.run.callbacks.snapshots import Moments, kept_moments
from deepglass.run.context import RunContext
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.plan import Plan

FOLDER, WEIGHTS = "grounds", "weights."
ROWS = 400  # followed in the learned space
MOMENTS = 16  # kept of a run: beyond them every second one goes, and half as many are added
LEARNED = 10  # rows that are learned from for each that is asked, so that asking costs little
SMALL = 300_000  # weights of a network whose weights are kept too, half a megabyte a moment


class Said(NamedTuple):
    """Answers: of classes the best one and its probability; of a number the encoded value and ones.

    Shapes: (N,) float32 each.
    """

    value: np.ndarray
    sure: np.ndarray


class Moment(NamedTuple):
    """What was answered at one step.

    Args:
        ground: over the plane of the two most telling columns; None where there are none.
        points: (R, 2) rows along the principal directions of the learned space, and what was answered to them.
        kept: the share of the variance that these hold.
        weights: of a small network over columns; empty for others.
    """

    step: int
    ground: Said | None
    points: np.ndarray
    said: Said
    kept: float
    weights: Mapping[str, np.ndarray]


class Grounds(Callback):
    """Keeps grounds/STEP.safetensors. Draws no random numbers.

    Args:
        folder: of the run; files of steps after `from_step` are removed, since a resumed run writes them again.
        output: whose answers are kept.
        plane: to be asked over.
        rows: encoded, followed in the learned space.
        weighs: the weights are kept too.
    """

    def __init__(
        self,
        folder: Path,
        objective: Objective,
        output: Output,
        plane: Plane | None,
        rows: Dataset,
        weighs: bool,
        from_step: int,
    ) -> None:
        self.objective, self.output, self.rows = objective, output, rows
        self.moments = Moments(folder / FOLDER, MOMENTS, from_step)
        self.plane = plane.data(str(rows.device)) if plane is not None else None
        self.weighs = weighs
        self.every, self.last, self.next = 1, 0, 0

    def on_train_start(self, plan: Plan, step: int) -> None:
        asked = 2 * len(self.rows) + (len(self.plane) if self.plane is not None else 0)
        self.every = math.ceil(LEARNED * asked / (3 * plan.batch_size))  # learning costs thrice as much
        self.every = max(self.every, plan.last_step // (4 * MOMENTS))
        self.last = plan.last_step
        if step == 0:
            self._keep(0)
        self.next = step + min(self.every, plan.last_step // MOMENTS)

    def on_replan(self, plan: Plan) -> None:
        self.last = plan.last_step

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step >= min(self.next, self.last) and not record.event.startswith("non-finite"):
            self.next = record.step + self.every
            self._keep(record.step)

    def _keep(self, step: int) -> None:
        points = embed_dataset(self.objective, self.rows, 512)
        said = asked(self.objective, self.output, self.rows)
        ground = asked(self.objective, self.output, self.plane) if self.plane is not None else None
        if not (np.abs(points) < TOO_FAR).all():  # nan too
            return
        axes = fit_pca(points, 2)
        content: dict[str, Any] = {"points": axes(points), "value": said.value, "sure": said.sure}
        content["kept"] = np.array([axes.explained], np.float32)
        if ground is not None:
            content |= {"ground": ground.value, "ground_sure": ground.sure}
        if self.weighs:
            content |= _weights(self.objective)
        if self.moments.keep(step, content):
            self.every *= 2


def _weights(objective: Objective) -> dict[str, np.ndarray]:
    """Parameters with half of their digits, which no picture shows; what the network counts of its inputs with all."""
    learned = {n for n, _ in objective.named_parameters()}
    state = {n: t.detach().cpu() for n, t in objective.state_dict().items()}
    return {f"{WEIGHTS}{n}": (t.half() if n in learned else t).numpy() for n, t in state.items()}


@contextmanager
def put_back(objective: Objective, weights: Mapping[str, np.ndarray]) -> Iterator[None]:
    """The network with the weights of a moment, for a while."""
    own = {n: t.detach().clone() for n, t in objective.state_dict().items()}
    objective.load_state_dict({n: torch.from_numpy(v).to(own[n]) for n, v in weights.items()})
    try:
        yield
    finally:
        objective.load_state_dict(own)


def asked(objective: Objective, output: Output, data: Dataset) -> Said:
    """The answers of a network to all rows."""
    values, sures = [], []
    with inference(objective):
        for batch in data.batches(512):
            best = objective.predict(batch)[output.name].mode()
            if output.has_classes:
                sure, value = best["log_probs"].float().exp().max(1)
                values.append(value.float())
                sures.append(sure)
            else:
                values.append(best["value"].float())
                sures.append(torch.ones_like(values[-1]))
    return Said(torch.cat(values).cpu().numpy(), torch.cat(sures).cpu().numpy())


def grounds(context: RunContext, from_step: int = 0) -> list[Callback]:
    """The callback for runs whose answers can be drawn as colours; none for others."""
    data, objective = context.data, context.objective
    output = drawn_output(data, objective)
    rows = drawn_rows(data)
    if output is None or len(rows) < 3:
        return []
    planes = planes_of(data, output)
    plane = planes[0] if planes else None
    weighs = only_columns(data) and objective.num_parameters() <= SMALL
    return [Grounds(context.path, objective, output, plane, data.dataset(rows, context.device), weighs, from_step)]


def drawn_output(prepared: PreparedData, objective: Objective) -> Output | None:
    """The first output that is a class of few or a number, for kinds of learning that can answer as they learn."""
    if not isinstance(objective, Supervised | SemiSupervised) or prepared.table.environment is not None:
        return None
    return next((f for f in prepared.outputs if f.has_axis or (f.has_classes and len(f.class_names) <= CLASSES)), None)


def drawn_rows(prepared: PreparedData) -> np.ndarray:
    """Rows that are shown over the ground: spread over the test part, or the training part where there is none."""
    rows = prepared.rows("test")
    rows = rows if len(rows) >= ROWS // 8 else np.sort(np.concatenate([rows, prepared.rows("train")]))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int))] if len(rows) else rows


def moments_of(folder: Path) -> list[Moment]:
    """What was kept of a run, in order."""
    found = []
    for step, kept in kept_moments(folder / FOLDER):
        ground = Said(kept["ground"], kept["ground_sure"]) if "ground" in kept else None
        said = Said(kept["value"], kept["sure"])
        weights = {n.removeprefix(WEIGHTS): v for n, v in kept.items() if n.startswith(WEIGHTS)}
        found.append(Moment(step, ground, kept["points"], said, float(kept["kept"][0]), weights))
    return found
