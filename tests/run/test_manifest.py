"""The manifest of a run: whatever is changed in its files, predictions stay right or the file is named as damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, made_up

import deepglass
from deepglass.errors import UserError
from deepglass.run.storage.manifest import UNLISTED

ROW = {"size": 100.0, "place": "north", "sold": "no"}
Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs of different seeds."""
    folder = tmp_path_factory.mktemp("manifest")
    made_up().write_csv(folder / "houses.csv")
    small = {"network.width": 8, "network.ensemble_size": 1, "training.threads": 1}
    for name, seed in (("run", 0), ("other", 1)):
        source, out = str(folder / "houses.csv"), folder / name
        deepglass.train(source, "price", steps=20, seed=seed, out=out, baselines=False, settings=small)
    return folder


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs / "run", tmp_path / "run"))


def _flip(content: bytes) -> bytes:
    random = np.random.default_rng(len(content))
    changed = bytearray(content)
    changed[random.integers(len(changed))] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _results(run: Path) -> Iterator[object]:
    loaded = deepglass.Run(run)
    yield loaded.predict([ROW])[0]["price"]["value"]
    yield loaded.metrics["test"]
    yield loaded.folder.split()["split"].to_list()
    yield loaded.folder.plan()
    yield loaded.folder.predictions()


def _error_or_results(run: Path, expected: list[str]) -> str:
    """The error of the first result that cannot be read; without one all results are as expected."""
    try:
        assert [str(value) for value in _results(run)] == expected
    except UserError as error:
        return str(error)
    return ""


FILES = [
    "spec.yaml", "plan.json", "features.json", "split.parquet", "model.safetensors", "metrics.json", "manifest.json",
    "predictions.parquet",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "swap"])
def test_a_damaged_file_is_named_and_never_changes_a_result(name: str, damage: str, runs: Path, copy: Path) -> None:
    path = copy / name
    changes: dict[str, Damage] = {
        "flip": _flip,
        "cut": lambda content: content[: len(content) // 2],
        "empty": lambda content: b"",
        "swap": lambda content: (runs / "other" / name).read_bytes(),
    }
    before, content = list(_results(runs / "run")), path.read_bytes()
    path.write_bytes(changes[damage](content))
    if path.read_bytes() == content:
        return  # both runs have the same file
    error = _error_or_results(copy, [str(value) for value in before])
    assert name == "manifest.json" or (error.startswith("[damaged-run]") and name in error)
    listed = {problem.file for problem in deepglass.check(copy)}
    assert name in listed or (name == "manifest.json" and listed)


def test_a_missing_file_is_damage_and_resume_writes_what_a_checkpoint_gives(copy: Path) -> None:
    before = deepglass.Run(copy)
    expected = before.predict([ROW]), before.metrics["weights_sha256"], before.metrics["train"]
    (copy / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"\[damaged-run\].*model.safetensors.*deepglass resume"):
        deepglass.Run(copy).predict([ROW])
    assert [p.problem for p in deepglass.check(copy)] == ["missing"]
    run = deepglass.resume(copy)
    assert (run.predict([ROW]), run.metrics["weights_sha256"], run.metrics["train"]) == expected
    assert deepglass.check(copy) == []


def test_a_file_that_changes_while_a_run_is_open_is_compared_again(copy: Path) -> None:
    run = deepglass.Run(copy)
    run.folder.metrics()
    (copy / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match=r"\[damaged-run\].*metrics.json"):
        run.folder.metrics()


def test_the_manifest_lists_every_file_that_is_not_rewritten_later(runs: Path) -> None:
    run = runs / "run"
    files = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file() and p.suffix != ".sha256"}
    assert set(json.loads((run / "manifest.json").read_text())["files"]) == files - UNLISTED


def test_the_command_check_lists_problems_and_exits_with_2(copy: Path, command: Command) -> None:
    good = command("check", copy)
    assert (good.code, "all files are as they were written" in good.out) == (0, True)
    (copy / "notes.txt").write_text("mine")
    (copy / "history.jsonl").write_text("")
    bad = command("check", copy, "--json")
    assert bad.code == 2
    assert {p["file"]: p["problem"] for p in json.loads(bad.out)} == {
        "history.jsonl": "damaged",
        "notes.txt": "foreign",
    }
    assert deepglass.Run(copy).predict([ROW])  # decoration stops nothing
    assert command("check", copy.parent).code == 2


def test_a_run_without_manifest_is_read_from_its_checkpoint(copy: Path) -> None:
    expected = deepglass.Run(copy).predict([ROW])[0]["price"]["value"]
    for name in ("manifest.json", "metrics.json", "model.safetensors"):
        (copy / name).unlink()
    assert deepglass.Run(copy).predict([ROW])[0]["price"]["value"] == expected
    assert [(p.file, p.problem) for p in deepglass.check(copy)] == [("manifest.json", "missing")]
    with pytest.raises(UserError, match=r"\[not-found\].*deepglass resume"):
        deepglass.Run(copy).metrics  # noqa: B018
