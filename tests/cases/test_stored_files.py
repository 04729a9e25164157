"""Files in the cells of tables: Hugging Face's parquet, images and sounds from Python, at training and prediction."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import soundfile
from PIL import Image

import deepglass
from deepglass.data.sources import read
from deepglass.features._audio_files import read_audio
from deepglass.features._images import decode
from deepglass.features.base import infer_type

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
PICTURES = [Image.fromarray(pixels) for pixels in PIXELS]
LABELS = ["a", "b"] * 3


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 8_000, format="WAV")
    return file.getvalue()


def check(source: Any, name: str = "image") -> None:
    table = read(source)
    assert table.kinds[name] == "image"
    assert [decode(cell).tolist() for cell in table[name]] == PIXELS.tolist()


def test_hugging_face_parquet(cases: Path) -> None:
    for name, column in (("bytes", "img"), ("train-00000-of-00001", "image")):
        table = read(cases / "22-hf-parquet" / f"{name}.parquet")
        assert (len(table), table.names, table.kinds) == (60, [column, "label"], {column: "image"})
        assert decode(table[column][0]).shape == (20, 20, 3)


@pytest.mark.parametrize("path", ["0.png", None])
def test_bytes_and_paths(tmp_path: Path, path: str | None) -> None:
    cells = [{"bytes": png(image), "path": path} for image in PICTURES]
    pl.DataFrame({"image": cells, "label": LABELS}).write_parquet(tmp_path / "a.parquet")
    check(tmp_path / "a.parquet")
    check(pl.DataFrame({"image": [cell["bytes"] for cell in cells], "label": LABELS}))


def test_sounds_in_parquet(tmp_path: Path) -> None:
    wave = np.sin(np.arange(2_000) / 7).astype(np.float32) / 2
    pl.DataFrame({"audio": [{"bytes": wav(wave), "path": "a.wav"}, None]}).write_parquet(tmp_path / "a.parquet")
    table = read(tmp_path / "a.parquet")
    assert table.kinds == {"audio": "audio"}
    assert np.abs(read_audio(table["audio"][0], None, 9.0) / 32767 - wave).max() < 1e-3
    assert table["audio"][1] is None


def test_other_bytes_are_no_files() -> None:
    assert read(pl.DataFrame({"x": [b"abc", b"def"], "y": [1, 2]})).kinds == {}


@pytest.mark.parametrize(
    "cells",
    [lambda folder: PICTURES, lambda folder: list(PIXELS), lambda folder: [png(image) for image in PICTURES]],
    ids=["pictures", "arrays", "bytes"],
)
def test_cells_from_python(tmp_path: Path, cells: Callable[[Path], list[Any]]) -> None:
    values = cells(tmp_path)
    check({"image": values, "label": LABELS})
    check([{"image": value, "label": label} for value, label in zip(values, LABELS, strict=True)])
    check(pd.DataFrame({"image": pd.Series(values, dtype=object), "label": LABELS}))
    check((values, LABELS))
    check(values)


def test_paths_from_python(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for image, path in zip(PICTURES, paths, strict=True):
        image.save(path)
    check({"image": paths, "label": LABELS})
    check(pd.DataFrame({"image": paths, "label": LABELS}))
    check(paths)
    check(list(map(str, paths)))


def test_images_of_several_sizes() -> None:
    images = [RANDOM.integers(0, 256, (6 + i, 9, 3)).astype(np.uint8) for i in range(4)]
    table = read({"x": [*images, None], "y": [1, 2, 3, 4, 5]})
    assert [None if cell is None else cell.shape for cell in table["x"]] == [*(i.shape for i in images), None]


def test_arrays_of_other_numbers_stay() -> None:
    assert read({"x": [np.zeros((3, 4)), np.ones((3, 4))], "y": [1, 2]}).kinds == {}


def test_training_and_prediction(tmp_path: Path) -> None:
    dark, bright = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 250, np.uint8)
    images = [Image.fromarray(array) for array in (dark, bright) for _ in range(20)]
    source = {"photo": images, "label": ["dark"] * 20 + ["bright"] * 20}
    run = deepglass.train(source, "label", out=tmp_path / "run", steps=30, baselines=False)
    Image.fromarray(bright).save(tmp_path / "b.png")
    stored = Image.open(io.BytesIO(png(Image.fromarray(bright))))
    for value in (images[-1], bright, tmp_path / "b.png", str(tmp_path / "b.png"), stored, png(stored)):
        assert run.predict({"photo": value})[0]["label"]["value"] == "bright", type(value)
        assert [row["label"]["value"] for row in run.predict([{"photo": value}, {"photo": images[0]}])] == [
            "bright",
            "dark",
        ]
    for rows in (images[-1], tmp_path / "b.png", [images[-1]], {"anything": [images[-1]]}, [bright], png(stored)):
        assert [row["label"]["value"] for row in run.predict(rows)] == ["bright"], type(rows)


@pytest.mark.parametrize(
    ("shape", "lowest", "kind"),
    [((60, 10, 1), -1, "sequence"), ((60, 10, 3), 0, "sequence"), ((60, 50, 12), -1, "sequence"),
     ((60, 8, 8), -1, "image"), ((60, 12, 20), 0, "image")],
)  # fmt: skip
def test_steps_of_numbers_are_no_images(shape: tuple[int, ...], lowest: float, kind: str) -> None:
    array = np.random.default_rng(0).uniform(lowest, 1, shape).astype(np.float32)
    assert infer_type(array, "x")[0] == kind
