"""Audio: formats, sample rates, channels, and errors before training."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from deepglass.errors import SourceError
from deepglass.features.audio import Audio
from deepglass.features.base import Media, from_state, infer_type

RATE = 8_000


def tone(seconds: float = 0.5, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def saved(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Media:
    soundfile.write(path, samples, rate, subtype)
    return Media(path.name, path)


def broken_off(media: Media, share: float = 0.5) -> Media:
    """A truncated file."""
    data = media.path.read_bytes()
    path = media.path.with_name(f"half_{media.path.name}")
    path.write_bytes(data[: int(share * len(data))])
    return Media(path.name, path)


@pytest.fixture
def sound(tmp_path: Path) -> Audio:
    """Audio fitted on two sine waves."""
    return Audio(name="sound").fit([[saved(tmp_path / f"fit{i}.wav", tone(0.5 + i)) for i in range(2)]])


def test_samples_round_trip_with_their_lengths(sound: Audio, tmp_path: Path) -> None:
    files = [saved(tmp_path / "a.wav", tone(0.3)), None, saved(tmp_path / "b.flac", tone(0.7))]
    column = sound.encode(files)
    assert (sound.rate_, column.values.dtype) == (RATE, np.int16)
    assert column.mask.tolist() == [True, False, True]
    assert np.diff(column.offsets).tolist() == [2400, 0, 5600]
    np.testing.assert_allclose(column.values[:2400], tone(0.3) * 32767, atol=2)
    assert from_state(sound.state()) == sound


@pytest.mark.parametrize("rate", [11_025, 16_000, 44_100])
def test_resampling_keeps_the_frequency(sound: Audio, tmp_path: Path, rate: int) -> None:
    codes = sound.encode([saved(tmp_path / "a.wav", tone(0.5, rate), rate)]).values
    assert len(codes) == 4000
    np.testing.assert_allclose(codes[500:-500], tone(0.5)[500:-500] * 32767, atol=0.02 * 32767)


def test_resampling_has_no_aliasing(sound: Audio, tmp_path: Path) -> None:
    codes = sound.encode([saved(tmp_path / "a.wav", tone(0.5, 44_100, 6_000), 44_100)]).values
    assert np.abs(codes[500:-500]).max() < 0.01 * 32767


@pytest.mark.parametrize("ending", ["ogg", "mp3"])
def test_compressed_files_are_similar(sound: Audio, tmp_path: Path, ending: str) -> None:
    codes = sound.encode([saved(tmp_path / f"a.{ending}", tone(1.0))]).values
    spectrum = np.abs(np.fft.rfft(codes[:RATE].astype(float)))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_eight_channels_are_averaged(sound: Audio, tmp_path: Path) -> None:
    channels = np.stack([tone() * i / 4 for i in range(8)], 1) / 2
    codes = sound.encode([saved(tmp_path / "a.wav", channels)]).values
    np.testing.assert_allclose(codes, channels.mean(1) * 32767, atol=2)


def test_files_in_a_zip(sound: Audio, tmp_path: Path) -> None:
    plain = saved(tmp_path / "a.wav", tone())
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(plain.path, "in/a.wav")
    packed = Media("in/a.wav", tmp_path / "all.zip", "in/a.wav")
    np.testing.assert_array_equal(sound.encode([packed]).values, sound.encode([plain]).values)


def test_a_path_as_text_is_read_as_a_file(sound: Audio, tmp_path: Path) -> None:
    file = saved(tmp_path / "a.wav", tone(0.3))
    column = sound.encode(pl.Series([str(file.path), None]))
    np.testing.assert_array_equal(column.values, sound.encode([file]).values)
    assert column.mask.tolist() == [True, False]
    with pytest.raises(SourceError, match=r"\[not-found\] .*nowhere\.wav"):
        sound.encode(pl.Series([str(tmp_path / "nowhere.wav")]))


def test_only_the_beginning_of_a_long_recording_is_read(sound: Audio, tmp_path: Path) -> None:
    long = saved(tmp_path / "hour.wav", np.zeros(3600 * RATE, np.int16))
    tracemalloc.start()
    column = sound.encode([long])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(column.values) == 30 * RATE
    assert most < 10e6  # the hour itself is 58 MB
    assert sound.count_anomalies([long, None]) == {"audio longer than 30 seconds, truncated": 1}


def test_unreadable_audio_is_named(sound: Audio, tmp_path: Path) -> None:
    good = saved(tmp_path / "good.wav", tone())
    (tmp_path / "words.wav").write_bytes(b"these are words and no sound " * 20)
    (tmp_path / "nothing.wav").write_bytes(b"")
    odd = np.full(100, np.nan, np.float32)
    bad = {
        Media("lost.wav", tmp_path / "lost.wav"): "[not-found] lost.wav",
        Media("words.wav", tmp_path / "words.wav"): "[unreadable-file] words.wav",
        Media("nothing.wav", tmp_path / "nothing.wav"): "[unreadable-file] nothing.wav",
        saved(tmp_path / "empty.wav", np.zeros(0, np.float32)): "0 samples",
        saved(tmp_path / "odd.wav", odd, subtype="FLOAT"): "NaN or infinite",
    }
    reasons = sound.unreadable([good, None, *bad])
    assert list(reasons) == [2, 3, 4, 5, 6]
    for reason, (media, expected) in zip(reasons.values(), bad.items(), strict=True):
        assert expected in reason
        assert media.name in reason
    with pytest.raises(SourceError, match=r"\[unreadable-file\] words.wav"):
        sound.encode([Media("words.wav", tmp_path / "words.wav")])
    with pytest.raises(SourceError, match=r"\[no-rows\] sound: no training row has readable audio"):
        Audio(name="sound").fit([[*bad]])


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "aiff", "au"])
def test_a_truncated_file_is_named(sound: Audio, tmp_path: Path, ending: str) -> None:
    half = broken_off(saved(tmp_path / f"a.{ending}", tone(5.0)))
    assert f"half_a.{ending}: is truncated" in sound.unreadable([half])[0]


def test_a_streamed_wav_without_length_is_read(sound: Audio, tmp_path: Path) -> None:
    media = saved(tmp_path / "a.wav", tone())
    data = bytearray(media.path.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4  # RIFF and data sizes, as a pipe leaves them
    media.path.write_bytes(data)
    assert not sound.unreadable([media])
    assert len(sound.encode([media]).values) == 4000


def test_a_header_with_an_impossible_rate_is_named(sound: Audio, tmp_path: Path) -> None:
    media = saved(tmp_path / "a.wav", tone())
    data = bytearray(media.path.read_bytes())
    data[24:28] = (2_000_000_011).to_bytes(4, "little")
    media.path.write_bytes(data)
    assert "a.wav: expected a sample rate from 1,000 to 400,000 Hz" in sound.unreadable([media])[0]


def test_kind_inference_of_audio(tmp_path: Path) -> None:
    assert infer_type([Media("a.flac", tmp_path / "a.flac"), None], "x")[0] == "audio"
    assert Audio.infer_type([Media("a.png", tmp_path / "a.png")], "x") is None


def test_recordings_of_digits(data_root: Path) -> None:
    files = sorted((data_root / "spoken_digits" / "recordings").glob("*_0.wav"))
    media = [Media(p.name, p) for p in files]
    sound = Audio(name="digit").fit([media])
    assert sound.rate_ == RATE
    assert not sound.unreadable(media)
    assert len(sound.encode(media)) == 40
