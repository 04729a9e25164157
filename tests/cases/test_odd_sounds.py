"""Sound files as people have them: floating-point samples beyond 1, channels that cancel each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import deepglass
from deepglass.features._audio_files import alteration, read_audio
from deepglass.features.audio import Audio
from deepglass.features.base import Media

RATE = 8_000
TONE = np.sin(np.arange(4_000) / 5).astype(np.float32)


def sound(folder: Path, samples: np.ndarray, subtype: str = "FLOAT", name: str = "a.wav") -> Media:
    soundfile.write(folder / name, samples, RATE, subtype)
    return Media(name, folder / name)


def test_loud_and_opposite_sounds_are_told(cases: Path) -> None:
    findings = {finding.kind: finding.text for finding in deepglass.inspect(cases / "20-audio" / "clips").findings}
    assert "low/f32_loud.wav (sound beyond full scale" in findings["altered"]
    assert "low/opposite.wav (sound whose channels are opposite" in findings["altered"]


@pytest.mark.parametrize("peak", [0.4, 1.0, 1.5, 3.7, 32768.0])
def test_samples_beyond_full_scale_keep_their_form(tmp_path: Path, peak: float) -> None:
    media = sound(tmp_path, peak * TONE)
    wave = read_audio(media, None, 30.0) / 32767
    assert np.abs(wave - TONE * min(peak, 1.0) * (1 / np.abs(TONE).max() if peak > 1 else 1)).max() < 1e-3
    assert (alteration(media, 30.0) is None) == (peak * np.abs(TONE).max() <= 1)
    counts = Audio(name="sound", rate_=RATE).count_anomalies([media])
    assert bool(counts) == (peak > 1)


@pytest.mark.parametrize("second", [-1.0, -0.98, 1.0, 0.0, -0.5])
def test_opposite_channels(tmp_path: Path, second: float) -> None:
    media = sound(tmp_path, np.stack([0.5 * TONE, 0.5 * second * TONE], 1), "PCM_16")
    assert (alteration(media, 30.0) is not None) == (second < -0.9)


def test_arrays_beyond_full_scale() -> None:
    feature = Audio(name="sound", rate=RATE).fit([np.stack([TONE, 2 * TONE])])
    quiet, loud = feature.encode(np.stack([0.5 * TONE, 2 * TONE])).values.reshape(2, -1) / 32767
    assert np.abs(quiet - 0.5 * TONE).max() < 1e-3
    assert np.abs(loud - TONE / np.abs(TONE).max()).max() < 1e-3
