"""Small files that would take gigabytes are refused by their headers; honest compressible data are read."""

import gzip
import json
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.ipc
import pyarrow.parquet
import pytest
import xlsxwriter
from PIL import Image as Pillow

from deepglass.data.sources import read
from deepglass.errors import SourceError
from deepglass.limits import limits_changed

MAX_BYTES = 2**30  # of memory, above what the process has after its imports


def _zeros_gz(path: Path, before: bytes, size: int, piece: bytes = b"1,2\n" * 2**18) -> None:
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(before)
        for _ in range(size // len(piece)):
            file.write(piece)


def _npy_header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    head = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


def parquet(path: Path) -> None:
    pl.DataFrame({"a": pl.zeros(12_000_000, pl.Int64, eager=True)}).write_parquet(path, compression="zstd")


def parquet_text(path: Path) -> None:
    pl.DataFrame({"a": [f"{i}" + "a" * 2**20 for i in range(100)]}).write_parquet(path, compression="zstd")


def arrow(path: Path) -> None:
    pl.DataFrame({"a": pl.zeros(12_000_000, pl.Int64, eager=True)}).write_ipc(path, compression="zstd")


def parquet_dictionary(path: Path) -> None:
    texts = pyarrow.DictionaryArray.from_arrays(np.zeros(2_000, np.int32), ["a" * 2**20])
    pyarrow.parquet.write_table(pyarrow.table({"a": texts, "b": np.arange(2_000)}), path)


def parquet_lists(path: Path) -> None:
    texts = pyarrow.DictionaryArray.from_arrays(np.zeros(2_000, np.int32), ["a" * 2**20])
    lists = pyarrow.ListArray.from_arrays(np.arange(2_001, dtype=np.int32), texts)
    pyarrow.parquet.write_table(pyarrow.table({"a": lists, "b": np.arange(2_000)}), path)


def arrow_dictionary(path: Path) -> None:
    texts = pyarrow.DictionaryArray.from_arrays(np.zeros(2_000, np.int32), ["a" * 2**20])
    table = pyarrow.table({"a": texts, "b": np.arange(2_000)})
    options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table)


def npz(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("x.npy", "w") as file,
    ):
        file.write(_npy_header((12, 2**20)))
        for _ in range(12):
            file.write(bytes(2**23))


def npy(path: Path) -> None:
    path.write_bytes(_npy_header((10**12,)) + bytes(800))


