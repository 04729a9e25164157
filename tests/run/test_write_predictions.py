"""Predictions written to files."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image as Pillow

from deepglass.errors import SpecError
from deepglass.run.write_predictions import write_predictions

MASK = {"mask": {"value": {"size": [2, 3], "runs": [[7, 4], [0, 2]]}, "confidence": 0.9, "shares": {"road": 0.67}}}
BOXES = {"boxes": {"value": [{"label": "cell", "left": 1.0, "top": 2.0, "right": 3.0, "bottom": 4.0}]}}


def test_masks_are_written_to_a_folder_as_class_indices(tmp_path):
    write_predictions(tmp_path / "masks", [MASK, MASK])
    assert np.array_equal(np.asarray(Pillow.open(tmp_path / "masks" / "mask-1.png")), [[7, 7, 7], [7, 0, 0]])
    kept = json.loads((tmp_path / "masks" / "predictions.json").read_text())
    assert kept[0] == {"mask": {"confidence": 0.9, "shares": {"road": 0.67}}}


def test_a_folder_is_rejected_for_predictions_without_images(tmp_path):
    with pytest.raises(SpecError, match=r"expected masks or images for a folder; choose .*words\.csv"):
        write_predictions(tmp_path / "words", [{"label": {"value": "a", "confidence": 0.5}}])
    assert not (tmp_path / "words").exists()


def test_boxes_are_json_in_the_cells_of_a_csv(tmp_path):
    write_predictions(tmp_path / "boxes.csv", [BOXES])
    cell = pl.read_csv(tmp_path / "boxes.csv")["boxes"][0]
    assert json.loads(cell)[0]["label"] == "cell"


def test_names_of_outputs_do_not_leave_the_folder_and_stay_apart(tmp_path):
    out = tmp_path / "a" / "b" / "out"
    names = ["../../pwned", ".._.._pwned", "/etc/x", "MASK", "mask", "..", "a\0b"]
    write_predictions(out, [dict.fromkeys(names, MASK["mask"])])
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.parent == out for path in written)
    assert len(written) == len(names) + 1
    assert (out / "mask-2-0.png").exists()  # MASK is the same name where letter case is ignored
