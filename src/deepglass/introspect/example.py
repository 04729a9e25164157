"""The output of each layer for one test row."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.features._display import first_image
from deepglass.formatting import prediction_text
from deepglass.introspect.attention import read_words
from deepglass.introspect.facts import ForwardExample, LayerOutput
from deepglass.introspect.rows import row_summary
from deepglass.networks.network import Network
from deepglass.nn.feature_maps import FeatureMap, FeatureMapRecorder
from deepglass.nn.recurrent import NormedLayer, Recurrent, orders
from deepglass.nn.token_ops import gather
from deepglass.nn.tokens import Tokens
from deepglass.objectives._representation import Representation
from deepglass.objectives.base import Objective
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.diagnostics_recorder import layer_names
from deepglass.run.context import RunContext
from deepglass.web import encode_image
from deepglass.web.palette import colour

MAX_TILES, TILE_SIDE = 12, 64  # channels of a layer; pixels of each
MAX_BARS = 96  # units of a layer
MAX_UNITS, MAX_TIMES = 48, 240  # of a heat map
MAX_LAYERS = 8
MAX_AXIS_WORDS, NUM_TICKS = 60, 6  # along the axis of a sequence
MAX_CLASSES = 5  # with the highest probabilities
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Tanh, nn.Sigmoid)


class SequenceAxis(NamedTuple):
    """Labels along a sequence of tokens.

    Args:
        length: T, tokens of the sequence itself; those of other inputs may follow.
        marks: positions and their labels, in order.
        name: unit of the labels; empty for words.
        others: positions and names of the other inputs.
    """

    length: int
    marks: tuple[tuple[float, str], ...]
    name: str = ""
    others: tuple[tuple[float, str], ...] = ()


def example_of(context: RunContext) -> ForwardExample | None:
    """The first test row (or training row) layer by layer; None for objectives without a single network."""
    prepared, objective, device = context.data, context.objective, context.device
    rows = prepared.rows("test") if len(prepared.rows("test")) else prepared.rows("train")
    if (
        not isinstance(objective, Supervised | Representation)
        or objective.builds_network
        or prepared.table.environment is not None
        or not len(rows)
    ):
        return None
    objective.eval()
    data = prepared.dataset(rows[:1], device)
    batch = data.batch(torch.zeros(1, dtype=torch.long))
    times = _sequence_axis(prepared, objective, batch, int(rows[0]))
    outputs = _maps(prepared, objective, data, batch)
    outputs += _vectors(objective, batch, times, f"network.{outputs[-1].layer}" if outputs else "")
    if not outputs:
        return None
    summary = row_summary(prepared, int(rows[0]))
    scores, truth = _scores(context, batch, int(rows[0]))
    return ForwardExample(summary.row, tuple(outputs), summary.image, tuple(summary.values.items()), scores, truth)


def _maps(prepared: PreparedData, objective: Objective, data: Dataset, batch: Batch) -> list[LayerOutput]:
    """Feature maps of a convolutional network; empty for others."""
    image = first_image(prepared.inputs)
    if image is None or not data.columns[image.name].mask[0]:
        return []
    recorder = FeatureMapRecorder(objective, data.columns[image.name].values.shape[1:])
    return [_tiles(m) for m in recorder.record_stages(lambda: objective.forward_pass(batch), len(batch))]


def _tiles(m: FeatureMap) -> LayerOutput:
    """The channels with the largest activations as images."""
    name, values = m.name.removeprefix("network."), m.values[0].detach().float().cpu().numpy()  # (C, Y, X)
    if values.shape[1:] == (1, 1):
        return _layer_output(name, values.reshape(-1), 1, None)
    channels = np.argsort(-np.abs(values).max((1, 2)), kind="stable")[:MAX_TILES]
    largest = max(float(np.abs(values).max()), 1e-9)
    images = tuple(encode_image.photo(_grey(values[k] / largest), TILE_SIDE) for k in sorted(channels.tolist()))
    return LayerOutput(name, "maps", values.shape, images, more=len(values) - len(images))


def _grey(share: np.ndarray) -> np.ndarray:
    """Values from -1 to 1 as uint8: mid grey is zero; without negative values black is."""
    low = 0.0 if share.min() >= 0 else 0.5
    return np.clip(255 * (low + (1 - low) * share), 0, 255).round().astype(np.uint8)


def _vectors(objective: Objective, batch: Batch, times: SequenceAxis | None, behind: str) -> list[LayerOutput]:
    """Outputs of the layers with weights after the feature maps; at most `MAX_LAYERS`."""
    outputs = list(record_layers(objective, batch, behind).items())
    if len(outputs) > MAX_LAYERS:
        chosen = np.unique(np.linspace(0, len(outputs) - 1, MAX_LAYERS).round().astype(int))
        outputs = [outputs[i] for i in chosen]
    members = objective.network.ensemble_size
    return [_layer_output(name, value[0].numpy(), members, times) for name, value in outputs]


def record_layers(objective: Objective, batch: Batch, behind: str = "") -> dict[str, Tensor]:
    """Layer -> its output for the first row, after its activation function, in the order of the forward pass.

    Args:
        behind: path of a module; only layers after it are recorded.
    """
    recorder = _Recorder(objective, behind)
    with ExitStack() as hooks, torch.inference_mode():
        for name, module in objective.named_modules():
            hooks.enter_context(module.register_forward_hook(recorder.forward_hook(name)))
            if isinstance(module, Recurrent):
                hooks.enter_context(module.register_forward_pre_hook(recorder.pre_hook))
        objective.forward_pass(batch)
    return recorder.outputs


class _Recorder:
    """Records the outputs of layers; of recurrent layers in the order of the tokens."""

    def __init__(self, objective: Objective, behind: str) -> None:
        self.names, self.behind = layer_names(objective), behind
        self.inner = {
            f"{n}.{c}" for n, m in objective.named_modules() if isinstance(m, NormedLayer) for c in m._modules
        }
        self.outputs: dict[str, Tensor] = {}
        self.layer = ""
        self.mask: Tensor | None = None

    def pre_hook(self, _: nn.Module, args: tuple[Tensor, Tensor]) -> None:
        self.mask = args[1]

    def forward_hook(self, path: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, _: object, out: object) -> None:
            if path == self.behind:
                self.outputs, self.layer = {}, ""
                return
            if path in self.inner:
                return
            if isinstance(module, nn.RNNBase | NormedLayer) and isinstance(out, tuple):
                out = self._in_order(out[0], backwards=path.endswith(".1"))
            if isinstance(module, nn.Conv1d) and isinstance(out, Tensor):
                out = out.transpose(1, 2)  # (B, C, T) -> (B, T, C)
            if path in self.names:
                self.layer = self.names[path]
            elif not isinstance(module, _ACTIVATIONS):
                return
            if isinstance(out, Tensor) and self.layer and out.ndim in (2, 3) and not self.layer.startswith("encoder"):
                self.outputs[self.layer] = out[:1].detach().float().cpu()

        return hook

    def _in_order(self, states: Tensor, backwards: bool) -> Tensor:
        if self.mask is None or states.shape[:2] != self.mask.shape:
            return states
        order = orders(self.mask)[backwards]
        return states if order is None else gather(states, order.argsort(dim=1))


def _layer_output(name: str, values: np.ndarray, members: int, times: SequenceAxis | None) -> LayerOutput:
    """Values (D,) as bars; (T, D) as units over time; of (M, D) the first ensemble member."""
    if values.ndim == 2 and (len(values) == 1 or (members > 1 and len(values) == members)):
        values = values[0]
    most = max(float(np.abs(values).max()), 1e-9)
    if values.ndim == 1:
        bars = tuple(round(float(v), 3) for v in values[:MAX_BARS] / most)
        return LayerOutput(name, "bars", values.shape, values=bars, more=max(len(values) - MAX_BARS, 0))
    shown = values[:MAX_TIMES, :MAX_UNITS].T / most  # (units, T)
    rgb = np.where(shown[..., None] < 0, colour(5), colour(0)).astype(np.uint8)
    alpha = np.abs(shown * 255).round().astype(np.uint8)[..., None]
    image = encode_image.png(np.concatenate([rgb, alpha], -1))
    marks: tuple[tuple[float, str], ...] = ()
    if times is not None and len(values) >= times.length:
        named = (*times.marks, *times.others) if not times.name else times.marks
        marks = tuple((at / shown.shape[1], label) for at, label in named if at <= shown.shape[1])
    more = max(values.shape[1] - MAX_UNITS, 0)
    unit = times.name if times is not None and marks else ""
    return LayerOutput(name, "times", values.shape, (image,), more=more, marks=marks, unit=unit)


Scores = tuple[tuple[str, tuple[tuple[str, float | None], ...]], ...]


def _scores(context: RunContext, batch: Batch, row: int) -> tuple[Scores, tuple[tuple[str, str], ...]]:
    """The highest calibrated probabilities of each output with classes, the value of each number, and the labels."""
    prepared = context.data
    with torch.inference_mode():
        answers = context.objective.predict(batch)
    scores: list[tuple[str, tuple[tuple[str, float | None], ...]]] = []
    truth = []
    for output in prepared.outputs:
        if not (output.has_classes or output.has_axis):
            continue
        best = {k: v.float().cpu().numpy() for k, v in answers[output.name].mode().items()}
        if output.has_axis:
            scores.append((output.name, ((prediction_text(output.decode(best, {})[0]["value"]), None),)))
        else:
            probabilities = output.class_probabilities(best, context.calibration.get(output.name, {}))
            assert probabilities is not None
            shares = probabilities[0]
            first = np.argsort(-shares, kind="stable")[:MAX_CLASSES]
            scores.append((output.name, tuple((output.class_names[k], float(shares[k])) for k in first)))
        raw = prepared.table[output.column][row]
        target = float(raw) if output.has_axis and isinstance(raw, int | float) else raw
        truth.append((output.name, "not known" if raw is None else prediction_text(target)))
    return tuple(scores), tuple(truth)


# -- the axis of a sequence ------------------------------------------------------------------------------------------


def _sequence_axis(prepared: PreparedData, objective: Objective, batch: Batch, row: int) -> SequenceAxis | None:
    """The axis of the sequence that a network reads; None without one.

    Args:
        batch: of one row.
        row: its index in the table.
    """
    with torch.inference_mode():
        tokens = objective.network.embed(batch.inputs)
    if tokens.grid is None or len(tokens.grid) != 1:
        return None
    length = tokens.grid[0]
    return _axis(prepared, tokens, length, row)._replace(others=_others(objective.network, tokens, length))


def _others(network: Network, tokens: Tokens, length: int) -> tuple[tuple[float, str], ...]:
    """Positions and names of the other inputs, where each is one token."""
    encoders: Any = network.encoders
    groups = zip(network.groups, encoders, strict=True)
    names = [f.name for group, encoder in groups if encoder.shape.count is not None for f in group]
    if len(names) != tokens.mask.shape[1] - length:
        return ()
    return tuple((length + i + 0.5, name) for i, name in enumerate(names))


def _axis(prepared: PreparedData, tokens: Tokens, length: int, row: int) -> SequenceAxis:
    if (words := read_words(prepared, np.array([row]), tokens)[0]) is not None:
        step = -(-len(words) // MAX_AXIS_WORDS)
        return SequenceAxis(length, tuple((float(np.mean(indices)) + 0.5, word) for word, indices in words[::step]))
    audio: Any = next((f for f in prepared.inputs if f.is_audio), None)
    if audio is not None:
        samples = len(audio.encode(prepared.table.take(np.array([row]))[audio.column]).values)
        return _even(length, samples / (audio.rate_ or 1), "seconds")
    return _even(length, length, "steps")


def _even(length: int, end: float, name: str) -> SequenceAxis:
    """Ticks at round values from 0 to `end`."""
    step = end / NUM_TICKS
    power = 10.0 ** np.floor(np.log10(max(step, 1e-9)))
    step = float(next(d * power for d in (1, 2, 5, 10) if d * power >= step * 0.999))
    step = max(step, 1.0) if name == "steps" else step
    values = [i * step for i in range(int(end / step + 1e-9) + 1)]
    return SequenceAxis(length, tuple((v / end * length, f"{v:g}") for v in values), name)
