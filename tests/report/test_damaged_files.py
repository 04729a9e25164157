"""A report of a run whose recorded files are damaged: the section says so, and the rest of the page is there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import made_up
from safetensors.numpy import load, save

import deepglass
from deepglass.errors import SourceError
from deepglass.failures import SectionWarning
from deepglass.report.data import ReportData
from deepglass.report.sections.health import HealthSection
from deepglass.report.write import sections
from deepglass.run.context import RunContext
from deepglass.run.folder import Folder
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


def damaged_copy(run: Path, changes: Mapping[str, bytes | None], copy: Path, listed: bool = True) -> Path:
    """A copy of a run, files of which have another content, or are gone (None); its manifest lists them as they are."""
    shutil.copytree(run, copy)
    for file, content in changes.items():
        path = next(copy.glob(file))
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
    if listed:
        write_manifest(copy)
    return copy


def page_of(run: Path) -> str:
    """The page of a run, whose weights stay as they are."""
    before = (run / "model.safetensors").read_bytes()
    deepglass.report(run)
    assert (run / "model.safetensors").read_bytes() == before
    return (run / "report.html").read_text()


class Sections:
    """The sections of a run's page that read one of its recorded files, without the rest of the page.

    What does not depend on recorded files is computed once.
    """

    def __init__(self, run: Path) -> None:
        self.run, self.context = run, RunContext.open(run)
        report = ReportData(self.context)
        report.require()
        self.values = dict(report.values)

    def render(self, file: str, content: bytes, copy: Path) -> str:
        damaged = damaged_copy(self.run, {file: content}, copy)
        report = ReportData(replace(self.context, folder=Folder.open(damaged)), values=dict(self.values))
        chosen = [section for section in sections() if file in section.files]
        assert chosen
        return "\n".join(str(section.render(report)) for section in chosen)


@pytest.fixture(scope="module")
def run_sections(runs: Path) -> Sections:
    return Sections(runs / "classes")


def notes(html: str) -> list[str]:
    return re.findall(r'<p class="lead">This section is left out: (.*?)\.</p>', html)


def note_of(html: str, anchor: str) -> str:
    """Why a section is left out; empty where it is there."""
    return "".join(
        note for part in html.split('<section id="') if part.startswith(f'{anchor}"') for note in notes(part)
    )


FILES = {  # file -> anchor of the section
    "history.jsonl": "learning",
    "diagnostics.jsonl": "health",
    "findings.json": "findings",
    "embeddings/*": "map",
    "boundaries/*": "boundary",
}
TOGETHER = [["history.jsonl"], [file for file in FILES if file != "history.jsonl"]]  # others need the history too


@pytest.mark.parametrize("files", TOGETHER, ids=["history", "others"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff garbage\n", b'{"step": 1, "unknown": 2}\n', b"[[[[1]]]]\n", b"null\n"]
)
def test_a_section_says_that_its_file_is_damaged(
    runs: Path, tmp_path: Path, files: Sequence[str], content: bytes
) -> None:
    html = page_of(damaged_copy(runs / "classes", dict.fromkeys(files, content), tmp_path / "run"))
    assert all(f">{title}</h2>" in html for title in ("Test metrics", "Confusion matrix", "Reproduce"))
    for file in files:
        anchor = FILES[file]
        if file.endswith("jsonl") and not content:  # as after no evaluation
            assert not note_of(html, anchor)
        else:
            assert file.rstrip("*") in note_of(html, anchor), anchor
    assert all(str(tmp_path) not in reason for reason in notes(html))


@pytest.mark.parametrize("files", TOGETHER, ids=["history", "others"])
def test_a_section_says_that_its_file_is_not_the_one_that_was_recorded(
    runs: Path, tmp_path: Path, files: Sequence[str]
) -> None:
    """A digit is another one, or the file is gone: what is left would be read without an error."""
    paths = {file: next((runs / "classes").glob(file)) for file in files}
    changes: dict[str, bytes | None] = {}
    for file, path in paths.items():
        content = bytearray(path.read_bytes())
        if digits := [i for i, byte in enumerate(content) if 0x30 < byte < 0x39]:
            content[digits[-1]] += 1
        else:
            content += b" "
        changes[file] = bytes(content)
    html = page_of(damaged_copy(runs / "classes", changes, tmp_path / "changed", listed=False))
    for file, path in paths.items():
        assert path.name in note_of(html, FILES[file])
        assert "its sha256 is not that of manifest.json" in note_of(html, FILES[file])
    html = page_of(damaged_copy(runs / "classes", dict.fromkeys(files), tmp_path / "gone", listed=False))
    assert all("it is missing" in note_of(html, FILES[file]) for file in files)


@pytest.mark.parametrize("change", ["shape", "missing", "nan"])
@pytest.mark.parametrize("file", ["embeddings/*", "boundaries/*"])
def test_arrays_of_a_wrong_shape_are_no_fault(
    runs: Path, run_sections: Sections, tmp_path: Path, file: str, change: str
) -> None:
    """Warnings are errors in tests, so a fault of deepglass would end this test."""
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
        html = run_sections.render(file, save(changed), tmp_path / name.replace("/", "_"))
        assert all(file.rstrip("*") in reason for reason in notes(html))


@pytest.mark.parametrize("file", ["history.jsonl", "diagnostics.jsonl", "findings.json"])
def test_values_of_another_type_are_no_fault(runs: Path, run_sections: Sections, tmp_path: Path, file: str) -> None:
    text = (runs / "classes" / file).read_text()
    records = json.loads(text) if file.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    for key in records[0] if records else ():
        for value in ("x", None, [1], {"x": "y"}, -1, 1e308):
            changed = [{**records[0], key: value}, *records[1:]]
            lines = json.dumps(changed) if file.endswith(".json") else "".join(json.dumps(r) + "\n" for r in changed)
            copy = tmp_path / f"{key} {value!r}".replace("/", "_")
            assert all(file in reason for reason in notes(run_sections.render(file, lines.encode(), copy)))


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
