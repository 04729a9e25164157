"""The map of word vectors: the most frequent words as points."""

import numpy as np

from deepglass.features._tokenizers import FIRST
from deepglass.nn.pca import PrincipalAxes, fit_pca
from deepglass.objectives._word_vectors import WordVectors
from deepglass.projection.colourings import colour_scale
from deepglass.projection.facts import PointDetails, ProjectionLayout, ProjectionMap
from deepglass.projection.layouts import MAX_DIMS, plane, tsne, umap
from deepglass.projection.projection import TITLES, MapOptions, nearest_points

MAX_WORDS = 2_000


def word_map(objective: WordVectors, options: MapOptions) -> ProjectionMap | None:
    """Words by their vectors of length 1, coloured by frequency; None for fewer than three words."""
    words = (objective.feature.vocabulary_ or ())[:MAX_WORDS]
    if len(words) < 3:
        return None
    vectors = objective.unit_vectors()[: len(words)].cpu().numpy()
    axes = fit_pca(vectors, MAX_DIMS)
    flat = plane(PrincipalAxes(axes.mean, axes.directions[:2], 0.0), vectors)
    layouts = [ProjectionLayout("PCA", flat)]
    if options.method != "pca":
        layouts.append(ProjectionLayout(TITLES[options.method], {"tsne": tsne, "umap": umap}[options.method](vectors)))
    counts = objective.counts[FIRST:][: len(words)].numpy()
    variance = float(((vectors - axes.mean) ** 2).sum())
    points = np.arange(len(words))
    labels = tuple(f"{word}: {int(n):,} times" for word, n in zip(words, counts, strict=True))
    return ProjectionMap(
        dim=vectors.shape[1],
        explained_variance=float((flat**2).sum()) / variance if variance else 1.0,
        layer="",
        splits={},
        layouts=tuple(layouts),
        default_layout=TITLES[options.method],
        colourings=(colour_scale("occurrences (log10)", np.log10(counts)),),
        detailed_points=points,
        neighbours=nearest_points(vectors, points),
        items=PointDetails(tuple(points.tolist()), labels),
        noun="word",
    )
