"""Audio encoder: mel spectrogram, augmentation and convolutions over time and frequency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Ge, Le, Share
from deepglass.mel import FLOOR, Frames, mel_filters
from deepglass.nn.embeddings import fill_missing
from deepglass.nn.tokens import Field, Tokens, TokenShape, whole_batch


@dataclass(frozen=True)
class AudioAugment:
    """Ranges of random audio augmentations; each row has its own values.

    Args:
        speed: largest relative change of speed and pitch, 0.1 for 10 %.
        shift: largest silence at the start, as a share of the length.
        gain: largest change of volume, in decibels.
        noise: largest standard deviation of white noise, relative to that of the signal.
        pitch: largest stretch of the frequency axis (vocal tract length perturbation).
        time_mask: largest masked span, as a share of the length.
        frequency_mask: largest share of masked bands.

    Source: Ko et al., 2015, Interspeech (speed); Jaitly and Hinton, 2013, ICML workshop (pitch); Park et al., 2019,
    arXiv 1904.08779 (masks).
    """

    speed: Annotated[float, Ge(0), Le(0.5)] = 0.0
    shift: Share = 0.0
    gain: Annotated[float, Ge(0), Le(40)] = 0.0
    noise: Share = 0.0
    pitch: Annotated[float, Ge(0), Le(0.5)] = 0.0
    time_mask: Annotated[float, Ge(0), Le(0.9)] = 0.0
    frequency_mask: Annotated[float, Ge(0), Le(0.9)] = 0.0

    def waves(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented waveforms (B, S) float and their masks; S may grow."""
        B, S = values.shape
        lengths = mask.sum(1)
        if self.speed or self.shift:
            factor = (1 + self.speed) ** _signed_uniform(B, values.device)
            start = (torch.rand(B, device=values.device) * self.shift * lengths).long()
            end = start + (lengths / factor).long().clamp_min(1)
            longest = int(whole_batch().maximum(end.max()))  # S'
            positions = torch.arange(longest, device=values.device) - start[:, None]  # (B, S')
            source = (positions * factor[:, None]).clamp(0, S - 1)
            low = source.long()
            high = torch.minimum(low + 1, (lengths - 1).clamp_min(0)[:, None])
            share = source - low
            mask = torch.arange(positions.shape[1], device=values.device) < end[:, None]
            resampled = values.gather(1, low) * (1 - share) + values.gather(1, high) * share
            values = resampled * (mask & (positions >= 0))
            mask = mask & (lengths > 0)[:, None]
        if self.gain:
            values = values * 10 ** (self.gain / 20 * _signed_uniform(B, values.device))[:, None]
        if self.noise:
            power = values.square().sum(1) / mask.sum(1).clamp_min(1)
            std = self.noise * torch.rand(B, device=values.device) * power.sqrt()
            values = values + torch.randn_like(values) * std[:, None] * mask
        return values, mask

    def bands(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Augmented spectrograms (B, T, M) with `lengths` (B,) frames each."""
        B, T, M = x.shape
        if self.pitch:
            factor = (1 + self.pitch) ** _signed_uniform(B, x.device)
            source = (torch.arange(M, device=x.device) * factor[:, None]).clamp(0, M - 1)
            low = source.long()
            share = (source - low)[:, None]
            below, above = (x.gather(2, bands[:, None].expand(B, T, M)) for bands in (low, (low + 1).clamp_max(M - 1)))
            x = below * (1 - share) + above * share
        for ratio, size, axis in ((self.time_mask, lengths, 1), (self.frequency_mask, torch.full_like(lengths, M), 2)):
            if ratio:
                span = (torch.rand(B, device=x.device) * ratio * size).long()
                first = (torch.rand(B, device=x.device) * (size - span + 1)).long()
                positions = torch.arange(x.shape[axis], device=x.device)
                masked = (positions >= first[:, None]) & (positions < (first + span)[:, None])
                x = x.masked_fill(masked.unsqueeze(2 if axis == 1 else 1), 0.0)  # 0 is the mean of a band
        return x


class Spectrogram(nn.Module):
    """Waveforms to standardised mel bands.

    Args:
        frames: framing of the waveform.
        shift, scale: mean and standard deviation of each band.

    Shapes:
        waves: (B, S) int16, or float of -1 to 1 -> (B, T, M).
    """

    def __init__(self, frames: Frames, shift: Sequence[float], scale: Sequence[float]) -> None:
        super().__init__()
        self.frames = frames
        self.filters = nn.Buffer(torch.from_numpy(mel_filters(frames)), persistent=False)
        self.window = nn.Buffer(torch.hann_window(frames.size), persistent=False)
        self.shift = nn.Buffer(torch.tensor(shift, dtype=torch.float32))
        self.scale = nn.Buffer(torch.tensor(scale, dtype=torch.float32))

    def forward(self, waves: Tensor) -> Tensor:
        waves = waves.float() / 32768 if not waves.is_floating_point() else waves
        waves = F.pad(waves, (0, max(self.frames.size - waves.shape[1], 0)))
        with torch.autocast(waves.device.type, enabled=False):
            windows = waves.float().unfold(1, self.frames.size, self.frames.hop) * self.window
            power = torch.fft.rfft(windows).abs().square()
            return ((power @ self.filters + FLOOR).log() - self.shift) / self.scale

    def lengths(self, mask: Tensor) -> Tensor:
        """Frames of each row, (B,), from the mask of samples (B, S)."""
        return 1 + (mask.sum(1) - self.frames.size).clamp_min(0) // self.frames.hop


class AudioEncoder(nn.Module):
    """Encoder of audio: a token for every two frames, by convolutions over time and frequency.

    Bands are normalised per row, which removes differences between microphones and voices.

    Args:
        normalizer: waveforms to mel bands.
        dim: width D of a token.
        width: channels of the first convolution.

    Attributes:
        augmentation: of the training rows; set by `training.augmentation`.

    Shapes:
        field: values (B, S) int16, mask (B, S) -> (B, T / 2, D).
    """

    def __init__(self, normalizer: Spectrogram, dim: int, width: int = 24) -> None:
        super().__init__()
        self.shape = TokenShape(count=None)
        self.normalizer = normalizer
        self.augmentation: AudioAugment | None = None
        sizes = [1, width, 2 * width, 2 * width]
        self.convs: Any = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=False)
            for a, b, stride in zip(sizes, sizes[1:], [(2, 2), (1, 2), (1, 2)], strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes[1:])
        self.activation = nn.GELU()
        bands = normalizer.frames.mels
        for _ in self.convs:
            bands = (bands + 1) // 2
        self.out = nn.Linear(2 * width * bands, dim)
        self.missing = nn.Parameter(torch.randn(dim))

    def forward(self, field: Field) -> Tokens:
        waves, mask = field.values.float() / 32768, field.mask
        present = mask.any(1)
        if self.training and self.augmentation is not None:
            waves, mask = self.augmentation.waves(waves, mask)
        x = self.normalizer(waves)
        lengths = self.normalizer.lengths(mask)
        frame_mask = _length_mask(lengths, x.shape[1])
        x = _standardise(x, frame_mask, lengths)
        if self.training and self.augmentation is not None:
            x = self.augmentation.bands(x, lengths)
        x = x[:, None]  # (B, 1, T, M)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.activation(norm(conv(x)))
            lengths = lengths if conv.stride[0] == 1 else (lengths + 1) // 2
            frame_mask = _length_mask(lengths, x.shape[2])
            x = x * frame_mask[:, None, :, None]
        tokens = self.out(x.permute(0, 2, 1, 3).flatten(2))
        return fill_missing(tokens, frame_mask & present[:, None], self.missing)


def _standardise(x: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
    """Bands minus their mean over the row, divided by the row's standard deviation; 0 in the padding."""
    frames = lengths[:, None, None]
    x = x * mask[..., None]
    x = (x - x.sum(1, keepdim=True) / frames) * mask[..., None]
    return x / (x.square().sum((1, 2), keepdim=True) / (frames * x.shape[2])).sqrt().clamp_min(0.1)


def _length_mask(lengths: Tensor, size: int) -> Tensor:
    """Mask of the positions before each length, (B, size) bool."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def _signed_uniform(count: int, device: torch.device) -> Tensor:
    """Uniform random numbers from -1 to 1, (count,)."""
    return 2 * torch.rand(count, device=device) - 1
