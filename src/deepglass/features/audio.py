"""Sounds: speech, music, noises; files, or arrays of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from deepglass.errors import SourceError
from deepglass.features._audio_files import SOUNDS, as_int16, header_of, read_sound, resampled
from deepglass.features.base import Column, Feature, Media, Raw, TypeGuess
from deepglass.mel import Frames, log_mel

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.audio import Spectrogram

SAMPLE = 200  # sounds that are heard to learn rate and statistics
_HIGHEST = 16_000  # samples a second: speech has little above half of it
_COMMON = 8_000  # of an array, which does not say


@dataclass(frozen=True, kw_only=True)
class Audio(Feature):
    """A sound, as mono samples of one rate; the network hears its mel spectrogram.

    Args:
        rate: samples a second that all sounds are brought to; None: the commonest of the training files, at most
            16,000. Of an array (N, samples) it is the rate that the array has, 8,000 unless said.
        seconds: of a longer sound only the beginning is heard; > 0.
        mels: bands of the spectrogram; None: 40 up to 8,000 samples a second, else 64.
        window, hop: milliseconds that a frame of the spectrogram is long, and that lie between two.

    Shapes:
        encoded: (total,) int16.

    Example:
        >>> sound = Audio(name="sound", rate=8000).fit([np.zeros((3, 4000), np.float32)])
        >>> sound.encode(np.zeros((2, 4000), np.float32)).offsets
        array([   0, 4000, 8000])
    """

    rate: int | None = None
    seconds: float = 30.0
    mels: int | None = None
    window: float = 25.0
    hop: float = 10.0

    rate_: int | None = None
    mean_: tuple[float, ...] | None = None  # of each band
    std_: tuple[float, ...] | None = None
    typical_: int | None = None  # samples of a mean sound

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting in ("rate", "seconds", "mels", "window", "hop"):
            if (value := getattr(self, setting)) is not None and value <= 0:
                raise ValueError(f"{setting}: expected above 0, got {value}")

    sequential: ClassVar[bool] = True
    is_audio: ClassVar[bool] = True
    file_based: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, list):
            known = [media for media in raw if media is not None]
            if known and all(isinstance(m, Media) and _name(m).endswith(SOUNDS) for m in known):
                return TypeGuess(1.0, "each is a sound file")
        elif isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.shape[1] >= 1_000 and raw.dtype.kind in "fi":
            return TypeGuess(0.5, f"{raw.shape[1]:,} numbers a row, as the samples of a sound")
        return None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Learn rate and statistics from a sample of the sounds.

        Raises:
            SourceError: `no-rows` when none of them can be read.
        """
        chunks = list(chunks)
        rates = Counter(rate for raw in chunks for rate in _rates(raw))
        rate = self.rate or (min(rates.most_common(1)[0][0], _HIGHEST) if rates else _COMMON)
        feature = replace(self, rate_=rate)
        waves = [wave for raw in chunks for wave in feature._some(raw)]
        if not waves and any(media is not None for raw in chunks for media in raw):
            raise SourceError("no-rows", f"{self.name}: there is no readable sound to learn from")
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
        reasons = {}
        for i, item in enumerate(raw):
            try:
                if isinstance(file := _file(item), Media):
                    read_sound(file, None, self.seconds)
            except SourceError as error:
                reasons[i] = str(error)
        return reasons

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        files = map(_file, raw)
        cut = sum(isinstance(m, Media) and (h := header_of(m)).samples > self.seconds * h.rate for m in files)
        return {f"sound longer than {self.seconds:g} seconds, its end left out": cut} if cut else {}

    def normalizer(self, scale: str = "standard") -> Spectrogram:
        """Waves (B, samples) int16 to spectrograms (B, T, M)."""
        from deepglass.nn.audio import Spectrogram

        mean, std = np.array(self.mean_), np.array(self.std_)
        shift, by = {
            "standard": (mean, std),
            "unit": (mean - 3 * std, 6 * std),  # nearly all lies within three deviations
            "signed": (mean, 3 * std),
        }[scale]
        return Spectrogram(self.frames, shift.tolist(), by.tolist())

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.audio import AudioEncoder

        return AudioEncoder(self.normalizer(), dim)

    @property
    def frames(self) -> Frames:
        """How a wave becomes a spectrogram."""
        rate = self.rate_
        size, hop = max(int(rate * self.window / 1000), 16), max(int(rate * self.hop / 1000), 1)
        return Frames(rate, size, hop, self.mels or (40 if rate <= 8_000 else 64))

    @property
    def row_bytes(self) -> int:
        return 2 * self.typical_

    def _wave(self, item: Media | np.ndarray | str | None) -> np.ndarray | None:
        item = _file(item)
        if item is None:
            return None
        if isinstance(item, Media):
            return read_sound(item, self.rate_, self.seconds)
        samples = np.asarray(item)[: int(self.seconds * (self.rate or self.rate_))]
        if samples.dtype.kind == "f" and np.isnan(samples).all():
            return None
        if samples.dtype.kind not in "fi" or samples.ndim != 1:
            raise SourceError("bad-value", f"column {self.column!r}: expected samples, got {samples.dtype}")
        if samples.dtype == np.int16:
            return samples
        wave = samples.astype(np.float32) / (1.0 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max)
        return as_int16(resampled(np.nan_to_num(wave), self.rate or self.rate_, self.rate_))

    def _some(self, raw: Raw) -> list[np.ndarray]:
        return [wave for item in _sample(raw) if (wave := self._readable(item)) is not None]

    def _readable(self, item: Media | np.ndarray | str | None) -> np.ndarray | None:
        try:
            return self._wave(item)
        except SourceError:  # counted and named by `unreadable`
            return None


def _file(item: Media | np.ndarray | str | None) -> Media | np.ndarray | None:
    """A path that is given as text, as a file."""
    return Media(item, Path(item)) if isinstance(item, str) else item


def _name(media: Media) -> str:
    return (media.member or media.path.name).lower()


def _sample(raw: Raw) -> list[Any]:
    """Some of the sounds, evenly spread."""
    rows = np.unique(np.linspace(0, max(len(raw) - 1, 0), min(SAMPLE, len(raw))).astype(int))
    return [raw[int(row)] for row in rows]


def _rates(raw: Raw) -> list[int]:
    """The rates of some of the files."""
    found = []
    for item in map(_file, _sample(raw)):
        try:
            found += [header_of(item).rate] if isinstance(item, Media) else []
        except SourceError:
            continue
    return found
