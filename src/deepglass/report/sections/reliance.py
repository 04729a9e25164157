"""What the predictions rest on over all test rows: inputs, their curves, places, words, times, bands.

What is within its own error is said in a sentence and not drawn.
"""

import numpy as np

from deepglass.explain.global_explanation import GlobalExplanation
from deepglass.explain.importance import NUM_TIMES, Estimate, PatchImportance
from deepglass.explain.interactions import DependenceCurve
from deepglass.formatting import finite
from deepglass.metrics.summaries import Figure
from deepglass.report.charts.axes import axis
from deepglass.report.charts.curves import Line, curves
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import draw, titled
from deepglass.web import encode_image

MAX_INPUTS = 12  # bars
MAX_CLASSES = 12  # with a heat map, or words
MAX_WORDS = 5  # of a class
HEAT_SIDE = 96  # pixels
MAX_NAME = 20  # characters of an input beside its bar
AXIS_START, CHARACTER = 146, 9.8  # in units of a chart of bars: least start of its axis, width of a letter on a phone


class RelianceSection(Section):
    """Sentences, bars, curves, heat maps and words of each output; None where nothing can be said."""

    title, nav, position = "What it relies on", "Relies on", 0
    layer = "why"
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[GlobalExplanation, ...]:
        return tuple(e for e in report.reliance if e.inputs or e.patches or e.words or e.times or e.profiles)

    def view(self, facts: tuple[GlobalExplanation, ...], report: ReportData) -> View:
        return {"outputs": [reliance_view(e, report.shows_rows) for e in facts]}


def reliance_view(e: GlobalExplanation, shows_values: bool) -> View:
    inputs = e.inputs[:MAX_INPUTS]
    falls = [(i.input, i.permutation) for i in inputs]
    used = sorted((i for i in e.inputs if i.attribution is not None), key=lambda i: -i.attribution.value)  # type: ignore[union-attr]
    charts = []
    clear = {name for name, fall in falls if fall.is_clear(len(e.inputs))}
    if clear:
        charts.append(_bars("Lost when its values are permuted", e.loss_title, e.loss_metric, falls))
    if used and clear:
        sizes = [(i.input, i.attribution) for i in used[:MAX_INPUTS] if i.attribution is not None]
        charts.append(_bars("Used in single predictions", "mean absolute attribution", "attribution", sizes))
    charts += [chart for c in e.curves if shows_values and c.input in clear and (chart := _curve(c)) is not None]
    for name, parts in e.times.items():
        if not any(part.is_clear(len(parts)) for part in parts):
            continue
        numbered = [(f"{t + 1}", part) for t, part in enumerate(parts)]
        charts.append(_bars(f"{name}, part of {NUM_TIMES} in time", e.loss_title, e.loss_metric, numbered))
    for p in (p for p in e.profiles if p.regions):
        spans = list(zip(p.bin_names, p.shares, strict=True))
        charts.append(_bars(p.title, "share of the attribution", "share", spans))
    return {
        "name": e.output,
        "rows": e.rows,
        "sentences": e.sentences if shows_values or not e.words else (),
        "charts": charts,
        "patches": [_patches(p) for p in e.patches],
        "words": [(name, effects[:MAX_WORDS]) for name, effects in list(e.words.items())[:MAX_CLASSES] if effects]
        if shows_values
        else [],
    }


def _bars(title: str, small: str, metric: str, values: list[tuple[str, Estimate]]) -> object:
    """One line an input, with an interval of two standard errors."""
    figures = [Figure(e.value, e.value - 2 * e.error, e.value + 2 * e.error) for _, e in values]
    entries = [(name, figure, "c1") for (name, _), figure in zip(values, figures, strict=True)]
    longest = min(max((len(name) for name, _ in values), default=0), MAX_NAME)
    start = max(AXIS_START, CHARACTER * longest + 8)
    ends = [v for _, figure, _ in entries for v in (0.0, *figure) if finite(v)]
    across = axis(ends, start, 326, room=0.12, share=False)
    return draw("compared", title=titled(title, small), metric=metric, entries=entries, x=across, letters=MAX_NAME)


def _curve(c: DependenceCurve) -> object | None:
    """Partial dependence on a number; None for other inputs."""
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in c.values):
        return None
    title = titled(c.input, f"probability of {c.target}" if c.target else "prediction")
    return curves(title, [float(v) for v in c.values], [Line("mean", c.means)], x_name=c.input, share=bool(c.target))


def _patches(p: PatchImportance) -> View:
    """The heat maps of images."""
    maps = _heat_maps(p)
    without = [name for name in p.by_class if name not in p.clear]
    hidden = max(len(p.clear) - MAX_CLASSES, 0)
    return {"input": p.input, "maps": maps, "without": without[:MAX_CLASSES], "hidden": hidden}


def _heat_maps(p: PatchImportance) -> list[tuple[str, bytes]]:
    """Class -> where the evidence for it lies, as an image; for numbers one map."""
    clear = [(name, values) for name, values in p.by_class.items() if name in p.clear]
    maps = dict(clear[:MAX_CLASSES]) if p.by_class else {"all images": p.loss}
    most = max((float(m.max()) for m in maps.values()), default=0.0) or 1.0
    result = []
    for name, values in maps.items():
        shade = np.clip(values / most, 0, 1) ** 0.5
        pixels = (255 * (1 - shade[..., None] * (1 - np.array([0.84, 0.37, 0.0])))).astype(np.uint8)
        scale = HEAT_SIDE // len(values)
        result.append((name, encode_image.png(np.kron(pixels, np.ones((scale, scale, 1), np.uint8)))))
    return result
