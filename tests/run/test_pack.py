"""Runs as zip files: written with the same bytes, used like the folder, and refused where a stranger changed them."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from conftest import Command, made_up

import deepglass
from deepglass.errors import SourceError, SpecError

QUICK = {"network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 1}, "steps": 20}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with houses.csv, a run of it with a report, and its zip file in another folder, without the data."""
    folder = tmp_path_factory.mktemp("pack")
    made_up().write_csv(folder / "houses.csv")
    run = deepglass.train(folder / "houses.csv", "price", out=folder / "run", kinds={"sold": "category"}, **QUICK)
    (folder / "other").mkdir()
    run.pack(folder / "other" / "run.zip")
    return folder


@pytest.fixture
def packed(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The zip file, in the current folder."""
    monkeypatch.chdir(trained / "other")
    return Path("run.zip")


def test_the_same_run_gives_the_same_bytes_without_checkpoints_and_paths(
    trained: Path, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "again.zip"
    result = command("pack", trained / "run", "--out", out)
    assert result.code == 0
    assert out.read_bytes() == (trained / "other" / "run.zip").read_bytes()
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        assert {"model.safetensors", "manifest.json", "report.html", "spec.yaml"} <= {*names}
        assert not [n for n in names if n.startswith(("checkpoint", "/", "lock", "log"))]
        assert not [n for n in names if str(trained).encode() in archive.read(n)]
    assert "kB" in result.err
    assert f"{len(names)} files; without checkpoints and log" in result.err
    refused = command("pack", trained / "run", "--out", out)
    assert refused.code == 2
    assert "[already-exists]" in refused.err
    assert command("pack", trained / "run", "--out", out, "--force").code == 0


def test_a_packed_run_is_used_like_its_folder(trained: Path, packed: Path, command: Command) -> None:
    rows = trained / "houses.csv"
    folder, archive = deepglass.Run(trained / "run"), deepglass.Run(packed)
    frame = pl.read_csv(rows)
    assert archive.predict(frame).equals(folder.predict(frame))
    assert deepglass.evaluate(packed) == folder.metrics["test"]
    assert deepglass.explain(packed, frame[:1], fast=True)[0]["price"]["attributions"]
    assert "run.zip" in repr(archive)
    for words in (
        ["predict", packed, rows],
        ["evaluate", packed, rows],
        ["check", packed],
        ["compare", packed, packed],
    ):
        assert command(*words).code == 0, words
    assert (deepglass.embed(packed, frame).vectors == deepglass.embed(folder).vectors).all()


def test_data_that_have_moved_are_given_by_source(
    trained: Path, packed: Path, command: Command, tmp_path: Path
) -> None:
    moved = shutil.copy(trained / "houses.csv", tmp_path / "moved.csv")
    for words in (["report", packed], ["embed", packed, "--out", tmp_path / "v.parquet"], ["label", packed, "--json"]):
        refused = command(*words)
        assert refused.code == 2, words
        assert "run.zip holds no data; give them with --source FILE" in refused.err
        assert "Traceback" not in refused.err
        assert command(*words, "--source", moved, *(["--target", "price"] if words[0] == "label" else [])).code == 0
    assert Path("run.html").read_text().count("<section") > 3
    again = command("report", packed, "--source", moved)
    assert again.code == 2
    assert "[already-exists] --out: run.html exists" in again.err
    Path("run.html").unlink()
    made_up(seed=1).write_csv(moved)
    for words in (["report", packed], ["embed", packed, "--out", tmp_path / "w.parquet"]):
        other = command(*words, "--source", moved)
        assert other.code == 2
        assert "[mismatched-files]" in other.err
        assert "run.zip" in other.err


def test_a_packed_run_is_not_trained_further(packed: Path, command: Command) -> None:
    result = command("resume", packed, "--steps", "5")
    assert result.code == 2
    assert "without the checkpoints" in result.err


def test_what_cannot_be_packed(trained: Path, tmp_path: Path) -> None:
    run = deepglass.Run(trained / "run")
    with pytest.raises(SpecError, match=r"expected a \.zip file"):
        run.pack(tmp_path / "run.tar")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run.path, unfinished)
    (unfinished / "manifest.json").unlink()
    with pytest.raises(SourceError, match="is not finished"):
        deepglass.Run(unfinished).pack(tmp_path / "run.zip")
    damaged = tmp_path / "damaged"
    shutil.copytree(run.path, damaged)
    (damaged / "model.safetensors").write_bytes(b"x")
    with pytest.raises(SourceError, match="damaged-run"):
        deepglass.Run(damaged).pack(tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()
    (folds := tmp_path / "folds").mkdir()
    shutil.copy(run.path / "spec.yaml", folds)
    shutil.copytree(run.path, folds / "fold-0")
    with pytest.raises(SpecError, match=r"is a run a fold; pack one of them"):
        deepglass.Run(folds).pack(tmp_path / "run.zip")


# -- from strangers ----------------------------------------------------------------------------------------------

Change = Callable[[zipfile.ZipFile], None]


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("labels.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda archive: archive.writestr("../escaped.txt", "x"), "unsafe-archive"),
        (lambda archive: archive.writestr("/tmp/escaped.txt", "x"), "unsafe-archive"),
        (link, "unsafe-archive"),
        (lambda archive: archive.writestr("metrics.json", "{}"), "unsafe-archive"),
        (lambda archive: archive.writestr("./metrics.json", "{}"), "unsafe-archive"),
        (lambda archive: archive.writestr("zeros.bin", bytes(2**27), zipfile.ZIP_DEFLATED), "too-large"),
    ],
    ids=["parent", "absolute", "link", "doubled", "doubled-dot", "bomb"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unsafe_archives_are_refused(packed: Path, tmp_path: Path, command: Command, change: Change, code: str) -> None:
    foreign = shutil.copy(packed, tmp_path / "foreign.zip")
    with zipfile.ZipFile(foreign, "a") as archive:
        change(archive)
    for words in (["predict", foreign, "x.csv"], ["report", foreign], ["inspect", "x.csv", "--run", foreign]):
        result = command(*words)
        assert result.code == 2, words
        assert f"[{code}] RUN: {foreign}" in result.err
    assert not (tmp_path.parent / "escaped.txt").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "features.json", "history.jsonl"])
def test_a_changed_member_is_refused(packed: Path, tmp_path: Path, name: str) -> None:
    foreign = tmp_path / "foreign.zip"
    with zipfile.ZipFile(packed) as before, zipfile.ZipFile(foreign, "w") as after:
        for member in before.namelist():
            content = before.read(member)
            after.writestr(member, content[:-1] + b"\0" if member == name else content)
    with pytest.raises(SourceError, match=rf"\[damaged-run\] RUN: .*foreign\.zip: {name} in it"):
        deepglass.Run(foreign)


def test_other_archives_are_no_runs(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
        archive.writestr("b.csv", "x\n1\n")
    with pytest.raises(SourceError, match=r"\[not-found\] RUN: .*data\.zip holds no run; `deepglass pack RUN`"):
        deepglass.Run(tmp_path / "data.zip")
    (tmp_path / "no.zip").write_bytes(b"PK nothing")
    with pytest.raises(SourceError, match="unreadable-file"):
        deepglass.Run(tmp_path / "no.zip")


def test_a_folder_zipped_by_hand_is_a_run(trained: Path, tmp_path: Path) -> None:
    by_hand = shutil.make_archive(str(tmp_path / "by_hand"), "zip", trained, "run")
    assert deepglass.Run(by_hand).metrics == deepglass.Run(trained / "run").metrics


# -- the source of a run ------------------------------------------------------------------------------------------


def test_the_report_of_a_frame_needs_no_source_in_the_process_that_trained_it(tmp_path: Path) -> None:
    run = deepglass.train(made_up(), "price", out=tmp_path / "run", baselines=False, **QUICK)
    assert deepglass.report(run).exists()
    with pytest.raises(SourceError, match=r"trained on a Python object; give it again as source= \(--source FILE"):
        deepglass.report(tmp_path / "run")
    made_up().write_csv(tmp_path / "same.csv")
    assert deepglass.report(tmp_path / "run", source=tmp_path / "same.csv", out=tmp_path / "r.html").exists()


def test_a_test_file_is_searched_beside_the_source(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    made_up().write_csv(before / "train.csv")
    made_up(seed=1).write_csv(before / "test.csv")
    deepglass.train(
        before / "train.csv", "price", test=before / "test.csv", out=tmp_path / "run", baselines=False, **QUICK
    )
    shutil.move(before, after)
    with pytest.raises(SourceError, match=r"have moved; give them with --source FILE"):
        deepglass.report(tmp_path / "run")
    assert deepglass.report(tmp_path / "run", source=after / "train.csv").exists()
