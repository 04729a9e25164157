"""Audio: attributions of spectrogram regions, and a resynthesis of the most important ones."""

import itertools

import numpy as np

from deepglass.mel import Frames, mel_edges, mel_filters

MAX_TIMES, NUM_PITCHES = 16, 4  # regions of a spectrogram
MAX_SHARE = 0.25  # of the cells of a spectrogram that count as important


def regions(frames: Frames, cells: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of R regions, such as "0.20-0.40 s, 300-900 Hz", and attributions (Q, T, M) summed to them, (Q, R)."""
    T, M = cells.shape[1:]
    times = np.unique(np.linspace(0, T, min(MAX_TIMES, T) + 1).astype(int))
    pitches = np.unique(np.linspace(0, M, min(NUM_PITCHES, M) + 1).astype(int))
    edges = mel_edges(frames)
    hertz = (edges[:-1] + edges[1:]) / 2  # (M + 1,), where neighbouring bands cross
    names, weights = [], []
    for a, b in itertools.pairwise(times):
        for low, high in itertools.pairwise(pitches):
            start, end = a * frames.hop / frames.rate, ((b - 1) * frames.hop + frames.size) / frames.rate
            names.append(f"{start:.2f}-{end:.2f} s, {hertz[low]:.0f}-{hertz[high]:.0f} Hz")
            weights.append(cells[:, a:b, low:high].sum((1, 2)))
    return tuple(names), np.stack(weights, 1)


def important_cells(cells: np.ndarray, share: float = MAX_SHARE) -> np.ndarray:
    """Mask (T, M) of the cells with the largest attributions after smoothing: at most this share of them."""
    padded = np.pad(np.maximum(cells, 0), ((2, 2), (1, 1)))
    smooth = np.lib.stride_tricks.sliding_window_view(padded, (5, 3)).mean((2, 3))
    limit = np.quantile(smooth, 1 - share)
    return smooth > max(limit, 0)


def isolate(samples: np.ndarray, frames: Frames, keep: np.ndarray) -> np.ndarray:
    """The audio, int16, with only some cells of its spectrogram.

    Args:
        samples: (S,) int16; keep: (T, M) bool.

    Source: Griffin and Lim, 1984, IEEE ASSP 32, equation 6 (overlap and add).
    """
    x = np.pad(samples.astype(np.float64), (0, max(frames.size - len(samples), 0)))
    window = np.hanning(frames.size + 1)[:-1]
    filters = mel_filters(frames)
    share = (keep[:, None, :] * filters).sum(2) / np.maximum(filters.sum(1), 1e-9)  # (T, size // 2 + 1)
    out, norm = np.zeros(len(x)), np.zeros(len(x))
    for t in range(min(frames.count(len(samples)), len(keep))):
        window_at = slice(t * frames.hop, t * frames.hop + frames.size)
        spectrum = np.fft.rfft(x[window_at] * window) * share[t]
        out[window_at] += np.fft.irfft(spectrum, frames.size) * window
        norm[window_at] += window**2
    return np.clip(np.round(out / np.maximum(norm, 0.05)), -32768, 32767)[: len(samples)].astype(np.int16)
