"""Training as a whole: set up the objective, plan, train, calibrate, test, and store everything in the run folder.

fresh   prepare -> set_up -> plan (probe) -> train -> calibrate -> test -> save
resume  stored experiment, data, plan -> set_up -> train on from the checkpoint -> the same end
"""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from deepglass.data.batches import BatchTransform, Dataset, Loader
from deepglass.device import RandomState, describe, pick
from deepglass.errors import SpecError
from deepglass.failures import warn_of_failure
from deepglass.features.outputs._calibrations import is_finite
from deepglass.features.outputs._intervals import why_constant
from deepglass.features.outputs.base import Calibration, PredictionArrays
from deepglass.hyperparameters import TrainingDefaults
from deepglass.nn.pretrained import PretrainedEncoder
from deepglass.objectives._probe import start_heads
from deepglass.objectives._representation import Representation
from deepglass.objectives._word_vectors import WordVectors
from deepglass.objectives.base import OBJECTIVES, Evaluation, Objective
from deepglass.objectives.style import Style
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.experiment import Experiment
from deepglass.prepare.prepared_data import PreparedData, add_context
from deepglass.run.build import build
from deepglass.run.callbacks.boundary_recorder import boundary_recorder
from deepglass.run.callbacks.diagnostics_recorder import diagnostics_recorder
from deepglass.run.callbacks.embedding_recorder import embedding_recorder
from deepglass.run.callbacks.layer_diagnostics import diagnose, read_layer_statistics
from deepglass.run.callbacks.margins import MarginLoader, record_margins
from deepglass.run.callbacks.painting_recorder import painting_recorder
from deepglass.run.callbacks.pseudo_label_recorder import pseudo_label_recorder
from deepglass.run.callbacks.sample_recorder import sample_recorder
from deepglass.run.context import RunContext
from deepglass.run.folder import Folder
from deepglass.run.interval_scales import fit_interval_scales
from deepglass.run.storage.plain_features import read_style_files
from deepglass.run.warm_start import is_pretraining, load_weights
from deepglass.training.augmentation import augmentation_for, set_audio_augmentation
from deepglass.training.callbacks import Callback, HistoryFile
from deepglass.training.checkpoint import State, weights_sha256
from deepglass.training.clock import Clock
from deepglass.training.distributed.processes import Processes
from deepglass.training.distributed.split import check_rows
from deepglass.training.distributed.steps import send_plan
from deepglass.training.hooks import call
from deepglass.training.loop import begin_stage
from deepglass.training.optimizers import build_optimizers
from deepglass.training.perfect_score import perfect_scores
from deepglass.training.plan import Plan, fit_to_budget
from deepglass.training.planning import append_stage, make_plan, max_steps, threads_for
from deepglass.training.settings import TrainingSettings
from deepglass.training.trainer import History, Trainer

MAX_PROBE = 0.03  # share of a time budget

Metrics = Mapping[str, Mapping[str, float]]  # output -> metric -> value


@dataclass(frozen=True)
class Setup:
    """An objective with initialised weights, before training.

    Args:
        defaults: the trunk's training defaults as the objective adapts them.
        random_state: after initialisation; training starts from it.
        processes: that train together.
    """

    experiment: Experiment
    data: PreparedData
    objective: Objective
    defaults: TrainingDefaults
    device: str
    random_state: RandomState
    processes: Processes = field(default_factory=Processes)

    def augmentation(self, plan: Plan) -> BatchTransform | None:
        """The augmentation of training batches; None for none."""
        return augmentation_of(self.experiment, self.objective, plan)

    def loader(self, rows: Dataset, plan: Plan) -> Loader:
        """The training batches."""
        return self.objective.make_loader(rows, plan.batch_size, plan.seed, self.augmentation(plan))


class Trained(NamedTuple):
    """A trained run, and its predictions of the test rows by output; None without test rows."""

    context: RunContext
    predictions: Mapping[str, PredictionArrays] | None = None


def set_up(
    experiment: Experiment, data: PreparedData, device: str | None = None, processes: Processes | None = None
) -> Setup:
    """Build the objective and check all training settings, before there is a run folder.

    Args:
        device: of a resumed run; None: that of the spec.
        processes: that train together; None: this one alone.

    Raises:
        UserError: a wrong setting, or one that several processes do not support.
    """
    training, processes = experiment.spec.training, processes or Processes()
    check_optimization(training, experiment.objective_class)
    check_objective(experiment.objective_class, processes)
    resumed, device = device is not None, device or str(pick(training.device))
    objective = build(experiment, device)
    if isinstance(objective, WordVectors):
        objective.read_word_pairs([Path(root) for root in experiment.spec.data.data_root])
    random_state = RandomState.capture()
    if isinstance(objective, Style) and not resumed:  # else they stand in the checkpoint
        read_style_files(objective)
    defaults = adapted_defaults(experiment, objective)
    setup = Setup(experiment, data, objective, defaults, device, random_state, processes)
    plan = make_plan(training, defaults, len(data.rows("train")), device)
    check_rows(len(data.rows("train")), plan.batch_size, processes.count)
    build_optimizers(objective, plan)
    setup.augmentation(plan)
    set_audio_augmentation(objective, training, setup.defaults, experiment.inputs)
    return setup


