"""The exceptions of deepglass.

    DeepglassError            exit code 1: something failed
      TrainingError             the loss became infinite or NaN and could not be recovered, or a process was lost
      PeerError                 another process of the same training failed
      StorageError              a file cannot be written: full disk, read-only folder
      UserError                 exit code 2: settings or data are wrong; nothing was trained
        SourceError               the data cannot be read or used
        SpecError                 a setting is unknown or has a wrong value
        MissingExtra              an optional dependency is not installed

A message says where, what was expected, what came and what to do. It begins with a code in brackets, which does not
change between versions, for programs and tests:

    [unknown-column] --target: no column 'prise' in houses.csv; did you mean 'price'?
"""

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
    "missing-column",
    "unreadable-column",
    "unreadable-file",
    "unreadable-image",
    "not-found",
    "too-large",
    "unsafe-archive",
    "unsafe-path",
    "mismatched-files",
    "bad-value",
    "read-only",
    "disk-full",
    "missing-extra",
    "diverged",
    "already-exists",
    "damaged-run",
    "run-in-use",
    "lost-process",
    "internal",
]


class DeepglassError(Exception):
    """Base class of all errors that deepglass raises on purpose.

    Args:
        code: names the kind of error; it stays the same between versions.
        message: the text for people.
    """

    exit_code = 1

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code
        self.message = message


class PeerError(DeepglassError):
    """An error of another process, which tells the user about it.

    Args:
        exit_code: of the other process.
    """

    def __init__(self, code: Code, message: str, exit_code: int) -> None:
        super().__init__(code, message)
        self.exit_code = exit_code


class TrainingError(DeepglassError):
    """Training failed and could not be recovered."""


class StorageError(DeepglassError):
    """A file cannot be written: the disk is full or the folder is read-only."""


class UnfinishedRunWarning(UserWarning):
    """A run is used whose training has not come to its end."""


class CodeWarning(UserWarning):
    """A run is used with another version of the user's own code than the one that it was trained with."""


class DataWarning(UserWarning):
    """Something about the rows of a prediction or evaluation that the user may not expect, and in how many of them."""


class UserError(DeepglassError):
    """Settings or data are wrong; nothing was trained."""

    exit_code = 2


class SourceError(UserError):
    """The data cannot be read or used."""


class SpecError(UserError):
    """A setting is unknown or has a value that cannot be used."""


class MissingExtra(UserError):
    """An optional dependency is needed and not installed.

    Args:
        package: the package that cannot be imported.
        extra: the extra of deepglass that installs it.
        purpose: what needs it, such as "umap".
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            "missing-extra",
            f"{purpose} needs the package {package!r}: pip install 'deepglass[{extra}]'",
        )


MAX_NEAR = 5  # names in one message
MIN_SIMILARITY = 0.6  # of a near name, from 0 to 1
SIMILARITY_RANGE = 0.15  # below the nearest name, within which others are as near


def near_miss(word: str, names: Iterable[str], *, show: int = 8) -> str:
    """The end of a message about an unknown name: `; did you mean 'price' or 'prices'?`, or the first valid names.

    Args:
        show: number of valid names where none is near.
    """
    names = list(dict.fromkeys(names))
    if near := _near_names(word, names):
        return f"; did you mean {alternatives(map(repr, near))}?"
    listed = names[:show] + ["..."] * (len(names) > show)
    return f"; there are: {', '.join(listed)}" if listed else ""


def alternatives(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _near_names(word: str, names: Iterable[str]) -> list[str]:
    """The names that are about as near to a word as the nearest, nearest first."""
    matcher = difflib.SequenceMatcher(b=word.lower())
    near: list[tuple[float, str]] = []
    for name in names:
        matcher.set_seq1(name.lower())
        if matcher.real_quick_ratio() >= MIN_SIMILARITY and matcher.quick_ratio() >= MIN_SIMILARITY:
            near.append((matcher.ratio(), name))
    near.sort(key=lambda pair: -pair[0])
    least = max(near[0][0] - SIMILARITY_RANGE, MIN_SIMILARITY) if near else 1.0
    return [name for similarity, name in near if similarity >= least][:MAX_NEAR]
