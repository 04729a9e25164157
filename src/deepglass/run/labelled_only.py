"""What the labelled rows alone would have taught: the same network, supervised, beside a semi-supervised run."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from deepglass.objectives._semi import SemiSupervised
from deepglass.objectives.base import OBJECTIVES
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.build import build
from deepglass.run.fit import training_defaults_for, transform_of
from deepglass.run.folder import Folder
from deepglass.spec.spec import Spec
from deepglass.training.augmentation import set_audio_augmentation
from deepglass.training.planning import make_plan
from deepglass.training.trainer import Trainer

NAME = "labelled_rows_alone"
SHARE = 0.2  # of the rows that the run itself went through
FEWEST = 200  # steps, where the run had as many


def labelled_alone(folder: Folder, spec: Spec, prepared: PreparedData, steps: int) -> dict[str, dict[str, float]]:
    """The test figures of each output, with the `rows`, `steps` and `seconds` of that training; {} for other runs.

    It takes as many steps as the run, unless that would be more than a fifth of the rows that the run went through.
    The best weights are kept by the same validation rows. Nothing reads a clock, so that the same run gives the same
    figures.

    Args:
        steps: that the run took.
    """
    if not issubclass(OBJECTIVES.get(spec.objective["name"]), SemiSupervised):
        return {}
    started = time.perf_counter()
    spec = _supervised(spec)
    prepared = _labelled(prepared)
    plan = folder.plan()
    device, rows = plan.device, len(prepared.rows("train"))
    objective = build(spec, prepared.inputs, prepared.outputs, device)
    defaults = training_defaults_for(spec, prepared, objective)
    own = make_plan(spec.training, defaults, rows, device)
    most = int(SHARE * steps * plan.batch_size / own.batch_size)
    training = replace(spec.training, steps=max(1, min(steps, max(most, FEWEST))))
    own = make_plan(training, defaults, rows, device)
    parts = prepared.datasets(device)
    objective.on_fit_start(parts["train"])
    set_audio_augmentation(objective, training, defaults, prepared.inputs)
    transform = transform_of(spec, prepared, objective, own)
    loader = objective.make_loader(parts["train"], own.batch_size, own.seed, transform)
    torch.set_num_threads(plan.threads)
    Trainer().fit(objective, loader, own, parts["valid"])
    figures = objective.evaluate(parts["test"], max(512, own.batch_size)).metrics
    spent = {"rows": float(rows), "steps": float(own.last_step), "seconds": round(time.perf_counter() - started, 3)}
    return {name: {**found, **spent} for name, found in figures.items()}


def _supervised(spec: Spec) -> Spec:
    training = replace(spec.training, time=None, epochs=None, steps=None, patience=0)
    network = {k: v for k, v in spec.network.items() if k != "init_from"}
    return replace(spec, objective={"name": "supervised"}, training=training, network=network)


def _labelled(prepared: PreparedData) -> PreparedData:
    """Without the training rows that have no answer at all."""
    known = [f.encode(prepared.table[f.column]).mask for f in prepared.outputs]
    split = np.where((prepared.split == "train") & ~np.any(known, axis=0), "", prepared.split)
    return replace(prepared, split=split)
