"""What a network answers over a plane as it learns: over two columns, and over the learned space.

A file a moment. The plane of columns is asked directly, all other columns held at their typical values. Of the learned
space, the places of some rows along its two principal directions are kept with the answers to them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from safetensors.numpy import load, save

from deepglass.data.batches import Dataset
from deepglass.features.base import Column, Feature, take_raw
from deepglass.objectives._semi import SemiSupervised
from deepglass.objectives.base import Objective
from deepglass.objectives.supervised import Supervised
from deepglass.run.course import TOO_FAR
from deepglass.run.prepare import Prepared
from deepglass.run.principal import principal
from deepglass.training.checkpoint import write_atomic
from deepglass.training.events import Listener, Record
from deepglass.training.plan import Plan

FOLDER = "grounds"
SIDE = 40  # places along each axis
ROWS = 400  # followed in the learned space
MOMENTS = 16  # kept of a run: beyond them every second one goes, and half as many are added
LEARNED = 10  # rows that are learned from for each that is asked, so that asking costs little
COLUMNS = 3  # the most telling ones, of which each pair is a plane
CLASSES = 24  # more cannot be told apart by colour
ROOM = 0.06  # around the rows
KINDS = ("number", "category", "binary", "date")


@dataclass(frozen=True)
class Plane:
    """Two number columns, and where to ask.

    Args:
        ends: left, right, bottom, top, in the columns' units.
        held: the other inputs' encoded typical values, a row each.
    """

    across: Feature
    up: Feature
    ends: tuple[float, float, float, float]
    held: Mapping[str, Column]

    def data(self, device: str) -> Dataset:
        """The places row by row, the top one first, encoded; (SIDE * SIDE) rows."""
        left, right, bottom, top = self.ends
        x = np.tile(np.linspace(left, right, SIDE), SIDE)
        y = np.repeat(np.linspace(top, bottom, SIDE), SIDE)
        inputs = {n: c.take(np.zeros(SIDE * SIDE, int)) for n, c in self.held.items()}
        inputs[self.across.name] = self.across.encode(pl.Series(x))
        inputs[self.up.name] = self.up.encode(pl.Series(y))
        return Dataset(inputs, {}, device)


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
    """

    step: int
    ground: Said | None
    points: np.ndarray
    said: Said
    kept: float


