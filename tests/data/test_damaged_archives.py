"""Archives and packed tables that are damaged or cut are refused; temporary folders do not stay."""

import gzip
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from deepglass.data.sources import read
from deepglass.errors import SourceError
from deepglass.temporary import remove_folders, temporary_folder

CSV = "a,b\n" + "".join(f"{random.Random(i).random()},{i}\n" for i in range(2000))


def _archive(path: Path) -> Path:
    """Three tables, each of the same columns."""
    splits = ("train", "valid", "test")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for split in splits:
                archive.writestr(f"{split}.csv", CSV)
    else:
        with tarfile.open(path, f"w:{path.suffix[1:].replace('tar', '')}") as archive:
            for split in splits:
                info = tarfile.TarInfo(f"{split}.csv")
                info.size = len(CSV)
                archive.addfile(info, io.BytesIO(CSV.encode()))
    return path


def _packed(path: Path) -> Path:
    if path.suffix == ".gz" and ".tar" not in path.name:
        content = CSV if ".csv" in path.name else '[{"a": 1.5, "b": 2}' + ', {"a": 2.5, "b": 3}' * 2000 + "]"
        path.write_bytes(gzip.compress(content.encode()))
        return path
    return _archive(path)


NAMES = ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.csv.gz", "a.json.gz"]


@pytest.mark.parametrize("name", NAMES)
def test_whole_files_are_read(tmp_path: Path, name: str) -> None:
    table = read(_packed(tmp_path / name))
    assert len(table) == (2001 if "json" in name else 2000 if "csv" in name else 6000)


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path, name: str) -> None:
    data = _packed(tmp_path / name).read_bytes()
    content = data.rstrip(b"\0") if name.endswith(".tar") else data  # its end is 20 blocks of zeros
    for share in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        path = tmp_path / f"{share}{name}"
        path.write_bytes(content[: int(share * len(content)) - (share == 1) * 2])
        with pytest.raises(SourceError) as error:
            read(path)
        assert error.value.code == "unreadable-file", share


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.csv.gz", "a.json.gz"])
def test_a_flipped_bit_never_changes_what_is_read(tmp_path: Path, name: str) -> None:
    data = _packed(tmp_path / name).read_bytes()
    whole = read(tmp_path / name)
    choose, codes = random.Random(0), []
    for i in range(30):
        flipped = bytearray(data)
        flipped[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
        path = tmp_path / f"{i}{name}"
        path.write_bytes(flipped)
        try:
            table = read(path)
        except SourceError as error:
            codes.append(error.code)
        else:  # a bit of a date or another field that says nothing about the content
            assert table.names == whole.names
            assert all(table[n].equals(whole[n]) for n in whole.names)
    assert set(codes) <= {"unreadable-file", "unsafe-archive", "mismatched-files", "empty-source"}
    assert len(codes) >= 20


def test_a_tar_without_its_end_is_refused(tmp_path: Path) -> None:
    data = _archive(tmp_path / "a.tar").read_bytes()
    member = 512 + -(-len(CSV) // 512) * 512
    for end in (member, 2 * member, 3 * member):
        (tmp_path / f"{end}.tar").write_bytes(data[:end])
        with pytest.raises(SourceError, match="cut off or damaged") as error:
            read(tmp_path / f"{end}.tar")
        assert error.value.code == "unreadable-file"
    damaged = bytearray(data)
    damaged[member + 10] ^= 1  # in the header of the second file, where tarfile stops without a word
    (tmp_path / "header.tar").write_bytes(damaged)
    with pytest.raises(SourceError, match="after 1 files"):
        read(tmp_path / "header.tar")


def test_odd_names_of_members_are_not_told_as_a_full_disk(tmp_path: Path) -> None:
    for i, names in enumerate((["x" * 300 + ".csv"], ["a", "a/b.csv"], ["a/" * 3000 + "b.csv"])):
        with zipfile.ZipFile(tmp_path / f"{i}.zip", "w") as archive:
            for name in names:
                archive.writestr(name, CSV)
        with pytest.raises(SourceError) as error:
            read(tmp_path / f"{i}.zip")
        assert error.value.code == "unreadable-file"


def test_a_tar_that_ends_with_a_zip_is_no_zip(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("inner.csv", "z\n1\n2\n")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (("train.csv", CSV.encode()), ("more.zip", inner.getvalue())):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert read(tmp_path / "a.tar").names == ["a", "b"]


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "1 / 0", "signal.raise_signal(signal.SIGTERM)"])
def test_temporary_folders_go_at_every_exit(tmp_path: Path, end: str) -> None:
    """SIGTERM as the command line handles it: an exception in the main thread."""
    path, temporary = _archive(tmp_path / "a.zip"), tmp_path / "tmp"
    temporary.mkdir()
    code = f"""if True:
        import signal, sys
        def stop(number, frame): sys.exit(128 + number)
        signal.signal(signal.SIGTERM, stop)
        from deepglass.data.sources import read
        read({str(path)!r})
        import os, tempfile
        assert os.listdir(tempfile.gettempdir())
        {end}
    """
    environment = {**os.environ, "TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, capture_output=True, timeout=120)
    assert not list(temporary.iterdir())


def test_a_refused_archive_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _archive(tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(data[:-9])
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with pytest.raises(SourceError):
        read(tmp_path / "cut.tar.gz")
    assert not list((tmp_path / "tmp").iterdir())
    read(tmp_path / "a.tar.gz")
    assert list((tmp_path / "tmp").iterdir())
    remove_folders()
    assert not list((tmp_path / "tmp").iterdir())


def test_folders_of_killed_programs_go_when_the_next_one_makes_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    code = f"""if True:
        from deepglass.data.sources import read
        read({str(_archive(tmp_path / "a.zip"))!r})
        print("ready", flush=True)
        input()
    """
    words, pipes = [sys.executable, "-c", code], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(words, env={**os.environ, "TMPDIR": str(temporary)}, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    folders = list(temporary.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    processes[0].kill()
    processes[0].communicate()
    with temporary_folder():
        assert {*folders} < {*temporary.iterdir()}, "one that was just made may not be locked yet"
    for folder in folders:
        os.utime(folder, (0, 0))
    with temporary_folder():
        pass
    assert len(list(temporary.iterdir())) == 1, "that of the process that runs"
    processes[1].communicate(b"\n")
    assert not list(temporary.iterdir())
