"""A command that gets a signal in a given phase: `python signal_at.py PHASE SIGNAL TIMES train houses.csv ...`.

The signal comes from the process itself, when it calls the function of the phase, so that it always hits the phase.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

PHASES = {  # phase -> module, function, and the call of it at which the signal comes
    "reading": ("deepglass.prepare.prepare", "read_source", 1),
    "fitting features": ("deepglass.prepare.prepare", "_fit_features", 1),
    "checking": ("deepglass.training_runs", "before_training", 1),
    "probing": ("deepglass.training.trainer", "Trainer.probe", 1),
    "planning": ("deepglass.run.fit", "make_plan", 2),
    "first steps": ("deepglass.training.loop", "TrainingLoop.step_once", 2),
    "training": ("deepglass.training.loop", "TrainingLoop.step_once", 25),
    "evaluating": ("deepglass.training.loop", "TrainingLoop.evaluate", 4),
    "calibrating": ("deepglass.features.outputs.number", "NumberOutput.calibrate", 1),
    "testing": ("deepglass.run.fit", "add_context", 2),
    "baselines": ("deepglass.report.after_training", "baselines", 1),
    "report": ("deepglass.report.write", "render", 1),
    "predicting": ("deepglass.run.predictor", "Predictor.predict_arrays", 1),
    "reading rows": ("deepglass.prepare.new_rows", "read_like", 1),
    "evaluating rows": ("deepglass.run.run", "read_like", 1),
    "embedding": ("deepglass.embedding", "embed_rows", 1),
    "inspecting": ("deepglass.inspection", "inspect_table", 1),
    "labelling": ("deepglass.api", "rank_questions", 1),
    "serving": ("deepglass.serve.label", "_listen", 1),
}


def signal_at(phase: str, signum: int, times: int = 1, setattr: Callable[..., None] = setattr) -> None:
    """Send signals to this process when it comes to a phase.

    Args:
        times: number of signals.
        setattr: replaces the function of the phase.
    """
    module, name, call = PHASES[phase]
    *parents, name = name.split(".")
    owner: Any = import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    function, calls = getattr(owner, name), 0

    def patched(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            for _ in range(times):
                os.kill(os.getpid(), signum)
        return function(*arguments, **named)

    setattr(owner, name, patched)


if __name__ == "__main__":
    from deepglass.cli.main import main

    phase, name, times, *words = sys.argv[1:]
    signal_at(phase, signal.Signals[name], int(times))
    sys.argv = ["deepglass", *words]
    main()
