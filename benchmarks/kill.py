"""Kill -9, or a full disk, at random writes of small runs of every objective and kind; what `resume` makes of them.

    python benchmarks/kill.py [--kills 10] [--seed 0] [--only lstm,report-table] [--jobs 1] [--fault full]

An unbroken run of each task counts its writes. Each further run is killed at one of them: before it, or with half of
its content written; the positions are spread over setup, training, the end (calibration, test) and what comes after it
(baselines, report, stages). Then it is resumed, and two of ten are killed again while they are resumed. In the end
weights, metrics, history, predictions, findings and all recorded moments must equal those of the unbroken run, the
manifest must list the same files, `deepglass check` must be clean, and no partial file may be left. What was killed
before its spec was stored is trained again under its name. A run with a time budget is compared with a replay of its
plan from the first step. Each unbroken run is made twice and has to be the same.

With `--fault full` (no space from a write on) or `too-large` (one file may not grow) the command has to end with exit
code 1 and [disk-full] and leave no partial file; it is then resumed as above. The last line of stdout is a JSON
summary.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from kill_tasks import EARLIER, TASKS, Task
from write_faults import TAKING_SPACE, Fault, WriteFaults, without_step

import deepglass

IGNORED = ("log.txt", "lock", "report.html", "manifest.json", "plan.json")  # compared otherwise, or not
CLOCK = ("seconds", "examples_per_second")  # keys of values that depend on the clock
PHASES = {"setup": 2, "training": 4, "end": 2, "after": 2}  # share of the kills


class Command(NamedTuple):
    """How a command ended: its exit code, negative for a signal, and its stderr."""

    code: int
    errors: str


class Kill(NamedTuple):
    """A run that was killed and resumed.

    Args:
        phase: in which it was killed.
        write: kind and file of the write at which it was killed.
        twice: killed again while it was resumed.
        again: trained again, since nothing could be resumed.
        differences: from the unbroken run.
    """

    phase: str
    write: str
    twice: bool
    again: bool
    differences: list[str]


def preload() -> None:
    """Import all modules, so that forked processes have them."""
    import gymnasium
    import sklearn.ensemble
    import sklearn.linear_model
    import torch
    import torch._dynamo

    assert gymnasium
    assert sklearn.linear_model
    torch.set_num_threads(1)
    source = Path(deepglass.__file__).parent
    for path in sorted(source.rglob("*.py")):
        if path.name != "__main__.py":
            module = ".".join(path.relative_to(source.parent).with_suffix("").parts)
            importlib.import_module(module.removesuffix(".__init__"))


def run_command(arguments: list[str], folder: Path, errors: Path, faults: WriteFaults | None = None) -> Command:
    """Run the command line in a forked process, in the folder of the sources; its stderr goes into a file."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(folder)
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(0, 1)
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            sys.argv = ["deepglass", *arguments]
            if faults is not None:
                faults.install()
            from deepglass.cli.main import main

            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return Command(os.waitstatus_to_exitcode(status), errors.read_text(errors="replace"))


