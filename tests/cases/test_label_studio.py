"""Exports of Label Studio: boxes, classes, sets of labels, spans of texts, numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CASES, Command, needs_cases
from PIL import Image

import deepglass
from deepglass.data.sources import read

COLUMNS, ROWS = 100, 80


def images(folder: Path, count: int = 4, prefix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(np.full((ROWS, COLUMNS, 3), 40 * i, np.uint8)).save(folder / f"{prefix}{i}.png")
    return folder


def result(control: str, kind: str, value: Mapping[str, Any], **further: Any) -> dict[str, Any]:
    return {"from_name": control, "to_name": "x", "type": kind, "value": value, **further}


def region(label: str, kind: str = "rectanglelabels", **value: Any) -> dict[str, Any]:
    size = {"original_width": COLUMNS, "original_height": ROWS}
    return result("label", kind, {"x": 10, "y": 20, "width": 30, "height": 25, **value, kind: [label]}, **size)


def write(path: Path, results: Sequence[Sequence[Mapping[str, Any]] | None], data: Sequence[Mapping[str, Any]]) -> Path:
    """An export (JSON) of tasks; None for one that nobody has labelled."""
    annotations = [[] if r is None else [{"id": 1, "result": list(r), "was_cancelled": False}] for r in results]
    tasks = [{"id": i, "data": own, "annotations": a} for i, (own, a) in enumerate(zip(data, annotations, strict=True))]
    path.write_text(json.dumps(tasks), "utf-8")
    return path


def sides(cell: list[dict[str, Any]] | None) -> list[tuple[Any, ...]] | None:
    names = ("left", "top", "right", "bottom")
    return cell and [(box["label"], *(round(box[name], 1) for name in names)) for box in cell]


# -- images ------------------------------------------------------------------------------------------------------


@needs_cases
def test_the_case() -> None:
    table = read(CASES / "23-json" / "labelstudio_min.json")
    assert set(table["choice"]) == {"cat", "dog"}
    assert table.kinds["label"] == "boxes"
    assert sides(table["label"][0].to_list()) == [("Car", 60.0, 80.6, 240.0, 181.3)]
    assert {"annotator", "lead_time", "created_at"}.isdisjoint(table.names)  # and the label is no input
    assert {"id", "choice", "label"} == set(table.excluded)


@pytest.mark.parametrize("name", ["/data/upload/3/8f7d2c1a-{}.png", "{}.png", "/data/local-files/?d=in/{}.png"])
@pytest.mark.parametrize("source", ["folder", "file"])
def test_boxes_with_their_images(tmp_path: Path, name: str, source: str) -> None:
    images(tmp_path / "in")
    labels = [[region("Car")], [], None, [region("Bus"), region("Car", x=50)]]
    path = write(tmp_path / "project-1.json", labels, [{"image": name.format(i)} for i in range(4)])
    table = read(tmp_path if source == "folder" else path)
    assert (table.target, table.kinds) == ("label", {"image": "image", "label": "boxes"})
    assert [media.path.name for media in table["image"]] == ["0.png", "1.png", "2.png", "3.png"]
    car = ("Car", 10.0, 16.0, 40.0, 36.0)
    both = [("Bus", 10.0, 16.0, 40.0, 36.0), ("Car", 50.0, 16.0, 80.0, 36.0)]
    assert [sides(cell) for cell in table["label"].to_list()] == [[car], [], None, both]


def test_shapes(tmp_path: Path) -> None:
    images(tmp_path)
    shapes = [
        region("a", "polygonlabels", points=[[10, 10], [20, 10], [20, 30]]),
        region("a", "ellipselabels", x=50, y=50, radiusX=10, radiusY=20, width=None),
        region("a", rotation=90, x=50, y=10, width=30, height=10),
        region("a", "keypointlabels", width=0.3, height=None),
    ]
    path = write(tmp_path / "a.json", [[shape] for shape in shapes], [{"image": f"{i}.png"} for i in range(4)])
    table = read(path)
    expected = [(10, 8, 20, 24), (40, 24, 60, 56), (42, 8, 50, 38), None]
    for cell, box in zip(table["label"].to_list(), expected, strict=True):
        assert sides(cell) == (box and [("a", *box)])
    assert "key point" in table.skipped[0].reason


def test_images_that_are_not_there_are_told(tmp_path: Path) -> None:
    images(tmp_path, 3)
    table = read(write(tmp_path / "a.json", [[region("Car")]] * 4, [{"image": f"{i}.png"} for i in range(4)]))
    assert (len(table), table.skipped[0].name) == (3, "3.png")


def test_classes_of_images(tmp_path: Path) -> None:
    images(tmp_path)
    labels = [[result("animal", "choices", {"choices": [c]})] for c in ("cat", "dog", "cat", "dog")]
    table = read(write(tmp_path / "a.json", labels, [{"image": f"http://x.org/{i}.png"} for i in range(4)]))
    assert (table.target, table["animal"].to_list()) == ("animal", ["cat", "dog"] * 2)
    assert table.kinds == {"image": "image"}


# -- texts -------------------------------------------------------------------------------------------------------


TEXT = "Ann Lee 😀 went to Bonn."


def span(label: str, text: str, start: int) -> dict[str, Any]:
    return result("ner", "labels", {"start": start, "end": start + len(text), "text": text, "labels": [label]})


def test_spans_are_tags_of_words(tmp_path: Path) -> None:
    spans = [[span("PER", "Ann Lee", 0), span("LOC", "Bonn", 19)], [], None]  # after an emoji, as a browser counts it
    table = read(write(tmp_path / "a.json", spans, [{"text": TEXT, "source": "x"}] * 3))
    assert (table.target, table.kinds) == ("ner", {"text": "text", "ner": "tags"})
    assert table["text"][0].to_list() == ["Ann", "Lee", "😀", "went", "to", "Bonn", "."]
    assert table["ner"].to_list() == [["B-PER", "I-PER", "O", "O", "O", "B-LOC", "O"], ["O"] * 7, None]


def test_spans_of_json_min(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 7, "text": "Ann Lee", "labels": ["PER"]}]
    meta = {"annotator": 1, "annotation_id": 4, "created_at": "2024-01-01", "lead_time": 2.5}
    tasks = [{"text": TEXT, "id": i, "mood": "good", "stars": 4, "ner": spans, **meta} for i in range(3)]
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    table = read(tmp_path / "a.json")
    assert table.names == ["text", "mood", "stars", "ner", "id"]
    assert table["ner"][0].to_list()[:3] == ["B-PER", "I-PER", "O"]
    assert (table["mood"].to_list(), table["stars"].to_list()) == (["good"] * 3, [4] * 3)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ({"choices": ["a"]}, "a"),
        ({"rating": 4}, 4),
        ({"number": 2.5}, 2.5),
        ({"text": ["what it says"]}, "what it says"),
        ({"taxonomy": [["animal", "cat"]]}, "animal/cat"),
    ],
)
def test_answers(tmp_path: Path, value: Mapping[str, Any], cell: object) -> None:
    answers = [[result("answer", next(iter(value)), value)], None]
    table = read(write(tmp_path / "a.json", answers, [{"text": "a good one"}] * 2))
    assert (table.target, table["answer"].to_list()) == ("answer", [cell, None])


def test_several_choices_are_a_set(tmp_path: Path) -> None:
    answers = [[result("topics", "choices", {"choices": c})] for c in (["a", "b"], ["b"], [])]
    table = read(write(tmp_path / "a.json", answers, [{"text": f"text {i}"} for i in range(3)]))
    assert (table.kinds["topics"], table["topics"].to_list()) == ("multilabel", [["a", "b"], ["b"], []])


def test_annotations_that_count(tmp_path: Path) -> None:
    def annotation(choice: str, **further: bool) -> dict[str, Any]:
        return {"result": [result("c", "choices", {"choices": [choice]})], **further}

    annotations = [
        [annotation("a"), annotation("b", ground_truth=True)],
        [annotation("a", was_cancelled=True)],
        [annotation("a", was_cancelled=True), annotation("b")],
    ]
    tasks = [{"id": i, "data": {"text": f"text {i}"}, "annotations": a} for i, a in enumerate(annotations)]
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    table = read(tmp_path / "a.json")
    assert table["c"].to_list() == ["b", None, "b"]
    assert {"several", "skipped", "unlabelled"} <= {note.what for note in table.notes}


@pytest.mark.parametrize(
    "tasks",
    [
        [{"id": 1, "data": {"image": 3}, "annotations": [{"result": [{"value": 3}, 4, {"from_name": "a"}]}]}],
        [{"id": 1, "data": {"a": [1]}, "annotations": [3, {"result": 4}]}],
        [{"id": None, "data": {"t": "x"}, "annotations": [{"result": [region("a", x="1")]}]}],
        [{"annotation_id": 1, "annotator": 2, "id": 3, "label": [{"x": 1, "y": None}], "image": "//[a"}],
        [{"data": {"t": "x"}, "annotations": [{"result": [span("a", "x", 50)]}]}],
    ],
)
def test_odd_tasks(tmp_path: Path, command: Command, tasks: list[Any]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    assert command("inspect", tmp_path / "a.json").code in (0, 2)


def test_training(tmp_path: Path) -> None:
    texts = [f"{word} film number {i}" for i in range(30) for word in ("good", "bad")]
    answers = [[result("mood", "choices", {"choices": [text.split()[0]]})] for text in texts]
    path = write(tmp_path / "a.json", answers, [{"text": text} for text in texts])
    run = deepglass.train(path, out=tmp_path / "run", steps=60, baselines=False)
    assert run.predict("a good one")[0]["mood"]["value"] == "good"
