"""Inputs as images for display: the pixels of an image, the spectrogram of an audio recording."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow

from deepglass.features.base import Feature
from deepglass.mel import Frames, log_mel

_SPECTROGRAM_QUANTILES = (0.02, 0.995)  # of the values: the darkest and the brightest colour
_COLORMAP = np.array([[12, 14, 40], [48, 40, 130], [150, 45, 120], [236, 110, 62], [252, 226, 130]], float)


def first_image(inputs: Sequence[Feature]) -> Feature | None:
    """The first image among the inputs."""
    return next((f for f in inputs if f.is_image), None)


def spectrogram(samples: np.ndarray, frames: Frames) -> bytes:
    """The log-mel spectrogram as a PNG, one pixel per frame and band."""
    bands = log_mel(samples, frames)  # (T, M)
    low, high = np.quantile(bands, _SPECTROGRAM_QUANTILES)
    intensity = np.clip((bands - low) / max(high - low, 1e-6), 0, 1)
    image = Pillow.fromarray(np.round(255 * intensity.T[::-1]).astype(np.uint8), "P")
    image.putpalette(_palette())
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _palette() -> list[int]:
    """256 RGB colours from dark to bright."""
    positions = np.linspace(0, len(_COLORMAP) - 1, 256)
    channels = [np.interp(positions, np.arange(len(_COLORMAP)), _COLORMAP[:, c]) for c in range(3)]
    return np.round(np.stack(channels, 1)).astype(int).flatten().tolist()
