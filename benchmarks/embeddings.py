"""Linear probes on the embeddings of a classifier, an autoencoder and a contrastive network, in four domains.

    python benchmarks/embeddings.py [--steps 300] [--rows 10000] [--seeds 0] [--write]     # minutes on one core

One architecture is trained on MNIST for the same number of steps as autoencoder, contrastively, and as classifier. They
are compared with the untrained network, a classifier of 100 labelled digits, and the pixels. Then a logistic regression
on the frozen embeddings learns the digits from 10 labels a class, or from all, on MNIST, inverted and rotated MNIST,
and scikit-learn's digits. `--write` stores the accuracies in docs/embeddings.json and docs/learning/representation.md.
Trainings are limited by steps, so the load of the machine does not change the accuracies.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image as Pillow
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import deepglass
from deepglass.data.batches import Batch, Dataset
from deepglass.data.sources import read
from deepglass.nn.tokens import pool
from deepglass.run.run import Run

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "docs" / "embeddings.json", ROOT / "docs" / "learning" / "representation.md"
BEGIN, END = "<!-- embeddings.py -->", "<!-- /embeddings.py -->"
os.environ.setdefault("DEEPGLASS_DATA", str(ROOT.parent / "shared" / "data"))

FEW, DRAWS = 10, 5  # labels a class, and how often they are drawn
TESTED = 3_000  # rows
C = 0.1  # of the regression, on standardised vectors
NETWORK = {"trunk": "conv", "width": 8}
STRONG = {
    "shift": 0.125,
    "rotate": 30,
    "scale": 0.25,
    "shear": 0.3,
    "random_erasing": 0.35,
    "noise": 0.1,
}  # as contrastive


class Variant(NamedTuple):
    """An objective and its training settings."""

    objective: Any
    training: Mapping[str, Any] = {}
    few: bool = False  # trained on FEW rows a class


VARIANTS = {
    "untrained network": Variant("supervised", {"steps": 1, "learning_rate": 1e-9}),
    "autoencoder": Variant({"name": "autoencoder", "latent_dim": 128, "mask_ratio": 0.5}),
    "contrastive": Variant("contrastive"),
    "classifier": Variant("supervised"),
    "classifier, contrastive augmentation": Variant("supervised", {"augment": STRONG}),
    "classifier, 100 labels": Variant("supervised", few=True),
}


class Domain(NamedTuple):
    """Training and test images (N, 28, 28) uint8, with their digits."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def transformed(self, transform: Callable[[np.ndarray], np.ndarray]) -> Domain:
        return Domain(transform(self.x), self.y, transform(self.x_test), self.y_test)


def main(steps: int, rows: int, seeds: Sequence[int], write: bool) -> None:
    torch.set_num_threads(1)
    start = time.perf_counter()
    each = [measured(steps, rows, seed) for seed in seeds]
    results = {
        "steps": steps,
        "rows": rows,
        "seeds": list(seeds),
        "seconds": round(time.perf_counter() - start),
        "accuracy": {
            name: {key: [round(one[name][key], 4) for one in each] for key in each[0][name]} for name in each[0]
        },
    }
    print(table(results))
    if write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        page = PAGE.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}")


def measured(steps: int, rows: int, seed: int) -> dict[str, dict[str, float]]:
    """Embedding -> "domain, labels" -> accuracy of a probe."""
    domains = domains_of(rows, seed)
    results: dict[str, dict[str, float]] = {"pixels": probed(domains, lambda x: x.reshape(len(x), -1) / 255, seed)}
    for name, variant in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            run = trained(variant, domains["MNIST"], steps, seed, Path(folder) / "run")
            results[name] = probed(domains, lambda x, run=run: points(run, x, pooled), seed)
            if name == "autoencoder":
                code = run.objective.embed
                results["autoencoder, latent"] = probed(
                    domains, lambda x, r=run, c=code: points(r, x, lambda _, b: c(b)), seed
                )
        print(name, {k: round(v, 4) for k, v in results[name].items()}, flush=True)
    return results


