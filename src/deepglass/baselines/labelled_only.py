"""Baseline of a semi-supervised run: the same network, trained on the labelled rows alone."""

import time
from dataclasses import replace

import numpy as np
import torch

from deepglass.objectives._semi import SemiSupervised
from deepglass.prepare.experiment import Experiment
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.build import build
from deepglass.run.context import RunContext
from deepglass.run.fit import adapted_defaults, augmentation_of
from deepglass.spec.spec import ObjectiveSpec
from deepglass.training.augmentation import set_audio_augmentation
from deepglass.training.planning import make_plan
from deepglass.training.trainer import Trainer

NAME = "labelled_rows_alone"
MAX_ROWS_SHARE = 0.2  # of the rows that the run itself went through
MIN_STEPS = 200  # where the run took as many


def labelled_alone(context: RunContext) -> dict[str, dict[str, float]]:
    """Test metrics of supervised training on the labelled rows, with its `rows`, `steps` and `seconds`, per output.

    {} for runs that are not semi-supervised. Training takes as many steps as the run, unless that would be more than a
    fifth of the rows that the run went through. The validation rows choose the weights. No clock is read, so that the
    same run gives the same metrics.
    """
    if not issubclass(context.experiment.objective_class, SemiSupervised):
        return {}
    started = time.perf_counter()
    experiment, data, plan = _supervised(context.experiment), _labelled(context.data), context.plan
    steps, rows = context.metrics["step"], len(data.rows("train"))
    training = experiment.spec.training
    objective = build(experiment, plan.device)
    defaults = adapted_defaults(experiment, objective)
    own = make_plan(training, defaults, rows, plan.device)
    most = int(MAX_ROWS_SHARE * steps * plan.batch_size / own.batch_size)
    training = replace(training, steps=max(1, min(steps, max(most, MIN_STEPS))))
    datasets = data.datasets(plan.device)
    own = make_plan(training, defaults, rows, plan.device, len(datasets["valid"]))
    objective.on_fit_start(datasets["train"])
    set_audio_augmentation(objective, training, defaults, experiment.inputs)
    augmentation = augmentation_of(experiment, objective, own)
    loader = objective.make_loader(datasets["train"], own.batch_size, own.seed, augmentation)
    torch.set_num_threads(plan.threads)
    Trainer().fit(objective, loader, own, datasets["valid"])
    metrics = objective.evaluate(datasets["test"], max(512, own.batch_size)).metrics
    spent = {"rows": float(rows), "steps": float(own.last_step), "seconds": round(time.perf_counter() - started, 3)}
    return {name: {**values, **spent} for name, values in metrics.items()}


def _supervised(experiment: Experiment) -> Experiment:
    spec = experiment.spec
    training = replace(spec.training, time=None, epochs=None, steps=None, patience=0)
    network = replace(spec.network, init_from=None)
    return replace(experiment, spec=replace(spec, objective=ObjectiveSpec(), training=training, network=network))


def _labelled(data: PreparedData) -> PreparedData:
    """Without the training rows that have no label at all."""
    labelled = [f.encode(data.table[f.column]).mask for f in data.outputs]
    split = np.where((data.split == "train") & ~np.any(labelled, axis=0), "", data.split)
    return replace(data, split=split)
