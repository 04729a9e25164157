"""Word vectors compared with gensim on the same text: words a second, and the Spearman correlation on WordSim-353.

    pip install gensim                                              # or --gensim PYTHON that has it; skipped without
    python benchmarks/word_vectors.py [--seconds 60] [--workers 2] [--cpu]

Text: the 3.4 million words of data:english_text, both parts. gensim trains five epochs of skip-gram with its usual
settings (100 numbers, window 5, five noise words, words from five occurrences on, sample 1e-3); deepglass trains with
its defaults for --seconds. Words a second count all words of the text, also those that subsampling leaves out. `--cpu`
trains both for five epochs on one thread and divides by processor time, for a busy machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from fresh import DATA
from scipy.stats import spearmanr

import deepglass
from deepglass.run.embedding import write_vectors
from deepglass.training.callbacks import Callback
from deepglass.training.plan import Plan

EPOCHS = 5  # of gensim, and of both with --cpu
GENSIM = """
import json, re, sys, time
from gensim.models import Word2Vec
text, workers, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
words = re.findall(r"\\w+(?:['’]\\w+)*", open(text, encoding="utf-8").read().lower())
sentences = [words[i : i + 10_000] for i in range(0, len(words), 10_000)]
model = Word2Vec(vector_size=100, window=5, min_count=5, sg=1, negative=5, workers=workers, seed=1)
model.build_vocab(sentences)
wall, cpu = time.perf_counter(), time.process_time()
model.train(sentences, total_examples=len(sentences), epochs=epochs)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
model.wv.save_word2vec_format(sys.argv[4])
print(json.dumps({"words": len(words) * epochs, "wall": wall, "cpu": cpu}))
"""


class Clock(Callback):
    """Wall and processor time of the training loop."""

    def on_train_start(self, plan: Plan, step: int) -> None:
        self.start = time.perf_counter(), time.process_time()

    def on_train_end(self, stop_reason: str) -> None:
        self.wall, self.cpu = time.perf_counter() - self.start[0], time.process_time() - self.start[1]


def ours(text: Path, threads: int, length: dict[str, Any], out: Path) -> dict[str, Any]:
    """Train with the defaults for some time or epochs, and write the vectors."""
    clock, settings = Clock(), {"threads": threads, "record": False}
    run = deepglass.train(
        text,
        objective="skipgram",
        **length,
        out=out.with_suffix(""),
        split={"valid": 0.01, "test": 0.01},
        callbacks=[clock],
        baselines=False,
        training=settings,
    )
    write_vectors(out, deepglass.embed(run))
    words = run.metrics["step"] * run.folder.plan().batch_size
    return {"words": words, "wall": clock.wall, "cpu": clock.cpu}


def measure(python: str, code: str, *arguments: object) -> dict[str, Any]:
    """What a fresh process prints last."""
    done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2_000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def spearman(vectors: Path) -> tuple[float, int]:
    """Of a file of vectors on WordSim-353, and the number of pairs."""
    lines = vectors.read_text(encoding="utf-8").splitlines()[1:]
    table = {word: np.array(values, float) for word, *values in (line.split(" ") for line in lines)}
    unit = {word: v / np.linalg.norm(v) for word, v in table.items()}
    wordsim = (Path(DATA) / "word_similarity/EN-WS-353-ALL.txt").read_text().lower().splitlines()
    triples = [line.split("\t") for line in wordsim]
    pairs = [(unit[a] @ unit[b], float(score)) for a, b, score in triples if a in unit and b in unit]
    return float(spearmanr([cosine for cosine, _ in pairs], [score for _, score in pairs]).statistic), len(pairs)


def main(seconds: float, workers: int, gensim: str, cpu: bool) -> None:
    threads = 1 if cpu else workers
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        parts = [Path(DATA) / "english_text/text8_prefix.txt", *sorted(Path(DATA).glob("english_text/gutenberg/*.txt"))]
        text = folder / "text.txt"
        text.write_text("\n".join(part.read_text(encoding="utf-8") for part in parts), encoding="utf-8")
        runs = {}
        if subprocess.run([gensim, "-c", "import gensim"], capture_output=True).returncode:
            print(f"gensim: skipped, {gensim} has no gensim (pip install gensim, or --gensim PYTHON)")
        else:
            file = folder / "gensim.txt"
            runs[f"gensim, {EPOCHS} epochs"] = {**measure(gensim, GENSIM, text, threads, EPOCHS, file), "file": file}
        length, duration = ({"epochs": EPOCHS}, f"{EPOCHS} epochs") if cpu else ({"time": seconds}, f"{seconds:g} s")
        file = folder / "ours.txt"
        runs[f"deepglass, {duration}"] = {**ours(text, threads, length, file), "file": file}
        for title, run in runs.items():
            spent = run["cpu" if cpu else "wall"]
            score, pairs = spearman(run["file"])
            unit, speed = ("a processor second" if cpu else "a second"), run["words"] / spent
            print(f"{title}: {speed:,.0f} words {unit}, {spent:.0f} s, Spearman {score:.3f} ({pairs} pairs)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60, help="of training of deepglass")
    parser.add_argument("--workers", type=int, default=2, help="threads of both")
    parser.add_argument("--gensim", default=sys.executable, help="a Python with gensim")
    parser.add_argument("--cpu", action="store_true", help="one thread and processor time, for a busy machine")
    arguments = parser.parse_args()
    main(arguments.seconds, arguments.workers, arguments.gensim, arguments.cpu)
