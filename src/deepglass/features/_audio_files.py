"""Sound files as waves: any rate, any channels, as much of them as is wanted."""

from __future__ import annotations

import io
import re
import wave
from typing import NamedTuple

import numpy as np
import soundfile

from deepglass.errors import SourceError
from deepglass.features.base import Media

SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au", ".opus")
RATES = (1_000, 400_000)  # samples a second; other rates are damage, and resampling from them takes gigabytes

# What libsndfile logs of a header that states more bytes than there are, and otherwise takes for a shorter sound.
_STATED = re.compile(r"^ *(?:data|SSND|Data Size) *: *(\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN = 2**31 - 2**16  # so many bytes or more are stated where the writer of a stream did not know its length


class Header(NamedTuple):
    """What a sound file says of itself."""

    rate: int
    samples: int
    channels: int


def header_of(media: Media) -> Header:
    """Raises: SourceError: `not-found` or `unreadable-file`, naming the file."""
    with _opened(media) as file:
        return Header(file.samplerate, file.frames, file.channels)


def read_sound(media: Media, rate: int | None, seconds: float) -> np.ndarray:
    """The beginning of a sound, at most so many seconds, its channels' mean; (samples,) int16.

    Args:
        rate: samples a second that are wanted; None: its own.

    Raises:
        SourceError: `not-found`; `unreadable-file` for one that is no sound, is empty, broken off or not of numbers.
    """
    with _opened(media) as file:
        wanted = min(file.frames, int(seconds * file.samplerate))
        try:
            channels = file.read(wanted, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise SourceError("unreadable-file", f"{media.name}: cut off or damaged ({_said(error)})") from error
        own, log = file.samplerate, file.extra_info
    for stated, there in _STATED.findall(log):
        if int(there) < int(stated) < _UNKNOWN:
            raise SourceError(
                "unreadable-file",
                f"{media.name}: cut off: expected {int(stated):,} bytes, got {int(there):,}",
            )
    if not wanted:
        raise SourceError("unreadable-file", f"{media.name}: the file has no samples")
    if len(channels) < wanted:
        raise SourceError(
            "unreadable-file", f"{media.name}: cut off: expected {wanted:,} samples, got {len(channels):,}"
        )
    wave = channels.mean(1)
    if not np.isfinite(wave).all():
        raise SourceError("unreadable-file", f"{media.name}: some of its samples are not finite numbers")
    return as_int16(resampled(wave, own, rate or own))


def resampled(wave: np.ndarray, own: int, rate: int) -> np.ndarray:
    """A wave at another rate, (samples,) float32."""
    if own == rate:
        return wave
    from scipy.signal import resample_poly  # half a second to import, and most data have one rate

    divisor = int(np.gcd(own, rate))
    return resample_poly(wave, rate // divisor, own // divisor).astype(np.float32)


def as_int16(wave: np.ndarray) -> np.ndarray:
    """Samples of -1 to 1 as int16."""
    return np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16)


def _opened(media: Media) -> soundfile.SoundFile:
    try:
        file = soundfile.SoundFile(media.path if media.member is None else media.open())
    except FileNotFoundError as error:
        raise SourceError("not-found", f"{media.name}: there is no such file") from error
    except (soundfile.LibsndfileError, OSError) as error:
        if not media.path.is_file():
            raise SourceError("not-found", f"{media.name}: there is no such file") from error
        raise SourceError("unreadable-file", f"{media.name}: cannot be read as audio ({_said(error)})") from error
    if not RATES[0] <= file.samplerate <= RATES[1]:
        file.close()
        expected = f"expected from {RATES[0]:,} to {RATES[1]:,} samples a second"
        raise SourceError("unreadable-file", f"{media.name}: {expected}, its header states {file.samplerate:,}")
    return file


def _said(error: Exception) -> str:
    return str(error).rpartition(": ")[2].rstrip(".") or type(error).__name__


def wav(samples: np.ndarray, rate: int, between: tuple[int, int] | None = None) -> bytes:
    """Samples of int16 as a WAV file.

    Args:
        between: samples a second, at least and at most, that they are brought to; None: as they are.
    """
    wanted = rate if between is None else min(max(rate, between[0]), between[1])
    if wanted != rate:
        samples = as_int16(resampled(samples.astype(np.float32) / 32768, rate, wanted))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(wanted)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()
