"""stages.json of a run folder: which stages of the run are done, so that a resumed run goes on from the first missing.

{"wanted": ["read", "trained", "calibrated", "tested", "baselines", "reported"], "done": ["read", "trained"]}
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from typing_extensions import TypedDict

from deepglass.files import write_file
from deepglass.run.storage.manifest import read_stored

FILE = "stages.json"
Stage = Literal["read", "trained", "calibrated", "tested", "baselines", "reported"]
STAGES: tuple[Stage, ...] = get_args(Stage)
TRAINING: tuple[Stage, ...] = ("read", "trained", "calibrated", "tested")


class _Stages(TypedDict):
    """The content of the file."""

    wanted: list[Stage]
    done: list[Stage]


class Stages:
    """The stages of a run.

    Args:
        run: the run folder.
    """

    def __init__(self, run: Path) -> None:
        self.path = run / FILE
        self._written: tuple[list[Stage], list[Stage]] | None = None  # by this process, the only one that writes

    def begin(self, baselines: bool) -> None:
        """Store the stages of a new run, of which none is done.

        Args:
            baselines: fit the baselines and write the report.
        """
        self._write(STAGES if baselines else TRAINING, ())

    def add(self, *names: Stage) -> None:
        """Mark stages as done."""
        wanted, done = self._read()
        self._write(wanted, [s for s in STAGES if s in done or s in names])

    def restart(self) -> None:
        """Mark all stages but reading as to be done again."""
        self._write(self._read()[0], ["read"])

    def missing(self) -> list[Stage]:
        """The stages that are to be done, in order.

        Raises:
            SourceError: `damaged-run`.
        """
        wanted, done = self._read()
        return [s for s in STAGES if s in wanted and s not in done]

    def _read(self) -> tuple[list[Stage], list[Stage]]:
        if self._written is not None:
            return self._written
        if not self.path.exists():
            return list(TRAINING), []
        content = read_stored(self.path, _Stages)
        return content["wanted"], content["done"]

    def _write(self, wanted: Iterable[Stage], done: Iterable[Stage]) -> None:
        self._written = list(wanted), list(done)
        write_file(self.path, json.dumps({"wanted": self._written[0], "done": self._written[1]}) + "\n")
