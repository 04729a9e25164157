"""Bands, times and positions in which attributions lie, and what is said where these are noise."""

from __future__ import annotations

import numpy as np
import pytest

from deepglass.explain.global_explanation import GlobalExplanation, InputReliance
from deepglass.explain.global_sentences import sentences_of
from deepglass.explain.importance import Estimate, Importance
from deepglass.explain.profiles import Profile, sequence_profile, sound_profiles
from deepglass.features.audio import Audio
from deepglass.features.sequence import Sequence
from deepglass.report.sections.reliance import reliance_view

TOGETHER = Importance(Estimate(0.5, 0.05), 0.4)
WAVE = Sequence(name="wave", column="wave")


def explanation(*profiles: Profile, **more: object) -> GlobalExplanation:
    return GlobalExplanation(
        "label",
        "accuracy",
        0.9,
        "log_loss",
        0.3,
        Estimate(0.4, 0.02),
        0.5,
        100,
        profiles=profiles,
        **{"inputs": (), **more},
    )  # type: ignore[arg-type]


def test_the_band_and_the_time_of_a_sound_are_in_hertz_and_seconds() -> None:
    random = np.random.default_rng(0)
    clip = Audio(name="clip", column="clip", rate_=8000)  # type: ignore[call-arg]
    cells = random.normal(size=(20, 64, clip.frames.mels)) * 0.02
    band = slice(clip.frames.mels // 2, clip.frames.mels * 5 // 8)
    cells[:, 16:24, band] += 1
    frequency, time = sound_profiles(clip, list(cells))
    assert frequency.regions == ((4, 4),)
    assert time.regions == ((2, 2),)
    assert time.span(2, 2) == f"{16 * clip.frames.hop / 8000:.2f}-{24 * clip.frames.hop / 8000:.2f} s"
    assert frequency.edges[0] >= 40
    assert frequency.edges[-1] <= 4000
    first, second = sentences_of(explanation(frequency, time), 0.4)
    assert f"lies in {frequency.span(4, 4)}; equally spread it would be 12 %" in first
    assert "Hz" in first
    assert " s; equally" in second


@pytest.mark.parametrize("from_end", [False, True])
def test_positions_count_from_the_end_where_that_tells_more(from_end: bool) -> None:
    random = np.random.default_rng(0)
    rows = []
    for length in (32, 16, *random.integers(16, 33, 18)):  # bins of four
        cells = 0.1 * random.normal(size=length)
        cells[-4:] += 4
        rows.append(cells if from_end else cells[::-1])
    profile = sequence_profile(WAVE, rows)
    assert profile.from_end is from_end
    (sentence,) = sentences_of(explanation(profile), 0.4)
    assert ("in the last 4 steps" if from_end else "in steps 0-3;") in sentence


def test_noise_is_told_and_not_drawn() -> None:
    noise = np.random.default_rng(1).normal(size=(20, 32))
    profile = sequence_profile(WAVE, list(noise))
    assert profile.regions == ()
    inputs = (InputReliance("a", Estimate(0.01, 0.02), 0.01, Estimate(0.3, 0.1)),)
    told = explanation(profile, inputs=inputs, times={"wave": [Estimate(0.01, 0.01)] * 8})
    said = sentences_of(told, TOGETHER)
    assert any("No input alone matters beyond chance" in s for s in said)
    assert "wave: none of 8 equal parts in time matters beyond its error." in said
    assert any("spread over the whole position axis" in s for s in said)
    assert reliance_view(told, shows_values=True)["charts"] == []


@pytest.mark.parametrize(("alone", "rival", "named"), [(0.85, 0.2, True), (0.8, 0.01, True), (0.8, 0.2, False)])
def test_a_shortcut_has_no_rival_or_tells_nearly_all(alone: float, rival: float, named: bool) -> None:
    inputs = tuple(InputReliance(n, Estimate(v, 0.001), v, None) for n, v in (("later", 0.3), ("age", rival)))
    told = explanation(inputs=inputs, alone=alone)
    assert any(s.startswith("later alone carries") for s in sentences_of(told, TOGETHER)) is named
