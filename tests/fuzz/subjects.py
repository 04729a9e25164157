"""What the fuzzer mutates: one small source of each kind, spec files, and runs of eight kinds.

    python tests/fuzz/subjects.py FOLDER [run_NAME ...]

writes them below a folder and prints them as JSON. The fuzzer starts this as a process of its own, since polars starts
threads, after which no process may be forked.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import struct
import sys
import tarfile
import wave
import zipfile
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import polars as pl
from commands import Subject
from PIL import Image

ROWS = 24


TRAIN = ("train", "{path}", "--out", "{out}", "training.steps=2", "training.threads=1", "--no-baselines")
INSPECT = (*[("inspect", "{path}")] * 3, TRAIN)  # training takes several times as long
SETTINGS = ((*TRAIN, "{setting}"), ("inspect", "{path}", "{setting}"), (*TRAIN, "{setting}", "{setting}"))
KINDS = (
    (*TRAIN, "--kind", "{kind}"),
    (*TRAIN, "--target", "{column}", "--kind", "{kind}"),
    ("inspect", "{path}", "--kind", "{kind}"),
)
ON_RUNS = (  # `{other}` is a whole run of the same kind with another seed
    ("predict", "{path}", "{rows}", "--json"),
    ("evaluate", "{path}"),
    ("resume", "{path}"),
    ("compare", "{path}", "{other}"),
    ("report", "{path}", "--no-samples"),
    ("embed", "{path}", "{rows}", "--out", "{out}.tsv"),
    ("label", "{path}", "--json", "--out", "{out}.csv"),
    ("explain", "{path}", "{rows}", "--fast", "--json"),
    ("check", "{path}"),
)


def make_sources(root: Path) -> list[Subject]:
    """Write one small source of each kind below `root`."""
    rng = np.random.default_rng(0)
    subjects = []
    for name, (entry, write) in SOURCES.items():
        folder = root / name
        folder.mkdir(parents=True)
        write(folder, rng)
        subjects.append(Subject(name, entry, INSPECT))
    return subjects


def make_specs(root: Path) -> list[Subject]:
    """Spec files, inspected and trained for two steps."""
    subjects = []
    for name, text in SPECS.items():
        folder = root / name
        folder.mkdir(parents=True)
        _frame(np.random.default_rng(0)).write_csv(folder / "rows.csv")
        (folder / "spec.yaml").write_text(text)
        subjects.append(Subject(name, "spec.yaml", (("inspect", "{path}"), TRAIN)))
    for name, entry, commands in (
        ("settings", "rows.csv", SETTINGS),
        ("settings_spec", "spec.yaml", SETTINGS),
        ("kinds", "rows.csv", KINDS),
    ):
        folder = root / name
        shutil.copytree(root / "spec_table", folder)
        subjects.append(Subject(name, entry, commands))
    return subjects


def make_runs(root: Path, names: Iterable[str]) -> list[Subject]:
    """Runs, each trained with two seeds for two steps on a source beside it: `run`, and `other` for comparison."""
    from deepglass.cli.main import main

    subjects = []
    for name in names:
        source, arguments = RUNS[name]
        folder = root / name
        folder.mkdir(parents=True)
        entry, write = SOURCES[source]
        write(folder, np.random.default_rng(0))
        for seed, run in enumerate((folder / "run", folder / "other")):
            settings = [f"training.seed={seed}", *RUN_SETTINGS]
            sys.argv = ["deepglass", "train", str(folder / entry), *arguments, "--out", str(run), *settings]
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as errors:
                try:
                    main()
                except SystemExit as end:
                    if end.code:
                        raise RuntimeError(f"{name}: {errors.getvalue()}") from end
        commands = tuple(tuple(w.replace("{other}", str(folder / "other")) for w in words) for words in ON_RUNS)
        subjects.append(Subject(name, "run", commands, entry))
    return subjects


def _frame(rng: np.random.Generator) -> pl.DataFrame:
    size = rng.normal(size=ROWS).round(3)
    return pl.DataFrame(
        {
            "size": size,
            "rooms": rng.integers(1, 6, ROWS),
            "town": rng.choice(["Rome", "Oslo", "Bonn"], ROWS),
            "built": [f"20{10 + i % 10}-0{1 + i % 9}-11" for i in range(ROWS)],
            "price": (size * 3 + 10).round(2),
            "sold": np.where(size > 0, "yes", "no"),
        }
    )


def _image(path: Path, rng: np.random.Generator, mode: str = "RGB", side: int = 12) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side, 3) if mode == "RGB" else (side, side)
    Image.fromarray(rng.integers(0, 255, shape, np.uint8), mode).save(path)


def _images(folder: Path, rng: np.random.Generator) -> None:
    for index in range(ROWS):
        _image(folder / "images" / ("cat" if index % 2 else "dog") / f"{index}.{('png', 'jpg', 'gif')[index % 3]}", rng)


def _sounds(folder: Path, rng: np.random.Generator) -> None:
    for index in range(ROWS):
        path = folder / "sounds" / ("up" if index % 2 else "down") / f"{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(rng.integers(-9_000, 9_000, 800).astype("<i2").tobytes())


def _masks(folder: Path, rng: np.random.Generator) -> None:
    for index in range(ROWS):
        _image(folder / "data" / "images" / f"{index}.png", rng)
        path = folder / "data" / "masks" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((rng.random((12, 12)) > 0.5).astype(np.uint8)).save(path)


def _yolo(folder: Path, rng: np.random.Generator) -> None:
    for index in range(ROWS):
        _image(folder / "data" / "images" / f"{index}.png", rng)
        path = folder / "data" / "labels" / f"{index}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{index % 2} 0.5 0.5 0.25 0.5\n")
    (folder / "data" / "data.yaml").write_text("names: [jar, cup]\ntrain: images\nval: images\n")


def _coco(folder: Path, rng: np.random.Generator) -> None:
    for index in range(ROWS):
        _image(folder / "data" / f"{index}.png", rng)
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 12, "height": 12} for i in range(ROWS)],
        "annotations": [{"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 5, 6]} for i in range(ROWS)],
        "categories": [{"id": 1, "name": "jar"}],
    }
    (folder / "data" / "annotations.json").write_text(json.dumps(content))


def _voc(folder: Path, rng: np.random.Generator) -> None:
    for index in range(ROWS):
        _image(folder / "data" / f"{index}.png", rng)
        box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
        text = f"<annotation><filename>{index}.png</filename><object><name>jar</name>{box}</object></annotation>"
        (folder / "data" / f"{index}.xml").write_text(text)


def _listed(folder: Path, rng: np.random.Generator) -> None:
    for index in range(ROWS):
        _image(folder / f"{index}.png", rng)
    rows = [{"image": f"{i}.png", "label": "cat" if i % 2 else "dog"} for i in range(ROWS)]
    pl.DataFrame(rows).write_csv(folder / "rows.csv")


def _text(folder: Path, rng: np.random.Generator) -> None:
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "slept", "well"]
    (folder / "text.txt").write_text("\n".join(" ".join(rng.choice(words, 12)) for _ in range(60)))


def _reviews(folder: Path, rng: np.random.Generator) -> None:
    words = ["good", "bad", "fine", "awful", "great", "film", "plot"]
    rows = [{"review": " ".join(rng.choice(words, 9)), "label": i % 2} for i in range(ROWS)]
    pl.DataFrame(rows).write_csv(folder / "rows.csv")


def _conllu(folder: Path, rng: np.random.Generator) -> None:
    sentence = "1\tDogs\tdog\tNOUN\t_\t_\t2\tnsubj\t_\t_\n2\tbark\tbark\tVERB\t_\t_\t0\troot\t_\t_\n\n"
    (folder / "rows.conllu").write_text(sentence * ROWS)


def _idx(folder: Path, rng: np.random.Generator) -> None:
    images = struct.pack(">IIII", 2051, ROWS, 6, 6) + rng.integers(0, 255, ROWS * 36, np.uint8).tobytes()
    labels = struct.pack(">II", 2049, ROWS) + bytes(i % 2 for i in range(ROWS))
    (folder / "data").mkdir()
    (folder / "data" / "train-images-idx3-ubyte").write_bytes(images)
    (folder / "data" / "train-labels-idx1-ubyte").write_bytes(labels)


def _npz(folder: Path, rng: np.random.Generator) -> None:
    np.savez_compressed(folder / "rows.npz", x=rng.normal(size=(ROWS, 4)), y=np.arange(ROWS) % 2)


def _zip(folder: Path, rng: np.random.Generator) -> None:
    with zipfile.ZipFile(folder / "rows.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", _frame(rng).write_csv())


def _csv_gz(folder: Path, rng: np.random.Generator) -> None:
    (folder / "rows.csv.gz").write_bytes(gzip.compress(_frame(rng).write_csv().encode()))


def _tar(folder: Path, rng: np.random.Generator) -> None:
    content = _frame(rng).write_csv().encode()
    with tarfile.open(folder / "rows.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("rows.csv")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


SOURCES: dict[str, tuple[str, Callable[[Path, np.random.Generator], None]]] = {
    "csv": ("rows.csv", lambda f, r: _frame(r).write_csv(f / "rows.csv")),
    "tsv": ("rows.tsv", lambda f, r: _frame(r).write_csv(f / "rows.tsv", separator="\t")),
    "csv_gz": ("rows.csv.gz", _csv_gz),
    "json": ("rows.json", lambda f, r: _frame(r).write_json(f / "rows.json")),
    "json_lines": ("rows.jsonl", lambda f, r: _frame(r).write_ndjson(f / "rows.jsonl")),
    "parquet": ("rows.parquet", lambda f, r: _frame(r).write_parquet(f / "rows.parquet")),
    "arrow": ("rows.arrow", lambda f, r: _frame(r).write_ipc(f / "rows.arrow")),
    "npy": ("rows.npy", lambda f, r: np.save(f / "rows.npy", r.normal(size=(ROWS, 4)))),
    "npz": ("rows.npz", _npz),
    "idx": ("data", _idx),
    "zip": ("rows.zip", _zip),
    "tar": ("rows.tar.gz", _tar),
    "images": ("images", _images),
    "sounds": ("sounds", _sounds),
    "listed": ("rows.csv", _listed),
    "masks": ("data", _masks),
    "yolo": ("data", _yolo),
    "coco": ("data", _coco),
    "voc": ("data", _voc),
    "text": ("text.txt", _text),
    "reviews": ("rows.csv", _reviews),
    "conllu": ("rows.conllu", _conllu),
}  # fmt: skip
SPECS = {
    "spec_table": """\
