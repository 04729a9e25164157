"""How `main` ends for what no command catches: a code and an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from conftest import Command

import deepglass
from deepglass import cli


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def listing(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "listing", listing, raising=False)


def test_an_unexpected_error_is_internal_and_its_traceback_is_in_a_file(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fail_with(monkeypatch, KeyError("colour"))
    result = command("list")
    assert result.code == 1
    assert "[internal] KeyError: 'colour'" in result.err
    assert "Traceback" not in result.err
    (path,) = tmp_path.iterdir()
    assert str(path) in result.err
    text = path.read_text()
    assert "Traceback (most recent call last)" in text
    assert "deepglass " in text
    assert text.rstrip().endswith("KeyError: 'colour'")
    assert path.stat().st_mode & 0o077 == 0  # a traceback may quote data


def test_without_a_temporary_folder_the_traceback_of_an_unexpected_error_is_on_stderr(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    fail_with(monkeypatch, KeyError("colour"))
    result = command("list")
    assert result.code == 1
    assert "[internal]" in result.err
    assert "Traceback (most recent call last)" in result.err


@pytest.mark.parametrize(
    ("number", "code", "exit_code"),
    [
        (errno.ENOSPC, "disk-full", 1),
        (errno.EDQUOT, "disk-full", 1),
        (errno.EFBIG, "disk-full", 1),
        (errno.EROFS, "read-only", 1),
        (errno.EACCES, "read-only", 1),
        (errno.ENOTDIR, "not-found", 2),
        (errno.ENOENT, "not-found", 2),
        (errno.ENAMETOOLONG, "not-found", 2),
        (errno.ELOOP, "unreadable-file", 2),
        (errno.EIO, "unreadable-file", 2),
    ],
)
def test_an_error_of_the_operating_system_has_a_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, number: int, code: str, exit_code: int
) -> None:
    fail_with(monkeypatch, OSError(number, os.strerror(number), "folder/houses.csv"))
    result = command("list")
    assert (result.code, result.err.count("\n")) == (exit_code, 1)
    assert f"[{code}] folder/houses.csv" in result.err


def test_an_unreadable_file_is_no_read_only_folder(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "houses.csv"
    path.touch()
    fail_with(monkeypatch, PermissionError(errno.EACCES, "Permission denied", str(path)))
    result = command("list")
    assert result.code == 2
    assert "[unreadable-file]" in result.err
    assert "permissions" in result.err


def test_no_usable_temporary_folder_is_said(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"))
    result = command("list")
    assert result.code == 1
    assert "[read-only]" in result.err
    assert "TMPDIR" in result.err


def test_too_little_memory_is_said(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, MemoryError("Unable to allocate 3.6 TiB"))
    result = command("list")
    assert result.code == 2
    assert "[too-large]" in result.err
    assert "3.6 TiB" in result.err


def test_an_error_without_a_file_is_internal(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fail_with(monkeypatch, OSError(errno.EINVAL, "Invalid argument"))
    result = command("list")
    assert result.code == 1
    assert "[internal]" in result.err


def test_a_time_budget_that_holds_hardly_a_step_is_said(table_file: Path, command: Command) -> None:
    """In what the command prints, in the log, in the metrics and in the report."""
    run = table_file.parent / "run"
    small = ("--time", "0.001s", "network.width=8")
    printed = command("train", table_file, "--target", "price", "--out", run, *small)
    assert printed.code == 0
    phases = [line.removesuffix(" ...") for line in printed.err.splitlines() if line.endswith(" ...")]
    assert phases == ["reading", "checking", "planning", "calibrating", "testing"]
    note = "time budget of 0.0 s holds 1 step, fewer than 10"
    assert note in " ".join(printed.err.split())
    assert note in (run / "log.txt").read_text()
    assert [n for n in deepglass.Run(run).metrics["notes"] if note in n]
    deepglass.report(run)
    assert note in (run / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
