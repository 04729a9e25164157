"""Predictions written to files: a table, JSON, or a folder of images."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image as Pillow

from deepglass.errors import MissingExtra, SpecError
from deepglass.features.outputs._dense import decode_runs
from deepglass.features.outputs.base import Calibration, PredictionArrays
from deepglass.files import file_names, write_file
from deepglass.formulas import guarded
from deepglass.prepare.prepared_data import PreparedData

Predictions = list[dict[str, dict[str, Any]]]
TABLES = (".csv", ".tsv", ".parquet", ".xlsx")
ENDINGS = ".csv, .tsv, .parquet, .xlsx, .json, .jsonl, or a folder"


def write_predictions(path: Path, predictions: Predictions, excel_safe: bool = False) -> None:
    """Write predictions, in the format of the suffix.

    Args:
        path: .csv, .tsv, .parquet or .xlsx for a table with a column per output and value; .json or .jsonl; without a
            suffix a folder with predictions.json and a PNG of each image and mask (as class numbers), `OUTPUT-ROW.png`.
        excel_safe: write an apostrophe before text cells of .csv and .tsv that spreadsheets would take for formulas.

    Raises:
        SpecError: `bad-value` for another suffix, or a folder for predictions without images.
    """
    if path.suffix == ".json":
        write_file(path, json.dumps(predictions, ensure_ascii=False, indent=1))
    elif path.suffix == ".jsonl":
        write_file(path, "".join(json.dumps(p, ensure_ascii=False) + "\n" for p in predictions))
    elif path.suffix in TABLES:
        write_table(path, _frame(predictions), excel_safe)
    elif path.suffix == "":
        _write_folder(path, predictions)
    else:
        raise SpecError("bad-value", f"--out: {path}: expected {ENDINGS}")


def write_texts(path: Path, texts: Sequence[str]) -> None:
    """Write texts as .txt, with an empty line between them, or .jsonl of {"text": ...}.

    Raises:
        SpecError: `bad-value` for another suffix.
    """
    if path.suffix == ".txt":
        write_file(path, "\n\n".join(texts) + "\n")
    elif path.suffix == ".jsonl":
        write_file(path, "".join(json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in texts))
    else:
        raise SpecError("bad-value", f"--out: {path}: expected .txt or .jsonl")


def prediction_table(
    data: PreparedData, predictions: Mapping[str, PredictionArrays], calibration: Mapping[str, Calibration]
) -> pl.DataFrame:
    """Test predictions: source row, then true value, prediction, and confidence or interval of each output."""
    rows = data.rows("test")
    columns: dict[str, Any] = {"row": data.source_rows[rows]}
    outputs = {f.name: f for f in data.outputs}
    for name, arrays in predictions.items():
        feature = outputs[name]
        raw = data.table[feature.column]
        truth = raw[rows] if isinstance(raw, pl.Series | np.ndarray) else [getattr(raw[i], "name", None) for i in rows]
        if not isinstance(truth, np.ndarray) or truth.ndim <= 2:  # pixels are not copied
            columns[f"{name}.true"] = truth.tolist() if isinstance(truth, np.ndarray) and truth.ndim == 2 else truth
        decoded = feature.decode(arrays, calibration.get(name))
        for key in ("value", "confidence", "low", "high", "probability"):
            if decoded and key in decoded[0]:
                columns[f"{name}.{key}"] = [d[key] for d in decoded]
    return pl.DataFrame(columns, strict=False)


def write_table(path: Path, frame: pl.DataFrame, excel_safe: bool = False) -> None:
    """Write a table of predictions, in the format of the suffix; lists become text in csv and Excel files.

    Args:
        path: .csv, .tsv, .parquet or .xlsx.
        excel_safe: as for `write_predictions`.

    Raises:
        MissingExtra: .xlsx without the extra `excel`.
    """
    content = io.BytesIO()
    flat = frame.with_columns(_as_text(c) for c in frame if c.dtype.is_nested())
    if path.suffix == ".parquet":
        frame.write_parquet(content)
    elif path.suffix == ".xlsx":
        _write_excel(flat, content)
    else:
        if excel_safe:
            flat = flat.with_columns(guarded(c) for c in flat if c.dtype == pl.String)
            flat.columns = guarded(pl.Series(flat.columns)).to_list()
        flat.write_csv(content, separator="," if path.suffix == ".csv" else "\t")
    write_file(path, content.getvalue())


def _write_excel(frame: pl.DataFrame, content: io.BytesIO) -> None:
    """One sheet; text stays text, whatever it begins with."""
    try:
        from xlsxwriter import Workbook
    except ImportError as error:
        raise MissingExtra("xlsxwriter", "excel", "writing .xlsx files") from error
    with Workbook(content, {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}) as book:
        frame.write_excel(book, autofit=True)


def _frame(predictions: Predictions) -> pl.DataFrame:
    """A column per output and value; attributions as a column per input, where all rows have the same inputs."""
    parts = {
        (o, tuple(sorted(part["part"] for part in values["attributions"])))
        for row in predictions
        for o, values in row.items()
        if "attributions" in values
    }
    shared = {o for o, names in parts if sum(o == other for other, _ in parts) == 1 and len(set(names)) == len(names)}
    rows = []
    for row in predictions:
        cells: dict[str, Any] = {}
        for o, values in row.items():
            for key, value in values.items():
                if key == "attributions" and o in shared:
                    cells |= {f"{o}.weight.{p['part']}": p["weight"] for p in sorted(value, key=lambda p: p["part"])}
                elif key == "attributions":
                    cells[f"{o}.{key}"] = json.dumps(value, ensure_ascii=False)
                elif not isinstance(value, dict):
                    cells[o if key == "value" else f"{o}.{key}"] = value
        rows.append(cells)
    return pl.DataFrame(rows, infer_schema_length=None)


def _as_text(column: pl.Series) -> pl.Series:
    """Lists as text for csv files: labels joined by semicolons, others as JSON."""
    if column.dtype == pl.List(pl.String):
        return column.list.join(";")
    cells = [None if c is None else json.dumps(c, ensure_ascii=False) for c in column.to_list()]
    return pl.Series(column.name, cells, dtype=pl.String)


def _write_folder(folder: Path, predictions: Predictions) -> None:
    names = file_names(o for row in predictions for o in row)
    images = {
        f"{names[o]}-{i}.png": png
        for i, row in enumerate(predictions)
        for o, f in row.items()
        if (png := _png(f["value"]))
    }
    if not images:
        raise SpecError("bad-value", f"--out: {folder}: expected masks or images for a folder; choose {folder}.csv")
    folder.mkdir(parents=True, exist_ok=True)
    for name, png in images.items():
        write_file(folder / name, png)
    rest = [{o: {k: v for k, v in f.items() if not _png(v)} for o, f in row.items()} for row in predictions]
    write_file(folder / "predictions.json", json.dumps(rest, ensure_ascii=False, indent=1))


def _png(value: Any) -> bytes | None:
    """The PNG file of a mask or image; None for other values."""
    if not isinstance(value, Mapping):
        return None
    if "png" in value:
        return base64.b64decode(value["png"])
    if "runs" not in value:
        return None
    numbers = decode_runs(value)
    file = io.BytesIO()
    Pillow.fromarray(numbers.astype("uint8" if numbers.max(initial=0) < 256 else "uint16")).save(file, "PNG")
    return file.getvalue()
