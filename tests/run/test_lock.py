"""A run folder belongs to one writer, and nothing but a run is ever deleted."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from conftest import Command, made_up

import deepglass
from deepglass.errors import UserError
from deepglass.run.folder import Folder
from deepglass.run.storage.contents import delete_contents, is_occupied, own_files
from deepglass.run.storage.lock import lock_folder, lock_holder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made_up(60).write_csv(tmp_path / "houses.csv")
    monkeypatch.chdir(tmp_path)
    return _train("run").path


def _train(out: str | None, **more: object) -> deepglass.Run:
    small = {"network.width": 8, "network.ensemble_size": 1, "training.threads": 1}
    return deepglass.train("houses.csv", "price", steps=2, out=out, baselines=False, settings=small, **more)  # type: ignore[arg-type]


def test_a_second_writer_is_refused_and_the_first_is_named(run: Path, command: Command) -> None:
    for name in ("manifest.json", "metrics.json"):
        (run / name).unlink()
    with lock_folder(run):
        for words in (("resume", run), ("train", "houses.csv", "--target", "price", "--out", run, "--force")):
            refused = command(*words)
            assert refused.code == 2
            assert f"[run-in-use] {run}: process {os.getpid()} on {os.uname().nodename}" in refused.err
        assert lock_holder(run) == f"process {os.getpid()} on {os.uname().nodename}"
        assert "is still training (process" in command("evaluate", run).err
    assert lock_holder(run) is None
    assert "warning: run is not finished: `deepglass resume run` goes on" in command("evaluate", run).err
    assert deepglass.resume(run).metrics["stop_reason"] == "done"
    assert not (run / "lock").exists()


def test_the_lock_of_a_killed_writer_holds_nobody_up(run: Path) -> None:
    (run / "lock").write_text("1 elsewhere\n")
    (run / ".plan.json.partial-12ab").touch()
    (run / "manifest.json").unlink()
    deepglass.resume(run)
    assert not [p.name for p in run.iterdir() if p.name == "lock" or "partial" in p.name]


def test_automatic_names_are_claimed_once(tmp_path: Path) -> None:
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(Folder.claim("set", tmp_path / "runs"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p.name for p in paths) == [f"set-{n}" for n in range(1, 9)]


def test_force_deletes_runs_only(run: Path) -> None:
    (run / "notes.txt").write_text("mine")
    (run / "embeddings" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"\[already-exists\].*embeddings/thesis.tex, notes.txt"):
        _train("run", force=True)
    assert (run / "model.safetensors").exists()
    (run / "notes.txt").unlink()
    (run / "embeddings" / "thesis.tex").unlink()
    _train("run", force=True)
    with pytest.raises(UserError, match=r"\[already-exists\]"):
        _train("run")


def test_links_in_a_forced_folder_are_not_followed(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "00000001.json").write_text("mine")
    (run / "samples").symlink_to(outside)
    with pytest.raises(UserError, match="already-exists"):
        _train("run", force=True)
    assert (outside / "00000001.json").read_text() == "mine"


def _cut_back(run: Path, *names: str) -> None:
    """Leave the log and some other files of a run, as if it had been stopped before its first step."""
    for path in list(run.rglob("*")):
        if path.is_file() and path.name not in ("log.txt", *names):
            path.unlink()
    for path in [p for p in run.iterdir() if p.is_dir()]:
        path.rmdir()


@pytest.mark.parametrize("names", [(), ("stages.json",), ("stages.json", "findings.json", "spec.yaml")])
def test_the_name_of_a_run_that_stopped_before_its_plan_is_free(run: Path, names: tuple[str, ...]) -> None:
    _cut_back(run, *names)
    assert _train("run").metrics["stop_reason"] == "done"


def test_a_run_that_stopped_before_its_plan_is_resumed_from_the_start(run: Path) -> None:
    before = deepglass.Run(run).metrics
    _cut_back(run, "stages.json", "spec.yaml", "features.json")
    assert deepglass.resume(run).metrics["weights_sha256"] == before["weights_sha256"]
    assert deepglass.check(run) == []


def test_a_run_that_stopped_before_its_spec_has_to_be_trained_again(run: Path) -> None:
    _cut_back(run, "stages.json")
    with pytest.raises(UserError, match=r"\[not-found\] RUN: run stopped before its first step: train it again"):
        deepglass.resume(run)


def test_an_overwriting_that_was_killed_can_be_repeated(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink, count = Path.unlink, 0

    def killed(path: Path, missing_ok: bool = False) -> None:
        nonlocal count
        count -= 1
        if count < 0:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    while len(list(own_files(run))) > 1:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", killed)
            count = 1
            with pytest.raises(KeyboardInterrupt):
                delete_contents(run)
        is_occupied(run, force=True)  # raises unless it may be overwritten


def test_a_start_that_was_killed_while_it_deleted_does_not_block_the_name(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("lock", "spec.yaml"):
        (tmp_path / "run" / name).touch()
    assert not is_occupied(tmp_path / "run")
    (tmp_path / "run" / "lock").unlink()  # a spec of the user's own
    with pytest.raises(deepglass.UserError, match="already-exists"):
        is_occupied(tmp_path / "run")
