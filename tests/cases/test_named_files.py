"""Tables and lists that name images: in several folders, at any depth, without ending, with labels behind the path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepglass.data.sources import read
from deepglass.data.table import Table
from deepglass.errors import SourceError


def write_images(folder: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), i, np.uint8)).save(folder / name)
    return folder


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def files(table: Table, column: str) -> list[str]:
    """The paths of a column's files, all of which exist, relative to the folder of the test."""
    assert table.kinds[column] == "image"
    assert all(media.path.is_file() for media in table[column])
    return [media.path.name for media in table[column]]


def told(table: Table) -> str:
    return "\n".join([*map(str, table.notes), *map(str, table.skipped)])


def test_the_cases(cases: Path) -> None:
    layouts = cases / "29-layouts"
    assert len(files(read(layouts / "spread"), "image_id")) == 24
    dogs = read(layouts / "dogbreed")
    assert files(dogs, "id")[:2] == ["00000000.jpg", "00001eef.jpg"]
    assert dogs["breed"].n_unique() == 2
    assert len(set(files(read(layouts / "spread" / "metadata.csv"), "image_id"))) == 24
    listed = read(layouts / "listfile")
    assert (len(files(listed, "image")), listed["label"].n_unique()) == (24, 2)
    assert Counter(listed.split.tolist())["train"] == 18


@pytest.mark.parametrize("ending", [".jpg", ""])
def test_images_at_any_depth(tmp_path: Path, ending: str) -> None:
    names = [f"part {i % 3}/deep/er/IMG_{i:03}.jpg" for i in range(9)]
    rows = [f"IMG_{i:03}{ending},{i % 2}" for i in range(9)]
    write(write_images(tmp_path, *names) / "labels.csv", "image,label", *rows)
    for source in (tmp_path, tmp_path / "labels.csv"):
        assert files(read(source), "image") == [name.rpartition("/")[2] for name in names]


@pytest.mark.parametrize("values", [range(1, 13), [f"{i:04}" for i in range(1, 13)]])
def test_ids_of_numbers(tmp_path: Path, values: Sequence[object]) -> None:
    write_images(tmp_path, *(f"pictures/{i:04}.png" for i in range(1, 13)))
    write(tmp_path / "train.csv", "age,id,sex", *(f"{i},{value},{'fm'[i % 2]}" for i, value in enumerate(values, 1)))
    table = read(tmp_path)
    assert files(table, "id") == [f"{i:04}.png" for i in range(1, 13)]
    assert set(table.kinds) == {"id"}


def test_numbers_beside_images_are_no_names(tmp_path: Path) -> None:
    write_images(tmp_path, *(f"plots/{i}.png" for i in range(12)))
    write(tmp_path / "houses.csv", "rooms,price", *(f"{i},{i * 1000}" for i in range(12)))
    assert read(tmp_path / "houses.csv").kinds == {}
    write(tmp_path / "words.csv", "word,count", *(f"w{i},{i}" for i in range(12)))
    assert read(tmp_path / "words.csv").kinds == {}


def test_names_that_several_files_have_are_told(tmp_path: Path) -> None:
    write_images(tmp_path, "a/1.png", "b/1.png", "b/2.png", "c/d/3.png", "c/d/4.png")
    write(tmp_path / "labels.csv", "file,y", "1.png,0", "2.png,1", "3.png,0", "4.png,1", "b/1.png,1", "9.png,1")
    table = read(tmp_path)
    assert [media.path.is_file() for media in table["file"]] == [False, True, True, True, True, False]
    assert "2 cells of file" in told(table)


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (["images/a b.png cat", "images/c.png dog", "images/d.png cat"], ["cat", "dog", "cat"]),
        (["/home/x/data/images/a b.png\t0", "/home/x/data/images/c.png\t1", "/home/x/data/images/d.png\t0"], [0, 1, 0]),
        (["a b.png,0.5", "c.png,0.25", "d.png,1.5"], [0.5, 0.25, 1.5]),
        (["images/a b.png red big", "images/c.png red", "images/d.png"], ["red;big", "red", None]),
    ],
)  # fmt: skip
def test_lists_of_paths_and_labels(tmp_path: Path, lines: Sequence[str], labels: Sequence[object]) -> None:
    write_images(tmp_path, "images/a b.png", "images/c.png", "images/d.png")
    for source in (write(tmp_path / "list.txt", *lines), tmp_path):
        table = read(source)
        assert files(table, "image") == ["a b.png", "c.png", "d.png"]
        assert table["label"].to_list() == list(labels)


def test_several_labels_of_each_line_are_columns(tmp_path: Path) -> None:
    write_images(tmp_path, "1.png", "2.png")
    write(tmp_path / "points.lst", "1.png 10 20", "2.png 30 41")
    assert read(tmp_path).names == ["image", "label_1", "label_2"]


def test_lists_stay_in_their_folder(tmp_path: Path) -> None:
    outside = write_images(tmp_path / "secret", "x.png")
    write_images(tmp_path / "set", "1.png", "2.png", "3.png")
    write(tmp_path / "set" / "list.txt", "1.png 0", "2.png 1", "3.png 0", f"{outside}/x.png 1")
    with pytest.raises(SourceError, match="unsafe-path"):
        read(tmp_path / "set")
    (tmp_path / "set" / "3.png").unlink()
    (tmp_path / "set" / "sub").mkdir()
    (tmp_path / "set" / "sub" / "4.png").symlink_to(outside / "x.png")
    write(tmp_path / "set" / "list.txt", "1.png 0", "2.png 1", "4.png 1")
    with pytest.raises(SourceError, match="unsafe-path"):
        read(tmp_path / "set")


def test_folders_that_are_labels_are_no_videos(tmp_path: Path) -> None:
    names = [f"{'cd'[i % 2]}/{i}.jpg" for i in range(8)]
    write_images(tmp_path, *names)
    for file in ("list.txt", "table.csv"):
        header = ["file,class"] if file == "table.csv" else []
        table = read(write(tmp_path / file, *header, *(f"{name},{name[0]}" for name in names)))
        assert list(table.kinds.values()) == ["image"]
        assert table[table.names[1]].to_list() == ["c", "d"] * 4
