"""Training as a whole: objective, plan, trainer, calibration, test figures, all kept in a run folder.

fresh   prepare -> build -> plan (probe) -> train -> calibrate -> test -> save
resume  stored spec, plan, features, split -> build -> train on from the checkpoint -> the same end
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from deepglass.data.batches import BatchTransform, Dataset, Loader
from deepglass.device import describe, multiplications, pick
from deepglass.features.base import Calibration, Feature, PredictionArrays
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.network import shapes_of
from deepglass.networks.trunks.base import TRUNKS
from deepglass.nn.pretrained import PretrainedEncoder
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData, add_context
from deepglass.prepare.resolve import network_of, trunk_of
from deepglass.run.build import build
from deepglass.run.callbacks.alarms import alarms, moments_of
from deepglass.run.callbacks.boundary_history import grounds
from deepglass.run.callbacks.diagnostics import watched
from deepglass.run.callbacks.embedding_history import course
from deepglass.run.callbacks.margins import margins_kept
from deepglass.run.callbacks.pseudo_label_history import guess_counts
from deepglass.run.callbacks.sample_history import drawn_sheets
from deepglass.run.folder import Folder
from deepglass.run.warm_start import start_from
from deepglass.spec.spec import Spec
from deepglass.training.augmentation import augmentation_for, set_audio_augmentation
from deepglass.training.callbacks import Callback, HistoryFile
from deepglass.training.checkpoint import weights_sha256
from deepglass.training.clock import Clock
from deepglass.training.optimizer_groups import build_optimizers
from deepglass.training.plan import Plan, fit_to_budget
from deepglass.training.planning import make_plan, most_steps, threads_for
from deepglass.training.trainer import History, Trainer

PROBE = 0.03  # of a time budget at most


@dataclass(frozen=True)
class Trained:
    """What came of training.

    Args:
        figures: part -> output -> metric -> value.
        best: part -> output -> the best answers.
        calibration: output -> what the validation rows taught about confidence.
    """

    objective: Objective
    plan: Plan
    history: History
    figures: Mapping[str, Mapping[str, Mapping[str, float]]]
    best: Mapping[str, Mapping[str, PredictionArrays]]
    calibration: Mapping[str, Calibration]
    metrics: Mapping[str, Any]


def settle(spec: Spec, inputs: Sequence[Feature], outputs: Sequence[Feature], rows: int) -> Spec:
    """The spec with the network's own settings filled in.

    Its size is fitted to the time budget, where there is one and nobody states the size.
    """
    trunk = TRUNKS.get(trunk_of(spec, inputs, outputs), where="network.trunk")
    settings = {k: v for k, v in spec.network.items() if k not in ("trunk", "init_from")}
    if settled := trunk.resolved_settings(settings):
        spec = replace(spec, network={**spec.network, **settled})
    if (budget := spec.training.budget) is None:
        return spec
    work = budget * multiplications(pick(spec.training.device), threads_for(spec.training))
    return replace(
        spec, network={**trunk.size_for_budget(shapes_of(inputs, trunk, settings), rows, work), **spec.network}
    )


def train(spec: Spec, prepared: PreparedData, folder: Folder, callbacks: Sequence[Callback], started: float) -> Trained:
    """Train from the start.

    Args:
        started: `time.perf_counter()` when the command began, for the total.
    """
    device = str(pick(spec.training.device))
    torch.set_num_threads(threads_for(spec.training))
    parts = prepared.datasets(device)
    objective = build(spec, prepared.inputs, prepared.outputs, device)
    counts = guess_counts(spec, prepared, objective, device, folder.path)
    budget = spec.training.budget
    clock = Clock(budget) if budget else None
    defaults = training_defaults_for(spec, prepared, objective)
    plan = make_plan(spec.training, defaults, objective.examples_per_epoch(parts["train"]), device)
    objective.apply(_read_weights)
    if "init_from" in spec.network:
        start_from(spec.network["init_from"], objective, prepared)
    if prepared.table.environment is not None:
        objective.set_environment(prepared.table.environment)
    objective.on_fit_start(parts["train"])
    folder.begin(spec, prepared, plan)
    keepers = _keepers(spec, prepared, folder, objective, parts, plan, counts, callbacks)
    trainer = Trainer([*keepers, *callbacks], folder.checkpoints, folder.store_plan)
    set_audio_augmentation(objective, spec.training, defaults, prepared.inputs)
    loader = _make_loader(spec, prepared, objective, parts["train"], plan)
    if clock is not None:
        costs = trainer.probe(objective, loader, plan, parts["valid"], PROBE * clock.budget)
        most = most_steps(plan, defaults)
        plan = fit_to_budget(plan, clock.budget - clock.elapsed(), costs, most)
        plan = replace(plan, budget=clock.budget)
        folder.store_plan(plan)
        loader = _make_loader(spec, prepared, objective, parts["train"], plan)
        clock.begin(0, costs, most)
    with margins_kept(loader, objective, len(parts["train"]), folder.path) as kept:
        history = trainer.fit(objective, kept, plan, parts["valid"], clock)
    return _finish(spec, prepared, folder, objective, history, parts, started, clock)


def resume(
    spec: Spec, prepared: PreparedData, folder: Folder, plan: Plan, callbacks: Sequence[Callback], started: float
) -> Trained:
    """Go on from the newest checkpoint along the stored plan, without looking at a clock."""
    torch.set_num_threads(plan.threads)
    parts = prepared.datasets(plan.device)
    objective = build(spec, prepared.inputs, prepared.outputs, plan.device)
    if prepared.table.environment is not None:
        objective.set_environment(prepared.table.environment)
    objective.on_fit_start(parts["train"])
    set_audio_augmentation(objective, spec.training, training_defaults_for(spec, prepared, objective), prepared.inputs)
    state = folder.checkpoints.load()
    step = state.values["step"] if state else 0
    counts = guess_counts(spec, prepared, objective, plan.device, folder.path, step)
    keepers = _keepers(spec, prepared, folder, objective, parts, plan, counts, callbacks, step)
    trainer = Trainer([*keepers, *callbacks], folder.checkpoints, folder.store_plan)
    loader = _make_loader(spec, prepared, objective, parts["train"], plan)
    with margins_kept(loader, objective, len(parts["train"]), folder.path) as kept:
        history = trainer.fit(objective, kept, plan, parts["valid"], None, state)
    return _finish(spec, prepared, folder, objective, history, parts, started, None)


def check(spec: Spec, prepared: PreparedData) -> None:
    """Make once what training will make, so that a wrong setting is found before there is a folder."""
    device = str(pick(spec.training.device))
    objective = build(spec, prepared.inputs, prepared.outputs, device)
    defaults = training_defaults_for(spec, prepared, objective)
    plan = make_plan(spec.training, defaults, len(prepared.rows("train")), device)
    build_optimizers(objective, plan)
    augmentation_for(spec.training, defaults, prepared.inputs, prepared.outputs, plan.epochs, objective.supports_mixup)
    set_audio_augmentation(objective, spec.training, defaults, prepared.inputs)


def training_defaults_for(spec: Spec, prepared: PreparedData, objective: Objective) -> TrainingDefaults:
    """The trunk's recipe, as this kind of learning changes it."""
    return objective.training_defaults(
        TRUNKS.get(trunk_of(spec, prepared.inputs, prepared.outputs), where="network.trunk").training_defaults
    )


