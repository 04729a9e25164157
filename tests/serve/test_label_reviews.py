"""Masks and boxes on the labelling page: drawn over their images, accepted or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command
from labelling_page import page
from PIL import Image

import deepglass
from deepglass.errors import SpecError
from deepglass.prepare.label_corrections import read_corrections

ROWS = 24
QUICK: dict[str, Any] = {"training": {"threads": 1}, "network": {"width": 4}, "baselines": False, "steps": 3}


def write_images(folder: Path) -> None:
    """A bright square on each image, its mask, and its box."""
    for name in ("shapes/images", "shapes/masks", "boxes/images", "boxes/labels"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(ROWS):
        pixels, mask = random.integers(0, 90, (32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
        top = 4 + i % 12
        pixels[top : top + 8, 8:24], mask[top : top + 8, 8:24] = 230, 1
        Image.fromarray(pixels).save(folder / f"shapes/images/{i}.png")
        Image.fromarray(mask).save(folder / f"shapes/masks/{i}.png")
        Image.fromarray(pixels).save(folder / f"boxes/images/{i}.png")
        (folder / f"boxes/labels/{i}.txt").write_text(f"0 0.5 {(top + 4) / 32} 0.5 0.25\n")
    (folder / "boxes/data.yaml").write_text("names: [jar, cup]\ntrain: images\nval: images\n")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, deepglass.Run]:
    folder = tmp_path_factory.mktemp("reviews")
    write_images(folder)
    return {name: deepglass.train(folder / name, out=folder / f"run-{name}", **QUICK) for name in ("shapes", "boxes")}


@pytest.mark.parametrize("kind", ["shapes", "boxes"])
def test_masks_and_boxes_are_accepted_or_refused(
    runs: dict[str, deepglass.Run], kind: str, tmp_path: Path, command: Command
) -> None:
    run, labels = runs[kind], tmp_path / "labels.csv"
    queue = deepglass.label(run, out=labels, limit=5)
    tested = run.folder.split().filter(split="test")["row"].to_list()
    assert [q.kind for q in queue.items] == ["review"] * 5
    assert not {q.row for q in queue.items} & set(tested)
    client = page(queue)
    state = client.get("/queue").json()
    assert (state["review"], state["classes"]) == (True, [])
    assert [cell["name"] for cell in state["items"][0]["cells"]] == ["given", "prediction"]
    row = queue.items[0].row
    drawn = [client.get(f"/media/{row}/{name}") for name in ("given", "prediction")]
    assert all(reply.content.startswith(b"\x89PNG") for reply in drawn)
    assert client.get(f"/media/{row}/image").status_code == 404
    assert client.post("/answer", json={"item": 0, "label": ""}).status_code == 200
    assert client.post("/answer", json={"item": 1, "label": "given"}).status_code == 200
    assert "expected 'given'" in client.post("/answer", json={"item": 2, "label": "cat"}).json()["error"]
    stored = {c.row: (c.old, c.new, c.why) for c in read_corrections(labels).corrections}
    assert stored == {row: ("given", "", "refused"), queue.items[1].row: ("given", "given", "accepted")}

    again = deepglass.label(run, out=labels, limit=5)
    assert not set(stored) & {q.row for q in again.items}
    assert again.undo_last() == 5
    assert again.items[5].row == queue.items[1].row
    assert page(again).get(f"/media/{again.items[5].row}/given").status_code == 200

    said = command("train", run.path / "spec.yaml", "--labels", labels, "--out", tmp_path / "after", "--steps", "2")
    assert said.code == 0, said.err
    assert "1 labels corrected or added" in " ".join(said.err.split())
    data = deepglass.Run(tmp_path / "after").context.data
    used = dict(zip(data.source_rows.tolist(), data.split.tolist(), strict=True))
    assert used.get(row, "") == "" or data.table[data.outputs[0].column][list(used).index(row)] is None


def test_blind_reviews_hide_the_prediction(runs: dict[str, deepglass.Run], tmp_path: Path) -> None:
    queue = deepglass.label(runs["shapes"], out=tmp_path / "labels.csv", limit=2, blind=True)
    first = page(queue).get("/queue").json()["items"][0]
    assert (first["kind"], [cell["name"] for cell in first["cells"]]) == ("hidden", ["given"])


def test_rows_of_another_source_are_not_reviewed(runs: dict[str, deepglass.Run], tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "shapes/images/0.png").unlink()
    (tmp_path / "shapes/masks/0.png").unlink()
    with pytest.raises(SpecError, match="reviewed on the run's own rows"):
        deepglass.label(runs["shapes"], tmp_path / "shapes", out=tmp_path / "labels.csv")


def test_a_review_with_another_answer_is_refused(
    runs: dict[str, deepglass.Run], tmp_path: Path, command: Command
) -> None:
    run = runs["shapes"]
    (tmp_path / "labels.csv").write_text(f"row,column,old,new\n1,{run.predictor.outputs[0].column},given,cat\n")
    said = command("train", run.path / "spec.yaml", "--labels", tmp_path / "labels.csv", "--out", tmp_path / "after")
    assert said.code == 2
    assert "expected 'given' or nothing" in said.err
