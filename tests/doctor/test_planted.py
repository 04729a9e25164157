"""Faults planted in clean data are found by the rows that hold them, and clean data have no finding."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from conftest import findings_by_kind
from sklearn import datasets

import deepglass

Random = np.random.Generator


# -- tables ------------------------------------------------------------------------------------------------------


def houses(random: Random) -> pl.DataFrame:
    """Numbers, a category and a date; the price depends on several of them."""
    n = 600
    size, age, rooms = random.gamma(9, 12, n) + 30, random.integers(3, 90, n), random.integers(1, 8, n)
    town = random.choice(["Bonn", "Essen", "Mainz", "Ulm"], n)
    day = np.datetime64("2015-01-01") + random.integers(0, 2000, n).astype("timedelta64[D]")
    price = 1900 * size - 600.0 * age + 9000 * (town == "Bonn") + random.normal(0, 25_000, n) + 90_000
    return pl.DataFrame({"size": size, "age": age, "rooms": rooms, "town": town, "day": day, "price": price})


def people(random: Random) -> pl.DataFrame:
    n = 700
    height, weight = random.normal(67, 3.2, n), random.normal(160, 14, n)
    latitude, longitude = random.normal(48, 1.2, n), random.normal(9, 0.9, n)
    job = random.choice(["nurse", "clerk", "driver"], n)
    ill = np.where(weight - 3 * height + 40 * (job == "driver") + random.normal(0, 25, n) > -20, "yes", "no")
    return pl.DataFrame(
        {"height": height, "weight": weight, "latitude": latitude, "longitude": longitude, "job": job, "ill": ill}
    )


def cells(_: Random) -> pl.DataFrame:
    data = datasets.load_breast_cancer(as_frame=True)
    return pl.DataFrame({f"x{i}": data.data.iloc[:, i].to_numpy() for i in range(12)}).with_columns(
        kind=pl.Series(np.array(["malignant", "benign"])[data.target])
    )


TABLES = {"houses": (houses, "price"), "people": (people, "ill"), "cells": (cells, "kind")}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("seed", range(3))
def test_clean_tables_have_no_finding(name: str, seed: int) -> None:
    make, target = TABLES[name]
    assert findings_by_kind(make(np.random.default_rng(seed)), target) == {}


class Plant(NamedTuple):
    """A fault: the table, the column, the rows, the kind of finding that must name them."""

    table: str
    kind: str
    change: Callable[[pl.DataFrame, np.ndarray, Random], pl.DataFrame]
    share: float = 0.03
    named_rows: bool = True


def scaled(column: str, factor: float) -> Callable[[pl.DataFrame, np.ndarray, Random], pl.DataFrame]:
    def change(frame: pl.DataFrame, rows: np.ndarray, _: Random) -> pl.DataFrame:
        values = frame[column].to_numpy().astype(float)
        values[rows] *= factor
        return frame.with_columns(pl.Series(column, values))

    return change


def put(column: str, value: object) -> Callable[[pl.DataFrame, np.ndarray, Random], pl.DataFrame]:
    def change(frame: pl.DataFrame, rows: np.ndarray, _: Random) -> pl.DataFrame:
        values = frame[column].to_list()
        for row in rows:
            values[row] = value
        return frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype))

    return change


def exchanged(a: str, b: str) -> Callable[[pl.DataFrame, np.ndarray, Random], pl.DataFrame]:
    def change(frame: pl.DataFrame, rows: np.ndarray, _: Random) -> pl.DataFrame:
        x, y = frame[a].to_numpy().copy(), frame[b].to_numpy().copy()
        x[rows], y[rows] = y[rows], x[rows]
        return frame.with_columns(pl.Series(a, x), pl.Series(b, y))

    return change


def rewritten(column: str, how: Callable[[str], str]) -> Callable[[pl.DataFrame, np.ndarray, Random], pl.DataFrame]:
    def change(frame: pl.DataFrame, rows: np.ndarray, _: Random) -> pl.DataFrame:
        values = [str(v) for v in frame[column].to_list()]
        for row in rows:
            values[row] = how(values[row])
        return frame.with_columns(pl.Series(column, values))

    return change


def noisy_copies(frame: pl.DataFrame, rows: np.ndarray, random: Random) -> pl.DataFrame:
    """Rows 0, 1, ... again at `rows`, with noise of a thousandth of the spread in each measured number."""
    columns = {}
    for name in frame.columns:
        values = frame[name].to_numpy().copy()
        values[rows] = values[: len(rows)]
        if values.dtype.kind == "f":
            values[rows] += random.normal(0, 0.001 * values.std(), len(rows))
        columns[name] = values
    return pl.DataFrame(columns)


def late(frame: pl.DataFrame, _: np.ndarray, random: Random) -> pl.DataFrame:
    """A date that exists for the ill alone."""
    days = np.datetime64("2020-01-01") + random.integers(0, 900, len(frame)).astype("timedelta64[D]")
    dates = [day if ill == "yes" else None for day, ill in zip(days.tolist(), frame["ill"].to_list())]
    return frame.with_columns(discharged=pl.Series(dates))


def graded(frame: pl.DataFrame, _: np.ndarray, random: Random) -> pl.DataFrame:
    """A column that tells 97 % of the labels."""
    told = np.where(random.random(len(frame)) < 0.97, frame["ill"] == "yes", random.random(len(frame)) < 0.5)
    return frame.with_columns(therapy=pl.Series(np.where(told, "B", "A")))


def patients(frame: pl.DataFrame, _: np.ndarray, random: Random) -> pl.DataFrame:
    """Ten visits of each patient, who hardly change."""
    first = frame.gather(np.repeat(np.arange(len(frame) // 10), 10))
    noise = {c: first[c] + random.normal(0, 0.05 * frame[c].std(), len(first)) for c in ("height", "weight")}
    order = random.permutation(len(first))
    names = pl.Series([f"P{k:03d}" for k in np.repeat(np.arange(len(frame) // 10), 10)])
    return first.with_columns(**noise, patient=names)[order]


def recordings(frame: pl.DataFrame, _: np.ndarray, random: Random) -> pl.DataFrame:
    """The same without an id, visit after visit."""
    first = frame.gather(np.repeat(np.arange(len(frame) // 10), 10))
    numbers = ("height", "weight", "latitude", "longitude")
    return first.with_columns(**{c: first[c] + random.normal(0, 0.03 * frame[c].std(), len(first)) for c in numbers})


def person_names(frame: pl.DataFrame, _: np.ndarray, random: Random) -> pl.DataFrame:
    first, last = ["Ada", "Ben", "Cara", "Dan", "Eve", "Finn"], ["Adams", "Brown", "Clark", "Davis", "Evans"]
    whole = [
        f"{random.choice(first)} {random.choice(list('ABCDEFGHJK'))}. {random.choice(last)}" for _ in range(len(frame))
    ]
    return frame.with_columns(name=pl.Series([f"{n}{'aeiou'[i % 5]}" for i, n in enumerate(whole)]))


def unmarked_ids(frame: pl.DataFrame, _: np.ndarray, random: Random) -> pl.DataFrame:
    return frame.with_columns(record=pl.Series(random.choice(900_000, len(frame), replace=False) + 100_000))


def zip_codes(frame: pl.DataFrame, _: np.ndarray, random: Random) -> pl.DataFrame:
    return frame.with_columns(zip_code=pl.Series(random.choice(random.integers(10115, 99998, 200), len(frame))))


PLANTS = {
    "thousandfold": Plant("houses", "outlier", scaled("size", 1000)),
    "thousandfold target": Plant("houses", "outlier", scaled("price", 1000)),
    "cents": Plant("cells", "outlier", scaled("x0", 100)),
    "centimetres": Plant("people", "outlier", scaled("height", 2.54), 0.1),
    "pounds": Plant("people", "outlier", scaled("weight", 1 / 2.205), 0.08),
    "negative": Plant("houses", "outlier", scaled("age", -1), 0.01),
    "code -999": Plant("people", "outlier", put("weight", -999.0)),
    "code 9999": Plant("cells", "outlier", put("x2", 9999.0)),
    "code 999": Plant("houses", "outlier", put("age", 999)),
    "date 1900": Plant("houses", "outlier", put("day", np.datetime64("1900-01-01").item())),
    "date 9999": Plant("houses", "outlier", put("day", np.datetime64("9999-12-31").item())),
    "swapped": Plant("people", "swapped", exchanged("latitude", "longitude"), 0.02),
    "swapped sizes": Plant("people", "swapped", exchanged("height", "weight"), 0.01),
    "case": Plant("houses", "spelling", rewritten("town", str.upper)),
    "space": Plant("people", "spelling", rewritten("job", lambda v: v.replace("r", "r "))),
    "date format": Plant("houses", "spelling", rewritten("day", lambda v: f"{v[8:10]}/{v[5:7]}/{v[:4]}"), 0.1),
    "text in numbers": Plant("houses", "spelling", rewritten("size", lambda v: f"{v} m2")),
    "words in numbers": Plant("people", "spelling", rewritten("weight", lambda v: "heavy"), 0.05),
    "noisy copies": Plant("cells", "near_copy", noisy_copies),
    "noisy copies of people": Plant("people", "near_copy", noisy_copies),
    "missing leak": Plant("people", "leak", late, named_rows=False),
    "graded leak": Plant("people", "leak", graded, named_rows=False),
    "patients": Plant("people", "group_leak", patients, named_rows=False),
    "recordings": Plant("people", "group_leak", recordings, named_rows=False),
    "names": Plant("people", "proxy", person_names, named_rows=False),
    "ids": Plant("houses", "proxy", unmarked_ids, named_rows=False),
    "zip codes": Plant("houses", "proxy", zip_codes, named_rows=False),
}


@pytest.mark.parametrize("name", PLANTS)
def test_planted_faults_of_tables_are_found(name: str) -> None:
    plant = PLANTS[name]
    make, target = TABLES[plant.table]
    random = np.random.default_rng(7)
    frame = make(random)
    rows = np.sort(random.choice(np.arange(60, len(frame)), int(plant.share * len(frame)), replace=False))
    findings = findings_by_kind(plant.change(frame, rows, random), target)
    assert plant.kind in findings, {k: f.text for k, f in findings.items()}
    if plant.named_rows:
        named = set(findings[plant.kind].rows)
        expected = set(rows.tolist())
        assert len(named & expected) >= 0.9 * len(expected)
        if plant.kind != "near_copy":
            assert len(named - expected) <= 0.1 * len(expected)
    if plant.kind == "group_leak":
        assert findings["group_leak"].fix.startswith("data.split.by="), "leaving out a column cures no group leak"


def test_equal_rows_in_random_order_are_no_blocks() -> None:
    """Few values repeat throughout the source, so each row has an equal one near it and far from it."""
    random = np.random.default_rng(0)
    hours = random.integers(1, 9, 300)
    frame = pl.DataFrame({"hours": hours, "calls": random.poisson(3 * hours)})
    assert "group_leak" not in findings_by_kind(frame, "calls")


@pytest.mark.parametrize("name", ["code -999", "swapped", "noisy copies", "thousandfold"])
def test_the_fix_of_a_finding_cures_it(name: str, tmp_path: Path) -> None:
    plant = PLANTS[name]
    make, target = TABLES[plant.table]
    random = np.random.default_rng(7)
    frame = make(random)
    rows = np.sort(random.choice(np.arange(60, len(frame)), int(plant.share * len(frame)), replace=False))
    plant.change(frame, rows, random).write_csv(tmp_path / "t.csv")
    key, _, value = findings_by_kind(tmp_path / "t.csv", target)[plant.kind].fix.partition("=")
    setting = {key.removeprefix("data."): value[1:-1].split(", ")}
    run = deepglass.train(tmp_path / "t.csv", target, data=setting, steps=2, out=tmp_path / "run", baselines=False)
    findings = deepglass.doctor.findings.read_findings(run.folder) or ()
    assert plant.kind not in {f.kind for f in findings}


def drifting(frame: pl.DataFrame, column: str, order: np.ndarray) -> pl.DataFrame:
    """A number that rises by two and a half of its deviations along an order of the rows."""
    position = order.argsort(kind="stable").argsort() / len(order)
    values = frame[column].to_numpy().astype(float)
    return frame.with_columns(pl.Series(column, values + 2.5 * values.std() * position))


@pytest.mark.parametrize(
    ("name", "column", "time"),
    [("houses", "size", "day"), ("houses", "price", "day"), ("people", "weight", ""), ("cells", "x1", "")],
)
def test_a_drift_in_time_is_found_and_its_fix_cures_it(name: str, column: str, time: str, tmp_path: Path) -> None:
    make, target = TABLES[name]
    random = np.random.default_rng(7)
    frame = make(random)[random.permutation(len(make(random)))]
    order = frame[time].to_physical().to_numpy() if time else np.arange(len(frame))
    drifting(frame, column, order).write_csv(tmp_path / "t.csv")
    finding = findings_by_kind(tmp_path / "t.csv", target)["order_drift"]
    assert column in finding.columns
    assert finding.fix == (f"data.split.by=time:{time}" if time else "data.split.by=order")
    key, value = finding.fix.removeprefix("data.").split("=")
    assert key == "split.by"
    assert "order_drift" not in findings_by_kind(tmp_path / "t.csv", target, data={"split": {"by": value}})


def test_a_file_sorted_by_its_label_does_not_drift() -> None:
    assert "order_drift" not in findings_by_kind(cells(np.random.default_rng(0)).sort("kind"), "kind")


# -- media and texts ---------------------------------------------------------------------------------------------


def drawings(random: Random, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with a bright sky, a dark ground and a disc or a square."""
    y, x = np.mgrid[:24, :24]
    label = random.choice(["disc", "square"], n)
    pictures = np.zeros((n, 24, 24))
    for i in range(n):
        a, b, r = [*random.uniform(8, 16, 2).tolist(), random.uniform(3, 5)]
        inside = (x - a) ** 2 + (y - b) ** 2 < r * r if label[i] == "disc" else np.maximum(abs(x - a), abs(y - b)) < r
        pictures[i] = np.where(inside, 120, np.where(y < 12, 200, 50)) + random.normal(0, 6, (24, 24))
    return pictures.clip(0, 255).astype(np.uint8), label


