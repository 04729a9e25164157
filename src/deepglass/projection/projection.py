"""The projection of a run's rows: points, layouts, colourings, trajectories over training."""

from typing import Literal, NamedTuple, get_args

import numpy as np
import torch

from deepglass.errors import SpecError, near_miss
from deepglass.nn.pca import PrincipalAxes, fit_pca
from deepglass.objectives._word_vectors import WordVectors
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData, add_context
from deepglass.projection.colourings import colourings
from deepglass.projection.facts import ProjectionLayout, ProjectionMap
from deepglass.projection.items import point_details
from deepglass.projection.layouts import MAX_DIMS, MAX_LAID_OUT, plane, require_umap, tsne, umap
from deepglass.projection.points import (
    BATCH,
    MAX_SECONDS,
    NO_PREDICTIONS,
    EmbeddedPoints,
    TestPredictions,
    embed_points,
    has_colouring,
)
from deepglass.projection.space import EmbeddingSpace, find_layer
from deepglass.run.callbacks.embedding_recorder import read_embeddings, recorded_rows
from deepglass.run.context import RunContext

Method = Literal["pca", "tsne", "umap"]
TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
NUM_NEIGHBOURS = 6
BUDGET_SHARE = 0.05  # of a time budget of training, for the training rows of the map
MAX_PRODUCTS = 4e10  # multiplications of the neighbour search; beyond it only detailed points have neighbours


class MapOptions(NamedTuple):
    """Options of the map.

    Args:
        method: "pca", "tsne" or "umap".
        layer: whose output is projected; empty: what the heads read.
    """

    method: str = "pca"
    layer: str = ""


DEFAULT_MAP = MapOptions()


def check_map_options(options: MapOptions, objective: Objective) -> None:
    """Refuse impossible options before anything is computed.

    Raises:
        SpecError: `unknown-name` for a method or a layer, `bad-value` for a run without a map.
        MissingExtra: `missing-extra` for UMAP.
    """
    methods = get_args(Method)
    if options.method not in methods:
        raise SpecError("unknown-name", f"--map: no layout {options.method!r}{near_miss(options.method, methods)}")
    if options != DEFAULT_MAP and not has_map(objective) and not isinstance(objective, WordVectors):
        raise SpecError("bad-value", "--map, --layer: this run has no rows to project")
    if options.layer and isinstance(objective, WordVectors):
        raise SpecError("bad-value", "--layer: word vectors have no layers; leave it out")
    if options.layer:
        find_layer(objective, options.layer)
    if options.method == "umap":
        require_umap()


def has_map(objective: Objective) -> bool:
    """Whether an objective embeds rows; reinforcement learning and language models do not."""
    return objective.learns_from == "rows"


def predict_test_rows(
    context: RunContext, options: MapOptions = DEFAULT_MAP, batch_size: int = BATCH
) -> TestPredictions:
    """Predictions for the test rows, and their embedding where the same pass gives it."""
    data, objective = context.data, context.objective
    rows = data.rows("test")
    if not len(rows):
        return NO_PREDICTIONS
    dataset = data.dataset(rows, context.device)
    with EmbeddingSpace(objective, options.layer).recording() as recorded:
        best = objective.evaluate(dataset, batch_size).predictions
    best = add_context(best, data.outputs, dataset.columns)
    if objective.builds_network or objective.generative or len({v.shape[1] for v in recorded}) != 1:
        return TestPredictions(best)
    if sum(map(len, recorded)) != len(rows) * objective.network.ensemble_size:  # some rows passed several times
        return TestPredictions(best)
    return TestPredictions(best, torch.cat(recorded).reshape(len(rows), -1).cpu().numpy())


def projection_points(
    context: RunContext, options: MapOptions = DEFAULT_MAP, predictions: TestPredictions = NO_PREDICTIONS
) -> EmbeddedPoints | None:
    """The embedded rows of a run; None without an embedding, or with fewer than three rows."""
    data, objective = context.data, context.objective
    if not has_map(objective) or data.table.environment is not None:
        return None
    if len(data.rows("train")) + len(data.rows("test")) < 3:
        return None
    objective.eval()
    predicted = any(map(has_colouring, data.outputs)) and not objective.generative
    space, budget = EmbeddingSpace(objective, options.layer, predicted), context.plan.budget
    seconds = MAX_SECONDS if budget is None else min(MAX_SECONDS, BUDGET_SHARE * budget)
    points = embed_points(space, context, predictions, seconds)
    return points if np.isfinite(points.points).all() else None


