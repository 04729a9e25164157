"""Log-mel spectrograms in numpy, and the mel filters that the network's spectrogram uses too."""

from typing import NamedTuple

import numpy as np

FLOOR = 1e-6  # added to the power of a band before the logarithm


class Frames(NamedTuple):
    """Frames of a spectrogram.

    Args:
        rate: sample rate in Hz.
        size: samples of a frame.
        hop: samples between the starts of two frames.
        mels: M, number of mel bands.
    """

    rate: int
    size: int
    hop: int
    mels: int

    def count(self, samples: int) -> int:
        """Number of frames of a wave; 1 if it is shorter than a frame."""
        return 1 + max(samples - self.size, 0) // self.hop


def mel_edges(frames: Frames) -> np.ndarray:
    """Where the bands begin, peak and end, in hertz, (M + 2,): band m has the entries m, m + 1 and m + 2.

    They are equally spaced in mel = 2595 log10(1 + hertz / 700), from 40 Hz to half the rate.

    Source: Stevens et al., 1937; this formula O'Shaughnessy, 1987.
    """
    top = 2595 * np.log10(1 + frames.rate / 2 / 700)
    low = 2595 * np.log10(1 + 40 / 700)
    return 700 * (10 ** (np.linspace(low, top, frames.mels + 2) / 2595) - 1)


def mel_filters(frames: Frames) -> np.ndarray:
    """How much each frequency counts in each band, (size // 2 + 1, M) float32: triangles between `mel_edges`."""
    edges = mel_edges(frames)
    hertz = np.fft.rfftfreq(frames.size, 1 / frames.rate)[:, None]
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    filters = np.maximum(0, np.minimum(rising, falling))
    empty = filters.sum(0) == 0  # a band without a frequency takes the nearest
    nearest = np.abs(hertz - edges[1:-1]).argmin(0)
    filters[nearest[empty], np.flatnonzero(empty)] = 1.0
    return filters.astype(np.float32)


def log_mel(wave: np.ndarray, frames: Frames) -> np.ndarray:
    """Log-mel spectrogram of a wave (samples,) int16, (T, M) float32."""
    samples = np.pad(wave.astype(np.float32) / 32768, (0, max(frames.size - len(wave), 0)))
    windows = np.lib.stride_tricks.sliding_window_view(samples, frames.size)[:: frames.hop]
    power = np.abs(np.fft.rfft(windows * np.hanning(frames.size + 1)[:-1])) ** 2
    return np.log(power @ mel_filters(frames) + FLOOR).astype(np.float32)