data: {source: rows.csv, split: {test: 0.2, valid: 0.2, seed: 1}, ignore: [rooms]}
inputs: [size, {name: town, kind: category}, built]
outputs: [{name: price, kind: number}]
network: {trunk: mlp, depth: 2, width: 8, dropout: 0.1, activation: relu}
objective: supervised
training: {steps: 2, batch_size: 8, optimizer: adamw, learning_rate: 0.01, schedule: cosine, seed: 3}
""",
    "spec_autoencoder": """\
data: {source: rows.csv, split: {test: 0.2, valid: 0.2}}
inputs: [size, rooms, price]
objective: {name: autoencoder, latent_dim: 2}
training: {steps: 2, batch_size: 8}
""",
}
RUN_SETTINGS = (
    "--steps=2", "--no-baselines", "training.threads=1", "data.split.test=0.25", "data.split.valid=0.25"
)  # fmt: skip
RUNS = {
    "run_table": ("csv", ("--target", "price")),
    "run_images": ("images", ()),
    "run_text": ("reviews", ("--target", "label")),
    "run_audio": ("sounds", ()),
    "run_masks": ("masks", ()),
    "run_boxes": ("yolo", ()),
    "run_variational": ("csv", ("--objective", "variational", "--ignore", "built")),
    "run_pseudo_label": ("csv", ("--target", "sold", "--objective", "pseudo_label", "data.num_labels=8")),
}


if __name__ == "__main__":
    root = Path(sys.argv[1])
    print(json.dumps([*make_sources(root), *make_specs(root), *make_runs(root, sys.argv[2:])]))
