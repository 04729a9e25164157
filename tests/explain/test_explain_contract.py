"""Contract of explanations for every kind of input and output: finite, complete, no error on any row.

Networks are untrained: attributions must be complete for those too.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from deepglass.errors import SpecError
from deepglass.explain.explainer import explain_rows
from deepglass.explain.reference import ReferenceRows, training_rows
from deepglass.prepare.new_rows import RowReader
from deepglass.prepare.prepare import prepare
from deepglass.run.build import build
from deepglass.run.predictor import Predictor
from deepglass.spec.overrides import build_spec

ROWS = 24
RANDOM = np.random.default_rng(0)
WORDS = ("red", "green", "blue", "small", "large")
DAY = datetime.date(2020, 1, 1)


def sentences() -> list[list[str]]:
    return [[WORDS[(i + k * i) % 5] for k in range(1 + i % 3)] for i in range(ROWS)]


def pictures(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 255, (ROWS, *shape), dtype=np.uint8)


def boxes() -> list[list[dict[str, Any]]]:
    box = {"left": 2.0, "top": 3.0, "right": 20.0, "bottom": 18.0}
    return [[{"label": "ab"[i % 2], **box}] if i % 3 else [] for i in range(ROWS)]


def table() -> dict[str, Any]:
    """Columns of each kind with missing values."""
    full = {
        "size": RANDOM.normal(size=ROWS).tolist(),
        "colour": [WORDS[i % 3] for i in range(ROWS)],
        "sold": [bool(i % 2) for i in range(ROWS)],
        "day": [DAY + datetime.timedelta(days=int(i)) for i in range(ROWS)],
        "labels": [[["a"], ["b", "c"], []][i % 3] for i in range(ROWS)],
        "place": RANDOM.normal(size=(ROWS, 2)).tolist(),
    }
    return {
        n: pl.Series(n, [None if (i + k) % 7 == 0 else v for i, v in enumerate(vs)])
        for k, (n, vs) in enumerate(full.items())
    }


ONE = "input"
INPUTS: dict[str, tuple[dict[str, Any], Any, str | None]] = {
    "vector": ({"kind": "vector"}, RANDOM.normal(size=(ROWS, 3)), None),
    "multilabel": ({"kind": "multilabel"}, [[["a"], ["b", "c"], []][i % 3] for i in range(ROWS)], None),
    "identity": ({"kind": "identity"}, [f"p{i % 4}" for i in range(ROWS)], None),
    "numbers": ({"kind": "sequence"}, [RANDOM.normal(size=2 + i % 3).tolist() for i in range(ROWS)], None),
    "vectors": (
        {"kind": "sequence"},
        [RANDOM.normal(size=(2 + i % 3, 2)).tolist() for i in range(ROWS)],
        "transformer",
    ),
    "text": ({"kind": "text"}, [" ".join(s) for s in sentences()], None),
    "words": ({"kind": "text"}, sentences(), "gru"),
    "characters": ({"kind": "text", "tokenization": "characters"}, [" ".join(s) for s in sentences()], "transformer"),
    "image": ({"kind": "image"}, pictures(12, 12), None),
    "colour image": ({"kind": "image"}, pictures(12, 16, 3), "vit"),
    "video": ({"kind": "video", "frames": 3}, pictures(3, 12, 12), None),
    "audio": ({"kind": "audio"}, RANDOM.normal(0, 0.1, (ROWS, 1600)).astype(np.float32), "tcn"),
    "mask": ({"kind": "mask"}, RANDOM.integers(0, 3, (ROWS, 12, 12), dtype=np.uint8), "conv"),
}
OUTPUTS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "number": ({"kind": "number"}, RANDOM.normal(size=ROWS).tolist(), "image"),
    "binary": ({"kind": "binary"}, [bool(i % 2) for i in range(ROWS)], "image"),
    "category": ({"kind": "category"}, [WORDS[i % 3] for i in range(ROWS)], "vector"),
    "vector": ({"kind": "vector"}, RANDOM.normal(size=(ROWS, 3)), "image"),
    "multilabel": ({"kind": "multilabel"}, [[["a"], ["b", "c"], []][i % 3] for i in range(ROWS)], "text"),
    "identity": ({"kind": "identity", "embedding_dim": 4}, [f"p{i % 6}" for i in range(ROWS)], "image"),
    "sequence": ({"kind": "sequence"}, [RANDOM.normal(size=1 + i % 3).tolist() for i in range(ROWS)], "vectors"),
    "tags": ({"kind": "tags"}, [[("A", "B")[len(w) % 2] for w in s] for s in sentences()], "words"),
    "mask": ({"kind": "mask"}, RANDOM.integers(0, 3, (ROWS, 12, 16), dtype=np.uint8), "colour image"),
    "boxes": ({"kind": "boxes"}, boxes(), "large image"),
    "caption": ({"kind": "text", "num_beams": 2}, [" ".join(s) for s in sentences()], "image"),
    "translation": ({"kind": "text", "num_beams": 2}, [" ".join(s) for s in sentences()], "characters"),
    "speech": ({"kind": "text", "decoding": "ctc"}, [" ".join(s) for s in sentences()], "audio"),
}


def untrained(source: dict[str, Any], outputs: list[dict[str, Any]], **spec: Any) -> tuple[Predictor, ReferenceRows]:
    torch.manual_seed(0)
    trunk = spec.pop("trunk", None)
    small = {"width": 16, "trunk": trunk} if trunk else {}
    whole = build_spec({"data": {"source": source}, "outputs": outputs, "network": small, **spec}, None, {})
    experiment, prepared = prepare(whole)
    objective = build(experiment, "cpu").eval()
    return Predictor(objective, RowReader(prepared.inputs, prepared.outputs, whole.data), {}), training_rows(prepared)


def adds_up(predictor: Predictor, rows: Any, known: ReferenceRows | None) -> list[dict[str, Any]]:
    """Both modes give plain JSON with finite numbers; the attributions of the full mode sum up."""
    for fast in (True, False):
        found = explain_rows(predictor, rows, known, None, fast=fast)
        json.dumps(found, allow_nan=False)
        for why in (why for row in found for name, why in row.items() if name != "row"):
            assert why["attributions"], "an explanation has parts"
            for one in why.get("targets", [why]):
                if not fast:
                    total = sum(part["weight"] for part in one["attributions"])
                    score, baseline = one["score"], one["baseline"]
                    allowed = 0.03 * (abs(score - baseline) + 0.05 * (abs(score) + abs(baseline))) + 1e-4
                    assert abs(score - baseline - total) <= allowed, one
    return found


@pytest.mark.parametrize("kind", INPUTS)
def test_each_kind_of_input_is_explained(kind: str) -> None:
    settings, values, trunk = INPUTS[kind]
    source = {"input": values, "label": [WORDS[i % 2] for i in range(ROWS)]}
    predictor, known = untrained(source, [{"name": "label"}], inputs=[{"name": "input", **settings}], trunk=trunk)
    adds_up(predictor, {"input": values[:2]}, known)
    (empty,) = adds_up(predictor, [{"input": None, "more": 1}], known)  # nothing to read, nothing to add
    assert empty["label"]["score"] == pytest.approx(
        empty["label"]["baseline"] + sum(p["weight"] for p in empty["label"]["attributions"]), abs=1e-4
    )


@pytest.mark.parametrize("kind", OUTPUTS)
def test_each_kind_of_output_is_explained(kind: str) -> None:
    settings, values, read = OUTPUTS[kind]
    given, rows, trunk = ({"kind": "image"}, pictures(48, 48), "conv") if read == "large image" else INPUTS[read]
    trunk = "unet" if kind == "mask" else trunk
    source = {"input": rows, "answer": values}
    outputs, inputs = [{"name": "answer", **settings}], [{"name": "input", **given}]
    predictor, known = untrained(source, outputs, inputs=inputs, trunk=trunk)
    adds_up(predictor, {"input": rows[:2]}, known)
    adds_up(predictor, [{"input": None, "more": 1}], known)


def test_a_table_of_all_kinds_with_missing_values() -> None:
    columns = table()
    outputs = [{"name": "sold"}, {"name": "size"}, {"name": "colour"}]
    predictor, known = untrained(columns, outputs)
    rows = [{n: c[i] for n, c in columns.items()} for i in range(2)]
    for row in adds_up(predictor, rows, known):
        assert {p["part"] for p in row["sold"]["attributions"]} == {"day", "labels", "place"}
        assert len(row["sold"]["nearest"]) == 3
    adds_up(predictor, [{"day": None}], None)


def test_an_image_beside_columns_and_words() -> None:
    source = {**table(), "image": pictures(12, 12), "said": [" ".join(s) for s in sentences()]}
    predictor, known = untrained(source, [{"name": "sold"}])
    row = {"image": source["image"][0], "said": "red green", "size": 1.0, "colour": None}
    (why,) = adds_up(predictor, [row], known)
    assert {"image", "size", "red", "place[0]"} <= {p["part"] for p in why["sold"]["attributions"]}
    adds_up(predictor, [{"image": None, "said": "", "size": None}], None)


def test_columns_beside_a_text_have_attributions() -> None:
    source = {"size": RANDOM.normal(size=ROWS), "said": [" ".join(s) for s in sentences()]}
    source["sold"] = [bool(i % 2) for i in range(ROWS)]
    predictor, known = untrained(
        source, [{"name": "sold"}], inputs=[{"name": "size"}, {"name": "said", "kind": "text"}]
    )
    (why,) = adds_up(predictor, [{"size": 0.5, "said": "red green"}], known)
    assert [d["column"] for d in why["sold"]["dependence"]] == ["size"]


@pytest.mark.parametrize(
    "objective",
    ["rbm", {"name": "dbn", "layers": [8, 8]}, "autoencoder", "variational", "contrastive", "fixmatch", "pseudo_label"],
    ids=lambda o: o if isinstance(o, str) else o["name"],
)
def test_predictions_of_each_objective_are_explained(objective: Any) -> None:
    source = {"input": pictures(12, 12), "label": [WORDS[i % 2] if i % 4 else None for i in range(ROWS)]}
    predictor, known = untrained(source, [{"name": "label"}], objective=objective)
    adds_up(predictor, {"input": source["input"][:2]}, known)


def test_objectives_without_predictions_are_rejected() -> None:
    source = {"input": pictures(12, 12), "label": [WORDS[i % 2] for i in range(ROWS)]}
    drawing, known = untrained(source, [{"name": "label"}], objective="gan")
    with pytest.raises(SpecError, match="predicts nothing: use deepglass generate"):
        explain_rows(drawing, {"input": source["input"][:2]}, known)
    silent, known = untrained({"input": source["input"]}, [], objective="autoencoder")
    with pytest.raises(SpecError, match="explain: this run has no output"):
        explain_rows(silent, {"input": source["input"][:2]}, known)