def contents(run: Path) -> dict[str, Any]:
    """What a run has come to: the content of its files, without what depends on the clock."""
    from deepglass.files import is_partial
    from deepglass.run.folder import Folder

    values: dict[str, Any] = {}
    for path in sorted(p for p in run.rglob("*") if p.is_file()):
        name = str(path.relative_to(run))
        if is_partial(path):
            values["partial files"] = name
        elif path.name == "report.html":
            values[name] = path.read_text().rstrip().endswith("</html>")
        elif path.suffix in (".json", ".jsonl") and path.name not in IGNORED:
            lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
            values[name] = [_without_clock(json.loads(line)) for line in lines]
        elif path.name not in IGNORED and path.parent.name != "checkpoint":
            values[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    values["problems"] = [problem.text for problem in deepglass.check(run)]
    for path in [run, *Folder(run).folds()]:
        name, folder = path.name if path != run else "", Folder(path)
        state = folder.checkpoints.load()
        values[f"{name} manifest"] = sorted(folder.files.digests() or ())
        if state is not None:
            values[f"{name} checkpoint"] = _without_clock(state.values)
            values |= {f"{name} checkpoint {n}": t.numpy().tobytes() for n, t in state.tensors.items()}
    return values


def _without_clock(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_clock(v) for k, v in value.items() if k not in CLOCK}
    return [_without_clock(v) for v in value] if isinstance(value, list) else value


def differences(expected: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Names of what differs, with the keys that differ in JSON."""
    names = []
    for name in sorted(expected.keys() | values.keys()):
        one, other = expected.get(name), values.get(name)
        if repr(one) != repr(other):  # nan equals nan
            pairs = list(zip(one, other, strict=False)) if isinstance(one, list) and isinstance(other, list) else []
            records = [(a, b) for a, b in pairs if isinstance(a, dict) and isinstance(b, dict)]
            keys = {k for a, b in records for k in a.keys() | b.keys() if repr(a.get(k)) != repr(b.get(k))}
            count = f" {len(one)} / {len(other)}" if pairs and len(one or ()) != len(other or ()) else ""
            names.append(f"{name}{count}" + (f" ({', '.join(sorted(keys))})" if keys else ""))
    return names


def phases(writes: list[str]) -> list[str]:
    """The phase of each write of an unbroken run."""
    stored = [i for i, write in enumerate(writes) if "checkpoint/" in write]
    tested = max(i for i, write in enumerate(writes) if write.endswith("manifest.json"))
    first = min(i for i, write in enumerate(writes) if write == "os.rename stages.json" and i > stored[-1])
    end = first if first < tested else tested
    return [
        "setup" if i < stored[0] else "training" if i <= stored[-1] else "end" if i <= end else "after"
        for i in range(len(writes))
    ]


def positions(writes: list[str], kills: int, chance: random.Random, fault: Fault) -> list[int]:
    """Random writes, spread over the phases; only those that take space, unless the fault is a kill."""
    by_phase = phases(writes)
    usable = [i for i, write in enumerate(writes) if fault == "kill" or write.startswith(TAKING_SPACE)]
    groups = {phase: [i for i in usable if by_phase[i] == phase] for phase in PHASES}
    total = sum(share for phase, share in PHASES.items() if groups[phase])
    wanted = {p: max(1, round(kills * share / total)) for p, share in PHASES.items() if groups[p]}
    wanted["training"] = max(1, wanted["training"] + kills - sum(wanted.values()))
    return sorted(i for p, n in wanted.items() for i in chance.sample(groups[p], min(n, len(groups[p]))))[:kills]


class Killer:
    """Kills and resumes the runs of one task.

    Args:
        sources: folder of the sources, in which commands run.
        work: folder of the runs.
    """

    def __init__(self, name: str, task: Task, sources: Path, work: Path, seed: int, fault: Fault = "kill") -> None:
        self.name, self.task, self.sources, self.work, self.fault = name, task, sources, work, fault
        self.chance = random.Random(f"{seed}-{name}")
        self.log = work / "writes.txt"

    def train(self, run: Path, faults: WriteFaults | None = None) -> Command:
        """Train a run, or train a finished one further, where the task does so."""
        words = [*self.task.arguments(), "--out", str(run)]
        if self.task.further:
            words = ["resume", str(run), *self.task.further.split()]
            if not run.exists():
                self._finished(run)
        return run_command(words, self.sources, self.work / "stderr.txt", faults)

    def _finished(self, run: Path) -> None:
        """A copy of a finished run, which is trained once."""
        first = self.work / "first"
        if not first.exists():
            run_command([*self.task.arguments(), "--out", str(first)], self.sources, self.work / "stderr.txt")
        shutil.copytree(first, run)

    def _lacks_stage(self, run: Path) -> bool:
        """Whether a run that is trained further was killed before that was stored, and so has only its first stage."""
        metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (run, self.work / "first")]
        return metrics[0]["step"] == metrics[1]["step"]

    def resume(self, run: Path, faults: WriteFaults | None = None) -> Command:
        return run_command(["resume", str(run)], self.sources, self.work / "stderr.txt", faults)

    def unbroken(self) -> tuple[dict[str, Any], list[str]]:
        """The content of an unbroken run, and its writes."""
        run = self.work / "whole"
        ended = self.train(run, WriteFaults(run, self.log))
        if ended.code:
            raise RuntimeError(f"{self.name}: exit {ended.code}: {ended.errors[-2000:]}")
        return contents(run), self.log.read_text().splitlines()

    def kills(self, count: int) -> list[Kill]:
        """Kill that many runs and resume them."""
        expected, writes = self.unbroken()
        chosen = positions(writes, count, self.chance, self.fault)
        twice = set(self.chance.sample(chosen, max(1, count // 5)))
        killed = [self.kill(i, writes, phases(writes)[i], i in twice, expected) for i in chosen]
        return [*self.repeated(expected), *killed]

    def repeated(self, expected: dict[str, Any]) -> list[Kill]:
        """Another unbroken run, which has to be the same; none with a time budget."""
        if "--time" in self.task.words:
            return []
        run = self.work / "repeated"
        ended = self.train(run)
        problems = differences(expected, contents(run)) if not ended.code else [ended.errors[-2000:]]
        return [Kill("repeat", "", False, False, problems)]

    def kill(self, position: int, writes: list[str], phase: str, twice: bool, expected: dict) -> Kill:
        """Kill a run at a write, resume it and compare it with the unbroken one."""
        run = self.work / "killed"
        shutil.rmtree(run, ignore_errors=True)
        fault = self._fault(writes[position])
        if "--time" not in self.task.words:
            ended = self.train(run, WriteFaults(run, None, position, fault))
        else:
            ended = self._kill_by_name(run, writes, position)
        problems = self._wrong_end(ended, run)
        replay = "--time" in self.task.words and (run / "plan.json").exists()
        if replay:
            expected = self._replayed(run)
        if twice:
            second = self.chance.randrange(max(1, (len(writes) - position) // 2))
            twice = self.resume(run, WriteFaults(run, None, second, self._fault(""))).code in (-9, 1)
        ended = self.resume(run)
        again = ended.code == 2 and "[not-found]" in ended.errors
        again = again or (self.task.further != "" and ended.code == 0 and self._lacks_stage(run))
        if again:
            ended = self.train(run)
        if ended.code:
            problems.append(f"exit {ended.code}: {ended.errors.strip()[-300:]}")
        elif replay or "--time" not in self.task.words:
            problems += differences(expected, contents(run))
        return Kill(phase, f"{fault} {writes[position]}", twice, again, problems)

    def _kill_by_name(self, run: Path, writes: list[str], position: int) -> Command:
        """Kill a run at a write of the same file, since the clock decides how many writes there are."""
        counted = without_step(writes[position])
        number = list(map(without_step, writes[:position])).count(counted)
        while True:
            faults = WriteFaults(run, None, number, self._fault(writes[position]), counted)
            if (ended := self.train(run, faults)).code == -9 or not number:
                return ended
            number //= 2
            shutil.rmtree(run)

    def _replayed(self, run: Path) -> dict[str, Any]:
        """The content of a run that goes through the plan of a killed run from its first step."""
        replay = self.work / "replay"
        shutil.rmtree(replay, ignore_errors=True)
        shutil.copytree(run, replay)
        shutil.rmtree(replay / "checkpoint", ignore_errors=True)
        (replay / "manifest.json").unlink(missing_ok=True)
        ended = self.resume(replay)
        return contents(replay) if not ended.code else {"replay": ended.errors}

    def _fault(self, write: str) -> Fault:
        torn = write.startswith(("write", "fsync")) and self.chance.random() < 0.7
        return "torn" if torn and self.fault == "kill" else self.fault

    def _wrong_end(self, ended: Command, run: Path) -> list[str]:
        """What is wrong with how a command ended at a fault."""
        if self.fault == "kill":
            return [] if ended.code == -9 else [f"not killed, exit {ended.code}"]
        wrong = (
            [] if ended.code == 1 and "[disk-full]" in ended.errors else [f"exit {ended.code}: {ended.errors[-300:]}"]
        )
        return wrong + [f"partial file {path.name}" for path in run.rglob("*.partial-*")]


def kill_tasks(names: list[str], options: argparse.Namespace, root: Path, results: Path) -> None:
    """Kill the runs of some tasks and append a line of JSON for each to a file."""
    for name in names:
        work, start = root / f"work-{name}", time.perf_counter()
        work.mkdir()
        try:
            done = Killer(name, TASKS[name], root / "sources", work, options.seed, options.fault).kills(options.kills)
        except Exception as error:
            done = [Kill("unbroken", "", False, False, [f"{type(error).__name__}: {error}"])]
        print(_row(name, done, time.perf_counter() - start), flush=True)
        for kill in done:
            if kill.differences:
                where = f"{kill.phase}, {kill.write}{', twice' if kill.twice else ''}"
                print(f"  {where}: {'; '.join(kill.differences)[:1500]}", flush=True)
        with results.open("a") as file:
            file.write(json.dumps({"task": name, "kills": [kill._asdict() for kill in done]}) + "\n")
        if not options.keep:
            shutil.rmtree(work)


def _row(name: str, done: list[Kill], seconds: float) -> str:
    by_phase = Counter(kill.phase for kill in done)
    same = sum(not kill.differences for kill in done)
    spread = ", ".join(f"{n} {phase}" for phase, n in by_phase.items())
    extra = f"{sum(k.twice for k in done)} twice, {sum(k.again for k in done)} again"
    return f"| {name} | {same} of {len(done)} the same | {spread}; {extra} | {seconds:.0f} s |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="of each task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", choices=("kill", "full", "too-large"), default="kill")
    parser.add_argument("--only", default="", help="names of tasks that begin so, separated by commas")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder of the runs, by default a temporary one")
    parser.add_argument("--keep", action="store_true", help="keep the runs")
    options = parser.parse_args()
    names = [name for name in TASKS if name.startswith(tuple(options.only.split(",")))]
    preload()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        root = Path(folder) if not options.keep else Path(tempfile.mkdtemp(dir=options.work))
        (root / "sources").mkdir()
        script = Path(__file__).with_name("kill_tasks.py")
        subprocess.run([sys.executable, str(script), str(root / "sources")], check=True)
        if any(EARLIER in TASKS[name].words for name in names):
            Killer("number", TASKS["number"], root / "sources", root, 0).train(root / "sources" / EARLIER)
        workers = []
        for job in range(options.jobs):
            if (child := os.fork()) == 0:
                kill_tasks(names[job :: options.jobs], options, root, root / f"results-{job}.jsonl")
                os._exit(0)
            workers.append(child)
        for child in workers:
            os.waitpid(child, 0)
        lines = [line for path in root.glob("results-*.jsonl") for line in path.read_text().splitlines()]
    done = [kill for line in lines for kill in json.loads(line)["kills"]]
    summary = {
        "seed": options.seed,
        "fault": options.fault,
        "tasks": len(lines),
        "kills": len(done) - sum(kill["phase"] == "repeat" for kill in done),
        "repeats": sum(kill["phase"] == "repeat" for kill in done),
        "different": sum(bool(kill["differences"]) for kill in done),
        "twice": sum(kill["twice"] for kill in done),
        "again": sum(kill["again"] for kill in done),
    }
    print(json.dumps(summary))
    return int(summary["different"] > 0 or summary["tasks"] < len(names))


if __name__ == "__main__":
    sys.exit(main())
