"""Sounds as inputs: what was heard, with what is true and what was answered; the worst first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepglass import metrics
from deepglass.features._audio_files import wav
from deepglass.features._display import spectrogram
from deepglass.features.audio import Audio
from deepglass.features.base import Feature, take_raw
from deepglass.features.number import Number
from deepglass.features.text import Text
from deepglass.formatting import plain_number
from deepglass.introspect.rows import OutputRows, class_predictions
from deepglass.report.audio_facts import Heard

WORST, TYPICAL = 8, 4  # of all outputs together
SECONDS = 3.0  # of a sound that are kept
RATES = (8_000, 16_000)  # samples a second, at least and at most: browsers play no slower ones
_BETWEEN = (0.02, 0.995)  # shares of the spectrogram's values that are its darkest and its brightest colour
_COLOURS = np.array([[12, 14, 40], [48, 40, 130], [150, 45, 120], [236, 110, 62], [252, 226, 130]], float)


class _Told(NamedTuple):
    """A row's truth and answer in words, and how far they are from each other: the greater the worse."""

    truth: str
    answer: str
    error: float
    confidence: float | None = None


def heard(feature: Feature, seen: OutputRows) -> tuple[Heard, ...]:
    """Some test rows of an output that is answered from sounds; none for other outputs."""
    sound = next((f for f in seen.prepared.inputs if isinstance(f, Audio)), None)
    told = _told(feature, seen) if sound is not None else {}
    if sound is None or not told:
        return ()
    share = max(len(seen.prepared.outputs), 1)
    order = sorted(told, key=lambda i: -np.nan_to_num(told[i].error))
    wrong = [i for i in order if told[i].error > 0][: max(WORST // share, 2)]
    rest = [i for i in order if i not in wrong]
    count = min(max(TYPICAL // share, 1), len(rest))
    some = np.random.default_rng(0).permutation(rest).astype(int)[:count]
    cards = [(i, False) for i in wrong] + [(i, True) for i in sorted(some.tolist())]
    made = (_card(sound, seen, i, told[i], isinstance(feature, Text), typical) for i, typical in cards)
    return tuple(card for card in made if card is not None)


def _card(sound: Audio, seen: OutputRows, i: int, told: _Told, transcript: bool, typical: bool) -> Heard | None:
    raw = take_raw(seen.prepared.table[sound.column], seen.rows[i : i + 1])
    samples = sound.encode(raw).values
    if not len(samples):
        return None
    rate = sound.frames.rate
    clip = samples[: int(SECONDS * rate)]
    return Heard(
        row=seen.place(i),
        wave=wave_of(clip, rate),
        picture=spectrogram(clip, sound.frames),
        kept=len(clip) / rate,
        seconds=len(samples) / rate,
        truth=told.truth,
        answer=told.answer,
        transcript=transcript,
        confidence=told.confidence,
        typical=typical,
    )


def _told(feature: Feature, seen: OutputRows) -> dict[int, _Told]:
    """Truth and answer of each known row, by its place among the test rows; none for kinds that words don't say."""
    if rows := class_predictions(feature, seen):
        return {i: _Told(t, said, sure if said != t else 0.0, sure) for i, (t, said, sure) in rows.items()}
    if not isinstance(feature, Text | Number):
        return {}
    known = np.flatnonzero(seen.truth.mask)
    decoded = feature.decode(seen.best, seen.calibration)
    said = [d["value"] for d in decoded]
    if isinstance(feature, Text):
        bounds = seen.truth.offsets
        assert bounds is not None
        true = {int(i): feature.text_of(seen.truth.values[bounds[i] : bounds[i + 1]].tolist()) for i in known}
        return {i: _Told(t, said[i], metrics.error_rate([t.split()], [said[i].split()])) for i, t in true.items()}
    actual = [d["value"] for d in feature.decode({"value": seen.truth.values.astype(np.float64)}, {})]
    return {int(i): _Told(plain_number(actual[i]), plain_number(said[i]), abs(actual[i] - said[i])) for i in known}


# -- sounds as bytes -------------------------------------------------------------------------------------------------


def wave_of(samples: np.ndarray, rate: int) -> bytes:
    """Samples of int16 as a WAV file, at a rate that browsers play."""
    return wav(samples, rate, RATES)
