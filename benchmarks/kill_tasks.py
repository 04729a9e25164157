"""Small tasks, one for each objective and each kind of input and output, and sources for them.

    python benchmarks/kill_tasks.py FOLDER

writes the sources below a folder. `kill.py` starts this as a process of its own.
"""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROWS = 48
STEPS = 12
WORDS = ("red", "green", "blue", "dark", "light", "warm", "cold")


class Task(NamedTuple):
    """What `deepglass train` is given.

    Args:
        source: a file below the folder of the sources, or a named set.
        words: further arguments.
        report: with baselines and report.
        steps: of training; every step is evaluated and stored up to 40 of them, every second one up to 80.
        further: length of a further stage, which is killed instead of the first one.
    """

    source: str
    words: str = ""
    report: bool = False
    steps: int = STEPS
    further: str = ""

    def arguments(self) -> list[str]:
        length = [] if "--time" in self.words else ["--steps", str(self.steps)]
        batch = [] if "training.batch_size" in self.words else ["training.batch_size=8"]
        return [
            *("train", self.source, *self.words.split(), *length, *batch, "training.threads=1"),
            *([] if self.report else ["--no-baselines"]),
        ]


EARLIER = "earlier"  # a run of the task "number", beside the sources
TABLE = "network.width=8 network.ensemble_size=1"
ONE = f"{TABLE} inputs=[size,town]"
IMAGES = "--target label --kind label=category"
TINY_TRANSFORMER = "inputs=[english] network.width=8 network.heads=2 network.depth=1"