def projection_map(context: RunContext, embedded: EmbeddedPoints, options: MapOptions = DEFAULT_MAP) -> ProjectionMap:
    """The map of embedded rows."""
    axes = fit_pca(embedded.points, MAX_DIMS)
    two = PrincipalAxes(axes.mean, axes.directions[:2], 0.0)
    flat = plane(two, embedded.points)
    points_colourings = colourings(context, embedded)
    steps, trajectories, whose = _trajectories(context, embedded, two, options)
    variance = float(((embedded.points - axes.mean) ** 2).sum())
    return ProjectionMap(
        dim=embedded.points.shape[1],
        explained_variance=float((flat**2).sum()) / variance if variance else 1.0,
        layer=options.layer,
        splits=_splits(context.data, embedded),
        layouts=(ProjectionLayout("PCA", flat), *_other_layouts(options, axes, embedded)),
        default_layout=TITLES[options.method],
        colourings=points_colourings,
        detailed_points=embedded.detailed,
        neighbours=nearest_points(axes(embedded.points), embedded.detailed),
        steps=steps,
        trajectories=trajectories,
        trajectory_points=whose,
        items=point_details(context.data, embedded, points_colourings),
    )


def _splits(data: PreparedData, embedded: EmbeddedPoints) -> dict[str, tuple[int, int]]:
    split = data.split[embedded.rows]
    return {name: (int((split == name).sum()), len(data.rows(name))) for name in ("train", "test")}


def _other_layouts(options: MapOptions, axes: PrincipalAxes, embedded: EmbeddedPoints) -> list[ProjectionLayout]:
    """t-SNE or UMAP of at most `MAX_LAID_OUT` points, the last ones being test rows."""
    if options.method == "pca":
        return []
    count = len(embedded.rows)
    detailed = np.flatnonzero(np.isin(np.arange(count), embedded.detailed))[:MAX_LAID_OUT]
    rest = np.setdiff1d(np.arange(count), detailed)[: MAX_LAID_OUT - len(detailed)]
    which = np.sort(np.concatenate([detailed, rest]))
    method = tsne if options.method == "tsne" else umap
    return [ProjectionLayout(TITLES[options.method], method(axes(embedded.points[which])), which)]


def nearest_points(points: np.ndarray, detailed: np.ndarray, count: int = NUM_NEIGHBOURS) -> np.ndarray:
    """The detailed points nearest to each point in the embedding, itself excluded, as indices among `detailed`.

    Shapes:
        points: (N, D); detailed: (R,); returns: (N, K), or (R, K) where all points would take too long.
    """
    count = min(count, len(detailed) - 1)
    all_points = len(points) * len(detailed) * points.shape[1] <= MAX_PRODUCTS
    queries = np.arange(len(points)) if all_points else detailed
    candidates = torch.from_numpy(points[detailed])
    own = {int(p): i for i, p in enumerate(detailed)}
    squares = candidates.square().sum(1)
    results = []
    for chunk in np.array_split(queries, max(len(queries) // 2_000, 1)):
        # squared distances, up to the square of the query
        distances = torch.addmm(squares, torch.from_numpy(points[chunk]), candidates.T, alpha=-2)
        for i, p in enumerate(chunk.tolist()):
            if p in own:
                distances[i, own[p]] = torch.inf
        results.append(distances.topk(count, largest=False).indices.numpy())
    return np.concatenate(results).astype(np.uint16)


def _trajectories(
    context: RunContext, embedded: EmbeddedPoints, axes: PrincipalAxes, options: MapOptions
) -> tuple[tuple[int, ...], np.ndarray | None, np.ndarray | None]:
    """Steps, positions (E, F, 2) and points (F,); none for another layer, or without recorded embeddings."""
    moments = read_embeddings(context.folder) if not options.layer else []
    rows = recorded_rows(context.data, context.objective)
    moments = [m for m in moments if m.points.shape == (len(rows), len(axes.mean))]
    if len(moments) < 2:
        return (), None, None
    index = {int(r): i for i, r in enumerate(embedded.rows)}
    there = np.array([i for i, r in enumerate(rows) if int(r) in index], int)
    positions = np.stack([plane(axes, m.points[there]) for m in moments])
    return tuple(m.step for m in moments), positions, np.array([index[int(rows[i])] for i in there])
