"""Decision boundaries: predictions over a plane of two columns, and over two directions of the embedding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from deepglass.errors import SpecError, near_miss
from deepglass.features.base import take_raw
from deepglass.features.outputs.base import Output
from deepglass.formatting import first_names, plain_percent
from deepglass.introspect.facts import Boundary, BoundaryAxis, BoundaryFrame
from deepglass.run.callbacks.boundary_recorder import (
    MAX_STORED_WEIGHTS,
    BoundarySnapshot,
    PlanePredictions,
    boundary_output,
    boundary_outputs,
    boundary_rows,
    predict_values,
    read_boundaries,
    temporary_weights,
)
from deepglass.run.callbacks.planes import SIDE, Plane, informative_planes, make_plane, only_tabular
from deepglass.run.context import RunContext
from deepglass.web import encode_image
from deepglass.web.palette import colour

MAX_OUTPUTS = 4  # with a plane of their own
NUM_NEIGHBOURS = 7  # rows that vote for a point of the embedding
OPACITY = (0.10, 0.78)  # from chance to certainty
NUM_LEVELS = 16  # of opacity; more only cost bytes


def parse_boundary_columns(text: str, context: RunContext) -> tuple[str, str]:
    """The two columns of `--boundary`, such as "age,hours"; their names may contain commas.

    Raises:
        SpecError: `unknown-column` with the near miss, `bad-value` for columns and runs without a decision boundary.
    """
    prepared = context.data
    if boundary_output(prepared, context.objective) is None or not only_tabular(prepared):
        raise SpecError(
            "bad-value",
            "--boundary: this run has no decision boundary over columns; expected a class or number output, and inputs "
            "that are all columns of numbers, dates or classes",
        )
    names = [f.name for f in prepared.inputs]
    words = text.split(",")
    cuts = [(",".join(words[:i]).strip(), ",".join(words[i:]).strip()) for i in range(1, len(words))]
    pair = next((p for p in cuts if p[0] in names and p[1] in names), None)
    if pair is None and len(words) != 2:
        raise SpecError("bad-value", f"--boundary: expected two columns, such as {','.join(names[:2])}, not {text!r}")
    for name in pair or cuts[0]:
        if name not in names:
            raise SpecError("unknown-column", f"--boundary: no input {name!r} in this run{near_miss(name, names)}")
    assert pair is not None
    if pair[0] == pair[1]:
        raise SpecError("bad-value", f"--boundary: expected two different columns, not {pair[0]!r} twice")
    return pair


def boundaries(
    context: RunContext,
    pair: tuple[str, str] | None = None,
    important: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[Boundary, ...]:
    """The planes of columns, then that of the embedding; empty for runs without any.

    Args:
        pair: two columns; None: the most important ones of each output.
        important: output -> inputs, the most important first.
    """
    prepared, objective = context.data, context.objective
    output, rows = boundary_output(prepared, objective), boundary_rows(prepared)
    if output is None or len(rows) < 3:
        return ()
    objective.eval()
    snapshots = read_boundaries(context.folder)
    paint = _Paint(output, context, rows)
    if pair is not None:
        planes = [_chosen_plane(make_plane(prepared, pair), snapshots, paint)]
    else:
        recorded = [(s.step, s.ground) for s in snapshots if s.ground is not None]  # predictions over the first plane
        informative = informative_planes(prepared, output)[:1]
        planes = _strongest_pairs(context, rows, important, informative)
        planes += [_columns(plane, recorded, paint) for plane in informative]
    if len(snapshots) > 1 and len(snapshots[-1].points) == len(rows):
        planes.append(_embedding_plane(snapshots, paint))
    return tuple(planes)


def _strongest_pairs(
    context: RunContext, rows: np.ndarray, important: Mapping[str, Sequence[str]], other_planes: Sequence[Plane]
) -> list[Boundary]:
    """For each output the plane of the two inputs that it rests on most, unless it is drawn already."""
    prepared = context.data
    outputs = boundary_outputs(prepared, context.objective)[:MAX_OUTPUTS] if only_tabular(prepared) else []
    planes = []
    for i, output in enumerate(outputs):
        pair = important.get(output.name, ())[:2]
        if len(pair) == 2 and (
            i or not any({plane.across.feature.name, plane.up.feature.name} == set(pair) for plane in other_planes)
        ):
            planes.append(_columns(make_plane(prepared, (pair[0], pair[1])), (), _Paint(output, context, rows)))
    return planes


def _chosen_plane(plane: Plane, snapshots: Sequence[BoundarySnapshot], paint: _Paint) -> Boundary:
    """A plane that the user chose: predictions by the stored weights of each recorded step."""
    objective, data = paint.context.objective, plane.data(paint.context.device)
    earlier = []
    for snapshot in snapshots:
        if snapshot.weights:
            with temporary_weights(objective, snapshot.weights):
                earlier.append((snapshot.step, predict_values(objective, paint.output, data)))
    boundary = _columns(plane, earlier, paint)
    if earlier:
        return boundary
    limit = f"weights during training are stored for at most {MAX_STORED_WEIGHTS:,} parameters"
    return replace(boundary, description=f"{boundary.description} Only the final predictions: {limit}.".strip())


class _Paint:
    """Predictions of one output as colours."""

    def __init__(self, output: Output, context: RunContext, rows: np.ndarray) -> None:
        self.output, self.context, self.rows = output, context, rows
        self.number = output.has_axis
        self.names: tuple[str, ...] = () if self.number else tuple(output.class_names)
        truth = output.encode(take_raw(context.data.table[output.column], rows))
        self.span: tuple[float, float] | None = None
        if self.number:
            values = self._units(truth.values.reshape(-1))
            labels = values[truth.mask] if truth.mask.any() else np.zeros(1)
            low, high = np.quantile(labels, [0.02, 0.98])
            self.span = (float(low), float(high) if high > low else float(low) + 1.0)
            self.codes = np.where(truth.mask, self._position(values) * 255, -1).astype(int)
        else:
            self.codes = np.where(truth.mask, truth.values.reshape(-1).astype(int) - 1, -1)

    def _units(self, values: np.ndarray) -> np.ndarray:
        decoded = self.output.decode({"value": values.astype(np.float64)}, {})
        return np.array([d["value"] for d in decoded], float)

    def _position(self, values: np.ndarray) -> np.ndarray:
        assert self.span is not None
        return np.clip((values - self.span[0]) / (self.span[1] - self.span[0]), 0, 1)

    def position(self, predictions: PlanePredictions) -> np.ndarray:
        """The class, or the position on the colour scale, from 0 to 1."""
        return self._position(self._units(predictions.value)) if self.number else predictions.value

    def image(self, value: np.ndarray, confidence: np.ndarray) -> bytes:
        """Positions or classes with their confidence, side by side of a square, as a translucent PNG."""
        low, high = OPACITY
        if self.number:
            rgb = np.where(value[:, None] < 0.5, colour(0), colour(5)).astype(float)
            part = np.abs(value - 0.5) * 2
        else:
            rgb = np.array([colour(k) for k in range(len(self.names))], float)[value.astype(int)]
            chance = 1 / max(len(self.names), 2)
            part = np.clip((confidence - chance) / (1 - chance), 0, 1)
        alpha = low + (high - low) * np.round(part * NUM_LEVELS) / NUM_LEVELS
        pixels = np.concatenate([rgb, 255 * alpha[:, None]], 1).round().astype(np.uint8)
        return encode_image.png(pixels.reshape(side := math.isqrt(len(pixels)), side, 4))

    def boundary(
        self,
        axes: tuple[BoundaryAxis, BoundaryAxis],
        frames: Sequence[BoundaryFrame],
        points: np.ndarray,
        description: str,
        learned: bool = False,
    ) -> Boundary:
        """A plane of the rows with their labels."""
        across, up = axes
        name, frames = self.output.name, tuple(frames)
        return Boundary(name, across, up, frames, points, self.codes, self.names, self.span, description, learned)


def _columns(plane: Plane, earlier: Sequence[tuple[int, PlanePredictions]], paint: _Paint) -> Boundary:
    """A plane of two columns.

    Args:
        earlier: steps during training, and the predictions then.
    """
    final = predict_values(paint.context.objective, paint.output, plane.data(paint.context.device))
    frames = [BoundaryFrame(step, paint.image(paint.position(p), p.sure)) for step, p in (*earlier, (-1, final))]
    held, description = list(plane.fixed), ""
    if held:
        description = f"{first_names(held, 4)} held at " + (
            "its typical value." if len(held) == 1 else "their typical values."
        )
    if plane.side < SIDE:
        description += f" Predicted at {plane.side} x {plane.side} points, as there are many inputs."
    sides = (plane.across, plane.up)
    across, up = (BoundaryAxis(s.feature.name, s.ends, s.bands, dates=s.feature.is_time) for s in sides)
    points = np.stack([side.positions(paint.context.data, paint.rows) for side in sides], 1)
    return paint.boundary((across, up), frames, points, description)


def _embedding_plane(snapshots: Sequence[BoundarySnapshot], paint: _Paint) -> Boundary:
    """Two directions of the embedding; each recorded step is rotated and scaled to match the last one."""
    last = _fitted(snapshots[-1].points)
    frames = []
    for snapshot in snapshots:
        points = _rotated(_fitted(snapshot.points), last)
        frames.append(BoundaryFrame(snapshot.step, _vote(points, snapshot.predictions, paint), points))
    description = (
        f"Each point has the prediction of its {NUM_NEIGHBOURS} nearest rows in this plane, which has "
        f"{plain_percent(snapshots[-1].explained_variance, 0)} of the variance at the end. The network itself "
        f"uses all directions."
    )
    axes = BoundaryAxis("first direction", (-1.0, 1.0)), BoundaryAxis("second direction", (-1.0, 1.0))
    return paint.boundary(axes, frames, last, description.replace("%", "\N{NO-BREAK SPACE}%"), learned=True)


def _fitted(points: np.ndarray) -> np.ndarray:
    """Points centred and scaled, nearly all within 0.94 of the centre."""
    centred = points - np.median(points, 0)
    reach = np.quantile(np.abs(centred), 0.99) or 1.0
    return (0.94 / max(reach, 1e-9) * centred).clip(-0.98, 0.98)


def _rotated(points: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Points rotated or mirrored onto others: orthogonal Procrustes. Source: Schoenemann 1966, Psychometrika 31."""
    left, _, right = np.linalg.svd(points.T @ last)
    return (points @ (left @ right)).clip(-0.98, 0.98)


def _vote(points: np.ndarray, predictions: PlanePredictions, paint: _Paint) -> bytes:
    """The plane coloured by the nearest rows' predictions."""
    line = np.linspace(-1, 1, SIDE)
    grid = np.stack([np.tile(line, SIDE), np.repeat(line[::-1], SIDE)], 1)
    distances = ((grid[:, None] - points[None]) ** 2).sum(2)  # (SIDE * SIDE, R)
    near = np.argpartition(distances, min(NUM_NEIGHBOURS, len(points)) - 1, 1)[:, :NUM_NEIGHBOURS]
    votes = paint.position(predictions)[near]  # (SIDE * SIDE, NUM_NEIGHBOURS)
    if paint.number:
        value = votes.mean(1)
        return paint.image(value, np.ones_like(value))
    counts = np.stack([(votes == k).sum(1) for k in range(len(paint.names))], 1)
    return paint.image(counts.argmax(1), counts.max(1) / near.shape[1])
