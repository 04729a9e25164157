"""From a run to the facts of its map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch

from deepglass.errors import SpecError, near_miss
from deepglass.features.outputs.base import Calibration
from deepglass.nn.pca import PrincipalAxes, fit_pca
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData, add_context
from deepglass.projection.colours import colorings
from deepglass.projection.facts import ProjectionLayout, ProjectionMap
from deepglass.projection.items import point_details
from deepglass.projection.layouts import DIRECTIONS, NEAR_ALL, need_umap, plane, tsne, umap
from deepglass.projection.points import ANSWERED, BATCH, NO_PREDICTIONS, EmbeddedPoints, TestPredictions, embed_points
from deepglass.projection.space import EmbeddingSpace, find_layer
from deepglass.run.callbacks.embedding_history import course_of, followed

Plane = Literal["pca", "tsne", "umap"]
NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
NEIGHBOURS = 6
WORK = 4e10  # multiplications that neighbours may take; beyond, only the kept points have some


class MapOptions(NamedTuple):
    """What was asked of the map: how it is laid out, and whose space it shows ("": what the heads read)."""

    plane: str = "pca"
    layer: str = ""


DEFAULT_MAP = MapOptions()


def check_map_options(wish: MapOptions, objective: Objective) -> None:
    """Refuse what cannot be drawn, before anything is computed.

    Raises:
        SpecError: `unknown-name` for a layout or a layer, `bad-value` for a run without a map.
        MissingExtra: `missing-extra` for UMAP.
    """
    known = get_args(Plane)
    if wish.plane not in known:
        raise SpecError("unknown-name", f"--map: no layout {wish.plane!r}{near_miss(wish.plane, known)}")
    if wish != DEFAULT_MAP and not has_map(objective):
        raise SpecError("bad-value", "--map, --layer: this run has no rows that could lie on a map")
    if wish.layer:
        find_layer(objective, wish.layer)
    if wish.plane == "umap":
        need_umap()


def has_map(objective: Objective) -> bool:
    """Whether a kind of learning has rows that lie in a space: an agent and a language model have none."""
    return not objective.reinforcement and not objective.sequential_rows


def predict_test_rows(
    prepared: PreparedData, objective: Objective, device: str, wish: MapOptions = DEFAULT_MAP
) -> TestPredictions:
    """The answers to the test rows, and their points in the space that is wished for where one pass gives both."""
    rows = prepared.rows("test")
    if not len(rows):
        return NO_PREDICTIONS
    data = prepared.dataset(rows, device)
    with EmbeddingSpace(objective, wish.layer).overhearing() as heard:
        best = objective.evaluate(data, BATCH).predictions
    best = add_context(best, prepared.outputs, data.columns)
    if objective.builds_network or objective.generative or len({v.shape[1] for v in heard}) != 1:
        return TestPredictions(best)
    if sum(map(len, heard)) != len(rows) * objective.network.ensemble_size:  # each row was not asked just once
        return TestPredictions(best)
    return TestPredictions(best, torch.cat(heard).reshape(len(rows), -1).cpu().numpy())


def projection_points(
    prepared: PreparedData,
    objective: Objective,
    device: str,
    wish: MapOptions = DEFAULT_MAP,
    tested: TestPredictions = NO_PREDICTIONS,
) -> EmbeddedPoints | None:
    """A run's rows in the space that is wished for; None where there are none that could be shown, or too few."""
    if not has_map(objective) or prepared.table.environment is not None:
        return None
    if len(prepared.rows("train")) + len(prepared.rows("test")) < 3:
        return None
    objective.eval()
    answers = any(f.kind in ANSWERED for f in prepared.outputs) and not objective.generative
    seen = embed_points(EmbeddingSpace(objective, wish.layer, answers), prepared, device, tested)
    return seen if np.isfinite(seen.points).all() else None