def check_optimization(training: TrainingSettings, objective: type[Objective]) -> None:
    """Raises: SpecError: `bad-value` for settings of an optimizer where the objective updates its weights itself."""
    stated = [n for n in ("optimizer", "weight_decay", "clip") if getattr(training, n) is not None]
    if objective.updates_weights and stated:
        name, rule = OBJECTIVES.name_of(objective), "updates its weights by its own rule"
        raise SpecError("bad-value", f"training.{stated[0]}: the objective {name!r} {rule}; leave it out")


def check_objective(objective: type[Objective], processes: Processes) -> None:
    """Raises: SpecError: `bad-value` for an objective that one process trains alone."""
    if processes.count > 1 and objective.one_process:
        name, count = OBJECTIVES.name_of(objective), processes.count
        text = f"{name!r} cannot be trained by {count} processes: {objective.one_process}"
        raise SpecError("bad-value", f"objective: {text}; leave --devices out")


def adapted_defaults(experiment: Experiment, objective: Objective) -> TrainingDefaults:
    """The trunk's training defaults as the objective adapts them."""
    return objective.training_defaults(experiment.defaults)


def augmentation_of(experiment: Experiment, objective: Objective, plan: Plan) -> BatchTransform | None:
    """The augmentation of a run's training batches; None for none."""
    return augmentation_for(
        experiment.spec.training,
        adapted_defaults(experiment, objective),
        experiment.inputs,
        experiment.outputs,
        plan.steps / plan.batches_per_epoch,
        isinstance(objective, Supervised) and objective.supports_mixup,
    )


def train(setup: Setup, folder: Folder, callbacks: Sequence[Callback], started: float) -> Trained:
    """Train from the start.

    Args:
        started: `time.perf_counter()` when the command began, for the total.
    """
    experiment, data, objective = setup.experiment, setup.data, setup.objective
    training = experiment.spec.training
    torch.set_num_threads(threads_for(training))
    datasets = data.datasets(setup.device)
    setup.random_state.restore()
    context = RunContext(folder, experiment, data, objective, {}, setup.device)
    pseudo_labels = pseudo_label_recorder(context)  # before the clock starts, as it reads rows
    clock = Clock(training.budget) if training.budget else None
    rows = objective.examples_per_epoch(datasets["train"])
    evaluated_rows = objective.examples_per_evaluation(datasets["valid"])
    plan = make_plan(training, setup.defaults, rows, setup.device, evaluated_rows, len(data.inputs))
    plan = replace(plan, has_epochs=objective.learns_from != "environment")
    _read_initial_weights(setup, datasets["train"])
    objective.on_fit_start(datasets["train"])
    folder.begin(experiment, data)
    if clock is None:  # else it is fitted to the time budget first
        folder.store_plan(plan)
    context = RunContext.of(folder, experiment, data, objective, {}, plan)
    return _fit(setup, context, datasets, pseudo_labels, callbacks, started, clock=clock)


def resume(
    experiment: Experiment,
    data: PreparedData,
    folder: Folder,
    plan: Plan,
    callbacks: Sequence[Callback],
    started: float,
    stage: TrainingSettings | None = None,
    processes: Processes | None = None,
) -> Trained:
    """Continue from the newest checkpoint along the stored plan, without reading the clock.

    Args:
        stage: time, epochs or steps of a further stage, which is appended to the plan of a finished run.
        processes: that train together; None: this one alone.
    """
    torch.set_num_threads(plan.threads)
    datasets = data.datasets(str(pick(plan.device)))
    setup = set_up(experiment, data, plan.device, processes)
    objective = setup.objective
    setup.random_state.restore()
    state = folder.checkpoints.load()
    if state is None:
        if isinstance(objective, Style):
            read_style_files(objective)
        _read_initial_weights(setup, datasets["train"])
    objective.on_fit_start(datasets["train"])
    step = state.values["step"] if state else 0
    if stage is not None:
        evaluated_rows = objective.examples_per_evaluation(datasets["valid"])
        plan = append_stage(plan, stage, setup.defaults, step, evaluated_rows, len(data.inputs))
    folder.reopen(experiment, data)
    clock = Clock(stage.budget) if stage is not None and stage.budget else None
    if stage is not None and clock is None:  # else it is fitted to the time budget first
        folder.store_plan(plan)
    if state is not None and state.values["first_step"] != plan.first_step:
        state = begin_stage(state, plan)
    for path in folder.checkpoints.damaged():
        call(callbacks, "on_diagnostic", f"{path} is damaged and was skipped: going on from step {step}", step)
    context = RunContext.of(folder, experiment, data, objective, {}, plan)
    pseudo_labels = pseudo_label_recorder(context, step)
    return _fit(setup, context, datasets, pseudo_labels, callbacks, started, clock, state)