def _keepers(
    spec: Spec,
    prepared: PreparedData,
    folder: Folder,
    objective: Objective,
    parts: Mapping[str, Dataset],
    plan: Plan,
    counts: Sequence[Callback],
    callbacks: Sequence[Callback],
    from_step: int = 0,
) -> list[Callback]:
    """Those that keep in the run's folder what only training can tell.

    Args:
        counts: made before the clock begins, as they read rows.
        callbacks: who is told what ails the network.
        from_step: a resumed run writes again what came after it.
    """
    network = network_of(spec, prepared.inputs, prepared.outputs)
    return [
        HistoryFile(folder.path / "history.jsonl", from_step),
        *drawn_sheets(prepared, objective, plan.seed, folder.path),
        *counts,
        *course(prepared, objective, parts, folder.path, from_step),
        *watched(objective, parts, folder.path, network, callbacks, from_step),
        *grounds(prepared, objective, plan.device, folder.path, from_step),
    ]


def _read_weights(module: nn.Module) -> None:
    """Pretrained weights, for a run that begins."""
    if isinstance(module, PretrainedEncoder):
        module.read_weights()


def transform_of(spec: Spec, prepared: PreparedData, objective: Objective, plan: Plan) -> BatchTransform | None:
    """What a batch goes through in training: its pictures are varied, or nothing is."""
    defaults = training_defaults_for(spec, prepared, objective)
    epochs = plan.steps / plan.batches_per_epoch
    return augmentation_for(
        spec.training, defaults, prepared.inputs, prepared.outputs, epochs, objective.supports_mixup
    )