class Grounds(Listener):
    """Keeps grounds/STEP.safetensors. Draws no random numbers.

    Args:
        folder: of the run; files of steps after `from_step` are removed, since a resumed run writes them again.
        output: whose answers are kept.
        plane: to be asked over.
        rows: encoded, followed in the learned space.
    """

    def __init__(
        self, folder: Path, objective: Objective, output: Feature, plane: Plane | None, rows: Dataset, from_step: int
    ) -> None:
        self.folder, self.objective, self.output, self.rows = folder / FOLDER, objective, output, rows
        self.plane = plane.data(str(rows.device)) if plane is not None else None
        self.every, self.last, self.next = 1, 0, 0
        for path in self.folder.glob("*.safetensors"):
            if int(path.stem) > from_step or not from_step:
                path.unlink()

    def started(self, plan: Plan, step: int) -> None:
        asked = 2 * len(self.rows) + (len(self.plane) if self.plane is not None else 0)
        self.every = math.ceil(LEARNED * asked / (3 * plan.batch_size))  # learning costs thrice as much
        self.every = max(self.every, plan.last_step // (4 * MOMENTS))
        self.last = plan.last_step
        if step == 0:
            self._keep(0)
        self.next = step + min(self.every, plan.last_step // MOMENTS)

    def replanned(self, plan: Plan) -> None:
        self.last = plan.last_step

    def evaluated(self, record: Record) -> None:
        if record.step >= min(self.next, self.last) and not record.event.startswith("non-finite"):
            self.next = record.step + self.every
            self._keep(record.step)

    def _keep(self, step: int) -> None:
        training = self.objective.training
        self.objective.eval()
        with torch.inference_mode():
            points = np.concatenate([self.objective.embed(b).float().cpu().numpy() for b in self.rows.batches(512)])
        said = asked(self.objective, self.output, self.rows)
        ground = asked(self.objective, self.output, self.plane) if self.plane is not None else None
        self.objective.train(training)
        if not (np.abs(points) < TOO_FAR).all():  # nan too
            return
        axes = principal(points, 2)
        content: dict[str, Any] = {"points": axes(points), "value": said.value, "sure": said.sure}
        content["kept"] = np.array([axes.kept], np.float32)
        if ground is not None:
            content |= {"ground": ground.value, "ground_sure": ground.sure}
        self.folder.mkdir(exist_ok=True)
        write_atomic(self.folder / f"{step:08d}.safetensors", save(content))
        kept = sorted(self.folder.glob("*.safetensors"))
        if len(kept) > MOMENTS:
            self.every *= 2
            for path in kept[1:-1:2]:
                path.unlink()


def asked(objective: Objective, output: Feature, data: Dataset) -> Said:
    """The answers of a network in evaluation mode to all rows."""
    values, sures = [], []
    with torch.inference_mode():
        for batch in data.batches(512):
            best = objective.predict(batch)[output.name].best()
            if output.kind == "number":
                values.append(best["value"].float())
                sures.append(torch.ones_like(values[-1]))
            else:
                sure, value = best["log_probs"].float().exp().max(1)
                values.append(value.float())
                sures.append(sure)
    return Said(torch.cat(values).cpu().numpy(), torch.cat(sures).cpu().numpy())


def grounds(prepared: Prepared, objective: Objective, device: str, folder: Path, from_step: int = 0) -> list[Listener]:
    """The listener for runs whose answers can be drawn as colours; none for others."""
    output = drawn_output(prepared, objective)
    rows = drawn_rows(prepared)
    if output is None or len(rows) < 3:
        return []
    planes = planes_of(prepared, output)
    plane = planes[0] if planes else None
    return [Grounds(folder, objective, output, plane, prepared.dataset(rows, device), from_step)]


def drawn_output(prepared: Prepared, objective: Objective) -> Feature | None:
    """The first output that is a class of few or a number, for kinds of learning that can answer as they learn."""
    if not isinstance(objective, Supervised | SemiSupervised) or prepared.table.environment is not None:
        return None
    if any(f.kind not in (*KINDS, "image", "text", "sound", "series", "vector", "set") for f in prepared.inputs):
        return None
    fits = (f for f in prepared.outputs if f.kind in ("category", "binary", "number"))
    return next((f for f in fits if f.kind == "number" or len(f.class_names) <= CLASSES), None)


def drawn_rows(prepared: Prepared) -> np.ndarray:
    """Rows that are shown over the ground: spread over the test part, or the training part where there is none."""
    rows = prepared.rows("test")
    rows = rows if len(rows) >= ROWS // 8 else np.sort(np.concatenate([rows, prepared.rows("train")]))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int))] if len(rows) else rows


def planes_of(prepared: Prepared, output: Feature) -> list[Plane]:
    """Pairs of the number columns that the answer goes with most; none where other things than columns are read."""
    if any(f.kind not in KINDS for f in prepared.inputs):
        return []
    rows = prepared.rows("train")
    truth = output.encode(take_raw(prepared.table[output.column], rows))
    numbers = {f.name: (f, _floats(prepared, f, rows)) for f in prepared.inputs if f.kind == "number"}
    spread = {n: v for n, (_, v) in numbers.items() if np.nanstd(v) > 0}
    told = {n: _tells(v, truth, output.kind == "number") for n, v in spread.items()}
    chosen = sorted(sorted(told, key=lambda n: -told[n])[:COLUMNS], key=lambda n: list(told).index(n))
    pairs = sorted(itertools.combinations(chosen, 2), key=lambda p: -sum(told[n] for n in p))
    return [_plane(prepared, numbers[a], numbers[b], rows) for a, b in pairs]


def _plane(
    prepared: Prepared, across: tuple[Feature, np.ndarray], up: tuple[Feature, np.ndarray], rows: np.ndarray
) -> Plane:
    pair = (across[0].name, up[0].name)
    held = {f.name: _typical(prepared, f, rows) for f in prepared.inputs if f.name not in pair}
    return Plane(across[0], up[0], (*_ends(across[1]), *_ends(up[1])), held)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Where most rows are, and some room: one outlier must not shrink all others to a point."""
    low, high = np.nanquantile(values, [0.005, 0.995])
    low, high = (low, high) if high > low else (np.nanmin(values), np.nanmax(values))
    return float(low - ROOM * (high - low)), float(high + ROOM * (high - low))


def _floats(prepared: Prepared, feature: Feature, rows: np.ndarray) -> np.ndarray:
    """A number column's raw values, nan where there are none."""
    encoded = feature.encode(take_raw(prepared.table[feature.column], rows))
    decoded = feature.decode({"value": encoded.values.astype(np.float64)}, {})
    return np.where(encoded.mask, np.array([d["value"] for d in decoded], float), np.nan)


def _tells(values: np.ndarray, truth: Column, number: bool) -> float:
    """How much of a column's variance goes with the answer, 0 to 1."""
    known = truth.mask & np.isfinite(values)
    if known.sum() < 3 or np.std(values[known]) == 0:
        return 0.0
    x, y = values[known].argsort().argsort().astype(float), truth.values[known].reshape(-1).astype(float)
    if number:
        y = y.argsort().argsort().astype(float)
        return float(np.corrcoef(x, y)[0, 1] ** 2) if np.std(y) > 0 else 0.0
    groups: Sequence[np.ndarray] = [x[y == k] for k in np.unique(y)]
    return float(sum(len(g) * (g.mean() - x.mean()) ** 2 for g in groups) / (len(x) * x.var()))


def _typical(prepared: Prepared, feature: Feature, rows: np.ndarray) -> Column:
    """One row: a number's median, the most frequent class."""
    encoded = feature.encode(take_raw(prepared.table[feature.column], rows))
    known = np.flatnonzero(encoded.mask)
    if not len(known):
        return encoded.take(np.zeros(1, int))
    values = encoded.values[known].reshape(len(known), -1)[:, 0]
    if feature.kind in ("category", "binary"):
        kinds, counts = np.unique(values, return_counts=True)
        place = int(np.flatnonzero(values == kinds[counts.argmax()])[0])
    else:
        place = int(np.argsort(values, kind="stable")[len(values) // 2])
    return encoded.take(known[[place]])


def moments_of(folder: Path) -> list[Moment]:
    """What was kept of a run, in order."""
    found = []
    for path in sorted((folder / FOLDER).glob("*.safetensors")):
        kept = load(path.read_bytes())
        ground = Said(kept["ground"], kept["ground_sure"]) if "ground" in kept else None
        said = Said(kept["value"], kept["sure"])
        found.append(Moment(int(path.stem), ground, kept["points"], said, float(kept["kept"][0])))
    return found