TASKS: dict[str, Task] = {
    # kinds of outputs, on tables
    "number": Task("rows.jsonl", f"--target price {ONE}"),
    "category": Task("rows.jsonl", f"--target town {TABLE} inputs=[size,price]"),
    "binary": Task("rows.jsonl", f"--target sold {ONE}"),
    "two-outputs": Task("rows.jsonl", f"--target price --target town {TABLE} inputs=[size,sold]"),
    "vector": Task("rows.jsonl", f"--target place {ONE}"),
    "multilabel": Task("rows.jsonl", f"--target labels --kind labels=multilabel {ONE}"),
    "sequence": Task("rows.jsonl", "--target doubled network.width=8 inputs=[series]"),
    "date-input": Task("rows.jsonl", f"--target price {TABLE} inputs=[built,size]", steps=60),
    "all-inputs": Task("rows.jsonl", "--target sold network.width=8 --ignore german"),
    "missing-targets": Task("gaps.jsonl", f"--target price {ONE}"),
    "warm-start": Task("gaps.jsonl", f"--target price {ONE} --init-from {EARLIER}"),
    "folds": Task("rows.jsonl", f"--target price {ONE} data.split.folds=2", steps=5),
    "early-stopping": Task("rows.jsonl", f"--target sold {ONE} training.patience=2 training.learning_rate=0.5"),
    "augmented": Task("images.npz", f"{IMAGES} network.trunk=conv network.width=4 training.augment=true"),
    # texts
    "text-input": Task("rows.jsonl", "--target town inputs=[english] network.dim=8"),
    "lstm": Task("rows.jsonl", "--target town inputs=[english] network.trunk=lstm network.width=8"),
    "text-output": Task(
        "rows.jsonl", "--target german inputs=[english] network.trunk=transformer network.width=16", steps=6
    ),
    "tags": Task("rows.conllu", "network.trunk=lstm network.width=8"),
    "captions": Task("captions.jsonl", "--target caption network.trunk=conv network.width=4", steps=5),
    # media
    "images": Task("images.npz", f"{IMAGES} network.trunk=conv network.width=4"),
    "image-output": Task("colour.yaml", steps=6),
    "mask": Task("masks", "network.width=4", steps=6),
    "boxes": Task("boxes", "network.width=4", steps=6),
    "identity": Task("people.npz", "--kind label=identity --target label network.trunk=conv network.width=4"),
    "video": Task("videos.npz", "--kind target=category --target target network.width=4"),
    "audio": Task("sounds", "network.width=4", steps=6),
    "speech": Task("speech.jsonl", "--target words network.trunk=gru network.width=8"),
    # objectives
    "autoencoder": Task("rows.jsonl", f"--objective autoencoder {TABLE} inputs=[size,price,town]"),
    "variational": Task("images.npz", f"--objective variational {IMAGES} {TABLE} network.trunk=mlp"),
    "contrastive": Task("images.npz", f"--objective contrastive {IMAGES} network.trunk=conv network.width=4"),
    "capsule": Task("images.npz", f"--objective capsule {IMAGES} network.trunk=capsule", steps=5),
    "dbn": Task("images.npz", f"--objective dbn {IMAGES} objective.layers=[8,8]"),
    "rbm": Task("images.npz", f"--objective rbm {IMAGES} objective.hidden=16"),
    "gan": Task("images.npz", f"--objective gan {IMAGES} objective.width=8 objective.latent_dim=4"),
    "fixmatch": Task(
        "images.npz",
        f"--objective fixmatch {IMAGES} data.num_labels.per_class=4 network.trunk=conv network.width=4",
    ),
    "pseudo_label": Task("rows.jsonl", f"--objective pseudo_label --target sold {ONE} data.num_labels=20", steps=6),
    "next_token": Task("text.txt", "--objective next_token network.trunk=gru network.width=8"),
    "perceptron": Task("rows.jsonl", "--objective perceptron --target sold inputs=[size,price]"),
    "adaline": Task("rows.jsonl", "--objective adaline --target sold inputs=[size,price]"),
    "skipgram": Task("text.txt", "--objective skipgram objective.dim=8"),
    "cbow": Task("text.txt", "--objective cbow objective.dim=8"),
    "masked": Task("rows.jsonl", f"--objective masked {TINY_TRANSFORMER}"),
    "replaced_token": Task("rows.jsonl", f"--objective replaced_token {TINY_TRANSFORMER}"),
    "style": Task("images", "--objective style objective.width=4 objective.style_size=16", steps=6),
    "dqn": Task("gym:CartPole-v1", "--objective dqn network.width=8 objective.learning_starts=16", steps=10),
    "ppo": Task("gym:CartPole-v1", "--objective ppo network.width=8", steps=6),
    "ppo-continuous": Task("gym:Pendulum-v1", "--objective ppo network.width=8", steps=3),
    # with baselines and report
    "report-table": Task("rows.jsonl", f"--target sold {ONE}", report=True),
    "report-number": Task("gaps.jsonl", f"--target price {ONE}", report=True, steps=60),
    "report-images": Task("images.npz", f"{IMAGES} network.trunk=conv network.width=4", report=True),
    "report-text": Task("rows.jsonl", "--target town inputs=[english] network.dim=8", report=True),
    "report-autoencoder": Task("rows.jsonl", f"--objective autoencoder {TABLE} inputs=[size,price,town]", report=True),
    "report-folds": Task("rows.jsonl", f"--target sold {ONE} data.split.folds=2", report=True, steps=4),
    # a finished run that is trained further
    "further": Task("rows.jsonl", f"--target price {ONE}", further="--steps 6"),
    "report-further": Task("rows.jsonl", f"--target sold {ONE}", report=True, further="--epochs 2"),
    # a plan that is fitted to the clock: compared with its own replay
    "time": Task("rows.jsonl", f"--target price --time 1s {ONE}"),
    "report-time": Task("rows.jsonl", f"--target town --time 1s {TABLE} inputs=[size,price]", report=True),
}