def _make_loader(spec: Spec, prepared: PreparedData, objective: Objective, data: Dataset, plan: Plan) -> Loader:
    return objective.make_loader(data, plan.batch_size, plan.seed, transform_of(spec, prepared, objective, plan))


def _finish(
    spec: Spec,
    prepared: PreparedData,
    folder: Folder,
    objective: Objective,
    history: History,
    parts: Mapping[str, Dataset],
    started: float,
    clock: Clock | None,
) -> Trained:
    """Calibrate on the validation rows, test, and write everything down."""
    outputs = {f.name: f for f in prepared.outputs}
    batch_size = max(512, history.plan.batch_size)
    best: dict[str, Mapping[str, PredictionArrays]] = {}
    calibration: dict[str, Calibration] = {}
    own: dict[str, Mapping[str, Mapping[str, float]]] = {}
    evaluation = history.evaluation
    if objective.on_fit_end(parts["train"]) and len(parts["valid"]):
        evaluation = objective.evaluate(parts["valid"], batch_size, search=False)
    if evaluation is not None:
        best["valid"], own["valid"] = evaluation.predictions, evaluation.metrics
        for name, answers in evaluation.predictions.items():
            calibration[name] = outputs[name].calibrate(answers, parts["valid"].truth[name])
    seconds = clock.elapsed() if clock is not None else history.seconds
    figures: dict[str, Mapping[str, Mapping[str, float]]] = {}
    if len(parts["test"]):
        tested = objective.evaluate(parts["test"], batch_size)
        best["test"], own["test"] = tested.predictions, tested.metrics
    for part, found in best.items():
        best[part] = add_context(found, prepared.outputs, parts[part].columns)
        scored = {n: outputs[n].score(b, parts[part].truth[n], calibration.get(n)) for n, b in best[part].items()}
        figures[part] = {**own[part], **scored}  # the objective's own, and the outputs' with their calibration
    train_losses = history.records[-1].losses if history.records else {}
    network = network_of(spec, prepared.inputs, prepared.outputs)
    metrics = {
        "train": {"loss": train_losses},
        **figures,
        "baselines": {},
        "seconds": {"train": round(seconds, 3), "total": round(time.perf_counter() - started, 3)},
        "examples_per_second": round(history.step * history.plan.batch_size / max(history.seconds, 1e-9), 1),
        "parameters": objective.num_parameters(),
        "device": describe(pick(history.plan.device)),
        "precision": history.plan.precision,
        "seed": spec.training.seed,
        "weights_sha256": weights_sha256(objective.state_dict()),
        "stop_reason": history.stop_reason,
        "step": history.step,
        "notes": [*prepared.notes, *(evaluation.warnings if evaluation is not None else ())],
        "diagnostics": [str(a) for a in alarms(moments_of(folder.path), network, history.plan)],
        "versions": folder.versions(),
    }
    trained = Trained(objective, history.plan, history, figures, best, calibration, metrics)
    folder.finish(prepared, objective, calibration, metrics, best)
    return trained
