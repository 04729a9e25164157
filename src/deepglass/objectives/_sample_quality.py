"""Quality of generated samples: Wasserstein distance, coverage and diversity as metrics, and warnings."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor, cdist

from deepglass.features.base import Feature
from deepglass.formatting import first_names, plain_percent

MIN_DIVERSITY, MIN_COVERAGE, MIN_CLASS_AGREEMENT = 0.5, 0.1, 0.2  # below them training has failed
MAX_CRITIC_ACCURACY = 0.99


def sample_quality(real: Tensor, samples: Tensor, codes: Tensor) -> dict[str, float]:
    """Metrics of samples: `sliced_wasserstein`, `density_coverage`, `diversity`, with conditions `class_agreement`.

    Diversity is the mean distance between two samples over that between two real rows; with conditions, the smaller of
    that and the mean over the classes, as a class with one repeated sample has collapsed too. Class agreement is the
    share of samples whose nearest real row has the requested class.

    Shapes:
        real, samples: (N, D) float; codes: (N, number of conditions), requested classes, equal to the real rows' own.
    """
    metrics = {
        "sliced_wasserstein": sliced_wasserstein(real, samples),
        "density_coverage": density_coverage(real, samples),
        "diversity": mean_distance(samples) / max(mean_distance(real), 1e-9),
    }
    for code in codes.unbind(1):
        groups = [code == k for k in code.unique() if int((code == k).sum()) > 2]
        within = [mean_distance(samples[group]) / max(mean_distance(real[group]), 1e-9) for group in groups]
        metrics["diversity"] = min(metrics["diversity"], sum(within) / max(len(within), 1))
        agreement = float((_nearest_class(real, samples, code) == code).float().mean())
        metrics["class_agreement"] = min(metrics.get("class_agreement", 1.0), agreement)
    return metrics


def quality_warnings(
    metrics: Mapping[str, float], real: Tensor, samples: Tensor, codes: Tensor, conditions: Sequence[Feature]
) -> tuple[str, ...]:
    """Sentences about mode collapse, a saturated critic and classes that are not generated."""
    warnings = []
    if metrics["diversity"] < MIN_DIVERSITY or metrics["density_coverage"] < MIN_COVERAGE:
        warnings.append(
            f"mode collapse: the mean distance between samples is {plain_percent(metrics['diversity'], 0)} of that "
            f"between real rows, and {plain_percent(metrics['density_coverage'], 0)} of the real rows have a sample "
            "near them"
        )
    if metrics.get("critic_accuracy", 0.0) > MAX_CRITIC_ACCURACY:
        warnings.append(
            f"the critic tells {plain_percent(metrics['critic_accuracy'], 0)} of the samples from real rows"
        )
    for feature, code in zip(conditions, codes.unbind(1), strict=True):
        nearest = _nearest_class(real, samples, code)
        wrong = [
            name
            for k, name in enumerate(feature.class_names, 1)
            if (requested := code == k).sum() >= 5
            and float((nearest[requested] == k).float().mean()) < MIN_CLASS_AGREEMENT
        ]
        if wrong:
            warnings.append(f"{feature.name}: samples of {first_names(wrong, 6)} look like other classes")
    return tuple(warnings)


def _nearest_class(real: Tensor, samples: Tensor, code: Tensor) -> Tensor:
    """Class of the nearest real row of each sample, (N,)."""
    return code[cdist(samples, real).argmin(1)]


NUM_DIRECTIONS = 256
NUM_NEIGHBOURS = 5
MAX_ROWS = 2_000  # of a matrix of pairwise distances


def sliced_wasserstein(real: Tensor, samples: Tensor, directions: int = NUM_DIRECTIONS, seed: int = 0) -> float:
    """Sliced Wasserstein distance of order 2, relative to the standard deviation of the real rows.

    0 for equal distributions, 1 if all samples are the mean of the real rows.

    Shapes:
        real: (N, D); samples: (N, D), float.

    Source: Rabin et al., 2011, "Wasserstein barycenter and its application to texture mixing", eq. 13, order 2.
    """
    projections = torch.randn(real.shape[1], directions, generator=Generator().manual_seed(seed)).to(real)
    mean = real.mean(0)
    a, b = ((rows - mean) @ (projections / projections.norm(dim=0)) for rows in (real, samples))  # (N, directions) each
    squared = (a.sort(0).values - b.sort(0).values).square().mean()
    return math.sqrt(float(squared) / max(float(a.square().mean()), 1e-12))


def density_coverage(real: Tensor, samples: Tensor, neighbours: int = NUM_NEIGHBOURS) -> float:
    """Coverage: share of real rows with a sample within the distance of their k-th real neighbour.

    Shapes:
        real: (N, D); samples: (M, D), float.

    Source: Naeem et al., 2020, arXiv 2002.09797, eq. 10 (coverage).
    """
    real, samples = real[:MAX_ROWS], samples[:MAX_ROWS]
    k = min(neighbours, len(real) - 1)
    if k < 1 or not len(samples):
        return math.nan
    radius = torch.cdist(real, real).kthvalue(k + 1, 1).values  # the nearest is the row itself
    return float((torch.cdist(real, samples).amin(1) <= radius).float().mean())


def mean_distance(rows: Tensor) -> float:
    """Mean distance between two different rows, (N, D) float."""
    rows = rows[:MAX_ROWS]
    count = len(rows)
    return float(torch.cdist(rows, rows).sum()) / (count * (count - 1)) if count > 1 else math.nan
