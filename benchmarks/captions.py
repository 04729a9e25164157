"""BLEU of captions compared with a constant caption and with the caption of the nearest training image.

    python benchmarks/captions.py RUN      # RUN: of recipe:caption-images; a minute

Prints BLEU (sacrebleu) on the run's test images against each reference separately, as in the run's metrics, and against
all references of an image, as in papers. The constant is the best of many training captions, chosen on training images;
the neighbour is the nearest training image at 16 x 16 pixels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import sacrebleu
from PIL import Image

from deepglass.prepare.sources import read_like
from deepglass.run.run import Run

CANDIDATES, SCORED = 400, 300


def main(folder: Path) -> None:
    run = Run(folder)
    table = read_like(run.spec.data, run.spec.data.source)
    picture, caption = run.predictor.inputs[0].column, run.predictor.outputs[0].column
    files, captions = table[picture], table[caption].to_list()
    split = run.folder.split()
    truths: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    pixels: dict[str, np.ndarray] = {}
    for row, part in zip(split["row"].to_list(), split["split"].to_list(), strict=True):
        if part in truths:
            name = files[row].name
            truths[part].setdefault(name, []).append(captions[row])
            if name not in pixels:
                with files[row].open() as file:
                    small = Image.open(file).convert("RGB").resize((16, 16), Image.Resampling.BOX)
                pixels[name] = np.asarray(small, np.float32).ravel()
    said = pl.read_parquet(folder / "predictions.parquet")
    name_of = {row: files[row].name for row in said["row"].to_list()}
    output = run.predictor.outputs[0].name
    ours = {name_of[r]: v for r, v in zip(said["row"].to_list(), said[f"{output}.value"].to_list(), strict=True)}
    names = list(truths["test"])
    found = {
        "constant": dict.fromkeys(names, constant(truths["train"])),
        "nearest image": neighbours(names, truths["train"], pixels),
        "deepglass": ours,
    }
    figures = {who: bleu_scores(answers, truths["test"]) for who, answers in found.items()}
    for who, (one, all_) in figures.items():
        print(f"{who:<18}bleu {one:6.2f} against one caption, {all_:6.2f} against all of an image")
    print(json.dumps({"images": len(names), **figures}))


def constant(train: dict[str, list[str]]) -> str:
    """Of some training captions, the one with the best score on training images."""
    random = np.random.default_rng(0)
    sentences = [c for captions in train.values() for c in captions]
    some = [sentences[i] for i in random.choice(len(sentences), min(CANDIDATES, len(sentences)), replace=False)]
    shown = list(train)[:SCORED]
    references = _references({n: train[n] for n in shown})
    return max(some, key=lambda s: sacrebleu.corpus_bleu([s] * len(shown), references, force=True).score)


def neighbours(names: list[str], train: dict[str, list[str]], pixels: dict[str, np.ndarray]) -> dict[str, str]:
    known = list(train)
    theirs = np.stack([pixels[n] for n in known])
    return {n: train[known[int(np.square(theirs - pixels[n]).sum(1).argmin())]][0] for n in names}


def bleu_scores(answers: dict[str, str], truths: dict[str, list[str]]) -> tuple[float, float]:
    """BLEU against each reference separately, and against all references of an image."""
    said = [answers[n] for n in truths]
    each = [(answers[n], t) for n, captions in truths.items() for t in captions]
    one = sacrebleu.corpus_bleu([a for a, _ in each], [[t for _, t in each]], force=True).score
    return one, sacrebleu.corpus_bleu(said, _references(truths), force=True).score


def _references(truths: dict[str, list[str]]) -> list[list[str]]:
    """The first captions of all images, then the second ones, ...; missing ones repeat the first."""
    most = max(map(len, truths.values()))
    return [[t[i] if i < len(t) else t[0] for t in truths.values()] for i in range(most)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
