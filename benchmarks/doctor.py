"""Data checks: recall of label errors, inserted duplicates and leaks, false positives, time on a large table.

    python benchmarks/doctor.py labels         # 5 % of the labels of 10,000 mnist rows changed; trained for 30 s
    python benchmarks/doctor.py inserted       # duplicates across the split and leaking columns, in tables and images
    python benchmarks/doctor.py false_leaks    # leaks reported in the data sets of $DEEPGLASS_DATA, which have none
    python benchmarks/doctor.py large          # inspect of 100,000 rows, 20 columns
    python benchmarks/doctor.py compare [--python PATH]   # label errors beside cleanlab (pip install cleanlab)
Data sets are read from $DEEPGLASS_DATA; synthetic ones are written to a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from label_errors import compare

import deepglass
from deepglass.data.sources import read
from deepglass.doctor.labels import label_errors
from deepglass.run.callbacks.margins import margins_for_table

DATA = Path(os.environ.get("DEEPGLASS_DATA", "../shared/data"))
ROWS, SHARE = 10_000, 0.05
NUM_COPIES = 40  # rows copied across the split

USUAL: tuple[tuple[str, dict[str, Any]], ...] = (  # data sets with their usual targets
    ("titanic/titanic.csv", {"target": "Survived"}),
    ("adult_census", {"target": "column_15"}),
    ("california_housing/housing.csv", {"target": "median_house_value"}),
    ("ett/ETTh1.csv", {"target": "OT"}),
    ("airline_passengers/airline-passengers.csv", {"target": "Passengers"}),
    ("international_football/results.csv", {"target": "home_score"}),
    ("international_football/results.csv", {"target": "away_score"}),
    ("international_football/goalscorers.csv", {"target": "penalty"}),
    ("international_football/shootouts.csv", {"target": "winner"}),
    ("ag_news", {"target": "label"}),
    ("driving_steering/driving_log.csv", {"target": "steering"}),
    ("mnist", {"target": "label"}),
    ("cifar10/cifar10_subset.npz", {}),
    ("orl_faces", {}),
    ("spoken_digits", {"target": "digit", "filename_pattern": "{digit}_{speaker}_{take}"}),
    ("spoken_digits", {"target": "speaker", "filename_pattern": "{digit}_{speaker}_{take}"}),
    ("multi30k", {}),
    ("ud_english_ewt", {}),
    ("bccd", {}),
    ("camvid", {}),
    ("coco128", {}),
    ("flickr8k/captions_subset.csv", {"target": "caption"}),
)


def labels(folder: Path) -> dict[str, Any]:
    """Precision and recall of label errors."""
    table = read(DATA / "mnist")
    random = np.random.default_rng(0)
    rows = random.choice(60_000, ROWS, replace=False)
    images, label = np.asarray(table["image"])[rows], np.asarray(table["label"])[rows].astype(int)
    wrong = random.choice(ROWS, round(SHARE * ROWS), replace=False)
    label[wrong] = (label[wrong] + random.integers(1, 10, len(wrong))) % 10
    source = folder / "mnist5"
    source.mkdir()
    header = struct.pack(">IIII", 0x803, ROWS, *images.shape[1:3])
    (source / "train-images-idx3-ubyte").write_bytes(header + images.astype(np.uint8).tobytes())
    (source / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, ROWS) + label.astype(np.uint8).tobytes())
    run = deepglass.train(source, time="30s", out=folder / "run", baselines=False)
    started = time.perf_counter()
    table = read(source)
    margins = margins_for_table(run.folder, table).get("label")
    errors = label_errors(run.predictor, table, margins=margins)
    found = {e.row for e in errors}
    right = len(found & set(wrong.tolist()))
    return {
        "accuracy": run.metrics["test"]["label"]["accuracy"],
        "found": len(found),
        "precision": round(right / max(len(found), 1), 4),
        "recall": round(right / len(wrong), 4),
        "stated_probability": round(float(np.mean([e.probability for e in errors])), 4),
        "seconds": round(time.perf_counter() - started, 2),
    }


def inserted(folder: Path) -> dict[str, Any]:
    """Share of inserted duplicates and leaks that are found."""
    random = np.random.default_rng(0)
    return {
        "adult_census": _inserted_table(DATA / "adult_census" / "adult-train.csv", "column_15", folder, random),
        "california_housing": _inserted_table(
            DATA / "california_housing" / "housing.csv", "median_house_value", folder, random
        ),
        "titanic": _inserted_table(DATA / "titanic" / "titanic.csv", "Survived", folder, random),
        "mnist": _inserted_images(random),
        "ag_news": _inserted_texts(random),
    }


def _inserted_table(path: Path, target: str, folder: Path, random: np.random.Generator) -> dict[str, float]:
    frame = pl.DataFrame(dict(read(path).columns))  # type: ignore[arg-type]
    count = len(frame)
    copied = random.choice(count, NUM_COPIES, replace=False)
    answer = frame[target]
    codes = answer.rank("dense").cast(pl.Float64)
    noisy = codes.to_numpy() * 3 + 1 + random.normal(0, 1e-3, count)
    frame = frame.with_columns(again=answer, encoded=noisy, other=random.normal(size=count))
    parts = random.choice(["train", "test"], count, p=[0.8, 0.2])
    opposite = np.where(parts[copied] == "train", "test", "train")
    whole = pl.concat([frame, frame[copied]])
    split = np.concatenate([parts, opposite])
    for part in ("train", "test"):
        whole.filter(pl.Series(split == part)).write_csv(folder / f"{path.stem}-{part}.csv")
    order = np.concatenate([np.flatnonzero(split == "train"), np.flatnonzero(split == "test")])
    place = {int(row): i for i, row in enumerate(order)}
    test = folder / f"{path.stem}-test.csv"
    found = deepglass.inspect(folder / f"{path.stem}-train.csv", target, test=str(test))
    by_kind = {f.kind: f for f in found.findings}
    twins = set(by_kind["split_duplicate"].rows) if "split_duplicate" in by_kind else set()
    wanted = {place[count + i] for i in range(NUM_COPIES)} | {place[int(r)] for r in copied}
    leaking = set(by_kind["leak"].columns) if "leak" in by_kind else set()
    return {
        "split_duplicate": round(len(wanted & twins) / len(wanted), 4),
        "leak": len(leaking & {"again", "encoded"}) / 2,
        "false_leaks": len(leaking - {"again", "encoded"}),
    }


def _inserted_images(random: np.random.Generator) -> dict[str, float]:
    """Darker, noisy copies, and a mark in a corner whose brightness is the class."""
    table = read(DATA / "mnist")
    images, label = np.asarray(table["image"])[:5000].copy(), np.asarray(table["label"])[:5000]
    copied, over = random.permutation(5000)[: 2 * NUM_COPIES].reshape(2, -1)
    noise = random.normal(0, 4, images[copied].shape)
    images[over] = np.clip(0.95 * images[copied] + noise, 0, 255).astype(np.uint8)
    split = np.full(5000, "train", "U5")
    split[over] = "test"
    source = {"image": images, "label": label}
    found = {f.kind: f for f in deepglass.inspect(_with_split(source, split), "label").findings}
    rows = set(found["split_duplicate"].rows) if "split_duplicate" in found else set()
    marked = images.copy()
    marked[:, :2, :2] = (label[:, None, None] * 25).astype(np.uint8)
    leaks = {f.kind for f in deepglass.inspect({"image": marked, "label": label}, "label").findings}
    return {
        "split_duplicate": round(len(rows & {*copied, *over}) / (2 * NUM_COPIES), 4),
        "leak": float("leak" in leaks),
    }


def _inserted_texts(random: np.random.Generator) -> dict[str, float]:
    """Copies with a changed word, and a word in the texts of one class only."""
    table = read(DATA / "ag_news" / "train.csv")
    text, label = pl.Series(table["text"]).to_list()[:4000], pl.Series(table["label"])[:4000]
    copied, over = random.permutation(4000)[: 2 * NUM_COPIES].reshape(2, -1)
    for i, j in zip(copied, over, strict=True):
        words = text[i].split()
        words[len(words) // 2] = "something"
        text[j] = " ".join(words).upper()
    split = np.full(4000, "train", "U5")
    split[over] = "test"
    source = {"text": pl.Series(text), "label": label.cast(pl.String)}
    found = {f.kind: f for f in deepglass.inspect(_with_split(source, split), "label").findings}
    rows = set(found["split_duplicate"].rows) if "split_duplicate" in found else set()
    marked = [f"{t} topic{k}" for t, k in zip(text, label, strict=True)]
    leaks = {f.kind for f in deepglass.inspect({**source, "text": pl.Series(marked)}, "label").findings}
    return {
        "split_duplicate": round(len(rows & {*copied, *over}) / (2 * NUM_COPIES), 4),
        "leak": float("leak" in leaks),
    }


def _with_split(columns: dict[str, Any], split: np.ndarray) -> Any:
    table = read(columns)
    return type(table)(**{**table.__dict__, "split": split})


def false_leaks(folder: Path) -> dict[str, Any]:
    """Leaks reported in data sets without any, and other findings."""
    results: dict[str, Any] = {}
    for name, settings in USUAL:
        started = time.perf_counter()
        found = deepglass.inspect(DATA / name, **settings).findings
        results[f"{name} {settings.get('target', '')}".strip()] = {
            "leaks": [c for f in found if f.kind == "leak" for c in f.columns],
            "others": {f.kind: len(f.rows) for f in found if f.kind != "leak"},
            "seconds": round(time.perf_counter() - started, 2),
        }
    return {"false_leaks": sum(len(s["leaks"]) for s in results.values()), **results}


def large(folder: Path) -> dict[str, Any]:
    """Time of `inspect` on a csv file of 100,000 rows and 20 columns."""
    random = np.random.default_rng(0)
    n = 100_000
    columns: dict[str, Any] = {f"number_{i}": random.normal(size=n) for i in range(10)}
    columns |= {f"word_{i}": random.choice([f"v{k}" for k in range(5 + 20 * i)], n) for i in range(6)}
    columns["code"] = [f"row-{i:06d}" for i in range(n)]
    columns["same"] = np.zeros(n)
    columns["text"] = [" ".join(w) for w in random.choice([f"word{k}" for k in range(500)], (n, 8))]
    columns["answer"] = np.where(columns["number_0"] + random.normal(size=n) > 0, "yes", "no")
    path = folder / "large.csv"
    pl.DataFrame(columns).write_csv(path)
    started = time.perf_counter()
    found = deepglass.inspect(path, "answer")
    return {"seconds": round(time.perf_counter() - started, 2), "kinds": [f.kind for f in found.findings]}


FIGURES: dict[str, Callable[..., dict[str, Any]]] = {
    "labels": labels,
    "inserted": inserted,
    "false_leaks": false_leaks,
    "large": large,
    "compare": compare,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--python", default="", help="of `compare`: a Python that has cleanlab; without it ours alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        more = {"python": arguments.python} if arguments.figure == "compare" else {}
        print(json.dumps(FIGURES[arguments.figure](Path(made), **more), indent=1))
