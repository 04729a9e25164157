"""Where the attributions of sounds and sequences lie over all rows: bands in hertz, times in seconds, positions."""

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.explain.attribution import gradient_explanations
from deepglass.explain.explainer import Explainer
from deepglass.explain.explanation import Explanation
from deepglass.explain.global_rows import GlobalRows
from deepglass.explain.gradients import frozen_weights
from deepglass.explain.importance import Estimate, estimate
from deepglass.explain.row import ExplainedRow
from deepglass.features.base import Feature
from deepglass.mel import mel_edges

MAX_ROWS, MIN_ROWS = 24, 5  # whose attributions are averaged
MAX_STEPS = 32  # of integrated gradients
NUM_BINS = 8

Axis = Literal["frequency", "time", "position"]


class Profile(NamedTuple):
    """Mean shares of the attribution along one axis of a sound or sequence.

    Args:
        edges: of the bins, one more than shares: hertz, seconds, or steps from 0.
        shares: of the absolute attribution, summed within a bin of each row first.
        equal: share that each bin would have, were the attribution equal everywhere.
        regions: first and last bins of runs of neighbouring ones, each larger than `equal` by two standard errors.
        region_share: of these bins together; None without any.
        from_end: whether positions are counted from the end.
    """

    input: str
    axis: Axis
    edges: tuple[float, ...]
    shares: tuple[Estimate, ...]
    equal: tuple[float, ...]
    regions: tuple[tuple[int, int], ...]
    region_share: Estimate | None
    from_end: bool = False

    @property
    def title(self) -> str:
        """The input and the axis with its unit."""
        position = "steps from the end" if self.from_end else "steps"
        return f"{self.input}, {({'frequency': 'frequency in Hz', 'time': 'time in s'}).get(self.axis, position)}"

    @property
    def bin_names(self) -> list[str]:
        """What each bin spans, without the unit."""
        return [self._range(i, i) for i in range(len(self.shares))]

    def span(self, first: int, last: int) -> str:
        """What some neighbouring bins span: `300-900 Hz`, `0.20-0.40 s`, `steps 4-7`, `steps 4-7 from the end`."""
        if self.axis != "position":
            return f"{self._range(first, last)} {'Hz' if self.axis == 'frequency' else 's'}"
        if self.from_end and first == 0:
            high = self.edges[last + 1]
            return f"the last {high:.0f} steps" if high > 1 else "the last step"
        return f"steps {self._range(first, last)}{' from the end' if self.from_end else ''}"

    def _range(self, first: int, last: int) -> str:
        low, high = self.edges[first], self.edges[last + 1]
        if self.axis == "time":
            return f"{low:.2f}-{high:.2f}"
        if self.axis == "frequency":
            return f"{low:.0f}-{high:.0f}"
        return f"{low:.0f}-{high - 1:.0f}" if high - low > 1 else f"{low:.0f}"


def profiles(rows: GlobalRows, explainer: Explainer) -> tuple[Profile, ...]:
    """The profiles of each sound and sequence among the inputs."""
    features = [f for f in rows.inputs if not f.is_text and rows.columns[f.name].offsets is not None]
    if not features or not rows.output.explainable:
        return ()
    explanations = _explanations(rows, explainer)
    result = []
    for feature in features:
        several = len(rows.inputs) > 1
        of_rows = [cells for e in explanations if (cells := _cells(e, feature, several)) is not None]
        if len(of_rows) < MIN_ROWS:
            continue
        result += sound_profiles(feature, of_rows) if of_rows[0].ndim == 2 else [sequence_profile(feature, of_rows)]
    return tuple(result)


def _explanations(rows: GlobalRows, explainer: Explainer) -> list[Explanation]:
    some = rows.take(np.arange(min(MAX_ROWS, len(rows))))
    data = Dataset(dict(some.columns), {}, rows.device)
    result = []
    for i in range(len(some)):
        row = ExplainedRow(explainer.reference, data, some.columns, some.table, i, separate=False)
        with frozen_weights(rows.objective):
            of_row = gradient_explanations(row, MAX_STEPS, checks=False, tabular=False)
        result += [e for e in of_row if e.output == rows.output.name]
    return result


def _cells(explanation: Explanation, feature: Feature, several: bool) -> np.ndarray | None:
    """Attributions of a row's spectrogram (T, M) or steps (T,); None where there are none."""
    if feature.name in explanation.maps:
        cells = explanation.maps[feature.name].sum(0)
    else:
        parts = [p for p in explanation.parts if p.position is not None and (not several or p.input == feature.name)]
        cells = np.array([p.weight for p in parts])
    return cells if cells.size and np.abs(cells).sum() > 0 else None


def sound_profiles(feature: Any, of_rows: Sequence[np.ndarray]) -> list[Profile]:
    frames = feature.frames
    bands = _ends(frames.mels)
    edges = mel_edges(frames)
    hertz = (edges[:-1] + edges[1:]) / 2  # where neighbouring bands cross
    times = _ends(max(len(cells) for cells in of_rows))
    seconds = times * frames.hop / frames.rate
    return [
        _profile(feature.name, "frequency", bands, hertz[bands], [cells.sum(0) for cells in of_rows]),
        _profile(feature.name, "time", times, seconds, [cells.sum(1) for cells in of_rows]),
    ]


def sequence_profile(feature: Feature, of_rows: Sequence[np.ndarray]) -> Profile:
    """Positions from the start, or, of sequences of several lengths, from the end where these stand out more."""
    ends = _ends(max(map(len, of_rows)))
    start = _profile(feature.name, "position", ends, ends, of_rows)
    if len({len(cells) for cells in of_rows}) == 1:
        return start
    end = _profile(feature.name, "position", ends, ends, [cells[::-1] for cells in of_rows])._replace(from_end=True)
    return max((start, end), key=lambda p: max(s.value - even for s, even in zip(p.shares, p.equal, strict=True)))


def _ends(size: int) -> np.ndarray:
    return np.unique(np.linspace(0, size, min(size, NUM_BINS) + 1).astype(int))


def _profile(name: str, axis: Axis, ends: np.ndarray, edges: np.ndarray, of_rows: Sequence[np.ndarray]) -> Profile:
    """The profile of attributions along an axis, (T,) of each row.

    Args:
        ends: of the bins, as indices; edges: the same in the unit of the axis.
    """
    sizes = np.stack([np.abs(_binned(cells, ends)) for cells in of_rows])  # (N, bins)
    shares = sizes / np.maximum(sizes.sum(1, keepdims=True), 1e-12)
    lengths = np.stack([_binned(np.ones(len(cells)), ends) for cells in of_rows])
    equal = (lengths / lengths.sum(1, keepdims=True)).mean(0)
    estimates = tuple(estimate(column.tolist()) for column in shares.T)
    out = [share.value - 2 * share.error > even for share, even in zip(estimates, equal, strict=True)]
    within = estimate(shares[:, out].sum(1).tolist()) if any(out) else None
    return Profile(name, axis, tuple(edges.tolist()), estimates, tuple(equal.tolist()), _runs(out), within)


def _binned(cells: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.array([cells[a:b].sum() for a, b in itertools.pairwise(ends)])


def _runs(out: Sequence[bool]) -> tuple[tuple[int, int], ...]:
    """First and last index of each run of True."""
    runs = [[i for i, _ in run] for is_out, run in itertools.groupby(enumerate(out), lambda pair: pair[1]) if is_out]
    return tuple((run[0], run[-1]) for run in runs)
