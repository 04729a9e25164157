"""Where one answer ends and the next begins: over two columns, and over the learned space."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from deepglass.errors import SpecError, near_miss
from deepglass.features.base import take_raw
from deepglass.features.outputs.base import Output
from deepglass.introspect.facts import Boundary, BoundaryAxis, BoundaryFrame
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.boundary_history import (
    SMALL,
    Moment,
    Said,
    asked,
    drawn_output,
    drawn_rows,
    moments_of,
    put_back,
)
from deepglass.run.callbacks.planes import SIDE, Plane, Side, only_columns, plane_over, planes_of
from deepglass.web.palette import colour

NEAR = 7  # rows whose answers a place of the learned space is given
STRENGTH = (0.10, 0.78)  # of the colour, from an even chance to a sure answer
LEVELS = 16  # of strength; more only cost bytes


def parse_boundary_columns(wished: str, prepared: PreparedData, objective: Objective) -> tuple[str, str]:
    """The two columns of `--boundary`, such as "age,hours"; their names may hold commas.

    Raises:
        SpecError: `unknown-column` with the near miss, `bad-value` for columns and runs that have no boundary.
    """
    if drawn_output(prepared, objective) is None or not only_columns(prepared):
        raise SpecError(
            "bad-value",
            "--boundary: this run has no decision boundary over columns; expected a class or number output, and inputs "
            "that are all columns of numbers, dates or classes",
        )
    known = [f.name for f in prepared.inputs]
    words = wished.split(",")
    cuts = [(",".join(words[:i]).strip(), ",".join(words[i:]).strip()) for i in range(1, len(words))]
    pair = next((p for p in cuts if p[0] in known and p[1] in known), None)
    if pair is None and len(words) != 2:
        raise SpecError("bad-value", f"--boundary: expected two columns, such as {','.join(known[:2])}, not {wished!r}")
    for name in pair or cuts[0]:
        if name not in known:
            raise SpecError("unknown-column", f"--boundary: no input {name!r} in this run{near_miss(name, known)}")
    assert pair is not None
    if pair[0] == pair[1]:
        raise SpecError("bad-value", f"--boundary: expected two different columns, not {pair[0]!r} twice")
    return pair


def boundaries(
    folder: Path, prepared: PreparedData, objective: Objective, device: str, pair: tuple[str, str] | None = None
) -> tuple[Boundary, ...]:
    """The planes of columns, then that of the learned space; empty for kinds that have none.

    Args:
        pair: the columns that were asked for; None: those that tell most.
    """
    output, rows = drawn_output(prepared, objective), drawn_rows(prepared)
    if output is None or len(rows) < 3:
        return ()
    objective.eval()
    moments = moments_of(folder)
    paint = _Paint(output, prepared, rows)
    if pair is not None:
        found = [_asked_for(plane_over(prepared, pair), prepared, objective, device, rows, moments, paint)]
    else:
        found = [
            _columns(plane, prepared, objective, device, rows, _kept(moments) if not i else (), paint)
            for i, plane in enumerate(planes_of(prepared, output))
        ]
    if len(moments) > 1 and len(moments[-1].points) == len(rows):
        found.append(_space(moments, paint))
    return tuple(found)


def _kept(moments: Sequence[Moment]) -> list[tuple[int, Said]]:
    """What was answered during training over the plane that tells most."""
    return [(m.step, m.ground) for m in moments if m.ground is not None]


def _asked_for(
    plane: Plane,
    prepared: PreparedData,
    objective: Objective,
    device: str,
    rows: np.ndarray,
    moments: Sequence[Moment],
    paint: _Paint,
) -> Boundary:
    """A plane that was chosen afterwards: the network is asked again with the weights of each moment that has some."""
    earlier = []
    data = plane.data(device)
    for moment in moments:
        if moment.weights:
            with put_back(objective, moment.weights):
                earlier.append((moment.step, asked(objective, paint.output, data)))
    found = _columns(plane, prepared, objective, device, rows, earlier, paint)
    if earlier:
        return found
    told = f"Only the end is known: weights on the way are kept for networks of at most {SMALL:,}."
    return replace(found, description=f"{found.description} {told}".strip())


class _Paint:
    """Answers -> colours, of one output."""

    def __init__(self, output: Output, prepared: PreparedData, rows: np.ndarray) -> None:
        self.output = output
        self.number = output.has_axis
        self.names: tuple[str, ...] = () if self.number else tuple(output.class_names)
        truth = output.encode(take_raw(prepared.table[output.column], rows))
        self.span: tuple[float, float] | None = None
        if self.number:
            values = self._units(truth.values.reshape(-1))
            known = values[truth.mask] if truth.mask.any() else np.zeros(1)
            low, high = np.quantile(known, [0.02, 0.98])
            self.span = (float(low), float(high) if high > low else float(low) + 1.0)
            self.codes = np.where(truth.mask, self._place(values) * 255, -1).astype(int)
        else:
            self.codes = np.where(truth.mask, truth.values.reshape(-1).astype(int) - 1, -1)

    def _units(self, values: np.ndarray) -> np.ndarray:
        decoded = self.output.decode({"value": values.astype(np.float64)}, {})
        return np.array([d["value"] for d in decoded], float)

    def _place(self, values: np.ndarray) -> np.ndarray:
        assert self.span is not None
        return np.clip((values - self.span[0]) / (self.span[1] - self.span[0]), 0, 1)

    def place(self, said: Said) -> np.ndarray:
        """What `nearest` mixes: the class, or the place on the scale."""
        return self._place(self._units(said.value)) if self.number else said.value

    def picture(self, value: np.ndarray, sure: np.ndarray) -> bytes:
        """Places and classes with their shares, (SIDE * SIDE), as a picture that lets the page through."""
        least, most = STRENGTH
        if self.number:
            rgb = np.where(value[:, None] < 0.5, colour(0), colour(5)).astype(float)
            part = np.abs(value - 0.5) * 2
        else:
            rgb = np.array([colour(k) for k in range(len(self.names))], float)[value.astype(int)]
            chance = 1 / max(len(self.names), 2)
            part = np.clip((sure - chance) / (1 - chance), 0, 1)
        alpha = least + (most - least) * np.round(part * LEVELS) / LEVELS
        pixels = np.concatenate([rgb, 255 * alpha[:, None]], 1).round().astype(np.uint8)
        out = io.BytesIO()
        Pillow.fromarray(pixels.reshape(SIDE, SIDE, 4), "RGBA").save(out, "PNG", optimize=True)
        return out.getvalue()


def _columns(
    plane: Plane,
    prepared: PreparedData,
    objective: Objective,
    device: str,
    rows: np.ndarray,
    earlier: Sequence[tuple[int, Said]],
    paint: _Paint,
) -> Boundary:
    final = asked(objective, paint.output, plane.data(device))
    grounds = [BoundaryFrame(step, paint.picture(paint.place(said), said.sure)) for step, said in earlier]
    grounds.append(BoundaryFrame(-1, paint.picture(paint.place(final), final.sure)))
    points = np.stack([side.places(prepared, rows) for side in (plane.across, plane.up)], 1)
    held = list(plane.held)
    told = ""
    if held:
        named = ", ".join(held[:4]) + (f" and {len(held) - 4} more" if len(held) > 4 else "")
        told = f"{named} held at {'its' if len(held) == 1 else 'their'} typical value{'' if len(held) == 1 else 's'}."
    return Boundary(
        paint.output.name,
        _along(plane.across),
        _along(plane.up),
        tuple(grounds),
        points,
        paint.codes,
        paint.names,
        paint.span,
        told,
    )


def _along(side: Side) -> BoundaryAxis:
    feature = side.feature
    return BoundaryAxis(feature.name, side.ends, side.bands, dates=feature.kind == "date")


def _space(moments: Sequence[Moment], paint: _Paint) -> Boundary:
    """The learned space; each moment is turned and scaled to lie as the last one does, so that the eye can follow."""
    last = _fitted(moments[-1].points)
    grounds = []
    for moment in moments:
        places = _turned(_fitted(moment.points), last)
        grounds.append(BoundaryFrame(moment.step, _nearest(places, moment.said, paint), places))
    told = (
        f"Each place has the answer of the {NEAR} rows nearest to it in this plane, which holds "
        f"{moments[-1].kept:.0%} of the variance in the end: a read-out, since the network itself sees all directions."
    )
    return Boundary(
        paint.output.name,
        BoundaryAxis("first direction", (-1.0, 1.0)),
        BoundaryAxis("second direction", (-1.0, 1.0)),
        tuple(grounds),
        last,
        paint.codes,
        paint.names,
        paint.span,
        told.replace("%", "\N{NO-BREAK SPACE}%"),
        learned=True,
    )


def _fitted(points: np.ndarray) -> np.ndarray:
    """Points around the middle, most of them within 0.94 of it."""
    middle = np.median(points, 0)
    far = np.quantile(np.abs(points - middle), 0.99) or 1.0
    return (0.94 / max(far, 1e-9) * (points - middle)).clip(-0.98, 0.98)


def _turned(points: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Points turned (or mirrored) towards others: orthogonal Procrustes. Source: Schoenemann 1966, Psychometrika 31."""
    left, _, right = np.linalg.svd(points.T @ last)
    return (points @ (left @ right)).clip(-0.98, 0.98)


def _nearest(places: np.ndarray, said: Said, paint: _Paint) -> bytes:
    line = np.linspace(-1, 1, SIDE)
    grid = np.stack([np.tile(line, SIDE), np.repeat(line[::-1], SIDE)], 1)
    apart = ((grid[:, None] - places[None]) ** 2).sum(2)  # (SIDE * SIDE, R)
    near = np.argpartition(apart, min(NEAR, len(places)) - 1, 1)[:, :NEAR]
    answers = paint.place(said)[near]  # (SIDE * SIDE, NEAR)
    if paint.number:
        value = answers.mean(1)
        return paint.picture(value, np.ones_like(value))
    votes = np.stack([(answers == k).sum(1) for k in range(len(paint.names))], 1)
    return paint.picture(votes.argmax(1), votes.max(1) / near.shape[1])