def domains_of(rows: int, seed: int) -> dict[str, Domain]:
    """MNIST and three domains that the networks are not trained on."""
    mnist = read("data:mnist")
    order = np.random.default_rng(seed)
    train, test = (order.permutation(np.flatnonzero(mnist.split == part)) for part in ("train", "test"))
    labels = mnist["label"].to_numpy()
    train, test = train[:rows], test[:TESTED]
    same = Domain(mnist["image"][train], labels[train], mnist["image"][test], labels[test])
    other = load_digits()
    indices = order.permutation(len(other.images))
    first, last = indices[:1_200], indices[1_200:]
    images = enlarged(other.images)
    return {
        "MNIST": same,
        "inverted": same.transformed(lambda x: 255 - x),
        "rotated 90°": same.transformed(lambda x: np.ascontiguousarray(np.rot90(x, axes=(1, 2)))),
        "sklearn digits": Domain(images[first], other.target[first], images[last], other.target[last]),
    }


def enlarged(images: np.ndarray) -> np.ndarray:
    """Images (N, 8, 8) of levels 0 to 16, resized as in MNIST: 20 pixels high in the centre of 28."""
    small = [Pillow.fromarray((one * 255 / 16).astype(np.uint8)) for one in images]
    large = np.stack([np.asarray(one.resize((20, 20), Pillow.Resampling.BICUBIC)) for one in small])
    return np.pad(large, ((0, 0), (4, 4), (4, 4)))


def trained(variant: Variant, domain: Domain, steps: int, seed: int, out: Path) -> Run:
    rows = few_of(domain.y, seed) if variant.few else np.arange(len(domain.y))
    spec = {
        "data": {"source": (domain.x[rows], domain.y[rows]), "split": {"test": 0, "valid": 0.1}},
        "objective": variant.objective,
        "network": NETWORK,
        "training": {"steps": steps, "batch_size": 256, "threads": 1, "seed": seed, "patience": 0, **variant.training},
    }
    return deepglass.train(spec, out=out, baselines=False)


def pooled(run: Run, batch: Batch) -> torch.Tensor:
    """The pooled embedding of each image; the same layer for all variants."""
    return pool(run.objective.network.embed(batch.inputs)).reshape(len(batch), -1)


def points(run: Run, images: np.ndarray, embed: Callable[[Run, Batch], torch.Tensor]) -> np.ndarray:
    feature = run.predictor.inputs[0]
    data = Dataset({feature.name: feature.encode(images)}, {})
    run.objective.eval()
    with torch.inference_mode():
        return np.concatenate([embed(run, batch).float().numpy() for batch in data.batches(500)])


def few_of(labels: np.ndarray, seed: int) -> np.ndarray:
    order = np.random.default_rng(seed).permutation(len(labels))
    return np.concatenate([order[labels[order] == k][:FEW] for k in np.unique(labels)])


def probed(domains: Mapping[str, Domain], embed: Callable[[np.ndarray], np.ndarray], seed: int) -> dict[str, float]:
    """Test accuracies of probes of each domain, with few labels (their mean) and with all."""
    results = {}
    for name, domain in domains.items():
        x, x_test = embed(domain.x), embed(domain.x_test)
        mean, std = x.mean(0), np.maximum(x.std(0), 1e-3)
        x, x_test = (x - mean) / std, (x_test - mean) / std
        draws = [few_of(domain.y, 100 * seed + i) for i in range(DRAWS)]
        few = [probe(x[d], domain.y[d]).score(x_test, domain.y_test) for d in draws]
        every = probe(x, domain.y).score(x_test, domain.y_test)
        results |= {f"{name}, few": float(np.mean(few)), f"{name}, all": float(every)}
    return results


def probe(x: np.ndarray, y: np.ndarray) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=C, max_iter=100).fit(x, y)


def table(results: Mapping[str, Any]) -> str:
    """Accuracies in percent, few labels / all; of several seeds the mean."""
    names = list(dict.fromkeys(key.rsplit(", ", 1)[0] for one in results["accuracy"].values() for key in one))
    lines = [f"| embedding | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for space, one in results["accuracy"].items():
        cells = (" / ".join(f"{100 * np.mean(one[f'{n}, {k}']):.1f}" for k in ("few", "all")) for n in names)
        lines.append(f"| {space} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--write", action="store_true", help="into the docs")
    given = parser.parse_args()
    main(given.steps, given.rows, given.seeds, given.write)
