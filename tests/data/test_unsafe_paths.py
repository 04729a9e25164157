"""Names from data stay in their folder, or are refused; honest tables whose files all lie elsewhere are read."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image as Pillow

from deepglass.data.sources import read
from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import FEATURES
from deepglass.features.outputs.base import OUTPUTS
from deepglass.inspection import inspect
from deepglass.prepare.sources import read_source
from deepglass.spec.spec import Spec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of ten images, and a private image outside."""
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    for i in range(10):
        Pillow.new("RGB", (8, 8), (i, 0, 0)).save(images / f"{i}.png")
    (tmp_path / "private").mkdir()
    Pillow.new("RGB", (8, 8), "red").save(tmp_path / "private" / "x.png")
    return tmp_path / "data"


def _table(folder: Path, cells: list[str], name: str = "labels.csv") -> Path:
    rows = "".join(f"{cell},{'cat' if i % 2 else 'dog'}\n" for i, cell in enumerate(cells))
    (folder / name).write_text("image,label\n" + rows)
    return folder / name


INSIDE = [f"images/{i}.png" for i in range(10)]


def _code(path: Path, **settings: object) -> tuple[str, str]:
    with pytest.raises(SourceError) as error:
        read(path, **settings)
    return error.value.code, str(error.value)


@pytest.mark.parametrize("form", ["relative", "backslash", "absolute", "link", "folder link"])
def test_a_few_cells_that_lead_out_are_refused(folder: Path, form: str) -> None:
    outside = folder.parent / "private" / "x.png"
    (folder / "images" / "linked.png").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    cell = {
        "relative": "../private/x.png",
        "backslash": "..\\private\\x.png",
        "absolute": str(outside),
        "link": "images/linked.png",
        "folder link": "linked/x.png",
    }[form]
    path = _table(folder, [*INSIDE, cell, cell])
    code, text = _code(path)
    assert code == "unsafe-path"
    assert "2 of 12 names lead out of data/" in text
    assert repr(cell) in text
    assert f"--data-root {outside.parent}" in text
    table = read(path, data_root=[folder.parent, outside.parent])
    assert len(table["image"]) == 12


@pytest.mark.parametrize("form", ["relative", "absolute"])
def test_a_table_whose_images_all_lie_elsewhere_is_read_and_the_folder_noted(folder: Path, form: str) -> None:
    lists = folder.parent / "lists"
    lists.mkdir()
    start = "../data/images" if form == "relative" else str(folder / "images")
    table = read(_table(lists, [f"{start}/{i}.png" for i in range(10)]))
    assert table.kinds["image"] == "image"
    (note,) = [note for note in table.notes if note.what == "paths"]
    assert str(folder / "images") in note.why


def test_from_an_archive_nothing_outside_is_read(folder: Path) -> None:
    outside = folder.parent / "private" / "x.png"
    for cells in ([*INSIDE, str(outside)], [str(outside)] * 10, ["text", *INSIDE, str(outside)]):
        table = _table(folder, cells)
        with zipfile.ZipFile(folder.parent / "all.zip", "w") as archive:
            archive.write(table, "labels.csv")
            for name in INSIDE:
                archive.write(folder / name, name)
        assert _code(folder.parent / "all.zip")[0] == "unsafe-path"
        (folder.parent / "all.zip").unlink()


def test_links_in_a_folder_of_images_stay_inside_it_and_loops_end(folder: Path) -> None:
    images = folder / "images"
    (images / "again").symlink_to(images)
    (images / "same.png").symlink_to(images / "0.png")
    assert len(read(images)) == 11
    (images / "x.png").symlink_to(folder.parent / "private" / "x.png")
    assert _code(images)[0] == "unsafe-path"
    assert len(read(images, data_root=folder.parent / "private")) == 12


