"""Calling the hooks of callbacks; one that only displays or records is switched off where it fails."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from deepglass.errors import SpecError
from deepglass.failures import warn_of_failure
from deepglass.registry import allow_modules, own_class
from deepglass.training.callbacks import Callback


def call(callbacks: Sequence[Callback], hook: str, *arguments: Any) -> None:
    """Call a hook of each callback, in order.

    Warns:
        CallbackWarning: once for each display or recorder that fails, with its name and the file of the traceback.

    Raises:
        StorageError: of a recorder.
    """
    for callback in callbacks:
        if not (isinstance(callback, Callback) and (callback.displays or callback.is_recorder)):
            getattr(callback, hook)(*arguments)
        elif not callback.failure:
            try:
                getattr(callback, hook)(*arguments)
            except Exception as error:
                what = f"{type(callback).__name__} failed in {hook} and is switched off"
                callback.failure = warn_of_failure(error, what, callback.is_recorder)
                with suppress(Exception):
                    callback.close()


def construct_callbacks(callbacks: Sequence[Callback | str]) -> list[Callback]:
    """Callbacks, those that are named as `module:Class` constructed without arguments; naming a module allows it.

    Raises:
        SpecError: `unknown-name` for what cannot be imported or is no callback; `bad-value` if it needs arguments, and
            for anything else.
    """
    if not isinstance(callbacks, list | tuple):
        raise SpecError("bad-value", f"callbacks: expected a list, got {callbacks!r:.80}")
    for callback in callbacks:
        if not isinstance(callback, str | Callback):
            hint = "; call the class, to give an object" if isinstance(callback, type) else ""
            expected = "objects of a class that extends deepglass.training.callbacks.Callback, or names module:Class"
            raise SpecError("bad-value", f"callbacks: expected {expected}, got {callback!r:.80}{hint}")
    return [_construct(c) if isinstance(c, str) else c for c in callbacks]


def _construct(name: str) -> Callback:
    module, separator, _ = name.partition(":")
    if not separator:
        raise SpecError("unknown-name", f"--callback: expected MODULE:CLASS, such as my:Progress, got {name!r}")
    allow_modules(module)
    cls = own_class(name, Callback, "callback", "--callback")
    try:
        callback: Callback = cls()
    except TypeError as error:
        text = f"--callback: {name} cannot be constructed without arguments ({error})"
        raise SpecError("bad-value", f"{text}; give it defaults, or give an object in Python") from error
    return callback
