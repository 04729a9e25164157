"""Face verification: a trained embedding compared with eigenfaces, on the same unseen identities.

    deepglass train recipes/faces-verify.yaml --out runs/faces
    python benchmarks/eigenfaces.py runs/faces          # both on the test rows of that run

Eigenfaces: principal components of the training and validation images; the similarity of two images is the cosine of
their components. The number of components and whitening are selected on the validation identities.

Source: Turk and Pentland, 1991, Journal of Cognitive Neuroscience 3 (eigenfaces).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from deepglass import metrics
from deepglass.features.image import Image
from deepglass.features.outputs.identity import IdentityOutput
from deepglass.run.run import Run

COMPONENTS = (5, 10, 20, 40, 80, 120)


class Result(NamedTuple):
    """Metrics of eigenfaces and the selected settings."""

    roc_auc: float
    equal_error_rate: float
    components: int
    whitened: bool


def eigenfaces(x: dict[str, np.ndarray], who: dict[str, np.ndarray]) -> Result:
    """Settings from "train" and "valid", metrics on "test"; x: split -> (N, pixels), who: split -> (N,)."""
    tried = {
        (components, whiten): _metrics(x["train"], x["valid"], who["valid"], components, whiten)[0]
        for components in COMPONENTS
        for whiten in (False, True)
        if components < min(x["train"].shape)
    }
    components, whiten = max(tried, key=tried.__getitem__)
    learned = np.concatenate([x["train"], x["valid"]])
    return Result(*_metrics(learned, x["test"], who["test"], components, whiten), components, whiten)


def _metrics(learned: np.ndarray, x: np.ndarray, who: np.ndarray, components: int, whiten: bool) -> tuple[float, float]:
    components_ = PCA(components, whiten=whiten, random_state=0).fit(learned).transform(x)
    unit = components_ / np.linalg.norm(components_, axis=1, keepdims=True)
    a, b = np.triu_indices(len(x), 1)
    same, alike = (who[a] == who[b]).astype(int), (unit[a] * unit[b]).sum(1)
    return metrics.roc_auc(same, alike), metrics.equal_error_rate(same, alike)


def main(path: Path) -> None:
    run = Run(path)
    prepared = run.context.data
    picture = next(f for f in prepared.inputs if isinstance(f, Image))
    identity = next(f for f in prepared.outputs if isinstance(f, IdentityOutput))
    parts = prepared.datasets("cpu")
    x = {p: d.columns[picture.name].values.reshape(len(d), -1).astype(np.float64) for p, d in parts.items()}
    result = eigenfaces(x, {p: d.truth[identity.name].values for p, d in parts.items()})
    people = {p: len(np.unique(d.truth[identity.name].values)) for p, d in parts.items()}
    ours = run.metrics["test"][identity.name]
    print(f"identities: {people['train']} train, {people['valid']} valid, {people['test']} test")
    print(json.dumps({"deepglass": ours, "eigenfaces": result._asdict()}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run that verifies faces")
    main(parser.parse_args().run)
