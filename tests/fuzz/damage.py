"""Damage to each file of runs of eight kinds, times each command that reads a run: a table without gaps.

    python tests/fuzz/damage.py [--sample 200] [--seed 0] [--part 0/2] [--out finds/]

Of each file one bit is flipped, a part cut off or all of it, it is deleted, or exchanged for the same file of a run of
the same kind with another seed. A command has to end as for the whole run, or name the damage: an error or a warning
with a code, or a section of the report that is left out. The last line of stdout is a JSON summary.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))  # the folder of this script is no package
from commands import Subject, is_silently_wrong, preload, run_here
from fuzz import Try, WholeRuns, make_subjects, new_folder, progress, report_failure

Damage = Callable[[bytes, bytes, random.Random], bytes | None]


def _flip(content: bytes, other: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


DAMAGES: Mapping[str, Damage] = {  # content of the file, that of the other run's file -> new content; None: deleted
    "flip": _flip,
    "cut": lambda content, other, rng: content[: rng.randrange(len(content))] if content else b"",
    "empty": lambda content, other, rng: b"",
    "delete": lambda content, other, rng: None,
    "swap": lambda content, other, rng: other,
}


class Case(NamedTuple):
    """A cell of the table; of a folder of snapshots one file is damaged."""

    subject: Subject
    file: str
    damage: str
    words: Sequence[str]


def cases(subjects: Sequence[Subject], root: Path) -> Iterator[Case]:
    """All cells of the table."""
    for subject in subjects:
        run = root / subject.name / subject.entry
        for file in _files(run):
            for damage in DAMAGES:
                for words in subject.commands:
                    yield Case(subject, file, damage, words)


def _files(run: Path) -> list[str]:
    """The files of a run, of its snapshots the last of each folder."""
    paths = sorted(path for path in run.rglob("*") if path.is_file())
    snapshots = {path.parent: path for path in paths if path.stem.isdecimal()}
    chosen = [path for path in paths if not path.stem.isdecimal() or snapshots[path.parent] == path]
    return [str(path.relative_to(run)) for path in chosen]


def one_case(case: Case, rng: random.Random, whole: WholeRuns, work: Path) -> Try | None:
    """Damage a copy of a run and run a command on it; None where the damage changes nothing."""
    subject, words = case.subject, case.words
    expected = whole.output(subject, words, new_folder(work))
    source = whole.root / subject.name / subject.entry
    other = source.with_name("other") / case.file
    content = (source / case.file).read_bytes()
    damaged = DAMAGES[case.damage](content, other.read_bytes() if other.exists() else b"", rng)
    if damaged == content:
        return None
    run = new_folder(work) / subject.name / subject.entry
    shutil.copytree(source, run)
    path = run / case.file
    if damaged is None:
        path.unlink()
    else:
        path.write_bytes(damaged)
    outcome = whole.run(subject, words, work)
    wrong = is_silently_wrong(words[0], outcome, expected, path)
    return Try(outcome, words, path, outcome.failure or ("silently wrong" if wrong else ""))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, help="number of random cells; by default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="0/1", help="I/N: every Nth cell from I on, for several processes")
    parser.add_argument("--only", default="run", help="names of runs that begin so, separated by commas")
    parser.add_argument("--out", type=Path, help="folder for the damaged runs of failures")
    options = parser.parse_args()
    preload()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        subjects = [s for s in make_subjects(root, options.only.split(",")) if s.is_run]
        table = list(enumerate(cases(subjects, root)))
        random.Random(options.seed).shuffle(table)
        table = table[: options.sample]
        part, parts = map(int, options.part.split("/"))
        whole, work = WholeRuns(root, run_here), root / "try"
        for number, case in progress(table[part::parts], "Cells"):
            result = one_case(case, random.Random(f"{options.seed}-{number}"), whole, work)
            end = "unchanged" if result is None else result.failure or ("refused" if result.outcome.code else "right")
            counts[end] += 1
            if result is not None and result.failure:
                print(f"{case.damage}: {report_failure(number, result, work, options.out)}", flush=True)
    failures = sum(counts.values()) - sum(counts[end] for end in ("unchanged", "refused", "right"))
    print(json.dumps({"seed": options.seed, "cells": sum(counts.values()), **counts, "failures": failures}))
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