def write_sources(folder: Path) -> None:
    """Write all sources, the same in each process."""
    random = np.random.default_rng(0)
    rows = _rows(random)
    _write_lines(folder / "rows.jsonl", rows)
    gaps = [{**row, "price": None if i % 5 == 2 else row["price"]} for i, row in enumerate(rows)]
    _write_lines(folder / "gaps.jsonl", gaps)
    y = np.arange(ROWS) % 3
    x = random.integers(0, 90, (ROWS, 12, 12), np.uint8) + (y * 60).astype(np.uint8)[:, None, None]
    np.savez(folder / "images.npz", image=x, label=y)
    np.savez(folder / "people.npz", image=x, label=np.arange(ROWS) % 12)
    np.savez(folder / "videos.npz", video=np.repeat(x[:, None, :, :, None], 3, 1), target=y)
    np.savez(folder / "colour.npz", image=random.integers(0, 255, (ROWS, 16, 16, 3), np.uint8))
    grey = "{name: grey, column: image, kind: image, mode: grayscale, size: [8, 8]}"
    colour = "{name: colour, column: image, kind: image}"
    (folder / "colour.yaml").write_text(
        f"data: {{source: colour.npz}}\ninputs: [{grey}]\noutputs: [{colour}]\nnetwork: {{width: 4}}\n"
    )
    _write_media(folder, random)
    sentences = [[(w, "NOUN" if len(w) > 3 else "ADJ") for w in row["english"].split()] for row in rows]
    lines = ["".join(f"{i}\t{w}\t{w}\t{t}\t_\t_\t0\t_\t_\t_\n" for i, (w, t) in enumerate(s, 1)) for s in sentences]
    (folder / "rows.conllu").write_text("\n".join(lines) + "\n")
    (folder / "text.txt").write_text("\n".join(row["english"] for row in rows * 2))


def _rows(random: np.random.Generator) -> list[dict]:
    rows = []
    for i in range(ROWS):
        size, town, length = round(float(random.normal()), 3), ("Rome", "Oslo", "Bonn")[i % 3], 3 + i % 3
        words = random.choice(WORDS, 4)
        series = random.normal(size=length).round(3).tolist()
        rows.append({
            "size": size,
            "town": town,
            "built": f"20{10 + i % 10}-0{1 + i % 9}-11",
            "price": round(size * 3 + 10 * (i % 3), 2),
            "sold": "yes" if size > 0 else "no",
            "place": [size, round(-size, 3)],
            "series": series,
            "doubled": [round(2 * value, 3) for value in series],
            "labels": sorted({WORDS[i % 3], *([WORDS[3]] if size > 0 else [])}),
            "english": " ".join([*words, town]),
            "german": " ".join(word[::-1] for word in words),
        })  # fmt: skip
    return rows


def _write_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_media(folder: Path, random: np.random.Generator) -> None:
    for name in ("images", "masks/images", "masks/masks", "boxes/images", "boxes/labels", "sounds/up", "sounds/down"):
        (folder / name).mkdir(parents=True)
    captions, speech = [], []
    for i in range(ROWS):
        pixels = random.integers(0, 255, (16, 16, 3), np.uint8)
        for name in ("images", "masks/images", "boxes/images"):
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
        Image.fromarray((pixels[:, :, 0] > 128).astype(np.uint8)).save(folder / "masks/masks" / f"{i}.png")
        (folder / "boxes/labels" / f"{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.25 0.5\n")
        sound = folder / "sounds" / ("up" if i % 2 else "down") / f"{i}.wav"
        with wave.open(str(sound), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(random.integers(-9_000, 9_000, 4_000).astype("<i2").tobytes())
        words = " ".join(random.choice(WORDS, 2))
        captions.append({"image": f"images/{i}.png", "caption": words})
        speech.append({"sound": str(sound.relative_to(folder)), "words": words})
    (folder / "boxes/data.yaml").write_text("names: [jar, cup]\ntrain: images\nval: images\n")
    _write_lines(folder / "captions.jsonl", captions)
    _write_lines(folder / "speech.jsonl", speech)


if __name__ == "__main__":
    write_sources(Path(sys.argv[1]))
