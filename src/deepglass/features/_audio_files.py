"""Decoding of audio files to mono waves, resampling, and encoding as WAV."""

import io
import re
import wave
from typing import NamedTuple

import numpy as np
import soundfile

from deepglass.errors import SourceError
from deepglass.features.base import Media
from deepglass.files import check_regular
from deepglass.limits import check_limit, check_unpacked

RATE_RANGE = (1_000, 400_000)  # Hz; other rates are a damaged header, and resampling from them takes gigabytes

# libsndfile only logs a header that declares more bytes than the file has, and reads a shorter recording.
_DECLARED_SIZE = re.compile(r"^ *(?:data|SSND|Data Size) *: *(\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 2**31 - 2**16  # bytes; streams of unknown length declare at least so many


class Header(NamedTuple):
    """Sample rate in Hz, samples per channel and channels of an audio file."""

    rate: int
    samples: int
    channels: int


def read_header(media: Media) -> Header:
    """The header of an audio file.

    Raises:
        SourceError: `not-found` or `unreadable-file`, naming the file.
    """
    with _open(media) as file:
        return Header(file.samplerate, file.frames, file.channels)


def read_audio(media: Media, rate: int | None, seconds: float) -> np.ndarray:
    """The first seconds of a recording as the mean of its channels, (samples,) int16.

    Args:
        rate: target sample rate in Hz; None keeps that of the file.
        seconds: maximum length.

    Raises:
        SourceError: `not-found`; `unreadable-file` for a file that is no audio, empty, truncated, or has NaN samples.
    """
    channels, file_rate = _read_channels(media, seconds)
    return as_int16(resample(to_full_scale(channels).mean(1), file_rate, rate or file_rate))


def is_floating(media: Media) -> bool:
    """Whether the samples of a file are floating-point numbers, which may be beyond 1."""
    with _open(media) as file:
        return file.subtype in ("FLOAT", "DOUBLE")


def _read_channels(media: Media, seconds: float) -> tuple[np.ndarray, int]:
    """The samples of each channel, (samples, channels) float32, and the sample rate."""
    with _open(media) as file:
        samples = min(file.frames, int(seconds * file.samplerate))
        size = media.path.stat().st_size if media.member is None else len(media.read())
        check_unpacked(samples * file.channels * 4, size, media.name)
        try:
            channels = file.read(samples, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise SourceError("unreadable-file", f"{media.name}: is truncated or damaged ({_reason(error)})") from error
        file_rate, log = file.samplerate, file.extra_info
    for declared, actual in _DECLARED_SIZE.findall(log):
        if int(actual) < int(declared) < _UNKNOWN_SIZE:
            raise SourceError(
                "unreadable-file", f"{media.name}: is truncated: expected {int(declared):,} bytes, got {int(actual):,}"
            )
    if not samples:
        raise SourceError("unreadable-file", f"{media.name}: is empty: 0 samples")
    if len(channels) < samples:
        raise SourceError(
            "unreadable-file", f"{media.name}: is truncated: expected {samples:,} samples, got {len(channels):,}"
        )
    if not np.isfinite(channels).all():
        raise SourceError("unreadable-file", f"{media.name}: some of its samples are NaN or infinite")
    return channels, file_rate


def to_full_scale(wave: np.ndarray) -> np.ndarray:
    """Samples of floating-point numbers; those beyond 1 are scaled down by the largest instead of being cut off."""
    peak = float(np.abs(wave).max(initial=0.0))
    return wave / np.float32(peak) if peak > 1 else wave


def alteration(media: Media, seconds: float) -> str | None:
    """What `read_audio` changes in the sound of a file, or what is lost in it; None for usual and unreadable ones."""
    try:
        channels, _ = _read_channels(media, seconds)
    except SourceError:
        return None
    if np.abs(channels).max(initial=0.0) > 1:
        return "sound beyond full scale, scaled down to it"
    loudness = float(np.sqrt((channels**2).mean()))
    if channels.shape[1] > 1 and loudness > 0 and float(np.sqrt((channels.mean(1) ** 2).mean())) < 0.05 * loudness:
        return "sound whose channels are opposite, so that their mean is nearly silent"
    return None


def resample(wave: np.ndarray, source_rate: int, rate: int) -> np.ndarray:
    """A wave resampled to another rate, (samples,) float32."""
    if source_rate == rate:
        return wave
    from scipy.signal import resample_poly  # takes half a second to import, and most data have one rate

    divisor = int(np.gcd(source_rate, rate))
    return resample_poly(wave, rate // divisor, source_rate // divisor).astype(np.float32)


def as_int16(wave: np.ndarray) -> np.ndarray:
    """Samples from -1 to 1 as int16."""
    return np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16)


def _open(media: Media) -> soundfile.SoundFile:
    if media.member is None:
        check_regular(media.path, media.name)
        check_limit("media_bytes", media.path.stat().st_size, media.name)
    try:
        file = soundfile.SoundFile(media.path if media.member is None else media.open())
    except (soundfile.LibsndfileError, OSError) as error:
        raise SourceError("unreadable-file", f"{media.name}: cannot be read as audio ({_reason(error)})") from error
    if not RATE_RANGE[0] <= file.samplerate <= RATE_RANGE[1]:
        file.close()
        expected = f"expected a sample rate from {RATE_RANGE[0]:,} to {RATE_RANGE[1]:,} Hz"
        raise SourceError("unreadable-file", f"{media.name}: {expected}, got {file.samplerate:,}")
    return file


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2].rstrip(".") or type(error).__name__


def wav(samples: np.ndarray, rate: int, rate_range: tuple[int, int] | None = None) -> bytes:
    """Samples (int16) encoded as a WAV file.

    Args:
        rate_range: lowest and highest sample rate in Hz; others are resampled. None keeps the rate.
    """
    target_rate = rate if rate_range is None else min(max(rate, rate_range[0]), rate_range[1])
    if target_rate != rate:
        samples = as_int16(resample(samples.astype(np.float32) / 32768, rate, target_rate))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(target_rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()
