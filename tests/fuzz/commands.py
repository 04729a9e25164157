"""Commands of deepglass with limits, how they end, and whether damage to a run changed what they print.

`run_forked` runs a command in a process of its own; the process that forks has imported everything (`preload`) and has
started no thread. `run_here` runs it in this process, which takes a fifth of the time.
"""

from __future__ import annotations

import gc
import io
import os
import re
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

MAX_SECONDS = 30  # of processor time, which other processes do not lengthen; of time on the clock four times as much
MAX_BYTES = 2 * 10**9  # of resident memory
OUTPUTS = ("out.tsv", "metadata.tsv", "out.csv")  # files beside the run that commands write
AFTER_RESUME = (("predict", "{path}", "{rows}", "--json"), ("evaluate", "{path}"))  # a resumed run gives the same
UNFINISHED = "`deepglass resume"  # in what stderr says of a run without a manifest
UNCHECKED = ("log.txt", "lock", "report.html", "stages.json", ".sha256")  # `check` cannot know their content
COMPARED = ("predict", "evaluate", "compare", "embed", "explain", "label", "report", "resume")


class Subject(NamedTuple):
    """A folder of files and the commands that read them; `{path}` stands for the copy that was mutated.

    `{setting}`, `{kind}` and `{column}` stand for an odd KEY=VALUE, COLUMN=KIND and column; where a command has one,
    the files stay as they are.

    Args:
        name: the folder's name.
        entry: what the commands are given, relative to the folder.
        commands: argument lists.
        rows: the data that a run was trained with, relative to the folder; they are not mutated.
    """

    name: str
    entry: str
    commands: Sequence[Sequence[str]]
    rows: str = ""

    @property
    def is_run(self) -> bool:
        """Whether the files are those of a run folder."""
        return bool(self.rows)


class Outcome(NamedTuple):
    """How a command ended: its exit code (negative for a signal), stderr, output, seconds and bytes of memory."""

    code: int
    errors: str
    output: str
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
        if self.code and not self.has_code and not self.lists_problems:
            return f"exit {self.code} without a code in brackets"
        return ""

    @property
    def lists_problems(self) -> bool:
        """Whether `check` has listed what is wrong, with exit code 2."""
        return self.code == 2 and any(word in self.output for word in ("damaged", "missing", "foreign"))

    @property
    def has_code(self) -> bool:
        """Whether stderr names an error or a warning by its code."""
        return re.search(r"\[[a-z]+(-[a-z]+)*\] ", self.errors) is not None


RunCommand = Callable[[list[str], Path], Outcome]  # arguments and the current folder


def preload() -> None:
    """Import what the commands need, so that a fork has it; nothing may start a thread here."""
    import sklearn.linear_model
    import torch

    import deepglass.api
    import deepglass.cli.main
    import deepglass.cli.show
    import deepglass.report.write
    import deepglass.run.run  # noqa: F401
    from deepglass.introspect import feature_visualization
    from deepglass.report import explanations, outputs

    torch.set_num_threads(1)
    for module in (feature_visualization, explanations, outputs):
        module.MAX_SECONDS = 1e9  # otherwise the page depends on how busy the machine is
    assert sklearn.linear_model


def fill(words: Sequence[str], values: Mapping[str, Callable[[], str]]) -> list[str]:
    """An argument list with its `{name}`s replaced."""
    return [re.sub(r"\{([a-z]+)\}", lambda match: values[match[1]](), word) for word in words]


def run_forked(arguments: list[str], folder: Path) -> Outcome:
    """Run the command line in a forked process, in a folder."""
    errors = folder / "stderr"
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _become_command(arguments, folder, errors)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    text = errors.read_text(errors="replace") if errors.exists() else ""
    return Outcome(code, text, _output(folder), time.monotonic() - start, usage.ru_maxrss * 1024)


def run_here(arguments: list[str], folder: Path) -> Outcome:
    """Run the command line in this process; its memory is not measured."""
    from deepglass.cli.main import main

    start, before = time.monotonic(), Path.cwd()
    code, errors, output = 0, io.StringIO(), io.StringIO()
    os.chdir(folder)
    sys.argv = ["deepglass", *arguments]
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        with warnings.catch_warnings(), redirect_stdout(output), redirect_stderr(errors):
            warnings.simplefilter("always")
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except _Hang:
        code = -signal.SIGPROF
    except BaseException:
        errors.write(traceback.format_exc())
        code = 1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        gc.unfreeze()  # `main` freezes what there is, since it ends its process
        os.chdir(before)
    (folder / "stdout").write_text(output.getvalue(), errors="replace")
    return Outcome(code, errors.getvalue(), _output(folder), time.monotonic() - start, 0)


class _Hang(BaseException):
    """The processor time of a command in this process is over."""


def _stop(*_: object) -> None:
    raise _Hang


def _output(folder: Path) -> str:
    paths = (folder / name for name in ("stdout", *OUTPUTS))
    return "".join(path.read_text(errors="replace") for path in paths if path.exists())


def run_on_run(words: Sequence[str], run: Path, rows: Path, folder: Path, run_command: RunCommand) -> Outcome:
    """Run a command on a run folder. The output of `report` is its page, that of `resume` what the run then says."""
    values = {"path": lambda: str(run), "rows": lambda: str(rows), "out": lambda: str(folder / "out")}
    outcome = run_command(fill(words, values), folder)
    if outcome.failure or outcome.code:
        return outcome
    if words[0] == "report":
        return outcome._replace(output=(run / "report.html").read_text(errors="replace"))
    if words[0] == "resume":
        outputs = []
        for further in AFTER_RESUME:
            outcome = run_command(fill(further, values), folder)
            outputs.append(outcome.output)
            if outcome.failure or outcome.code:
                return outcome
        return outcome._replace(output="".join(outputs))
    return outcome


def is_silently_wrong(command: str, outcome: Outcome, expected: str, path: Path) -> bool:
    """Whether a command ended well on a damaged run, gave another output than for the whole run, and said nothing.

    Args:
        command: its name.
        expected: its output for the whole run.
        path: the damaged file.
    """
    if outcome.code:
        return False
    if command == "check":
        is_deleted_checkpoint = path.parent.name == "checkpoint" and not path.exists()  # allowed, to save space
        return not path.name.endswith(UNCHECKED) and not is_deleted_checkpoint
    if command not in COMPARED or outcome.output == expected or outcome.has_code or UNFINISHED in outcome.errors:
        return False
    if command == "report":
        whole, sections = _sections(expected), _sections(outcome.output)
        return any(
            sections.get(anchor) != whole.get(anchor) and not _is_left_out(sections.get(anchor, ""))
            for anchor in whole.keys() | sections.keys()
        )
    return True


def _sections(page: str) -> dict[str, str]:
    """Anchor -> section of a report, without what stands between it and the next."""
    parts = page.partition("</main>")[0].split('<section id="')[1:]
    return {part.partition('"')[0]: part.rpartition("</section>")[0] for part in parts}


def _is_left_out(section: str) -> bool:
    """Whether a section says that it, or a part of it, is missing because a file could not be read."""
    return "This section is left out" in section or "could not be read: <a" in section


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
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