def projection_map(
    seen: EmbeddedPoints,
    folder: Path,
    prepared: PreparedData,
    objective: Objective,
    calibration: Mapping[str, Calibration],
    wish: MapOptions = DEFAULT_MAP,
) -> ProjectionMap:
    """The map of what was looked at."""
    axes = fit_pca(seen.points, DIRECTIONS)
    two = PrincipalAxes(axes.mean, axes.directions[:2], 0.0)
    flat = plane(two, seen.points)
    colours = colorings(prepared, seen, calibration)
    steps, course, whose = _course(folder, prepared, objective, seen, two, wish)
    spread = float(((seen.points - axes.mean) ** 2).sum())
    return ProjectionMap(
        dim=seen.points.shape[1],
        explained_variance=float((flat**2).sum()) / spread if spread else 1.0,
        layer=wish.layer,
        splits=_parts(prepared, seen),
        layouts=(ProjectionLayout("PCA", flat), *_further(wish, axes, seen)),
        default_layout=NAMES[wish.plane],
        colourings=colours,
        detailed_points=seen.kept,
        neighbours=nearest_points(seen.points, seen.kept),
        steps=steps,
        trajectories=course,
        trajectory_points=whose,
        items=point_details(prepared, seen, colours),
    )


def _parts(prepared: PreparedData, seen: EmbeddedPoints) -> dict[str, tuple[int, int]]:
    split = prepared.split[seen.rows]
    return {part: (int((split == part).sum()), len(prepared.rows(part))) for part in ("train", "test")}


def _further(wish: MapOptions, axes: PrincipalAxes, seen: EmbeddedPoints) -> list[ProjectionLayout]:
    """t-SNE or UMAP of some points, the last ones being test rows."""
    if wish.plane == "pca":
        return []
    count = len(seen.rows)
    kept = np.flatnonzero(np.isin(np.arange(count), seen.kept))[:NEAR_ALL]
    rest = np.setdiff1d(np.arange(count), kept)[: NEAR_ALL - len(kept)]
    which = np.sort(np.concatenate([kept, rest]))
    make = tsne if wish.plane == "tsne" else umap
    return [ProjectionLayout(NAMES[wish.plane], make(axes(seen.points[which])), which)]


def nearest_points(points: np.ndarray, kept: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """The nearest kept points to each point in the whole space, itself aside, as places among `kept`.

    Shapes:
        points: (N, D); kept: (R,); the result (N, K), or (R, K) where all would take too long.
    """
    count = min(count, len(kept) - 1)
    every = len(points) * len(kept) * points.shape[1] <= WORK
    predict_test_rows = np.arange(len(points)) if every else kept
    known = torch.from_numpy(points[kept])
    own = {int(p): i for i, p in enumerate(kept)}
    squares = known.square().sum(1)
    found = []
    for some in np.array_split(predict_test_rows, max(len(predict_test_rows) // 2_000, 1)):
        away = torch.addmm(squares, torch.from_numpy(points[some]), known.T, alpha=-2)  # but for the point's own square
        for i, p in enumerate(some.tolist()):
            if p in own:
                away[i, own[p]] = torch.inf
        found.append(away.topk(count, largest=False).indices.numpy())
    return np.concatenate(found).astype(np.uint16)


def _course(
    folder: Path,
    prepared: PreparedData,
    objective: Objective,
    seen: EmbeddedPoints,
    axes: PrincipalAxes,
    wish: MapOptions,
) -> tuple[tuple[int, ...], np.ndarray | None, np.ndarray | None]:
    """Steps, places (E, F, 2) and whose they are; none for another layer's space, or rows that are not on the map."""
    moments = course_of(folder) if not wish.layer else []
    rows = followed(prepared, objective)
    moments = [m for m in moments if m.points.shape == (len(rows), len(axes.mean))]
    if len(moments) < 2:
        return (), None, None
    where = {int(r): i for i, r in enumerate(seen.rows)}
    there = np.array([i for i, r in enumerate(rows) if int(r) in where], int)
    places = np.stack([plane(axes, m.points[there]) for m in moments])
    return tuple(m.step for m in moments), places, np.array([where[int(rows[i])] for i in there])