def npz_header(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", _npy_header((10**12,)) + bytes(800))


def csv_gz(path: Path) -> None:
    _zeros_gz(path, b"a,b\n", 2**27)


def json_gz(path: Path) -> None:
    _zeros_gz(path, b"[0", 2**27, b",0" * 2**18)


def idx(path: Path) -> None:
    path.write_bytes(b"\0\0\x08\3" + struct.pack(">III", 2**31, 2**31, 2**31) + bytes(100))


def idx_gz(path: Path) -> None:
    _zeros_gz(path, b"\0\0\x08\3" + struct.pack(">III", 2**18, 32, 32), 2**27, bytes(2**20))


def line(path: Path) -> None:
    path.write_bytes(b"a,b\n" + b"1," * 25_000_000 + b"\n")


def zipped(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.csv", "w") as file,
    ):
        for _ in range(12):
            file.write(bytes(2**23))


def excel(path: Path) -> None:
    name = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as file:
        for _ in range(12):
            file.write(b" " * 2**23)


def excel_texts(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for row in range(2_000):
            sheet.write_string(row, 0, "TEXT")
            sheet.write_number(row, 1, row)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content.replace(b"TEXT", b"ab" * 2**19))


BOMBS: dict[str, Callable[[Path], None]] = {
    "a.parquet": parquet,
    "text.parquet": parquet_text,
    "dictionary.parquet": parquet_dictionary,
    "lists.parquet": parquet_lists,
    "a.arrow": arrow,
    "dictionary.arrow": arrow_dictionary,
    "a.npz": npz,
    "a.npy": npy,
    "header.npz": npz_header,
    "a.csv.gz": csv_gz,
    "a.json.gz": json_gz,
    "a-images-idx3-ubyte": idx,
    "a-images-idx3-ubyte.gz": idx_gz,
    "line.csv": line,
    "a.zip": zipped,
    "a.xlsx": excel,
    "texts.xlsx": excel_texts,
}
_READ = """if True:
    import os, resource, sys, time
    from deepglass.data.sources import paths, read
    from deepglass.errors import SourceError
    import deepglass.data.sources.bundled
    for path in sys.argv[1:]:
        child = os.fork()
        if child == 0:
            before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
            try:
                read(path)
                code = "read"
            except SourceError as error:
                code = error.code
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(code, memory * 1024, time.process_time() - started, os.path.basename(path), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
"""


def test_bombs_are_refused_in_seconds_and_little_memory(tmp_path: Path) -> None:
    for name, write in BOMBS.items():
        write(tmp_path / name)
    for name in BOMBS:
        if name.startswith("a-images"):
            (tmp_path / "a-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + struct.pack(">I", 2) + b"\0\1")
    paths = [str(tmp_path / name) for name in BOMBS]
    result = subprocess.run([sys.executable, "-c", _READ, *paths], capture_output=True, text=True, timeout=400)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [name for *_, name in lines] == list(BOMBS), result.stderr
    for code, memory, seconds, name in lines:
        assert code in ("too-large", "unreadable-file"), name
        assert int(memory) < MAX_BYTES, name
        assert float(seconds) < 5, name


def test_honest_compressible_tables_are_read(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rare = (random.random((100_000, 50)) < 0.01).astype(np.int64)
    frame = pl.DataFrame({f"x{i}": rare[:, i] for i in range(50)})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc(tmp_path / "a.arrow", compression="zstd")
    frame.write_ipc_stream(tmp_path / "stream.arrow", compression="lz4")
    nested = frame.select(
        lists=pl.concat_list("x0", "x1"),
        text=pl.lit("word"),
        place=pl.lit("a place with a long name").cast(pl.Categorical),
    )
    nested.write_ipc(tmp_path / "b.arrow")
    nested.write_parquet(tmp_path / "b.parquet", compression="snappy")
    for name in ("a.parquet", "a.arrow", "stream.arrow"):
        assert len(read(tmp_path / name)) == 100_000
    assert len(read(tmp_path / "b.parquet")) == len(read(tmp_path / "b.arrow")) == 100_000
    with gzip.open(tmp_path / "a.csv.gz", "wb", compresslevel=9) as file:
        file.write(b"a,b\n" + b"".join(b"%d,repeated words\n" % (i % 1000) for i in range(1_000_000)))
    assert (tmp_path / "a.csv.gz").stat().st_size * 4 < 19 * 10**6
    assert len(read(tmp_path / "a.csv.gz")) == 1_000_000


def test_limits_can_be_changed_for_a_run(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    _zeros_gz(path, b"a,b\n", 2**24)
    with limits_changed({"free_inflation": 2**20}), pytest.raises(SourceError, match=r"data\.limits\.inflation"):
        read(path)
    with limits_changed({"free_inflation": 2**20, "inflation": 10_000}):
        assert len(read(path)) == 2**22


@pytest.mark.parametrize("shape", [(3, 0), (10**12, 0), (2, 0, 3)])
def test_arrays_without_values_in_their_rows_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "a.npy").write_bytes(_npy_header(shape))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", _npy_header(shape))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(SourceError) as error:
            read(tmp_path / name)
        assert error.value.code == "bad-value"


def _forged_png(path: Path, side: int) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_forged_images_are_refused_by_their_headers(tmp_path: Path) -> None:
    from deepglass.features._images import decode, map_images
    from deepglass.features.base import Media

    for i in range(140):
        _forged_png(tmp_path / f"{i}.png", 30_000)
    table = read(tmp_path)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()

    def code(item: object) -> str:
        with pytest.raises(SourceError) as error:
            decode(item)
        return error.value.code

    assert set(map_images(code, table["image"])) == {"too-large"}
    assert isinstance(table["image"][0], Media)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MAX_BYTES
    assert time.process_time() - started < 5


def test_an_animation_of_many_large_frames_is_refused(tmp_path: Path) -> None:
    from deepglass.features._frames import read_frames

    frames = [Pillow.new("P", (1000, 1000), i) for i in range(8)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert len(read_frames(str(tmp_path / "a.gif"), 4)) == 4
    with limits_changed({"animation_pixels": 7_000_000}), pytest.raises(SourceError, match="8 frames of 1,000"):
        read_frames(str(tmp_path / "a.gif"), 4)


def test_a_sound_header_that_claims_hours_allocates_little(tmp_path: Path) -> None:
    from deepglass.features._audio_files import read_audio
    from deepglass.features.base import Media

    path, samples = tmp_path / "a.wav", 2**30
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 2**31, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16)
    path.write_bytes(head + b"data" + struct.pack("<I", 2**31 - 2**17) + bytes(1000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError) as error:
        read_audio(Media("a.wav", path), None, float(samples))
    assert error.value.code in ("unreadable-file", "too-large")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MAX_BYTES


def test_a_sequence_of_very_many_steps_is_refused(tmp_path: Path) -> None:
    from deepglass.features.sequence import Sequence

    rows = [{"s": [1.0, 2.0], "y": 1}, {"s": [0.5] * 200_000, "y": 0}, {"s": [1.0], "y": 1}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw = read(tmp_path / "a.jsonl")["s"]
    with pytest.raises(SourceError, match=r"row 1.*200,000 values.*sequence_values") as error:
        Sequence(name="s").fit([raw])
    assert error.value.code == "too-large"
    with limits_changed({"sequence_values": 200_000}):
        assert Sequence(name="s").fit([raw]).length_ == 200_000
