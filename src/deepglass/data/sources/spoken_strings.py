"""Synthetic speech recognition set: recordings of spoken digits, concatenated."""

import re
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import polars as pl

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.media import read_media_folder
from deepglass.data.table import Table
from deepglass.features._audio_files import read_audio
from deepglass.features.base import Media

ROWS = {"train": 2_400, "valid": 200, "test": 300}
RATE = 8_000
SHORTEST, LONGEST = 3, 6  # digits
PAUSE = 0.15  # seconds between two digits, at most
_NAME = re.compile(r"(\d)_([^_/]+)_(\d+)\.\w+$")


class _Take(NamedTuple):
    digit: str
    speaker: str
    number: int
    media: Media


def spoken_strings(folder: Path, seed: int = 0) -> Table:
    """Strings of three to six digits of one speaker, with short pauses; each recording is in one split only.

    Args:
        folder: of recordings called DIGIT_SPEAKER_TAKE.wav; of each digit and speaker the last fifth of the takes is
            used for the test, the fifth before it for validation.
    """
    media = cast(list[Media], read_media_folder(folder, folder.name)["audio"])
    takes = [_Take(match[1], match[2], int(match[3]), m) for m in media if (match := _NAME.search(m.name))]
    count = max(take.number for take in takes) + 1
    waves = {take: read_audio(take.media, RATE, 5.0) for take in takes}
    speakers = sorted({take.speaker for take in takes})
    random = np.random.default_rng(seed)
    waves_of_strings, texts, split = [], [], []
    for split_name, rows in ROWS.items():
        available = {
            s: [t for t in takes if t.speaker == s and _split_of(t.number / count) == split_name] for s in speakers
        }
        for _ in range(rows):
            voice = available[speakers[random.integers(len(speakers))]]
            chosen = [voice[i] for i in random.integers(len(voice), size=random.integers(SHORTEST, LONGEST + 1))]
            pieces = [(waves[t], np.zeros(int(random.uniform(0, PAUSE) * RATE), np.int16)) for t in chosen]
            waves_of_strings.append(np.concatenate([wave for pair in pieces for wave in pair]))
            texts.append(" ".join(take.digit for take in chosen))
            split.append(split_name)
    log = ReadLog()
    log.note("audio", f"strings of {SHORTEST} to {LONGEST} digits", f"joined from {len(takes)} recordings")
    log.note_split(split, "each recording is in one split only")
    return Table(
        {"audio": cast(list[Media], waves_of_strings), "digits": pl.Series("digits", texts)},
        "synthetic:spoken_strings",
        *log.entries,
        split=np.array(split, "U5"),
        target="digits",
        kinds={"audio": "audio", "digits": "text"},
    )


def _split_of(position: float) -> str:
    """The split of a take by its position among all takes, from 0 to 1."""
    return "test" if position >= 0.8 else "valid" if position >= 0.6 else "train"
