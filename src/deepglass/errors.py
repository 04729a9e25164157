"""The exceptions of deepglass, drawn as a tree.

    DeepglassError            exit code 1: the work failed
      TrainingError             the numbers went wrong and could not be recovered
      StorageError              the disk is full or may not be written
      UserError                 exit code 2: the user's words or data are wrong
        SourceError               what was given as data
        SpecError                 what was given as settings
        MissingExtra              an optional dependency is not installed

A message names the place, what was expected, what came and what to do; it begins with a stable code
in brackets, so that tools and tests can rely on it:

    [unknown-column] --target: no column 'prise' in houses.csv; did you mean 'price'?
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

Code = Literal[
    "empty-source",
    "no-rows",
    "too-few-rows",
    "constant-target",
    "one-class",
    "unknown-column",
    "unknown-key",
    "unknown-name",
    "duplicate-column",
    "unreadable-file",
    "unreadable-image",
    "not-found",
    "too-large",
    "unsafe-archive",
    "mismatched-files",
    "bad-value",
    "read-only",
    "disk-full",
    "missing-extra",
    "diverged",
    "already-exists",
]


class DeepglassError(Exception):
    """Something went wrong; `code` is stable, the text is for people."""

    exit_code = 1

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code


class TrainingError(DeepglassError):
    """Training failed and could not be recovered."""


class StorageError(DeepglassError):
    """A file could not be written: the disk is full or the folder is read-only."""


class UserError(DeepglassError):
    """The user's words or data are wrong; nothing was trained."""

    exit_code = 2


class SourceError(UserError):
    """The data cannot be read or used."""


class SpecError(UserError):
    """A setting is unknown or has a value that cannot be used."""


class MissingExtra(UserError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            "missing-extra",
            f"{purpose} needs the package {package!r}: pip install 'deepglass[{extra}]'",
        )


def near_miss(word: str, known: Iterable[str], *, show: int = 8) -> str:
    """Say what was probably meant: `; did you mean 'price'?`, or list what there is."""
    known = list(known)
    lowered = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {lowered[close[0]]!r}?"
    listed = ", ".join(known[:show]) + (", ..." if len(known) > show else "")
    return f"; there are: {listed}" if known else ""
