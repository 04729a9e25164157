"""Exceptions that nothing caught, as errors with a code; the traceback of an unexpected one is stored in a file."""

import platform
import tempfile
import traceback
import warnings
from importlib.metadata import version

from deepglass.errors import DeepglassError, SourceError, StorageError, UserError
from deepglass.files import os_error
from deepglass.own_modules import own_line


class SectionWarning(UserWarning):
    """A section of a report could not be made because of a fault of deepglass; the rest of the report is there."""


class CallbackWarning(UserWarning):
    """A display or recorder of a training failed and was switched off; the training goes on without it."""


def deepglass_error(error: Exception) -> DeepglassError:
    """The error to show for any exception."""
    if isinstance(error, DeepglassError):
        return error
    if isinstance(error, MemoryError):
        return SourceError("too-large", f"not enough memory ({error}); use fewer rows or smaller media")
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    if line := own_line(error):
        return UserError("bad-value", f"{line}: {reason}; {_store_traceback(error, 'the traceback is in')}")
    if isinstance(error, OSError) and (file_error := os_error(error)):
        return file_error
    report = "this is a fault of deepglass, please report it with"
    return DeepglassError("internal", f"{reason}; {_store_traceback(error, report)}")


def warn_of_failure(error: Exception, what: str, stores: bool) -> str:
    """Warn of the failure of a display or recorder, without which the training goes on; the text of the warning.

    Args:
        what: what failed.
        stores: whether it writes into the run folder.

    Raises:
        StorageError: where nothing can be stored there, which ends the training.
    """
    failure = deepglass_error(error)
    if stores and isinstance(failure, StorageError):
        raise failure from error
    text = f"{what}; training goes on: {failure}"
    warnings.warn(CallbackWarning(text), stacklevel=3)
    return text


def _store_traceback(error: Exception, start: str) -> str:
    """Write the traceback to a file that only the user may read.

    Args:
        start: of the sentence that says where it is, for the message.
    """
    versions = f"deepglass {version('deepglass')}, Python {platform.python_version()}, {platform.system()}"
    text = f"{versions}\n{''.join(traceback.format_exception(error))}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="deepglass-", suffix=".txt", encoding="utf-8", errors="backslashreplace", delete=False
        ) as file:
            file.write(text)
    except OSError:
        return f"{start}:\n{text}"
    return f"{start} {file.name}"
