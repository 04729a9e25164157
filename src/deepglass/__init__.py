"""deepglass: deep learning that you can see through.

    run = deepglass.train("housing.csv", target="median_house_value", time="60s")
    run.predict({"longitude": -122.2, "latitude": 37.9})

The public names (`__all__`) are loaded at first use, so that `import deepglass` is fast.
"""

import os
import sys

# `python -m deepglass` searches the current folder first, whose random.py would replace Python's. While it imports the
# package, sys.argv[0] is "-m".
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and sys.path[:1] in ([""], [os.getcwd()]):
    del sys.path[0]

import gc
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepglass.api import compare, label, report, resume, train
    from deepglass.data.table import Table
    from deepglass.embedding import embed
    from deepglass.errors import DeepglassError, UserError
    from deepglass.features.base import Column, Feature
    from deepglass.features.outputs.base import Prediction
    from deepglass.generation import generate, sample
    from deepglass.inference import evaluate, explain, explain_globally, predict, verify
    from deepglass.inspection import inspect, new
    from deepglass.networks.network import Network
    from deepglass.objectives.base import Loss, Objective
    from deepglass.registry import register
    from deepglass.run.check import check
    from deepglass.run.run import Run
    from deepglass.sklearn import DeepglassClassifier, DeepglassRegressor
    from deepglass.spec.spec import Spec
    from deepglass.styling import paint
    from deepglass.training.plan import Plan
    from deepglass.training.trainer import Trainer
    from deepglass.word_vectors import nearest_words

__version__ = "0.1.0"

# Threads that spin while they wait are slow on a busy machine: with two other processes on two cores a step of a small
# network took ten times as long. A few spins make small networks a quarter faster on an idle machine. Torch reads these
# variables when it is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

_NAMES = {
    "deepglass.api": ("compare", "label", "report", "resume", "train"),
    "deepglass.data.table": ("Table",),
    "deepglass.embedding": ("embed",),
    "deepglass.errors": ("DeepglassError", "UserError"),
    "deepglass.features.base": ("Column", "Feature"),
    "deepglass.features.outputs.base": ("Prediction",),
    "deepglass.generation": ("generate", "sample"),
    "deepglass.inference": ("evaluate", "explain", "explain_globally", "predict", "verify"),
    "deepglass.inspection": ("inspect", "new"),
    "deepglass.networks.network": ("Network",),
    "deepglass.objectives.base": ("Loss", "Objective"),
    "deepglass.registry": ("register",),
    "deepglass.run.check": ("check",),
    "deepglass.run.run": ("Run",),
    "deepglass.sklearn": ("DeepglassClassifier", "DeepglassRegressor"),
    "deepglass.spec.spec": ("Spec",),
    "deepglass.training.plan": ("Plan",),
    "deepglass.training.trainer": ("Trainer",),
    "deepglass.styling": ("paint",),
    "deepglass.word_vectors": ("nearest_words",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Column",
    "DeepglassClassifier",
    "DeepglassError",
    "DeepglassRegressor",
    "Feature",
    "Loss",
    "Network",
    "Objective",
    "Plan",
    "Prediction",
    "Run",
    "Spec",
    "Table",
    "Trainer",
    "UserError",
    "check",
    "compare",
    "embed",
    "evaluate",
    "explain",
    "explain_globally",
    "generate",
    "inspect",
    "label",
    "nearest_words",
    "new",
    "paint",
    "predict",
    "register",
    "report",
    "resume",
    "sample",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deepglass' has no attribute {name!r}")
    collects = gc.isenabled()
    gc.disable()  # modules are never freed; garbage collection while they load takes a third of a second
    try:
        module = import_module(_HOMES[name])
    finally:
        if collects:
            gc.enable()
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `deepglass.report` and `deepglass.explain` functions, although folders have the same names.

    Importing a submodule would bind it to the package under its name.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _HOMES or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
