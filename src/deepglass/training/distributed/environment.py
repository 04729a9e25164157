"""What the environment says about the processes of a run: the variables that torchrun, and others, set."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from deepglass.errors import SpecError

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Place(NamedTuple):
    """Index of a process among those that train together, and their number."""

    rank: int = 0
    size: int = 1


def place_in_group(environment: Mapping[str, str] = os.environ) -> Place:
    """The place of this process; that of the only one without WORLD_SIZE.

    Raises:
        SpecError: `bad-value` for variables that are missing or no numbers.
    """
    if "WORLD_SIZE" not in environment:
        return Place()
    if missing := [name for name in VARIABLES if not environment.get(name)]:
        text = f"environment: WORLD_SIZE is set, and {missing[0]} is missing; start the processes with torchrun, or "
        raise SpecError("bad-value", text + "unset WORLD_SIZE to train in one process")
    rank, count, port = (_number(environment, name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    if count < 1:
        raise SpecError("bad-value", f"environment: WORLD_SIZE: expected at least 1, got {count}")
    if not 0 <= rank < count:
        raise SpecError("bad-value", f"environment: RANK: expected 0 to {count - 1}, as WORLD_SIZE says, got {rank}")
    if not 0 < port < 2**16:
        raise SpecError("bad-value", f"environment: MASTER_PORT: expected 1 to 65535, got {port}")
    return Place(rank, count)


def is_first_process(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process shows progress and results."""
    return "WORLD_SIZE" not in environment or environment.get("RANK", "0") == "0"


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment[name].strip()
    if not text.removeprefix("-").isdecimal():
        raise SpecError("bad-value", f"environment: {name}: expected a whole number, got {text!r:.40}")
    return int(text)
