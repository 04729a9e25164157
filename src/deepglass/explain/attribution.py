"""Explanations by gradients: attributions at the input layers, class activation maps, and the tests of both.

Source: Selvaraju et al., 2017, arXiv 1610.02391 (Grad-CAM); Draelos and Carin, 2020, arXiv 2011.08891 (HiResCAM: the
gradient at each position instead of its mean over the map, so that the map is faithful for any layer).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.explain import units
from deepglass.explain.aggregate import Part, PartAttributions, column_attributions
from deepglass.explain.checks import Checks, deletion_insertion, rank_correlation
from deepglass.explain.columns import add_what_if, can_vary
from deepglass.explain.explanation import Explanation
from deepglass.explain.gradients import frozen_weights, integrated_gradients, midpoint_gradient
from deepglass.explain.input_layers import InputLayer, input_layers
from deepglass.explain.row import ExplainedRow
from deepglass.nn.feature_maps import FeatureMap, FeatureMapRecorder

MIN_SIDE = 5  # rows and columns of the feature map, where there is one


def gradient_explanations(
    row: ExplainedRow, max_steps: int | None, *, checks: bool, tabular: bool
) -> list[Explanation]:
    """One explanation per output.

    Args:
        max_steps: of integrated gradients; None: the fast mode, one gradient at the middle of the path.
        checks: test the faithfulness.
        tabular: name the columns of a table as the parts.
    """
    full = max_steps is not None
    layers, scores = row.reference.input_layers, row.repeated_scores()
    if max_steps is None:
        result, method = midpoint_gradient(scores, layers, row.score), "gradient at the middle of the path"
    else:
        result = integrated_gradients(scores, layers, max_steps=max_steps)
        method = f"integrated gradients, {result.steps} steps"
    baselines = "; ".join(dict.fromkeys(layer.description for layer in layers[0]))
    by_unit = [units.sum_units(layer, v) for layer, v in zip(layers[0], result.values, strict=True)]
    activation = _activation_maps(row, layers[0]) if full else {}
    explanations = []
    for name in row.targets:
        part = row.slices[name]
        named = [
            column_attributions(layer.features, u[part], row.raw)
            if tabular
            else layer.parts(u[part], row.column, row.raw)
            for layer, u in zip(layers[0], by_unit, strict=True)
        ]
        explanation = row.explanation(
            name, f"{method}, baseline: {baselines}", result.completeness, partial(_parts, named, layers[0])
        )
        maps = {layer.name: u[part] for layer, u in zip(layers[0], by_unit, strict=True) if layer.has_map}
        explanation = replace(explanation, maps=maps)
        if full:
            gap = result.completeness.of(part).total_gap()
            tested = _checks(row, layers, by_unit, part, gap) if checks else Checks(gap)
            activations = {n: a[part] for n, a in activation.items()}
            explanation = replace(explanation, checks=tested, activation_maps=activations)
            if can_vary(row.reference.predictor.inputs):
                explanation = add_what_if(row, explanation)
        explanations.append(explanation)
    return explanations


def _parts(named: Sequence[PartAttributions], layers: Sequence[InputLayer], q: int | None) -> tuple[Part, ...]:
    """The parts of all inputs; words and steps name their input, where there are several."""
    several = len(layers) > 1
    return tuple(
        p._replace(input=layer.name) if several and n.indexed else p
        for n, layer in zip(named, layers, strict=True)
        for p in n.of(q)
    )


def _activation_maps(row: ExplainedRow, layers: Sequence[InputLayer]) -> dict[str, np.ndarray]:
    """Class activation maps of the first image."""
    for layer in layers:
        if layer.has_map and layer.features[0].is_image:
            maps = _activation_map(row, row.column[layer.name].values.shape[1:])
            return {} if maps is None else {layer.name: maps}
    return {}


def _activation_map(row: ExplainedRow, shape: tuple[int, ...]) -> np.ndarray | None:
    """The positive contribution of each position to each target, (Q, Y, X) at the size of the image.

    Args:
        shape: (C, Y, X) of the encoded image.

    Returns:
        None for a network without feature maps.
    """
    scores: list[Tensor] = []  # (1, Q)
    recorder = FeatureMapRecorder(row.reference.objective, shape)
    feature_maps = recorder.record(lambda: scores.append(row.repeated_scores()(1)), 1, grad=True)
    chosen = _coarse_map(feature_maps)
    if chosen is None or not scores[0].requires_grad:
        return None
    maps = []
    for score in scores[0][0]:
        (gradient,) = torch.autograd.grad(score, chosen.values, retain_graph=True, allow_unused=True)
        if gradient is None:
            return None
        maps.append((gradient * chosen.values).sum(1).detach())  # (1, y, x)
    stacked = torch.stack(maps, 1)  # (1, Q, y, x)
    whole = F.interpolate(stacked.float(), shape[-2:], mode="bilinear", align_corners=False)
    return whole[0].clamp_min(0).cpu().numpy()


def _coarse_map(maps: list[FeatureMap]) -> FeatureMap | None:
    """The last of the coarsest maps with at least `MIN_SIDE` rows and columns."""
    fine = [m for m in maps if min(m.values.shape[-2:]) >= MIN_SIDE and not m.pre_activation]
    if not fine:
        return max(maps, key=lambda m: m.values.shape[-1], default=None)
    return min(reversed(fine), key=lambda m: m.values.shape[-1] * m.values.shape[-2])


def _checks(
    row: ExplainedRow,
    layers: list[list[InputLayer]],
    by_unit: Sequence[np.ndarray],
    part: slice,
    gap: float,
) -> Checks:
    randomized = row.reference.randomized
    other_layers = input_layers(randomized, row.reference.mean_tokens)
    with frozen_weights(randomized):
        other = integrated_gradients(row.repeated_scores(randomized), other_layers, max_steps=0)
    other_units = [units.sum_units(layer, v) for layer, v in zip(other_layers[0], other.values, strict=True)]
    flat, other_flat = (np.concatenate([u[part].sum(0).reshape(-1) for u in all_]) for all_ in (by_unit, other_units))
    sizes = [u[0].size for u in by_unit]
    blocks = _blocks(layers[0], by_unit)
    areas = deletion_insertion(
        lambda keep: units.masked_scores(row.repeated_scores(), layers, sizes, keep[:, blocks])[:, part].sum(1),
        np.bincount(blocks, flat),
    )
    return Checks(gap, rank_correlation(flat, other_flat), **areas)


def _blocks(layers: Sequence[InputLayer], by_unit: Sequence[np.ndarray]) -> np.ndarray:
    """The block of each unit of all inputs."""
    each = [units.blocks_of(layer, u.shape[1:]) for layer, u in zip(layers, by_unit, strict=True)]
    starts = np.cumsum([0, *(b.max(initial=-1) + 1 for b in each)])
    return np.concatenate([b + s for b, s in zip(each, starts, strict=False)])