def _fit(
    setup: Setup,
    context: RunContext,
    datasets: Mapping[str, Dataset],
    pseudo_labels: Sequence[Callback],
    callbacks: Sequence[Callback],
    started: float,
    clock: Clock | None = None,
    state: State | None = None,
) -> Trained:
    """Train, with the callbacks that write into the run folder what only training can record.

    Args:
        pseudo_labels: their recorder, for semi-supervised objectives.
        clock: of a time budget, which the plan is fitted to.
        state: the checkpoint that a resumed run continues from.
    """
    folder, objective, plan = context.folder, context.objective, context.plan
    step = state.values["step"] if state else 0
    history_file = HistoryFile(
        folder.path / "history.jsonl", step, state.callback(HistoryFile).get("count") if state else None
    )
    recorders, failures = _recorders(context, datasets, callbacks, step)
    recorders = [*pseudo_labels, history_file, *recorders]
    checkpoints = folder.checkpoints if context.experiment.spec.training.checkpoint else None
    trainer = Trainer([*recorders, *callbacks], checkpoints, folder.store_plan, processes=setup.processes)
    loader = setup.loader(datasets["train"], plan)
    send_plan(setup.processes, plan, clock.budget if clock is not None else None)
    if clock is not None:
        call(callbacks, "on_phase_start", "planning")
        costs = trainer.probe(objective, loader, plan, datasets["valid"], MAX_PROBE * clock.budget)
        limit = max_steps(plan, setup.defaults)
        plan = fit_to_budget(plan, clock.budget - clock.elapsed(), costs, limit)
        plan = replace(plan, budget=clock.budget)
        folder.store_plan(plan)
        send_plan(setup.processes, plan, clock.budget)
        loader = setup.loader(datasets["train"], plan)
        clock.begin(plan.first_step, costs, plan.first_step + limit)
    rows = len(datasets["train"]) if setup.processes.count == 1 else 0  # a process sees a part of them
    with record_margins(loader, context, rows) as recorded:
        history = trainer.fit(objective, recorded, plan, datasets["valid"], clock, state)
    earlier_seconds = state.values["seconds"] if state else 0.0
    failures += [recorder.failure for recorder in recorders if recorder.failure]
    failures += [recorded.failure] if isinstance(recorded, MarginLoader) and recorded.failure else []
    return _finish(context, datasets, history, callbacks, failures, started, clock, earlier_seconds)


def _recorders(
    context: RunContext, datasets: Mapping[str, Dataset], callbacks: Sequence[Callback], step: int
) -> tuple[list[Callback], list[str]]:
    """What records for the report, and why a recorder cannot be made."""
    if not context.experiment.spec.training.record:
        return [], []
    makers: dict[str, Callable[[], Sequence[Callback]]] = {
        "samples": lambda: sample_recorder(context),
        "painted images": lambda: painting_recorder(context, datasets["valid"]),
        "embeddings": lambda: embedding_recorder(context, datasets, step),
        "layer statistics": lambda: diagnostics_recorder(context, datasets, callbacks, step),
        "decision boundaries": lambda: boundary_recorder(context, step),
    }
    recorders: list[Callback] = []
    failures: list[str] = []
    for name, make in makers.items():
        try:
            recorders += make()
        except Exception as error:
            failures.append(warn_of_failure(error, f"{name} are not recorded", stores=True))
    return recorders, failures


def _read_initial_weights(setup: Setup, train: Dataset) -> None:
    """Pretrained weights, and those of the run that this one starts from."""
    objective = setup.objective
    objective.apply(_read_pretrained_weights)
    if (run := setup.experiment.spec.network.init_from) is not None:
        load_weights(run, objective, setup.data)
        if type(objective) is Supervised and is_pretraining(run):
            start_heads(objective.network, train)


def _read_pretrained_weights(module: nn.Module) -> None:
    if isinstance(module, PretrainedEncoder):
        module.read_weights()


