"""Records dead and saturated units, and vanishing or exploding gradients, as a network learns.

Units are measured in a small forward pass over the same few rows at each evaluation. Gradients cost no pass of their
own: those of the last step are still stored beside the weights. Draws no random numbers and changes no weights.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from deepglass.data.batches import Dataset
from deepglass.nn.recurrent import Recurrent
from deepglass.run.callbacks.layer_diagnostics import FILE, Diagnostic, LayerStatistics, diagnose
from deepglass.run.callbacks.unit_activity import UnitActivity
from deepglass.run.context import RunContext
from deepglass.training.callbacks import Callback, EvaluationRecord, RecordFile
from deepglass.training.clock import CHECK_EVERY
from deepglass.training.hooks import call
from deepglass.training.plan import Plan

STUDENT = "student."
MAX_ROWS, MIN_ROWS = 256, 64  # on which units are measured: a quarter of the validation rows, within these limits


class DiagnosticsRecorder(Callback):
    """Writes diagnostics.jsonl, one `LayerStatistics` an evaluation, and finds each diagnostic when it first occurs.

    Args:
        context: of the run; lines of steps after `from_step` are cut off, since a resumed run writes them again.
        data: encoded rows on which units are measured.
    """

    is_recorder = True

    def __init__(self, context: RunContext, data: Dataset, from_step: int) -> None:
        self.file, self.objective, self.data = (
            RecordFile(context.path / FILE, LayerStatistics, from_step),
            context.objective,
            data,
        )
        self.network = context.experiment.architecture
        self.names = layer_names(self.objective)
        self.weights = [(n, p) for n, p in _weights(self.objective) if n in self.names]
        self.gradient_ratios: dict[int, tuple[float, str]] = {}  # step -> the largest ratio, and its layer
        self.non_finite = 0
        self.plan: Plan | None = None
        self.records = [LayerStatistics(**r) for r in self.file.earlier]
        self.reported: set[tuple[str, str]] = set()
        self.new: list[Diagnostic] = []  # of the last evaluation

    def on_train_start(self, plan: Plan, step: int) -> None:
        self.plan = plan
        self.reported = {(a.kind, a.layer) for a in diagnose(self.records, self.network, plan)}

    def state_dict(self) -> dict[str, Any]:
        ratios = [(step, *ratio) for step, ratio in self.gradient_ratios.items()]
        return {"gradient_ratios": ratios, "non_finite": self.non_finite}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.gradient_ratios = {step: (value, name) for step, value, name in state.get("gradient_ratios", ())}
        self.non_finite = state.get("non_finite", 0)

    def on_step_end(self, step: int, plan: Plan, loss: float) -> None:
        if step % CHECK_EVERY == 0:  # other checks of the loss follow the clock, which a resumed run does not read
            self._add_ratio(step)

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        self.new = []
        if record.event.startswith("non-finite"):
            self.non_finite += 1
            return
        self._add_ratio(record.step)
        dead, saturated, gates = UnitActivity(self.objective, self.names).measure(self.data)
        ratios = list(self.gradient_ratios.values()) or [(0.0, "")]
        (most, where), usual = max(ratios), float(np.median([value for value, _ in ratios]))
        statistics = LayerStatistics(
            record.step, dead, saturated, self._ratios(), most, where, usual, self.non_finite, gates
        )
        self.records.append(statistics)
        self.gradient_ratios, self.non_finite = {}, 0
        self.file.append({k: _rounded(v) for k, v in statistics._asdict().items()})
        assert self.plan is not None  # since `on_train_start`
        for diagnostic in diagnose(self.records, self.network, self.plan):
            if (diagnostic.kind, diagnostic.layer) not in self.reported:
                self.reported.add((diagnostic.kind, diagnostic.layer))
                self.new.append(diagnostic)

    def _add_ratio(self, step: int) -> None:
        if ratios := self._ratios():
            name = max(ratios, key=lambda n: ratios[n])
            self.gradient_ratios[step] = (ratios[name], name)

    def _ratios(self) -> dict[str, float]:
        """Layer -> norm of its gradient relative to its weights', or to a fresh layer's where these are larger."""
        there = [(n, p, p.grad) for n, p in self.weights if p.grad is not None]
        if not there:
            return {}
        with torch.no_grad():
            grads = torch.stack([g.detach().float().norm() for _, _, g in there])
            fresh = torch.tensor([math.sqrt(len(p) / 3) for _, p, _ in there], device=grads.device)  # heads begin at 0
            sizes = torch.stack([p.detach().float().norm() for _, p, _ in there])
            result = (grads / torch.maximum(sizes, fresh)).cpu().tolist()
        return {self.names[n]: v for (n, _, _), v in zip(there, result, strict=True) if math.isfinite(v)}


class DiagnosticsReporter(Callback):
    """Tells callbacks of the diagnostics of a recorder, after whose hooks its own are called.

    Args:
        callbacks: receive the diagnostics (`Callback.on_diagnostic`).
    """

    def __init__(self, recorder: DiagnosticsRecorder, callbacks: Sequence[Callback]) -> None:
        self.recorder, self.callbacks = recorder, callbacks

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        for diagnostic in [] if self.recorder.failure else self.recorder.new:
            call(self.callbacks, "on_diagnostic", str(diagnostic), diagnostic.step)


def diagnostics_recorder(
    context: RunContext, datasets: Mapping[str, Dataset], callbacks: Sequence[Callback], from_step: int
) -> list[Callback]:
    """The recorder and the reporter; [] for objectives without rows."""
    data = datasets["valid"] if len(datasets["valid"]) else datasets["train"]
    if context.objective.learns_from != "rows" or not len(data):
        return []
    most = min(max(len(data) // 4, MIN_ROWS), MAX_ROWS, len(data))
    rows = data.subset(np.unique(np.linspace(0, len(data) - 1, most).astype(int)))
    recorder = DiagnosticsRecorder(context, rows, from_step)
    return [recorder, DiagnosticsReporter(recorder, callbacks)]


# -- layers by name ------------------------------------------------------------------------------------------------


def layer_names(objective: nn.Module) -> dict[str, str]:
    """A layer's path -> its name in words: "conv 2 (trunk.body.3)". Embeddings and encoders are no layers here."""
    modules = dict(objective.named_modules())
    cells = _cells(modules)
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for path, _ in _weights(objective):
        cell = next((c for c in cells if f"{path}.".startswith(f"{c}.")), "")
        if cell:
            names.setdefault(cell, f"{cells[cell]} ({_short(cell)})")
            names.setdefault(path, f"{cells[cell]}, {path[len(cell) + 1 :]} ({_short(path)})")
            continue
        kind = type(modules[path])
        word = "layer"
        if issubclass(kind, nn.modules.conv._ConvNd):
            word = "conv"
        elif issubclass(kind, nn.RNNBase):
            word = "recurrent layer"
        elif ".encoders." in f".{path}":
            word = "encoder"
        elif ".heads." in f".{path}":
            word = "head"
        counts[word] = counts.get(word, 0) + 1
        names[path] = f"{word} {counts[word]} ({_short(path)})"
    # Of a semi-supervised run the student has the gradients, and its average, the network, is asked.
    return names | {f"network.{p[len(STUDENT) :]}": n for p, n in names.items() if p.startswith(STUDENT)}


def _cells(modules: Mapping[str, nn.Module]) -> dict[str, str]:
    """The path of each direction of each recurrent layer -> its name."""
    result = {}
    for path, module in modules.items():
        if isinstance(module, Recurrent):
            for i, directions in enumerate(module.layers):
                for d in range(len(directions)):
                    backwards = ", backwards" if d else ""
                    result[f"{path}.layers.{i}.{d}"] = f"recurrent layer {i + 1}{backwards}"
    return result


def _short(path: str) -> str:
    return path.removeprefix("network.").removeprefix(STUDENT).removesuffix(".linear")


def _weights(objective: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The matrices of layers, each by its module's path; of several in a module, the largest."""
    result: dict[str, nn.Parameter] = {}
    for name, module in objective.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            continue
        own = [p for p in module.parameters(recurse=False) if p.ndim > 1 and p.requires_grad]
        if own and not any(True for _ in module.children()):
            result[name] = max(own, key=lambda p: p.numel())
    return sorted(result.items(), key=lambda item: ".encoders." not in f".{item[0]}")  # which come first


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
