"""A report of a run whose recorded files are damaged: the section says so, and the rest of the page is there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import made_up
from safetensors.numpy import load, save

import deepglass
from deepglass.errors import SourceError
from deepglass.failures import SectionWarning
from deepglass.report.sections.health import HealthSection
from deepglass.run.storage.manifest import write_manifest

SETTINGS = {"network": {"depth": 1, "width": 8}, "training": {"threads": 1}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classification run."""
    folder = tmp_path_factory.mktemp("recorded")
    made_up().write_csv(folder / "houses.csv")
    common = {"out": None, "baselines": False, **SETTINGS}
    deepglass.train(folder / "houses.csv", "place", steps=40, **{**common, "out": folder / "classes"})
    return folder


def report_of_copy(runs: Path, file: str, content: bytes, tmp_path: Path, listed: bool = True) -> str:
    """The page of a run one of whose files has another content, which its manifest lists."""
    run = tmp_path / "classes"
    shutil.copytree(runs / "classes", run)
    path = next(run.glob(file))
    path.write_bytes(content)
    if listed:
        write_manifest(run)
    before = (run / "model.safetensors").read_bytes()
    deepglass.report(run)
    assert (run / "model.safetensors").read_bytes() == before
    return (run / "report.html").read_text()


def notes(html: str) -> list[str]:
    return re.findall(r'<p class="lead">This section is left out: (.*?)\.</p>', html)


FILES = {
    "history.jsonl": ["Learning curves"],
    "diagnostics.jsonl": ["Network health"],
    "findings.json": ["Data problems"],
    "embeddings/*": ["Map"],
    "boundaries/*": ["Decision boundary"],
}


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff garbage\n", b'{"step": 1, "unknown": 2}\n', b"[[[[1]]]]\n", b"null\n"]
)
@pytest.mark.parametrize("file", FILES)
def test_a_section_says_that_its_file_is_damaged(runs: Path, tmp_path: Path, file: str, content: bytes) -> None:
    html = report_of_copy(runs, file, content, tmp_path)
    assert all(f">{title}</h2>" in html for title in ("Test metrics", "Confusion matrix", "Reproduce"))
    reasons = notes(html)
    if file.endswith("jsonl") and not content:  # as after no evaluation
        assert not reasons
    else:
        assert reasons
        assert all(file.rstrip("*") in reason for reason in reasons), reasons
        assert all(str(tmp_path) not in reason for reason in reasons)


@pytest.mark.parametrize("file", FILES)
def test_a_section_says_that_its_file_is_not_the_one_that_was_recorded(runs: Path, tmp_path: Path, file: str) -> None:
    """A digit is another one, or the file is gone: what is left would be read without an error."""
    path = next((runs / "classes").glob(file))
    content = bytearray(path.read_bytes())
    if digits := [i for i, byte in enumerate(content) if 0x30 < byte < 0x39]:
        content[digits[-1]] += 1
    else:
        content += b" "
    html = report_of_copy(runs, file, bytes(content), tmp_path / "changed", listed=False)
    reasons = notes(html)
    assert reasons
    assert all(path.name in reason and "its sha256 is not that of manifest.json" in reason for reason in reasons)
    shutil.copytree(runs / "classes", tmp_path / "classes")
    (tmp_path / "classes" / path.relative_to(runs / "classes")).unlink()
    deepglass.report(tmp_path / "classes")
    reasons = notes((tmp_path / "classes/report.html").read_text())
    assert reasons
    assert all("it is missing" in reason for reason in reasons)


@pytest.mark.parametrize("change", ["shape", "missing", "nan"])
@pytest.mark.parametrize("file", ["embeddings/*", "boundaries/*"])
def test_arrays_of_a_wrong_shape_are_no_fault(runs: Path, tmp_path: Path, file: str, change: str) -> None:
    path = next((runs / "classes").glob(file))
    arrays = load(path.read_bytes())
    for name in list(arrays):
        changed = dict(arrays)
        if change == "shape":
            changed[name] = arrays[name][:-1].copy()
        elif change == "nan":
            changed[name] = np.full(arrays[name].shape, np.nan, np.float32)
        else:
            del changed[name]
        folder = tmp_path / name.replace("/", "_")
        folder.mkdir()
        html = report_of_copy(runs, file, save(changed), folder)
        assert all(file.rstrip("*") in reason for reason in notes(html))


@pytest.mark.parametrize("file", ["history.jsonl", "diagnostics.jsonl", "findings.json"])
def test_values_of_another_type_are_no_fault(runs: Path, tmp_path: Path, file: str) -> None:
    """Warnings are errors in tests, so a fault of deepglass would end this test."""
    text = (runs / "classes" / file).read_text()
    records = json.loads(text) if file.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    values = ("x", None, [1], {"x": "y"}, -1, 1e308)
    for i, key in enumerate(records[0] if records else ()):
        for value in (values[i % 6], values[(i + 3) % 6]):  # a report takes half a second
            changed = [{**records[0], key: value}, *records[1:]]
            lines = json.dumps(changed) if file.endswith(".json") else "".join(json.dumps(r) + "\n" for r in changed)
            folder = tmp_path / f"{key} {value!r}".replace("/", "_")
            folder.mkdir()
            html = report_of_copy(runs, file, lines.encode(), folder)
            assert all(file in reason for reason in notes(html))


def test_a_fault_of_a_section_is_a_warning_and_the_page_is_whole(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collect(*_: object) -> None:
        raise KeyError("colour")

    monkeypatch.setattr(HealthSection, "collect", collect)
    shutil.copytree(runs / "classes", tmp_path / "run")
    with pytest.warns(SectionWarning, match=r"\[internal\] KeyError: 'colour'"):
        deepglass.report(tmp_path / "run")
    assert notes((tmp_path / "run" / "report.html").read_text()) == ["a fault of deepglass (KeyError)"]


def test_without_its_data_there_is_no_report(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "classes", tmp_path / "run")
    (runs / "houses.csv").rename(runs / "moved.csv")
    try:
        with pytest.raises(SourceError) as error:
            deepglass.report(tmp_path / "run")
        assert error.value.code == "not-found"
    finally:
        (runs / "moved.csv").rename(runs / "houses.csv")


@pytest.mark.parametrize(
    "file", ["history.jsonl", "diagnostics.jsonl", "findings.json", "embeddings/*", "boundaries/*"]
)
def test_predictions_do_not_depend_on_recorded_files(runs: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(runs / "classes", tmp_path / "run")
    next((tmp_path / "run").glob(file)).write_bytes(b"\x00garbage")
    rows = made_up(5)
    assert deepglass.predict(tmp_path / "run", rows).equals(deepglass.predict(runs / "classes", rows))
