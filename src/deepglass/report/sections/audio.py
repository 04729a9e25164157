"""Test rows of outputs that are predicted from audio: player, spectrogram, prediction and truth."""

from typing import Any, NamedTuple

import numpy as np

from deepglass.features._audio_files import wav
from deepglass.features._display import spectrogram
from deepglass.features.audio import Audio
from deepglass.features.base import take_raw
from deepglass.features.outputs.base import Output
from deepglass.features.outputs.number import NumberOutput
from deepglass.features.outputs.text import TextOutput
from deepglass.formatting import plain_number
from deepglass.introspect.rows import OutputRows, class_predictions
from deepglass.report.data import ReportData, View
from deepglass.report.examples import OutputExamples, examples, within_bytes
from deepglass.report.sections.base import Section
from deepglass.report.sections.texts import marked, true_texts, word_error_rates

MAX_BYTES = 2_500_000  # of all clips together: base64 adds a third, and a report is at most 10 MB
SHOWN_AT_FIRST = (6, 3)  # of the worst and of the typical ones
NUM_WORST, NUM_TYPICAL = 8, 4  # of all outputs together
MAX_SECONDS = 3.0  # of a clip
SAMPLE_RATES = (8_000, 16_000)  # per second, lowest and highest: browsers play no slower ones


class AudioRow(NamedTuple):
    """A test row's audio with its truth and prediction.

    Args:
        row: its index in the source.
        wav: the beginning of the audio as a WAV file.
        spectrogram: a PNG, time to the right, frequency upwards.
        seconds: of the whole.
        is_transcript: truth and prediction are texts, to be compared word by word.
        confidence: of the prediction, where there is one.
        typical: drawn from all rows, not one of the worst.
    """

    row: int
    wav: bytes
    spectrogram: bytes
    seconds: float
    truth: str
    predicted: str
    is_transcript: bool = False
    confidence: float | None = None
    typical: bool = False

    @property
    def num_bytes(self) -> int:
        return len(self.wav) + len(self.spectrogram)


class AudioSection(Section):
    """Some clips of each output; None where none is predicted from audio."""

    title, nav, position = "Audio examples", "Audio", 160
    layer = "result"
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[OutputExamples[AudioRow], ...]:
        return examples(report, audio_rows)

    def view(self, facts: tuple[OutputExamples[AudioRow], ...], report: ReportData) -> View:
        outputs = [
            {"name": output.name, "cards": [_card(row) for row in within_bytes(output.rows, MAX_BYTES // len(facts))]}
            for output in facts
        ]
        return {"outputs": outputs, "first": SHOWN_AT_FIRST, "max_seconds": MAX_SECONDS}


def _card(row: AudioRow) -> tuple[Any, ...]:
    texts = marked(row.predicted.split(), row.truth.split()) if row.is_transcript else ([], [])
    return row, *texts


# -- facts -----------------------------------------------------------------------------------------------------------


class _Result(NamedTuple):
    """A row's truth and prediction as text, and how far apart they are."""

    truth: str
    predicted: str
    error: float
    confidence: float | None = None


def audio_rows(feature: Output, rows: OutputRows) -> tuple[AudioRow, ...]:
    """The worst rows and some typical ones of an output; none where it is not predicted from audio."""
    audio = next((f for f in rows.prepared.inputs if isinstance(f, Audio)), None)
    results = _results(feature, rows) if audio is not None else {}
    if audio is None or not results:
        return ()
    num_outputs = max(len(rows.prepared.outputs), 1)
    order = sorted(results, key=lambda i: -np.nan_to_num(results[i].error))
    wrong = [i for i in order if results[i].error > 0][: max(NUM_WORST // num_outputs, 2)]
    rest = [i for i in order if i not in wrong]
    count = min(max(NUM_TYPICAL // num_outputs, 1), len(rest))
    typical = np.random.default_rng(0).permutation(rest).astype(int)[:count]
    chosen = [(i, False) for i in wrong] + [(i, True) for i in sorted(typical.tolist())]
    cards = (_audio_row(audio, rows, i, results[i], isinstance(feature, TextOutput), kind) for i, kind in chosen)
    return tuple(card for card in cards if card is not None)


def _audio_row(
    audio: Audio, rows: OutputRows, i: int, result: _Result, is_transcript: bool, typical: bool
) -> AudioRow | None:
    samples = audio.encode(take_raw(rows.prepared.table[audio.column], rows.rows[i : i + 1])).values
    if not len(samples):
        return None
    rate = audio.frames.rate
    clip = samples[: int(MAX_SECONDS * rate)]
    return AudioRow(
        row=rows.place(i),
        wav=playable_wav(clip, rate),
        spectrogram=spectrogram(clip, audio.frames),
        seconds=len(samples) / rate,
        truth=result.truth,
        predicted=result.predicted,
        is_transcript=is_transcript,
        confidence=result.confidence,
        typical=typical,
    )


def playable_wav(samples: np.ndarray, rate: int) -> bytes:
    """Samples of int16 as a WAV file, at a sample rate that browsers play."""
    return wav(samples, rate, SAMPLE_RATES)


def _results(feature: Output, rows: OutputRows) -> dict[int, _Result]:
    """Of each labelled row, by its index among the test rows; empty for outputs that are no class, text or number."""
    if not rows.truth.mask.any():
        return {}
    if predictions := class_predictions(feature, rows):
        return {i: _Result(t, p, sure if p != t else 0.0, sure) for i, (t, p, sure) in predictions.items()}
    if not isinstance(feature, TextOutput | NumberOutput):
        return {}
    predicted = [d["value"] for d in feature.decode(rows.best, rows.calibration)]
    if isinstance(feature, TextOutput):
        truth = true_texts(feature, rows)
        errors = word_error_rates(feature, rows)
        return {i: _Result(t, predicted[i], errors[i]) for i, t in truth.items()}
    true = [d["value"] for d in feature.decode({"value": rows.truth.values.astype(np.float64)}, {})]
    return {
        int(i): _Result(plain_number(true[i]), plain_number(predicted[i]), abs(true[i] - predicted[i]))
        for i in np.flatnonzero(rows.truth.mask)
    }
