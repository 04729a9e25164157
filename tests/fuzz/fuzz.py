"""Fuzzer of data, specs and run folders: each try changes one file and runs one command in a process of its own.

    python tests/fuzz/fuzz.py --tries 10000 --seed 0 [--only csv,run_table] [--out finds/]

A try fails when the command ends by a traceback, `[internal]`, a signal, after 30 seconds of processor time or beyond
2 GB, or when it ends well with another output than for the unchanged run (silently wrong). What failed is written to
`--out` with the command. The last line of stdout is a JSON summary.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

sys.path.insert(0, str(Path(__file__).parent))  # the folder of this script is no package
from commands import Outcome, RunCommand, Subject, fill, is_silently_wrong, preload, run_forked, run_on_run
from mutations import KINDS, mutate, random_setting

T = TypeVar("T")
COLUMNS = ("size", "rooms", "town", "built", "price", "sold")


class Try(NamedTuple):
    """A command on mutated files: how it ended, its words, the file, and what is wrong; "" for a good end."""

    outcome: Outcome
    words: Sequence[str]
    file: Path
    failure: str


class WholeRuns:
    """What commands print for runs as they were written; each is run once.

    Args:
        root: the folder of the subjects.
        run_command: `run_forked` or `run_here`.
    """

    def __init__(self, root: Path, run_command: RunCommand) -> None:
        self.root, self.run_command = root, run_command
        self._outputs: dict[tuple[str, Sequence[str]], str] = {}

    def output(self, subject: Subject, words: Sequence[str], work: Path) -> str:
        """The output of a command; the run is copied into the folder `work` for it, since outputs hold its path.

        Raises:
            RuntimeError: the command fails on the whole run.
        """
        key = (subject.name, tuple(words))
        if key not in self._outputs:
            outcome = self.run(subject, words, work)
            if outcome.failure:
                raise RuntimeError(f"{subject.name}: {' '.join(words)}: {outcome.failure}\n{outcome.errors}")
            self._outputs[key] = outcome.output
        return self._outputs[key]

    def run(self, subject: Subject, words: Sequence[str], work: Path) -> Outcome:
        """Run a command on the copy in `work`, which is made where it is not there."""
        copy = work / subject.name / subject.entry
        if not copy.exists():
            shutil.copytree(self.root / subject.name / subject.entry, copy)
        return run_on_run(words, copy, self.root / subject.name / subject.rows, work, self.run_command)


def make_subjects(root: Path, only: Iterable[str]) -> list[Subject]:
    """Write the subjects whose names begin so below `root`; all without a name."""
    from subjects import RUNS

    beginnings = tuple(only) or ("",)
    runs = [name for name in RUNS if name.startswith(beginnings)]
    command = [sys.executable, str(Path(__file__).with_name("subjects.py")), str(root), *runs]
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    subjects = (Subject(*fields) for fields in json.loads(written.stdout))
    return [s for s in subjects if s.name.startswith(beginnings)]


def new_folder(folder: Path) -> Path:
    """The same folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def progress(items: Sequence[T], name: str, seconds: float = 30) -> Iterator[T]:
    """The items one by one; how many are done and the time left go to stderr every so many seconds."""
    start = last = time.monotonic()
    for number, item in enumerate(items):
        if (now := time.monotonic()) - last >= seconds:
            minutes_left = (now - start) / number * (len(items) - number) / 60
            print(f"{name}: {number:,} of {len(items):,}, {minutes_left:.0f} min left", file=sys.stderr, flush=True)
            last = now
        yield item


def one_try(subject: Subject, words: Sequence[str], rng: random.Random, whole: WholeRuns, work: Path) -> Try:
    """Copy a subject, change one of its files or a setting, run one of its commands."""
    expected = whole.output(subject, words, new_folder(work)) if subject.is_run else ""
    copy = new_folder(work) / subject.name
    path = copy / subject.entry
    source = whole.root / subject.name
    shutil.copytree(source / subject.entry if subject.is_run else source, path if subject.is_run else copy)
    files = sorted(p for p in (path if path.is_dir() else copy).rglob("*") if p.is_file())
    file = rng.choice(files)
    before = file.read_bytes()
    values = {
        "path": lambda: str(path),
        "out": lambda: str(work / "out"),
        "setting": lambda: random_setting(rng),
        "kind": lambda: f"{rng.choice(COLUMNS)}={rng.choice(KINDS)}",
        "column": lambda: rng.choice(COLUMNS),
    }
    arguments = words if subject.is_run else fill(words, values)
    if not {"{setting}", "{kind}"} & set(words):
        file.write_bytes(mutate(before, file.name, rng))
    if not subject.is_run:
        outcome = run_forked(list(arguments), work)
        return Try(outcome, arguments, file, outcome.failure)
    is_whole = file.read_bytes() == before
    outcome = whole.run(subject, words, work)
    wrong = not is_whole and is_silently_wrong(words[0], outcome, expected, file)
    return Try(outcome, arguments, file, outcome.failure or ("silently wrong" if wrong else ""))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of subjects that begin so, separated by commas")
    parser.add_argument("--out", type=Path, help="folder for the mutated files that failed")
    options = parser.parse_args()
    preload()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        subjects = make_subjects(root, [n for n in options.only.split(",") if n])
        whole, work = WholeRuns(root, run_forked), root / "try"
        for number in progress(range(options.tries), "Tries"):
            rng = random.Random(f"{options.seed}-{number}")
            subject = subjects[number % len(subjects)]
            result = one_try(subject, rng.choice(subject.commands), rng, whole, work)
            counts["tries"] += 1
            if result.failure:
                counts[result.failure] += 1
                print(report_failure(number, result, work, options.out), flush=True)
    print(json.dumps({"seed": options.seed, **counts, "failures": sum(counts.values()) - counts["tries"]}))
    return int(sum(counts.values()) > counts["tries"])


def report_failure(number: int, result: Try, work: Path, out: Path | None) -> str:
    """A failure in one line; the files are copied below the folder `out`."""
    command, file = shlex.join(result.words), result.file.relative_to(work)
    if out is not None:
        shutil.copytree(work, out / str(number), dirs_exist_ok=True)
        (out / str(number) / "command").write_text(f"{command}\n{file}\n{result.outcome.errors}")
    last = result.outcome.errors.strip().splitlines()[-1:] or [""]
    return f"{number} {result.failure}: {command[:300]}; {file}: {last[0][:200]}"


if __name__ == "__main__":
    sys.exit(main())
