"""Videos: formats, and a network that learns the direction of motion."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image as Pillow

import deepglass
from deepglass.config import construct
from deepglass.data.sources import read
from deepglass.data.sources.synthetic import moving_digits
from deepglass.errors import MissingExtra, SourceError, SpecError
from deepglass.features._frames import frame_indices
from deepglass.features.base import Media, from_state, infer_type
from deepglass.features.video import Video
from deepglass.nn.tokens import Field


def drifting(rows: int = 6, frames: int = 12, seed: int = 0) -> np.ndarray:
    """Grey videos (rows, frames, 16, 20) of a square that moves to the right."""
    video = np.random.default_rng(seed).integers(0, 40, (rows, frames, 16, 20), dtype=np.uint8)
    for t in range(frames):
        video[:, t, 4:10, t : t + 6] = 220
    return video


def saved(video: np.ndarray, path: Path) -> Path:
    """A video (T, Y, X) as a folder of frames, or a file of several frames."""
    frames = [Pillow.fromarray(frame) for frame in video]
    if path.suffix:
        frames[0].save(path, save_all=True, append_images=frames[1:])
        return path
    path.mkdir()
    for i, frame in enumerate(frames):
        frame.save(path / f"frame{i}.png")  # frame10 comes after frame9
    return path


def test_arrays_folders_and_files_give_the_same_frames(tmp_path: Path) -> None:
    video = drifting()
    feature = Video(name="clip", frames=5).fit([video])
    codes = feature.encode(video)
    assert codes.values.shape == (6, 5, 1, 16, 20)
    assert codes.values.dtype == np.uint8
    np.testing.assert_array_equal(codes.values[0, :, 0], video[0, [0, 3, 6, 8, 11]])
    folder = Media("folder", saved(video[0], tmp_path / "folder"))
    tiff = Media("clip.tiff", saved(video[0], tmp_path / "clip.tiff"))
    gif = Media("clip.gif", saved(video[0], tmp_path / "clip.gif"))
    same = feature.encode([folder, tiff, gif, None])
    assert same.mask.tolist() == [True, True, True, False]
    for row in range(2):
        np.testing.assert_array_equal(same.values[row], codes.values[0])
    assert np.abs(same.values[2].astype(int) - codes.values[0]).max() < 12  # a gif has 256 colours
    np.testing.assert_array_equal(feature.encode(video[..., None]).values, codes.values)
    assert from_state(feature.state()) == feature


def test_short_videos_repeat_frames_and_long_ones_are_sampled_evenly() -> None:
    assert frame_indices(3, 5).tolist() == [0, 0, 1, 2, 2]
    assert frame_indices(100, 3).tolist() == [0, 50, 99]
    assert frame_indices(1, 2).tolist() == [0, 0]
    feature = Video(name="clip", frames=4).fit([drifting(frames=2)])
    assert feature.encode(drifting(frames=2)).values.shape == (6, 4, 1, 16, 20)


def test_colour_videos_and_size() -> None:
    video = np.random.default_rng(0).integers(0, 255, (3, 4, 30, 40, 3), dtype=np.uint8)
    feature = Video(name="clip", frames=4, size=(15, 20)).fit([video])
    assert feature.encode(video).values.shape == (3, 4, 3, 15, 20)
    tokens = feature.encoder(8)(Field(torch.from_numpy(feature.encode(video).values), torch.ones(3, dtype=torch.bool)))
    assert tokens.values.shape == (3, 15 * 20, 8)
    assert tokens.grid == (15, 20)


def test_kind_inference_of_videos(tmp_path: Path) -> None:
    assert infer_type(drifting(), "video")[0] == "video"
    assert infer_type(np.zeros((3, 5, 8, 8, 3), np.uint8), "x")[0] == "video"
    assert infer_type(np.zeros((3, 8, 8, 3), np.uint8), "picture")[0] == "image"
    assert infer_type([Media("a", saved(drifting()[0], tmp_path / "a"))], "clip")[0] == "video"
    assert infer_type([Media("a.mp4", tmp_path / "a.mp4")], "clip")[0] == "video"


def test_unreadable_videos_are_named(tmp_path: Path) -> None:
    good = Media("good", saved(drifting()[0], tmp_path / "good"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.gif").write_bytes(b"GIF89a broken")
    empty, broken = Media("empty", tmp_path / "empty"), Media("broken.gif", tmp_path / "broken.gif")
    lost = Media("lost.gif", tmp_path / "lost.gif")
    feature = Video(name="clip", frames=3).fit([[good, broken]])
    reasons = feature.unreadable([good, empty, broken, lost])
    assert set(reasons) == {1, 2, 3}
    assert "[unreadable-file] empty: this folder of frames holds no image" in reasons[1]
    assert "[unreadable-image] broken.gif" in reasons[2]
    assert "[not-found] lost.gif" in reasons[3]
    with pytest.raises(SourceError, match=r"no-rows.*clip: no training row has a readable video"):
        Video(name="clip").fit([[broken]])
    with pytest.raises(SpecError, match=r"inputs.clip.frames: expected a whole number from 2 to 64, got 1"):
        construct(Video, {"name": "clip", "frames": 1}, "inputs.clip")


def test_a_video_file_needs_the_extra(tmp_path: Path) -> None:
    if find_spec("av"):
        pytest.skip("PyAV is installed")
    (tmp_path / "a.mp4").write_bytes(b"....ftypmp42")
    with pytest.raises(MissingExtra, match=r"\[missing-extra\] a.mp4.*'av': pip install 'deepglass\[video\]'"):
        Video(name="clip").fit([[Media("a.mp4", tmp_path / "a.mp4")]])


def test_moving_digits_are_reproducible() -> None:
    table = moving_digits(600)
    assert table["video"].shape == (600, 10, 40, 40)
    assert (table.kinds["video"], len(set(table["direction"]))) == ("video", 8)
    np.testing.assert_array_equal(moving_digits(600)["video"], table["video"])
    assert all((table.split == part).sum() > 40 for part in ("train", "valid", "test"))
    bright = table["video"].max(1) > 60  # where the digit has been
    right = np.flatnonzero(table["direction"] == "right")[:50]
    across = [np.ptp(np.flatnonzero(bright[row].any(0))) for row in right]
    down = [np.ptp(np.flatnonzero(bright[row].any(1))) for row in right]
    assert np.mean(across) > np.mean(down) + 6
    with pytest.raises(SourceError, match=r"unknown-name.*synthetic:moving_digit: .*did you mean 'moving_digits'\?"):
        read("synthetic:moving_digit")


def test_a_network_learns_the_direction_of_motion(tmp_path: Path) -> None:
    """The classes have the same frames in another order. Chance is 0.5."""
    forward = drifting(150)
    video = np.concatenate([forward, forward[:, ::-1]])
    way = pl.Series("way", ["there"] * 150 + ["back"] * 150)
    run = deepglass.train(
        {"video": video, "way": way}, target="way", out=tmp_path / "run", network="conv", epochs=4, baselines=False
    )
    assert run.metrics["test"]["way"]["accuracy"] > 0.95


def test_folders_of_frames_are_a_source(tmp_path: Path) -> None:
    for label in ("jump", "walk"):
        for video in ("a", "b", "c"):
            (tmp_path / "clips" / label).mkdir(parents=True, exist_ok=True)
            saved(drifting(1, 4)[0], tmp_path / "clips" / label / video)
    table = read(tmp_path / "clips")
    assert (table.kinds["video"], table.target, len(table)) == ("video", "label", 6)
    assert [m.name for m in table["video"]][:2] == ["jump/a", "jump/b"]
    one = read(tmp_path / "clips" / "walk" / "c")  # such as a video to predict
    assert [m.path for m in one["video"]] == [tmp_path / "clips" / "walk" / "c"]
    rows = [{"clip": f"{label}/{video}", "score": i} for i, label in enumerate(["jump", "walk"]) for video in "abc"]
    pl.DataFrame(rows).write_csv(tmp_path / "clips" / "scores.csv")
    named = read(tmp_path / "clips" / "scores.csv")
    assert named.kinds["clip"] == "video"
    codes = Video(name="clip", frames=4).fit([named["clip"]]).encode(named["clip"])
    np.testing.assert_array_equal(codes.values[5, :, 0], drifting(1, 4)[0])


def test_animated_gifs_are_videos_and_still_ones_images(tmp_path: Path) -> None:
    for name, count in (("moving", 3), ("still", 1)):
        for label in "ab":
            for i in range(3):
                (tmp_path / name / label).mkdir(parents=True, exist_ok=True)
                saved(drifting(1, count, seed=i)[0], tmp_path / name / label / f"{i}.gif")
    moving, still = read(tmp_path / "moving"), read(tmp_path / "still")
    assert (moving.kinds["image"], still.kinds["image"]) == ("video", "image")
    assert "each has several frames" in {note.why for note in moving.notes}
    (tmp_path / "moving.csv").write_text("clip,label\nmoving/a/0.gif,a\nmoving/b/1.gif,b\n")
    assert read(tmp_path / "moving.csv").kinds["clip"] == "video"


def test_video_files_in_class_folders_are_a_source(tmp_path: Path) -> None:
    for name in ("jump/a.mp4", "jump/b.mp4", "walk/c.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    table = read(tmp_path)
    assert (table.kinds["video"], len(table), table.target) == ("video", 3, "label")


def test_a_video_file_gives_its_frames(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 32, 32, "yuv420p", 1_000_000
        for t in range(10):
            frame = np.full((32, 32, 3), 20 * t + 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    feature = Video(name="clip", frames=3).fit([[Media("a.mp4", path)]])
    codes = feature.encode([Media("a.mp4", path)]).values
    assert codes.shape == (1, 3, 1, 32, 32)
    assert np.abs(codes.mean((0, 2, 3, 4)) - [20, 120, 200]).max() < 25
    (tmp_path / "b.mp4").write_bytes(path.read_bytes()[:300])
    assert "[unreadable-file] b.mp4" in feature.unreadable([Media("b.mp4", tmp_path / "b.mp4")])[0]
