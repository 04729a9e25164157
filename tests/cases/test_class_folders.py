"""Folders of images and sounds as people have them: names of splits, hidden names, classes that are called mask."""

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


def write_images(folder: Path, *names: str, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (20, 20, 3), np.uint8)).save(folder / name)
    return folder


def numbered(*folders: str, count: int = 2) -> list[str]:
    return [f"{folder}/{i}.png" for folder in folders for i in range(count)]


def classes(table: Table) -> list[str]:
    return sorted(set(table["label"].drop_nulls()))


def counts(table: Table) -> dict[str, int]:
    assert table.split is not None
    return dict(Counter(table.split.tolist()))


def told(table: Table) -> str:
    """Everything that a table says about how it was read."""
    return "\n".join([*map(str, table.notes), *map(str, table.skipped)])


# -- hidden names ------------------------------------------------------------------------------------------------


def test_names_that_begin_with_an_underscore_are_read(cases: Path, tmp_path: Path) -> None:
    table = read(cases / "10-camera-names" / "pets")
    assert (len(table), classes(table)) == (24, ["cat", "dog"])
    speech = read(cases / "10-camera-names" / "speech")
    assert len(speech) == 24
    assert "_background_noise_" in told(speech)
    (tmp_path / "_export.csv").write_text("a,b\n1,2\n3,4\n")
    assert read(tmp_path).names == ["a", "b"]


def test_hidden_and_system_folders_are_no_classes_and_named(cases: Path, tmp_path: Path) -> None:
    table = read(cases / "12-odd-folders" / "uni")
    assert len(table) == 27
    assert len(classes(table)) == 4
    assert "@eaDir" in told(table)
    assert "$RECYCLE.BIN" in told(table)
    assert "café" in told(table)
    folders = ["cat", "dog", "__MACOSX/cat", "#recycle", "System Volume Information", ".thumbnails"]
    table = read(write_images(tmp_path / "disk", *numbered(*folders)))
    assert (len(table), classes(table)) == (4, ["cat", "dog"])
    assert all(folder.partition("/")[0] in told(table) for folder in folders[2:])


def test_one_name_in_two_unicode_forms_is_one_class(tmp_path: Path) -> None:
    table = read(write_images(tmp_path, *numbered("Zu\u0308rich", "Z\u00fcrich", "Bern")))
    assert classes(table) == ["Bern", "Z\u00fcrich"]
    assert "Z\u00fcrich" in told(table)


# -- splits ------------------------------------------------------------------------------------------------------


def test_training_set_and_test_set(cases: Path) -> None:
    table = read(cases / "29-layouts" / "cat_and_dog")
    assert (len(table), classes(table), counts(table)) == (24, ["cats", "dogs"], {"train": 12, "test": 12})


@pytest.mark.parametrize(
    "names",
    [
        ("training_set", "test_set"), ("Train Data", "Test Data"), ("train2017", "val2017"), ("seg_train", "seg_test"),
        ("TrainImages", "TestImages"), ("chest-train", "chest-val", "chest-test"), ("traindata", "validationdata"),
        ("Training_images", "Testing_images"), ("TRAIN", "DEV", "EVAL"), ("my_train_set/train", "my_test_set/test"),
    ],
)  # fmt: skip
def test_folders_that_name_a_split(tmp_path: Path, names: Sequence[str]) -> None:
    table = read(write_images(tmp_path, *numbered(*(f"{name}/{c}" for name in names for c in ("cats", "dogs")))))
    assert (len(table), classes(table)) == (4 * len(names), ["cats", "dogs"])
    assert len(counts(table)) == len(names)
    assert "train" in counts(table)


@pytest.mark.parametrize("third", ["seg_pred/seg_pred", "single_prediction", "extra/cats"])
def test_a_third_folder_beside_the_splits_is_left_out_and_named(tmp_path: Path, third: str) -> None:
    folders = [f"seg_{split}/seg_{split}/{name}" for split in ("train", "test") for name in ("cats", "dogs")]
    table = read(write_images(tmp_path, *numbered(*folders, third)))
    assert (len(table), classes(table), counts(table)) == (8, ["cats", "dogs"], {"train": 4, "test": 4})
    assert [s.reason[:7] for s in table.skipped if third in s.name] == ["2 files"]