def test_faults_of_images_are_found() -> None:
    random = np.random.default_rng(0)
    pictures, label = drawings(random)
    assert findings_by_kind({"image": pictures, "label": label}, "label") == {}
    for rows, change in {
        (3, 50, 70): lambda p: np.full_like(p, 128),
        (4, 20, 99): lambda p: p[::-1, ::-1],
        (8, 31, 60): lambda p: np.pad(p[4:-4, 4:-4], 4, constant_values=0),
    }.items():
        changed = pictures.copy()
        for row in rows:
            changed[row] = change(changed[row])
        assert findings_by_kind({"image": changed, "label": label}, "label")["media_quality"].rows == rows


def write_wave(path: Path, samples: np.ndarray, rate: int = 8000) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.clip(-1, 1) * 32000).astype("<i2").tobytes())


@pytest.mark.parametrize("fault", ["", "silent", "clipped", "noise", "samples a second"])
def test_faults_of_sounds_are_found(fault: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    at = np.arange(4000) / 8000
    for i in range(40):
        tone = sum(
            np.sin(2 * np.pi * f * at) * np.exp(-((at - m) ** 2) / 0.01) for f, m in random.random((4, 2)) * [1500, 0.5]
        )
        tone = 0.7 * tone / np.abs(tone).max() + random.normal(0, 0.001, 4000)
        if fault and i in (6, 17):
            tone = {"silent": 0 * tone, "clipped": 12 * tone, "noise": random.normal(0, 0.2, 4000)}.get(fault, tone)
        rate = 16_000 if fault == "samples a second" and i in (6, 17) else 8000
        write_wave(tmp_path / "ab"[i % 2] / f"{i:02d}.wav", tone, rate)
    findings = findings_by_kind(tmp_path)
    if not fault:
        assert findings == {}
        return
    assert fault in findings["media_quality"].text
    assert {"06.wav", "17.wav"} <= {Path(n).name for n in findings["media_quality"].text.replace(",", " ").split()}


def sentences(random: Random, n: int = 300) -> pl.DataFrame:
    words = np.array([f"word{k}" for k in range(400)])
    label = random.choice(["news", "sport"], n)
    texts = [" ".join(random.choice(words[:300] if k == "news" else words[100:], 14)) for k in label]
    return pl.DataFrame({"text": texts, "label": label})


@pytest.mark.parametrize(
    ("kind", "change", "share"),
    [
        ("empty_text", lambda t: "n/a", 0.02),
        ("markup", lambda t: f"<p>{t}</p><br/>", 0.05),
        ("boilerplate", lambda t: f"{t} Read more in our newsletter, every Monday", 0.2),
    ],
)
def test_faults_of_texts_are_found(kind: str, change: Callable[[str], str], share: float) -> None:
    random = np.random.default_rng(0)
    frame = sentences(random)
    assert findings_by_kind(frame, "label", kinds={"text": "text"}) == {}
    rows = np.sort(random.choice(len(frame), int(share * len(frame)), replace=False))
    texts = frame["text"].to_list()
    for row in rows:
        texts[row] = change(texts[row])
    finding = findings_by_kind(frame.with_columns(text=pl.Series(texts)), "label", kinds={"text": "text"})[kind]
    assert set(finding.rows) == set(rows.tolist())


# -- real data without faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_bundled_sets_have_no_finding(name: str) -> None:
    assert findings_by_kind(f"sklearn:{name}") == {}


@pytest.mark.parametrize("name", ["california_housing", "bccd"])
def test_real_sets_have_no_finding(name: str, data_root: Path) -> None:
    assert findings_by_kind(data_root / name) == {}
