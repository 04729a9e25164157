"""Audio recordings (speech, music, noise) as files or arrays of samples; inputs only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from deepglass.constraints import Count, Positive
from deepglass.errors import SourceError
from deepglass.features._audio_files import (
    alteration,
    as_int16,
    is_floating,
    read_audio,
    read_header,
    resample,
    to_full_scale,
)
from deepglass.features._reading import AUDIO, read_errors, sample_rows, try_read
from deepglass.features._statistics import scaling
from deepglass.features.base import Column, Feature, Media, Raw, TypeGuess
from deepglass.mel import Frames, log_mel

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.audio import Spectrogram

SAMPLE = 200  # recordings that are read to learn rate and statistics
_MAX_RATE = 16_000  # Hz: speech has little energy above half of it
_DEFAULT_RATE = 8_000  # Hz, for arrays


@dataclass(frozen=True, kw_only=True)
class Audio(Feature):
    """Audio as mono samples of one rate; the first layer of the encoder is a log-mel spectrogram.

    Args:
        rate: sample rate in Hz that all recordings are resampled to; > 0; None takes the most common one of the
            training files, at most 16,000. For an array (N, samples): its sample rate, by default 8,000.
        seconds: longer recordings are truncated; > 0.
        mels: number of mel bands; > 0; None takes 40 up to 8,000 Hz, else 64.
        window: length of a spectrogram frame in milliseconds; > 0.
        hop: distance between the starts of two frames in milliseconds; > 0.

    Shapes:
        encoded: (total,) int16.

    Example:
        >>> sound = Audio(name="sound", rate=8000).fit([np.zeros((3, 4000), np.float32)])
        >>> sound.encode(np.zeros((2, 4000), np.float32)).offsets
        array([   0, 4000, 8000])
    """

    rate: Count | None = None
    seconds: Positive = 30.0
    mels: Count | None = None
    window: Positive = 25.0
    hop: Positive = 10.0

    rate_: int | None = None
    mean_: tuple[float, ...] | None = None  # of each band
    std_: tuple[float, ...] | None = None
    typical_: int | None = None  # mean number of samples

    sequential: ClassVar[bool] = True
    is_audio: ClassVar[bool] = True
    file_based: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, list):
            files = [media for media in raw if media is not None]
            if files and all(isinstance(m, Media) and _name(m).endswith(AUDIO) for m in files):
                return TypeGuess(1.0, "each file is an audio file")
        elif isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.shape[1] >= 1_000 and raw.dtype.kind in "fi":
            return TypeGuess(0.5, f"{raw.shape[1]:,} numbers a row, as the samples of a recording")
        return None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Learn sample rate and statistics from a sample of the recordings.

        Raises:
            SourceError: `no-rows` when none of them can be read.
        """
        chunks = list(chunks)
        items = [_as_media(raw[row]) for raw in chunks for row in sample_rows(len(raw), SAMPLE)]
        headers = [try_read(read_header, item) for item in items if isinstance(item, Media)]
        rates = Counter(header.rate for header in headers if header is not None)
        rate = self.rate or (min(rates.most_common(1)[0][0], _MAX_RATE) if rates else _DEFAULT_RATE)
        feature = replace(self, rate_=rate)
        waves = [wave for item in items if (wave := try_read(feature._wave, item)) is not None]
        if not waves and any(media is not None for raw in chunks for media in raw):
            raise SourceError("no-rows", f"{self.name}: no training row has readable audio")
        bands = np.concatenate([log_mel(wave, feature.frames) for wave in waves or [np.zeros(1, np.int16)]])
        std = bands.std(0).astype(np.float64)
        return replace(
            feature,
            mean_=tuple(bands.mean(0).astype(np.float64).round(6).tolist()),
            std_=tuple(np.maximum(std, 0.1).round(6).tolist()),
            typical_=int(np.mean([len(wave) for wave in waves])) if waves else rate,
        )

    def encode(self, raw: Raw) -> Column:
        """Samples (total,) int16.

        Raises:
            SourceError: `not-found` or `unreadable-file`, naming the file.
        """
        waves = [self._wave(item) for item in raw]
        lengths = np.array([0, *(0 if wave is None else len(wave) for wave in waves)], dtype=np.int64)
        values = np.concatenate([np.zeros(0, np.int16), *(wave for wave in waves if wave is not None)])
        return Column(values, np.array([wave is not None for wave in waves], bool), np.cumsum(lengths))

    def unreadable(self, raw: Raw) -> dict[int, str]:
        return read_errors(
            lambda item: isinstance(item, Media) and read_audio(item, None, self.seconds), map(_as_media, raw)
        )

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        files = map(_as_media, raw)
        cut = sum(isinstance(m, Media) and (h := read_header(m)).samples > self.seconds * h.rate for m in files)
        anomalies = Counter({f"audio longer than {self.seconds:g} seconds, truncated": cut} if cut else {})
        floating = (m for m in map(_as_media, raw) if isinstance(m, Media) and is_floating(m))
        anomalies.update(text for m in floating if (text := alteration(m, self.seconds)))
        return anomalies

    def alterations(self, raw: Raw) -> dict[int, str]:
        """Sounds beyond full scale, and those whose channels cancel each other."""
        texts = (alteration(m, self.seconds) if isinstance(m, Media) else None for m in map(_as_media, raw))
        return {row: text for row, text in enumerate(texts) if text}

    def normalizer(self, scale: str = "standard") -> Spectrogram:
        """Waves (B, samples) int16 to spectrograms (B, T, M)."""
        from deepglass.nn.audio import Spectrogram

        mean, std = np.array(self.mean_), np.array(self.std_)
        # nearly all values lie within three standard deviations
        shift, by = scaling(scale, mean, std, mean - 3 * std, 6 * std)
        return Spectrogram(self.frames, shift.tolist(), by.tolist())

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.audio import AudioEncoder

        return AudioEncoder(self.normalizer(), dim)

    @property
    def frames(self) -> Frames:
        """The frames of the spectrogram."""
        rate = self.rate_
        size, hop = max(int(rate * self.window / 1000), 16), max(int(rate * self.hop / 1000), 1)
        return Frames(rate, size, hop, self.mels or (40 if rate <= 8_000 else 64))

    @property
    def row_bytes(self) -> int:
        return 2 * self.typical_

    def _wave(self, item: Media | np.ndarray | str | None) -> np.ndarray | None:
        item = _as_media(item)
        if item is None:
            return None
        if isinstance(item, Media):
            return read_audio(item, self.rate_, self.seconds)
        if np.ndim(item) != 1:
            raise SourceError("bad-value", f"column {self.column!r}: expected audio files or samples, got {item!r:.80}")
        samples = np.asarray(item)[: int(self.seconds * (self.rate or self.rate_))]
        if samples.dtype.kind == "f" and np.isnan(samples).all():
            return None
        if samples.dtype.kind not in "fi" or samples.ndim != 1:
            raise self.bad_value(f"expected samples, got {samples.dtype}")
        if samples.dtype == np.int16:
            return samples
        wave = samples.astype(np.float32) / (1.0 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max)
        return as_int16(resample(to_full_scale(np.nan_to_num(wave)), self.rate or self.rate_, self.rate_))


def _as_media(item: Media | np.ndarray | str | None) -> Media | np.ndarray | None:
    """A path as text becomes a file."""
    return Media(item, Path(item)) if isinstance(item, str) else item


def _name(media: Media) -> str:
    return (media.member or media.path.name).lower()