@pytest.mark.parametrize("names", [("trn", "tst"), ("entrenamiento", "prueba"), ("treino", "teste")])
def test_splits_in_other_words(tmp_path: Path, names: Sequence[str]) -> None:
    folders = [f"{name}/{pet}" for name in names for pet in ("gato", "perro")]
    table = read(write_images(tmp_path / "pets", *numbered(*folders)))
    assert (classes(table), counts(table)) == (["gato", "perro"], {"train": 4, "test": 4})


def test_a_class_called_train_in_a_split_called_train(tmp_path: Path) -> None:
    folders = [f"{split}/{vehicle}" for split in ("train", "test") for vehicle in ("train", "bus")]
    table = read(write_images(tmp_path / "vehicles", *numbered(*folders)))
    assert table["label"].value_counts(sort=True)["count"].to_list() == [4, 4]
    assert counts(table) == {"train": 4, "test": 4}


@pytest.mark.parametrize("part", ["fold", "Batch_", "session "])
def test_numbered_parts_with_the_same_classes_are_no_classes(tmp_path: Path, part: str) -> None:
    folders = [f"{part}{i}/{pet}" for i in (1, 2, 3) for pet in ("cat", "dog")]
    table = read(write_images(tmp_path / "pets", *numbered(*folders)))
    assert classes(table) == ["cat", "dog"]
    assert f"{part}1, {part}2, {part}3" in told(table)


def test_numbered_folders_with_other_folders_inside_are_classes(tmp_path: Path) -> None:
    table = read(write_images(tmp_path / "parts", *numbered("part1/front", "part1/back", "part2/front")))
    assert classes(table) == ["part1", "part2"]


def test_class_and_split_in_one_name(tmp_path: Path) -> None:
    names = numbered("cats_train", "dogs_train", count=4) + numbered("cats_test", "dogs_test")
    table = read(write_images(tmp_path, *names))
    assert (classes(table), counts(table)) == (["cats", "dogs"], {"train": 8, "test": 4})


def test_unlabelled_images_beside_a_folder_of_class_folders(tmp_path: Path) -> None:
    table = read(write_images(tmp_path, *numbered("train/cats", "train/dogs", "new pictures")))
    assert classes(table) == ["cats", "dogs"]
    assert table["label"].null_count() == 2


@pytest.mark.parametrize("names", [("train", "bus", "car"), ("train_station", "bus_stop"), ("test", "control")])
def test_classes_with_words_of_splits(tmp_path: Path, names: Sequence[str]) -> None:
    table = read(write_images(tmp_path, *numbered(*names)))
    assert classes(table) == sorted(names)
    assert table.split is None


# -- classes that are called mask --------------------------------------------------------------------------------


def test_faces_with_and_without_masks_are_classes(cases: Path) -> None:
    assert classes(read(cases / "11-face-mask" / "masked")) == ["masked", "unmasked"]
    assert classes(read(cases / "11-face-mask" / "mask_nomask")) == ["mask", "nomask"]


@pytest.mark.parametrize(
    "names",
    [
        ("WithMask", "WithoutMask"), ("with_mask", "without_mask", "mask_weared_incorrect"), ("mask", "face"),
        ("label_0", "label_1"), ("label0", "label1"), ("no-mask", "mask"), ("labels", "stickers"),
        ("images/mask", "images/no mask"), ("train/with_mask", "train/without_mask", "test/with_mask", "test/no_mask"),
    ],
)  # fmt: skip
def test_folders_called_mask_or_label_are_classes(tmp_path: Path, names: Sequence[str]) -> None:
    table = read(write_images(tmp_path, *numbered(*names, count=3)))
    assert (len(table), classes(table)) == (3 * len(names), sorted({name.rpartition("/")[2] for name in names}))


def test_icons_in_folders_called_mask_are_classes(tmp_path: Path) -> None:
    for name, colour in (("mask", 0), ("face", 200)):
        for i in range(3):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(np.full((6, 6), colour + i, np.uint8)).save(tmp_path / name / f"{i}.png")
    assert classes(read(tmp_path)) == ["face", "mask"]


def test_masks_that_cannot_be_read_are_no_classes(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="looks like a folder of masks"):
        read(write_images(tmp_path, *numbered("images"), *numbered("masks"), seed=1))
