"""Fuzzer of data, specs and run folders: each try changes one file and runs one command in a process of its own.

    python tests/fuzz/fuzz.py --tries 10000 --seed 0 [--only run_table] [--out finds/]

A try fails when the command ends by a traceback, `[internal]`, a signal, after 30 seconds of processor time or beyond
2 GB, or when it ends well with another output than for the unchanged run (silently wrong). What failed is written to
`--out` with the command. The last line of stdout is a JSON summary. Each try is a process forked from one that has
imported everything and started no thread.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))  # the folder of this script is no package
from mutations import KINDS, mutate, random_setting

MAX_SECONDS = 30  # of processor time, which other processes do not lengthen; of time on the clock four times as much
COMPARED = ("predict", "evaluate", "compare", "embed", "explain")  # of a run; what they print is a function of it
MAX_BYTES = 2 * 10**9  # of resident memory


class Subject(NamedTuple):
    """A folder of files and the commands that read them; `{path}` stands for the copy that was mutated.

    `{setting}`, `{kind}` and `{column}` stand for an odd KEY=VALUE, COLUMN=KIND and column; where a command has one,
    the files stay as they are.

    Args:
        name: the folder's name.
        entry: what the commands are given, relative to the folder.
        commands: argument lists.
    """

    name: str
    entry: str
    commands: Sequence[Sequence[str]]


class Outcome(NamedTuple):
    """How a command ended: its exit code (negative for a signal), stderr, seconds and bytes of memory."""

    code: int
    errors: str
    seconds: float
    memory: int

    @property
    def failure(self) -> str:
        """What is wrong with it; empty for a good end."""
        if "Traceback (most recent call last)" in self.errors or "[internal]" in self.errors:
            return "traceback"
        if self.code < 0:
            return "hang" if self.code in (-signal.SIGALRM, -signal.SIGPROF) else f"signal {-self.code}"
        if self.memory > MAX_BYTES:
            return "memory"
        if self.code and not re.search(r"\[[a-z]+(-[a-z]+)*\] ", self.errors):
            return f"exit {self.code} without a code in brackets"
        return ""


def run_command(arguments: list[str], folder: Path) -> Outcome:
    """Run the command line in a forked process."""
    errors = folder / "stderr"
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _become_command(arguments, folder, errors)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    text = errors.read_text(errors="replace") if errors.exists() else ""
    return Outcome(code, text, time.monotonic() - start, usage.ru_maxrss * 1024)


def _become_command(arguments: list[str], folder: Path, errors: Path) -> None:
    """In the child: redirect its streams, set its limits, run `main` and end."""
    code = 1
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open("stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (3 * MAX_BYTES, 3 * MAX_BYTES))
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
        signal.alarm(4 * MAX_SECONDS)
        sys.argv = ["deepglass", *arguments]
        from deepglass.cli.main import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def right_output(subject: Subject, index: int, root: Path, work: Path) -> str:
    """What a command of a subject prints and writes for the files as they were written."""
    shutil.copytree(root / subject.name, work / subject.name)
    run_command(_command(subject, index, work, random.Random(0)), work)
    text = _output(work)
    shutil.rmtree(work)
    work.mkdir()
    return text


def _command(subject: Subject, index: int, work: Path, rng: random.Random) -> list[str]:
    columns = ("size", "rooms", "town", "built", "price", "sold")
    values = {
        "{path}": lambda: str(work / subject.name / subject.entry),
        "{out}": lambda: str(work / "out"),
        "{setting}": lambda: random_setting(rng),
        "{kind}": lambda: f"{rng.choice(columns)}={rng.choice(KINDS)}",
        "{column}": lambda: rng.choice(columns),
    }
    words = subject.commands[index]
    return [re.sub(r"\{[a-z]+\}", lambda match: values[match[0]](), word) for word in words]


def _output(work: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in (work / "stdout", work / "out.csv") if path.exists())


def one_try(
    subject: Subject, index: int, rng: random.Random, root: Path, work: Path
) -> tuple[Outcome, list[str], Path]:
    """Copy a subject, change one of its files or a setting, run one of its commands.

    Returns:
        how the command ended, its arguments and the changed file.
    """
    copy = work / subject.name
    shutil.copytree(root / subject.name, copy)
    path = copy / subject.entry
    files = sorted(p for p in (path if path.is_dir() else copy).rglob("*") if p.is_file())
    target = rng.choice(files)
    arguments = _command(subject, index, work, rng)
    if not {"{setting}", "{kind}"} & set(subject.commands[index]):
        target.write_bytes(mutate(target.read_bytes(), target.name, rng))
    return run_command(arguments, work), arguments, target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of subjects that begin so, separated by commas")
    parser.add_argument("--out", type=Path, help="folder for the mutated files that failed")
    options = parser.parse_args()
    _preload()
    counts: Counter[str] = Counter()
    right: dict[tuple[str, int], str] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        script = [sys.executable, str(Path(__file__).with_name("subjects.py")), name]
        with_runs = ["runs"] if not options.only or "run" in options.only else []
        made = subprocess.run([*script, *with_runs], check=True, stdout=subprocess.PIPE, text=True)
        subjects = [Subject(*fields) for fields in json.loads(made.stdout)]
        chosen = [s for s in subjects if s.name.startswith(tuple(options.only.split(",")))]
        for number in range(options.tries):
            rng = random.Random(f"{options.seed}-{number}")
            subject = chosen[number % len(chosen)]
            work = root / "try"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            index = rng.randrange(len(subject.commands))
            compared = subject.commands[index][0] in COMPARED
            if compared and (subject.name, index) not in right:
                right[subject.name, index] = right_output(subject, index, root, work)
            outcome, arguments, target = one_try(subject, index, rng, root, work)
            command, failure = shlex.join(arguments), outcome.failure
            if compared and not failure and not outcome.code and _output(work) != right[subject.name, index]:
                failure = "silently wrong"
            counts["tries"] += 1
            if failure:
                counts[failure] += 1
                last = outcome.errors.strip().splitlines()[-1:] or [""]
                print(f"{number} {failure}: {command[:300]}; {target.relative_to(work)}: {last[0][:200]}", flush=True)
                if options.out:
                    folder = options.out / str(number)
                    shutil.copytree(work / subject.name, folder / subject.name, dirs_exist_ok=True)
                    (folder / "command").write_text(f"{command}\n{target.relative_to(work)}\n{outcome.errors}")
    print(json.dumps({"seed": options.seed, **counts, "failures": sum(counts.values()) - counts["tries"]}))
    return int(sum(counts.values()) > counts["tries"])


def _preload() -> None:
    """Import what the commands need, so that a fork has it; nothing may start a thread here."""
    import sklearn.linear_model
    import torch

    import deepglass.api
    import deepglass.cli.main
    import deepglass.cli.show
    import deepglass.report.write
    import deepglass.run.run  # noqa: F401

    torch.set_num_threads(1)
    assert sklearn.linear_model


if __name__ == "__main__":
    sys.exit(main())
