"""Checkpoints as checksummed safetensors files, written atomically; no pickle.

A checkpoint folder holds the last two good states, `a` and `b`, written in turn. A state is one safetensors file whose
header holds the JSON part; its sha256 is in a file beside it, which is written last.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NotRequired

import torch
from pydantic import ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from typing_extensions import TypedDict

from deepglass.config import restore
from deepglass.documents import parse_json
from deepglass.errors import SourceError, SpecError
from deepglass.files import file_sha256, write_file


class _FileState(TypedDict):
    """The state of a callback that appends lines to a file."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    count: NotRequired[int]


class _CallbackStates(TypedDict):
    """Class of a callback -> what its `state_dict` gave; those of users give what they like."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    HistoryFile: NotRequired[_FileState]


class _Values(TypedDict):
    """The JSON part of a state that resuming reads; the inner values of the loader are its own."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    step: Annotated[int, Field(ge=0)]
    first_step: Annotated[int, Field(ge=0)]
    lr_scale: float
    recoveries: int
    evals_since_best: int
    best_monitor: float | None
    loader: dict[str, Any]
    seconds: float
    losses: dict[str, dict[str, float]]
    gradient_norms: dict[str, dict[str, float]]
    events: list[str]
    callbacks: _CallbackStates
    failures: NotRequired[dict[str, str]]


class State(NamedTuple):
    """The state of a training run: tensors by name, and everything else as plain JSON."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]

    def callback(self, kind: type) -> Mapping[str, Any]:
        """What a callback of a class has stored in it; {} for nothing."""
        return self.values.get("callbacks", {}).get(kind.__name__, {})


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a model's tensors as one safetensors file."""
    write_file(path, save({n: t.detach().cpu().clone().contiguous() for n, t in tensors.items()}))


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        SourceError: `not-found` or `unreadable-file`.
    """
    return dict(_read(path).tensors)


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names and bytes of the tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class Checkpoints:
    """The last two good states of a run.

    Args:
        folder: of the checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: State) -> None:
        """Replace the older of the two states."""
        newest = next(iter(self._by_age()), None)
        path = self.folder / ("b.safetensors" if newest and newest.stem == "a" else "a.safetensors")
        content = save(
            {n: t.detach().cpu().contiguous() for n, t in state.tensors.items()}, {"values": json.dumps(state.values)}
        )
        self._checksum_file(path).unlink(missing_ok=True)  # until the end this file counts as incomplete
        write_file(path, content)
        write_file(self._checksum_file(path), f"{hashlib.sha256(content).hexdigest()} {state.values['step']}\n")

    def load(self) -> State | None:
        """The newest state whose checksum is right; None without one.

        Raises:
            SourceError: `damaged-run` for one that holds something else than a training stores.
        """
        path = next((p for p in self._by_age() if self._is_whole(p)), None)
        if path is None:
            return None
        state = _read(path)
        try:
            return state._replace(values=restore(_Values, state.values, "state", finite=False))  # type: ignore[arg-type]
        except SpecError as error:
            raise not_a_state(path, error.message) from error

    def damaged(self) -> list[Path]:
        """The states whose checksum is wrong."""
        return [path for path in self._by_age() if not self._is_whole(path)]

    def _is_whole(self, path: Path) -> bool:
        expected = self._checksum_file(path).read_text("utf-8", "replace").split()[0]
        return file_sha256(path) == expected

    def _by_age(self) -> list[Path]:
        """Finished states, newest first."""
        finished = [p for p in (self.folder / "a.safetensors", self.folder / "b.safetensors") if self._step(p) >= 0]
        return sorted(finished, key=self._step, reverse=True)

    def _step(self, path: Path) -> int:
        checksum = self._checksum_file(path)
        words = checksum.read_text("utf-8", "replace").split() if path.exists() and checksum.exists() else []
        return int(words[1]) if len(words) == 2 and words[1].isdecimal() else -1

    @staticmethod
    def _checksum_file(path: Path) -> Path:
        return path.with_suffix(".sha256")


def not_a_state(path: Path | str, reason: object) -> SourceError:
    """The error to raise for a checkpoint that holds something else than this training stores."""
    return SourceError(
        "damaged-run", f"{path}: no state of this training ({reason}); restore it from a copy, or train again"
    )


def _read(path: Path) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            values = parse_json((file.metadata() or {}).get("values", "{}"), f"{path}, metadata")
    except FileNotFoundError:
        raise SourceError("not-found", f"{path}: no such file") from None
    except (SafetensorError, OSError) as error:
        raise SourceError("unreadable-file", f"{path}: not a complete safetensors file ({error})") from error
    return State(tensors, values)


def flatten_optimizer(prefix: str, optimizer: torch.optim.Optimizer) -> State:
    """An optimizer's state as named tensors and JSON."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for index, slots in state["state"].items():
        for name, value in slots.items():
            (tensors if isinstance(value, Tensor) else values)[f"{prefix}.{index}.{name}"] = value
    return State(tensors, values)


def restore_optimizer(prefix: str, optimizer: torch.optim.Optimizer, state: State) -> None:
    """Load a state that `flatten_optimizer` gave."""
    slots: dict[int, dict[str, Any]] = {}
    for source in (state.tensors, state.values):
        for key, value in source.items():
            if key.startswith(prefix + "."):
                index, _, name = key[len(prefix) + 1 :].partition(".")
                slots.setdefault(int(index), {})[name] = value.clone() if isinstance(value, Tensor) else value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
