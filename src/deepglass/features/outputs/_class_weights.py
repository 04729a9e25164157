"""Classes as settings name them, and their weights in the loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepglass.errors import SpecError, near_miss

_WORDS = {True: ("true", "yes", "on", "y", "t", "1"), False: ("false", "no", "off", "n", "f", "0")}


def class_index(value: Any, names: Sequence[str], where: str) -> int:
    """The index of a class by its name as YAML or Python have it: `yes` may come as True, 3 as 3.0.

    Args:
        where: the setting, for messages.

    Raises:
        SpecError: `unknown-name`.
    """
    if isinstance(value, bool):
        texts = [str(value), *_WORDS[value]]
    elif isinstance(value, float) and value.is_integer():
        texts = [str(value), str(int(value))]
    else:
        texts = [str(value)]
    for text in texts:
        if text in names:
            return names.index(text)
    lowered = [name.lower() for name in names]
    for text in texts:
        if lowered.count(text.lower()) == 1:
            return lowered.index(text.lower())
    raise SpecError("unknown-name", f"{where}: no class {value!r}{near_miss(str(value), names)}")


def class_weights(setting: Any, names: Sequence[str], counts: Sequence[int], where: str) -> np.ndarray:
    """Weights of the classes, (K,) float64, whose mean over the training rows is 1.

    Args:
        setting: "balanced", so that each class has the same weight in all, or class -> weight, 1 for those left out.
        counts: training rows of each class.
        where: the setting, for messages.

    Raises:
        SpecError: `unknown-name` for a class that the training rows lack.
    """
    rows = np.maximum(np.array(counts, np.float64), 0.5)
    weights = np.ones(len(names))
    if isinstance(setting, Mapping):
        for value, weight in setting.items():
            weights[class_index(value, names, where)] = weight
    else:
        weights = 1 / rows
    return np.asarray(weights * rows.sum() / (weights * rows).sum())
