"""Log-mel spectrograms against the formula, padding, and audio augmentation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from deepglass.config import construct
from deepglass.errors import SpecError
from deepglass.features.audio import Audio
from deepglass.mel import log_mel
from deepglass.nn.audio import AudioAugment, AudioEncoder
from deepglass.nn.tokens import Field, pool

RATE, LENGTHS = 8_000, (4_000, 2_345, 90, 0)  # the last but one is shorter than a window, the last is missing


def chirps(rows: int, rising: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Chirps of half a second (rows, 4000) int16 with rising or falling frequency, in noise."""
    random = torch.Generator().manual_seed(seed)
    start = 500 + 1_000 * torch.rand(rows, 1, generator=random)
    slope = torch.where(rising[:, None], 1_500.0, -800.0)
    t = torch.arange(4_000) / RATE
    wave = torch.sin(2 * torch.pi * (start * t + slope * t * t / 2))
    return ((0.4 * wave + 0.05 * torch.randn(rows, 4_000, generator=random)) * 20_000).to(torch.int16)


def batch() -> Field:
    waves = chirps(len(LENGTHS), torch.ones(len(LENGTHS), dtype=torch.bool))
    mask = torch.arange(4_000) < torch.tensor(LENGTHS)[:, None]
    return Field(waves * mask, mask, mask.any(1))


@pytest.fixture
def sound() -> Audio:
    return Audio(name="sound", rate=RATE).fit([batch().values[:2].numpy()])


def test_mel_bands_agree_with_the_formula(sound: Audio) -> None:
    wave = batch().values[:1]
    expected = (log_mel(wave[0].numpy(), sound.frames) - np.array(sound.mean_)) / np.array(sound.std_)
    torch.testing.assert_close(
        sound.normalizer()(wave)[0].double(), torch.tensor(expected).double(), rtol=1e-3, atol=1e-3
    )


def test_a_sine_wave_peaks_in_the_band_of_its_frequency(sound: Audio) -> None:
    low, high = (torch.sin(2 * torch.pi * hertz * torch.arange(4_000) / RATE)[None] for hertz in (300.0, 2_500.0))
    mean, std = torch.tensor(sound.mean_), torch.tensor(sound.std_)
    bands = [int(sound.normalizer()(tone)[0].mean(0).mul(std).add(mean).argmax()) for tone in (low, high)]
    mels = [2595 * np.log10(1 + hertz / 700) for hertz in (300.0, 2_500.0, RATE / 2)]
    for band, mel in zip(bands, mels[:2], strict=True):
        assert abs(band + 1 - mel / mels[2] * (sound.frames.mels + 1)) < 1.5


def test_a_row_is_the_same_alone_and_in_a_batch(sound: Audio) -> None:
    encoder = sound.encoder(16).eval()
    field = batch()
    together = encoder(field)
    assert together.mask[3].tolist() == [True] + [False] * (together.mask.shape[1] - 1)
    for i, length in enumerate(LENGTHS):
        alone = encoder(Field(field.values[i : i + 1, : max(length, 1)], field.mask[i : i + 1, : max(length, 1)]))
        there = together.values[i][together.mask[i]]
        torch.testing.assert_close(there, alone.values[0][alone.mask[0]], rtol=1e-4, atol=1e-4)


def test_gradients_reach_the_samples(sound: Audio) -> None:
    waves = batch().values.float().requires_grad_()
    sound.normalizer()(waves / 32768).sum().backward()
    assert waves.grad is not None
    assert waves.grad.isfinite().all()
    assert waves.grad[0].abs().sum() > 0


ALL = AudioAugment(speed=0.2, shift=0.2, gain=6, noise=0.1, pitch=0.2, time_mask=0.2, frequency_mask=0.2)


def test_without_augmentations_nothing_changes() -> None:
    field = batch()
    waves, mask = AudioAugment().waves(field.values.float(), field.mask)
    assert torch.equal(waves, field.values.float())
    assert torch.equal(mask, field.mask)
    x = torch.randn(4, 20, 8)
    assert torch.equal(AudioAugment().bands(x, torch.tensor([20, 10, 1, 1])), x)


def test_augmentations_stay_within_the_row(sound: Audio) -> None:
    torch.manual_seed(0)
    field = batch()
    for _ in range(20):
        waves, mask = ALL.waves(field.values.float(), field.mask)
        assert waves[~mask].abs().max() == 0
        assert mask.any(1).tolist() == [True, True, True, False]
        ratio = mask.sum(1)[:2] / field.mask.sum(1)[:2]
        assert ((ratio > 1 / 1.21) & (ratio < 1.21 + 0.2)).all()
    encoder = sound.encoder(16).train()
    assert isinstance(encoder, AudioEncoder)
    encoder.augmentation = ALL
    assert encoder(field).values.isfinite().all()


def test_speed_raises_the_pitch_and_shortens_the_audio() -> None:
    torch.manual_seed(1)
    tone = torch.sin(2 * torch.pi * 1_000 * torch.arange(4_000) / RATE).repeat(8, 1)
    waves, mask = AudioAugment(speed=0.3).waves(tone, torch.ones_like(tone, dtype=torch.bool))
    lengths = mask.sum(1)
    assert lengths.min() < 3_700 < 4_300 < lengths.max()
    for wave, length in zip(waves, lengths.tolist(), strict=True):
        pitch = int(torch.fft.rfft(wave[:length], n=8_000).abs().argmax())
        assert abs(pitch * length - 1_000 * 4_000) < 0.02 * 1_000 * 4_000


def test_time_and_frequency_masks_have_a_maximum_share() -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 40, 30)
    lengths = torch.full((64,), 40)
    times = (AudioAugment(time_mask=0.5).bands(x, lengths) == 0).all(2).sum(1)
    bands = (AudioAugment(frequency_mask=0.4).bands(x, lengths) == 0).all(1).sum(1)
    assert 10 < times.max() <= 20
    assert 6 < bands.max() <= 12


def test_the_same_seed_gives_the_same_augmentations() -> None:
    field = batch()
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(ALL.waves(field.values.float(), field.mask)[0])
    assert torch.equal(*drawn)


@pytest.mark.parametrize("setting", [{"speed": -0.1}, {"noise": 2.0}, {"time_mask": 1.0}])
def test_settings_out_of_range_are_rejected(setting: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=rf"training.augment.{next(iter(setting))}: expected a number from 0 to "):
        construct(AudioAugment, setting, "training.augment")


def test_rising_and_falling_tones_are_learned_with_augmentation(sound: Audio) -> None:
    """At least 0.95 on chirps at new frequencies; chance is 0.5."""
    torch.manual_seed(0)
    rising = torch.arange(256) % 2 == 0
    waves = chirps(256, rising, seed=1)
    field = Field(waves, torch.ones_like(waves, dtype=torch.bool))
    encoder, head = sound.encoder(16).train(), torch.nn.Linear(16, 1)
    encoder.augmentation = AudioAugment(speed=0.1, gain=6, noise=0.1, pitch=0.1, frequency_mask=0.1)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], 0.003)
    for step in range(40):
        rows = torch.arange(32) + 32 * (step % 6)
        logits = head(pool(encoder(field.take(rows))))[:, 0]
        loss = F.binary_cross_entropy_with_logits(logits, rising[rows].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    encoder.eval()
    with torch.no_grad():
        said = head(pool(encoder(field.take(torch.arange(192, 256)))))[:, 0] > 0
    assert (said == rising[192:]).float().mean() >= 0.95
