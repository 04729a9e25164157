"""Starting several processes of one training on this machine, by torch.distributed's elastic agent.

The processes run the same command without `--devices`. One that is killed ends the others, and all start again from the
last checkpoint.
"""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from deepglass.cli.streams import message
from deepglass.errors import SpecError
from deepglass.run.folder import Folder
from deepglass.run.storage.names import run_name

MAX_RESTARTS = 3
AGENT_EXIT_CODE = -signal.SIGTERM  # of the others, which the agent ends where one has failed
ORDERLY_SECONDS = 24 * 3600  # for a run to be stored, tested and reported after a signal


def train_together(devices: int, source: str, out: Path | None) -> int:
    """Run this command, a training, in several processes; the exit code."""
    _check(devices)
    if out is not None:
        return _run(devices, _arguments(), out)
    claimed = Folder.claim(run_name(source))
    code = _run(devices, [*_arguments(), "--out", str(claimed)], claimed)
    if not any(claimed.iterdir()):
        claimed.rmdir()
    return code


def resume_together(devices: int, run: Path) -> int:
    """Run this command, which resumes a run, in several processes; the exit code."""
    _check(devices)
    return _run(devices, _arguments(), run)


def _check(devices: int) -> None:
    if devices < 1:
        raise SpecError("bad-value", f"--devices: expected at least 1, got {devices}")
    if "WORLD_SIZE" in os.environ:
        text = "WORLD_SIZE is set, so that torchrun or another program has started the processes"
        raise SpecError("bad-value", f"--devices: {text}; leave --devices out")


def _arguments() -> list[str]:
    """The arguments of this command without `--devices N`."""
    words = sys.argv[1:]
    index = next(i for i, word in enumerate(words) if word.partition("=")[0] == "--devices")
    return words[:index] + words[index + (1 if "=" in words[index] else 2) :]


def _run(devices: int, arguments: Sequence[str], run: Path) -> int:
    for name in ("torch.distributed", "torch.distributed.elastic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))  # as torchrun does
    before = _plan(run)
    for restart in range(MAX_RESTARTS + 1):
        words = arguments if _plan(run) == before else ["resume", str(run), *_kept(arguments)]
        codes = _attempt(devices, words)
        killed = {rank: code for rank, code in codes.items() if code < 0 and code != AGENT_EXIT_CODE}
        if not killed or restart == MAX_RESTARTS:
            break
        rank, code = min(killed.items())
        name = signal.Signals(-code).name
        message(f"process {rank} was ended by {name}: all start again ({restart + 1} of {MAX_RESTARTS})")
    own = {rank: code for rank, code in codes.items() if code != AGENT_EXIT_CODE} or codes
    return next((128 - code if code < 0 else code for _, code in sorted(own.items())), 0)


def _plan(run: Path) -> bytes:
    """The content of the plan; empty without one."""
    path = run / "plan.json"
    return path.read_bytes() if path.exists() else b""


def _kept(arguments: Sequence[str]) -> list[str]:
    """The options of a command that hold for a resumed run as well."""
    kept, words = [], list(arguments)
    for i, word in enumerate(words):
        name = word.partition("=")[0]
        if name in ("--allow-code", "--callback"):
            kept += words[i : i + (1 if "=" in word else 2)]
        elif name == "--json":
            kept.append(word)
    return kept


def _attempt(devices: int, arguments: Sequence[str]) -> dict[int, int]:
    """Start the processes once; rank -> exit code of those that failed, the negative number for a signal."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        shutdown_timeout=ORDERLY_SECONDS,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "deepglass", *arguments)
    except ChildFailedError as error:
        return {rank: failure.exitcode for rank, failure in error.failures.items()}
    except SignalException as error:
        return {0: 128 + error.sigval}
    return {}
