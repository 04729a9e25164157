"""Calling the hooks of callbacks; one that only displays is switched off where it fails."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from deepglass.failures import DisplayWarning, deepglass_error
from deepglass.training.callbacks import Callback


def call(callbacks: Sequence[Callback], hook: str, *arguments: Any) -> None:
    """Call a hook of each callback, in order.

    Warns:
        DisplayWarning: once for each display that fails, with its name and the file of the traceback.
    """
    for callback in callbacks:
        if not (isinstance(callback, Callback) and callback.displays):
            getattr(callback, hook)(*arguments)
        elif not callback.switched_off:
            try:
                getattr(callback, hook)(*arguments)
            except Exception as error:
                callback.switched_off = True
                with suppress(Exception):
                    callback.close()
                text = f"{type(callback).__name__} failed in {hook} and is switched off; training goes on: "
                warnings.warn(DisplayWarning(text + str(deepglass_error(error))), stacklevel=2)
