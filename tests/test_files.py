"""Opening, joining, naming and writing files: regular files only, inside their folder, completely or not at all."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from deepglass import files, limits
from deepglass.data.sources.access import Access, check_inside
from deepglass.errors import SourceError, SpecError, StorageError, UserError


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    cases = {"pipe": "a named pipe", ".": "a folder", "/dev/zero": "a device", "loop": "in a circle"}
    for name, words in cases.items():
        with pytest.raises(SourceError, match=words) as error:
            files.read_file(tmp_path / name)  # a pipe without a writer would wait for ever
        assert error.value.code == "unreadable-file"
    for name in ("absent", "absent/file", "x" * 300, "a\0b"):
        with pytest.raises(SourceError) as error:
            files.read_file(tmp_path / name)
        assert error.value.code == "not-found"


def test_a_file_beyond_a_limit_is_refused_unread_and_the_limit_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(2**40)  # a terabyte that takes no room
    with pytest.raises(SourceError, match="media_bytes") as error:
        files.read_file(path)
    assert error.value.code == "too-large"
    with path.open("wb") as file:
        file.truncate(100)
    with limits.limits_changed({"media_bytes": 99}), pytest.raises(SourceError, match="100 bytes"):
        files.read_file(path)
    assert len(files.read_file(path)) == 100
    with pytest.raises(SpecError, match="did you mean 'media_bytes'"), limits.limits_changed({"media_byte": 1}):
        pass
    with pytest.raises(SpecError, match="at least 1"), limits.limits_changed({"media_bytes": 0}):
        pass


@pytest.mark.parametrize("name", ["../x.png", "/etc/passwd", "a/../../x", "outside/passwd"])
def test_a_name_from_data_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "outside").symlink_to("/etc")
    with pytest.raises(SourceError) as error:
        check_inside([root / name], [name], root, Access(closed=True), "row 3")
    assert error.value.code == "unsafe-path"
    assert "row 3" in str(error.value)


def test_links_inside_a_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    names = ("a.png", "real/a.png", "link/a.png", "real/../a.png", "./a.png")
    assert files.outside([tmp_path / name for name in names], [tmp_path]) == []


def test_files_named_after_data_are_one_visible_part_of_a_path() -> None:
    names = (
        "../../pwned",
        "/etc/passwd",
        ".hidden",
        "",
        "..",
        "con",
        "a\x1b[31m",
        "x\u202ey",
        "é" * 300,
        "C:\\x",
        "a\nb",
    )
    for name in names:
        made = files.file_name(name, ".csv")
        assert "/" not in made
        assert "\\" not in made
        assert made[0] != "."
        assert len(made.encode()) < 255
        assert made.isprintable()
    assert files.file_name("price per m²") == "price per m²"


def test_writing_follows_no_link_and_keeps_the_users_permissions(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_text("mine")
    path.symlink_to(victim)
    (tmp_path / "file.partial").symlink_to(victim)
    before = os.umask(0o077)
    try:
        files.write_file(path, "new")
    finally:
        os.umask(before)
    assert victim.read_text() == "mine"
    assert path.read_text() == "new"
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_file(path, "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_file(path, "half a character: \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    contents = [str(i) * 200_000 for i in range(8)]
    threads = [threading.Thread(target=files.write_file, args=(tmp_path / "file", text)) for text in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_text() in contents
    assert len(list(tmp_path.iterdir())) == 1


def test_a_line_is_appended_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    files.append_line(path, "one")
    write = os.write

    def half(descriptor: int, content: bytes) -> int:
        if len(content) < 2:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StorageError, match="disk-full"):
        files.append_line(path, "another")
    assert path.read_text() == "one\n"


def test_errors_of_writing_have_codes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as error:
        files.write_file(tmp_path / ("x" * 300), "")
    assert error.value.code == "bad-value"
    with pytest.raises(StorageError) as refused:
        files.write_file(tmp_path / "file" / "below", "")
    assert refused.value.code == "read-only"
    (tmp_path / ".x.partial-12ab").touch()
    files.remove_partial_files(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