def _finish(
    context: RunContext,
    datasets: Mapping[str, Dataset],
    history: History,
    callbacks: Sequence[Callback],
    failures: Sequence[str],
    started: float,
    clock: Clock | None = None,
    earlier_seconds: float = 0.0,
) -> Trained:
    """Calibrate on the validation rows, test, and store the results.

    Args:
        failures: of recorders.
        earlier_seconds: of training before the clock of the last stage.
    """
    experiment, data, objective = context.experiment, context.data, context.objective
    batch_size = history.plan.evaluation_batch_size
    call(callbacks, "on_phase_start", "calibrating")
    evaluations: dict[str, Evaluation] = {}
    valid = history.evaluation
    if isinstance(objective, Representation) and objective.fit_probe(datasets["train"]) and len(datasets["valid"]):
        valid = objective.evaluate(datasets["valid"], batch_size, search=False)
    calibration: dict[str, Calibration] = {}
    outputs = {f.name: f for f in experiment.outputs}
    if valid is not None:
        fit_interval_scales(objective, datasets["valid"], valid, batch_size)
        evaluations["valid"] = valid
        for name, arrays in valid.predictions.items():
            fitted = outputs[name].calibrate(arrays, datasets["valid"].truth[name])
            calibration[name] = fitted if is_finite(fitted) else {}
    seconds = earlier_seconds + clock.elapsed() if clock is not None else history.seconds
    call(callbacks, "on_phase_start", "testing")
    if len(datasets["test"]):
        evaluations["test"] = objective.evaluate(datasets["test"], batch_size)
    predictions: dict[str, Mapping[str, PredictionArrays]] = {}
    scores: dict[str, Metrics] = {}
    for split, evaluation in evaluations.items():
        rows = datasets[split]
        predictions[split] = add_context(evaluation.predictions, experiment.outputs, rows.columns)
        scored = {
            name: outputs[name].score(arrays, rows.truth[name], calibration.get(name))
            for name, arrays in predictions[split].items()
        }
        call(callbacks, "on_predictions", split, predictions[split], rows.truth)
        scores[split] = {**evaluation.metrics, **scored}  # the objective's own, and the outputs' after calibration
    trained = RunContext.of(context.folder, experiment, data, objective, calibration, history.plan)
    budget = history.plan.budget_warning if history.stop_reason != "interrupted" else None
    decisions = [note for name, fitted in calibration.items() for note in outputs[name].calibration_notes(fitted)]
    alarms = perfect_scores(objective, datasets["test"], data.inputs, experiment.outputs, scores.get("test", {}))
    evaluated = valid.warnings if valid is not None else ()
    warnings = [*alarms, *decisions, *evaluated, *([budget] if budget else []), *failures]
    metrics = _metrics(trained, history, scores, warnings, seconds, started)
    metrics |= {"processes": history.processes} if history.processes > 1 else {}
    metrics |= ({"decisions": decisions} if decisions else {}) | ({"alarms": alarms} if alarms else {})
    missing = missing_shares(datasets)
    context.folder.finish(experiment, data, objective, calibration, metrics, predictions.get("test"), missing)
    if history.stop_reason != "interrupted":
        context.folder.stages.add("trained", "calibrated", "tested")
    return Trained(trained.with_metrics(metrics), predictions.get("test"))


def missing_shares(datasets: Mapping[str, Dataset]) -> dict[str, float]:
    """Input -> share of its values that are missing, of the training or validation rows, whichever is larger."""
    shares: dict[str, float] = {}
    for split in ("train", "valid"):
        for name, column in datasets[split].columns.items():
            if len(column.mask):
                shares[name] = max(shares.get(name, 0.0), round(1 - float(column.mask.mean()), 6))
    return shares


def _metrics(
    context: RunContext,
    history: History,
    scores: Mapping[str, Metrics],
    warnings: Sequence[str],
    seconds: float,
    started: float,
) -> dict[str, Any]:
    """The content of metrics.json."""
    plan, objective = history.plan, context.objective
    constant = {name: why for name, fitted in context.calibration.items() if (why := why_constant(fitted))}
    diagnostics = diagnose(read_layer_statistics(context.folder), context.experiment.architecture, plan)
    return {
        "train": {"loss": (context.folder.history() or [{"losses": {}}])[-1]["losses"]},
        **scores,
        "baselines": {},
        **({"constant_intervals": constant} if constant else {}),
        "seconds": {"train": round(seconds, 3), "total": round(time.perf_counter() - started, 3)},
        "examples_per_second": round(history.step * plan.batch_size / max(history.seconds, 1e-9), 1),
        "parameters": objective.num_parameters(),
        "device": describe(pick(plan.device)),
        "precision": plan.precision,
        "seed": context.experiment.spec.training.seed,
        "weights_sha256": weights_sha256(objective.state_dict()),
        "stop_reason": history.stop_reason,
        **({"stop_signal": signal.Signals(history.signum).name} if history.signum is not None else {}),
        "step": history.step,
        "notes": [*context.data.notes, *warnings],
        **({"sample_weight": weight} if (weight := context.experiment.spec.data.sample_weight) is not None else {}),
        "diagnostics": [str(d) for d in diagnostics],
        "versions": context.folder.versions(),
    }