def test_a_folder_of_links_alone_is_read_and_noted(folder: Path) -> None:
    links = folder.parent / "subset"
    for i in range(4):
        (links / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        (links / "ab"[i % 2] / f"{i}.png").symlink_to(folder / "images" / f"{i}.png")
    table = read(links)
    assert table.target == "label"
    assert any(note.what == "links" and str(folder / "images") in note.value for note in table.notes)


@pytest.mark.parametrize("format", ["coco", "yolo", "voc", "boxlist", "masks"])
def test_annotations_do_not_reach_files_outside(folder: Path, format: str) -> None:
    private, images = folder.parent / "private" / "x.png", folder / "images"
    name = "../../private/x.png"
    if format == "coco":
        entries = [{"id": i, "file_name": f"{i}.png"} for i in range(9)] + [{"id": 9, "file_name": name}]
        boxes = [{"image_id": i, "category_id": 1, "bbox": [1, 1, 2, 2]} for i in range(10)]
        content = {"images": entries, "annotations": boxes, "categories": [{"id": 1, "name": "a"}]}
        (folder / "boxes.json").write_text(json.dumps(content))
    elif format == "boxlist":
        rows = "".join(f"{cell},1,1,3,3,a\n" for cell in [*(f"{i}.png" for i in range(9)), name])
        (images / "boxes.csv").write_text("filename,xmin,ymin,xmax,ymax,class\n" + rows)
    else:
        for i in range(9):
            box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox>"
            voc = f"<annotation><filename>{name}</filename><object><name>a</name>{box}</object></annotation>"
            if format == "voc":
                (images / f"{i}.xml").write_text(voc)
            elif format == "yolo":
                (images / f"{i}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
            else:
                (folder / "masks").mkdir(exist_ok=True)
                Pillow.new("L", (8, 8), i % 2).save(folder / "masks" / f"{i}.png")
    table = read(folder)
    assert all(media.path.is_relative_to(folder) for media in table["image"])
    (images / "11.png").symlink_to(private)
    assert _code(folder)[0] == "unsafe-path"


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_no_regular_file_is_refused_where_data_name_it(folder: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(folder / "images" / "pipe.png")
        cells = [*INSIDE, "images/pipe.png"]
    else:
        cells = [*INSIDE, *INSIDE, "/dev/zero"]
    path = _table(folder, cells)
    if kind == "device":
        assert _code(path)[0] == "unsafe-path"
        return
    with pytest.raises(SourceError, match="named pipe") as error:
        read(path)["image"][-1].read()
    assert error.value.code == "unreadable-file"
    os.mkfifo(folder / "table.csv")
    assert _code(folder / "table.csv")[0] == "unreadable-file"


def test_folders_and_limits_are_settings_of_a_spec_and_of_the_command_line(folder: Path) -> None:
    private = folder.parent / "private"
    path = _table(folder, [*INSIDE, *INSIDE, str(private / "x.png")])
    inspect(path, "label", data_root=[private, folder])
    spec = Spec.from_dict({"data": {"source": "labels.csv", "data_root": "../private"}, "outputs": ["label"]}, folder)
    assert len(read_source(spec)) == 21
    again = Spec.from_dict(spec.to_dict())
    assert again.data.data_root == (str(folder / "../private"),)
    with pytest.raises(SourceError, match=r"allow it with data\.limits\.line_bytes=[0-9]+"):
        inspect(path, settings={"data.limits.line_bytes": 5})
    for limits, code in (({"line_byte": 5}, "unknown-name"), ({"line_bytes": -1}, "bad-value")):
        with pytest.raises(SpecError) as error:
            Spec.from_dict({"data": {"source": "labels.csv", "limits": limits}})
        assert error.value.code == code


def test_a_list_written_for_the_working_folder_is_read_from_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = folder.parent / "lists"
    lists.mkdir()
    monkeypatch.chdir(folder)
    table = read(_table(lists, INSIDE))
    assert [media.path for media in table["image"]] == [folder / name for name in INSIDE]
    assert any(str(folder / "images") in note.why for note in table.notes)
    private = folder.parent / "private" / "x.png"
    assert _code(_table(folder, ["words", *INSIDE, str(private)]))[0] == "unsafe-path"


FILE_KINDS = sorted({name for registry in (FEATURES, OUTPUTS) for name, kind in registry if kind.file_based})


def test_kinds_that_read_files_say_so() -> None:
    assert {"image", "audio", "video", "mask"} <= set(FILE_KINDS)


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_texts_that_a_kind_reads_as_files_stay_in_their_folder(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names have no ending of a media file, so only the kind makes them paths."""
    private = folder.parent / "private" / "secret"
    (folder.parent / "private" / "x.png").rename(private)
    for i in range(10):
        (folder / "images" / f"{i}.png").rename(folder / "images" / str(i))
    monkeypatch.chdir(folder.parent)
    inside = [f"images/{i}" for i in range(10)]
    column = {"mask": "outputs"}.get(kind, "inputs")

    def source(cells: list[str], **data: object) -> Table:
        spec = {"data": {"source": str(_table(folder, cells)), **data}, column: [{"name": "image", "kind": kind}]}
        return read_source(Spec.from_dict(spec))

    table = source(inside)
    assert [media.path for media in table["image"]] == [folder / name for name in inside]
    for cell in (str(private), "../private/secret", "images/../../private/secret", "/dev/zero"):
        with pytest.raises(SourceError) as error:
            source([*inside, cell])
        assert error.value.code == "unsafe-path"
    allowed = source([*inside, str(private)], data_root=[str(private.parent)])
    assert allowed["image"][-1].path == private
    with zipfile.ZipFile(folder.parent / "all.zip", "w") as archive:
        archive.write(_table(folder, [str(private)] * 10), "labels.csv")
    closed = {"data": {"source": str(folder.parent / "all.zip")}, column: [{"name": "image", "kind": kind}]}
    with pytest.raises(SourceError) as error:
        read_source(Spec.from_dict(closed))
    assert error.value.code == "unsafe-path"
