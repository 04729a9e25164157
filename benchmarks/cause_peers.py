"""Attributions of deepglass, SHAP and Captum for the same rows of the same network; see `causes.py`.

    python benchmarks/cause_peers.py FOLDER [NAME ...]     # prints JSON; peers that are not installed are left out

Columns: Shapley values against 64 training rows (SHAP's default explainer, against the same rows; Captum's
ShapleyValueSampling, against their median). Images: integrated gradients (Captum, against black) and SHAP's
GradientExplainer (against 64 training rows). Words: Shapley values of removing them (SHAP, Captum).
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from causes import CAUSES, EXPLAINED_ROWS, Cause, has_cause, named, truth
from torch import Tensor, nn

from deepglass.data.batches import Dataset
from deepglass.explain.explainer import Explainer
from deepglass.explain.reference import training_rows
from deepglass.explain.row import ExplainedRow
from deepglass.nn.tokens import Field

NUM_BACKGROUND = 64
Scores = Callable[[Tensor], Tensor]
"""Units of B variants of a row -> the explained score, (B, 1)."""


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="shap|captum")
    folder, names, results = Path(sys.argv[1]), sys.argv[2:], {}
    for cause in (c for c in CAUSES if not names or c.name in names):
        results[cause.name] = [measure(cause, folder / cause.name.replace(" ", "-") / str(s), s) for s in cause.seeds]
        print(cause.name, results[cause.name], file=sys.stderr, flush=True)
    print(json.dumps(results))


def measure(cause: Cause, folder: Path, seed: int) -> dict[str, Any]:
    """Whether the cause is named, and of each tool the correlation with the truth and the processor time of a row."""
    run, new, told = named(cause, folder, seed)
    prepared = run.context.data
    metrics = next(iter(run.metrics["test"].values()))
    metric = prepared.outputs[0].metric.name
    table = run.predictor.reader.read(str(new))
    raw = [{n: table[n][i] for n in table.columns} for i in range(len(table))]
    chosen = [i for i, row in enumerate(raw) if has_cause(cause, row)][:EXPLAINED_ROWS]
    table, raw = table.take(np.array(chosen)), [raw[i] for i in chosen]
    explainer = Explainer(run.predictor, training_rows(prepared, 500), num_background=NUM_BACKGROUND, checks=False)
    explain = _KINDS[_kind(run)]
    tools: dict[str, list[np.ndarray]] = {}
    seconds: dict[str, float] = {}
    truths = []
    inputs = run.predictor.reader.encode(table)
    data = Dataset(inputs, {}, run.predictor.device)
    for i, row in enumerate(raw):
        one = ExplainedRow(explainer.reference, data, inputs, table, i, separate=False)
        units, attributions = explain(explainer, one, table.take(np.array([i])))
        truths.append(truth(cause, row, units))
        for tool, attribute in attributions.items():
            if i == 0:
                attribute()  # imports and compiles what it needs
            started = time.process_time()
            tools.setdefault(tool, []).append(np.asarray(attribute(), np.float64).reshape(-1))
            seconds[tool] = seconds.get(tool, 0.0) + time.process_time() - started
    signed = cause.name == "interaction"
    peers = {
        tool: {
            "correlation": round(_correlation(values, truths, signed), 4),
            "seconds": round(seconds[tool] / len(raw), 4),
        }
        for tool, values in tools.items()
    }
    return {"seed": seed, "metric": {metric: round(metrics[metric], 4)}, "rows": len(raw), "named": told, **peers}


def _correlation(values: list[np.ndarray], truths: list[np.ndarray], signed: bool) -> float:
    """Over the units of all rows; of sizes, where the truth is only which unit decides."""
    ours, true = np.concatenate(values), np.concatenate(truths)
    return float(np.corrcoef(ours if signed else np.abs(ours), true)[0, 1])


def _kind(run: Any) -> str:
    feature = run.predictor.inputs[0]
    return "image" if feature.is_image else "text" if feature.is_text else "columns"


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


Attributions = dict[str, Callable[[], Any]]


def _columns(explainer: Explainer, row: ExplainedRow, table: Any) -> tuple[list[str], Attributions]:
    """Each column as one number, NaN where it is missing."""
    names = list(row.fields)
    background, own = _matrix(explainer.reference.background_fields), _matrix(row.fields)

    def scores(x: Tensor) -> Tensor:
        kinds = {n: row.fields[n].values for n in names}
        return row.scores(
            {
                n: Field(x[:, i].nan_to_num().to(kinds[n].dtype).reshape(-1, *kinds[n].shape[1:]), ~x[:, i].isnan())
                for i, n in enumerate(names)
            }
        )

    def ours() -> list[float]:
        ((explanation,),) = explainer.explain(table, mode="full")
        weights = {p.name: p.weight for p in explanation.parts}
        return [weights[name] for name in names]

    return names, {"deepglass": ours, **_shapley_peers(scores, own, background)}


def _matrix(fields: Any) -> Tensor:
    columns = [(f.values.reshape(len(f.mask), -1)[:, 0].double(), f.mask) for f in fields.values()]
    return torch.stack([values.masked_fill(~mask, float("nan")) for values, mask in columns], 1)


def _shapley_peers(scores: Scores, own: Tensor, background: Tensor) -> Attributions:
    """SHAP's default explainer against all background rows, Captum's sampling against their median."""

    def numpy_scores(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return scores(torch.from_numpy(np.asarray(x, np.float64)))[:, 0].double().numpy()

    def shap_values() -> Any:
        import shap

        masker = shap.maskers.Independent(background.numpy(), max_samples=len(background))
        return shap.Explainer(numpy_scores, masker, seed=0)(own.numpy(), silent=True).values[0]

    def captum_values() -> Any:
        from captum.attr import ShapleyValueSampling

        torch.manual_seed(0)
        median = background.nanmedian(0, keepdim=True).values
        with torch.inference_mode():
            return ShapleyValueSampling(lambda x: scores(x)[:, 0]).attribute(own, baselines=median)[0].numpy()

    both = {"shap": shap_values, "captum": captum_values}
    return {name: attribute for name, attribute in both.items() if _installed(name)}


def _image(explainer: Explainer, row: ExplainedRow, table: Any) -> tuple[list[str], Attributions]:
    name = next(iter(row.fields))
    own = row.fields[name].values.float()
    background = explainer.reference.background_fields[name].values.float()

    class Network(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return row.scores({name: Field(x, torch.ones(len(x), dtype=torch.bool))})

    def ours() -> Any:
        ((explanation,),) = explainer.explain(table, mode="full")
        return explanation.maps[name].sum(0)

    def shap_values() -> Any:
        import shap

        network = Network()
        values = shap.GradientExplainer(network, background).shap_values(own, rseed=0)
        return np.asarray(values).reshape(own.shape[1:]).sum(0)

    def captum_values() -> Any:
        from captum.attr import IntegratedGradients

        return IntegratedGradients(lambda x: Network()(x)[:, 0]).attribute(own)[0].sum(0).detach().numpy()

    both = {"shap": shap_values, "captum": captum_values}
    return [], {"deepglass": ours, **{n: a for n, a in both.items() if _installed(n)}}


def _text(explainer: Explainer, row: ExplainedRow, table: Any) -> tuple[list[str], Attributions]:
    (feature,) = explainer.predictor.inputs
    words = str(table[feature.column][0]).split()

    def scores(x: Tensor) -> Tensor:
        texts = [" ".join(w for w, keep in zip(words, one, strict=True) if keep) for one in (x > 0.5).tolist()]
        return row.scores(explainer.reference.fields({feature.name: feature.encode(pl.Series(feature.column, texts))}))

    def ours() -> list[float]:
        ((explanation,),) = explainer.explain(table, mode="full")
        weights = {p.name: p.weight for p in explanation.parts}
        return [weights.get(word, 0.0) for word in words]

    whole = torch.ones(1, len(words), dtype=torch.float64)
    return words, {"deepglass": ours, **_shapley_peers(scores, whole, torch.zeros_like(whole))}


_KINDS = {"columns": _columns, "image": _image, "text": _text}

if __name__ == "__main__":
    main()
