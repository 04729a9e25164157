"""Layouts of an embedding in the plane: PCA, t-SNE, UMAP."""

import warnings

import numpy as np

from deepglass.errors import MissingExtra
from deepglass.nn.pca import PrincipalAxes

MAX_LAID_OUT = 5_000  # points of t-SNE or UMAP
MAX_DIMS = 50  # principal components that they read, as is usual


def plane(axes: PrincipalAxes, points: np.ndarray) -> np.ndarray:
    """Points along the first two axes, (N, 2); of a one-dimensional embedding the second is 0."""
    flat = axes(points)[:, :2]
    return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))


def tsne(points: np.ndarray) -> np.ndarray:
    """t-SNE, (N, 2): near points stay near, large distances mean little.

    Source: van der Maaten and Hinton 2008, "Visualizing data using t-SNE", by scikit-learn.
    """
    from sklearn.manifold import TSNE

    near = min(30.0, (len(points) - 1) / 3)
    start = "pca" if min(points.shape) >= 2 else "random"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TSNE(perplexity=near, init=start, random_state=0).fit_transform(points).astype(np.float32)


def umap(points: np.ndarray) -> np.ndarray:
    """Neighbours beside neighbours, (N, 2), with more of the whole kept than by t-SNE.

    Source: McInnes, Healy and Melville 2018, arXiv 1802.03426, by umap-learn.

    Raises:
        MissingExtra: `missing-extra` without umap-learn.
    """
    require_umap()
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(UMAP(n_neighbors=min(15, len(points) - 1), random_state=0).fit_transform(points), np.float32)


def require_umap() -> None:
    """Refuse where umap-learn is not installed, before anything is computed."""
    try:
        import umap  # noqa: F401
    except ImportError as error:
        raise MissingExtra("umap-learn", "umap", "--map umap") from error
