"""JSON of Label Studio, as it exports it (JSON and JSON-MIN): a row for each task, a column for each labelling control.

Regions of images become boxes in pixels, spans of a text a tag for each word, choices classes or sets of labels,
ratings numbers. Who labelled a task, when and for how long, is left out.

Source: labelstud.io/guide/export, labelstud.io/tags
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.sources import records
from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.boxes import BOXES, AnnotatedImage, PixelConverter
from deepglass.data.sources.coco import holds_keys
from deepglass.data.sources.file_tree import FileTree
from deepglass.data.sources.image_headers import HeaderReader, ImageHeader
from deepglass.data.sources.label_studio_values import (
    answers_of,
    box_of,
    is_answer,
    is_region,
    is_span,
    tags_of,
    task_files,
    words_of,
)
from deepglass.data.table import Table
from deepglass.documents import read_json
from deepglass.features.base import Media, Raw
from deepglass.formatting import first_names

_META = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "inner_id")
_KEYS = (("annotation_id", "annotator"), ("annotations", "data", "result"), ("completions", "data", "result"))


class Task(NamedTuple):
    """An item: its id and data, and the values that each control has given it; None if nobody has labelled it."""

    id: Any
    data: Mapping[str, Any]
    values: Mapping[str, list[Any]] | None


def is_label_studio(path: Path) -> bool:
    """Whether a JSON file begins as a list and has the keys of an export; `are_tasks` decides once it is parsed."""
    return path.name.lower().endswith(".json") and any(holds_keys(path, *keys, start=b"[") for keys in _KEYS)


def are_tasks(content: Any) -> bool:
    """Whether parsed JSON is a list of tasks."""
    if not isinstance(content, list) or not content or not all(isinstance(task, dict) for task in content):
        return False
    full = all(isinstance(t.get("data"), dict) and isinstance(_annotations(t), list) for t in content)
    return full or all("annotation_id" in task and "annotator" in task for task in content)


def read_label_studio(tree: FileTree, files: Sequence[str], source: str) -> Table | None:
    """A table of the tasks of some exports, with the files below the folder; None if the tasks name none of these.

    Raises:
        SourceError: `unreadable-file` for broken JSON.
    """
    return table_with_files([task for file in files for task in read_tasks(tree.folder / file, file)], source, tree)


def read_tasks(path: Path, source: str) -> list[Mapping[str, Any]]:
    """The tasks of an export; none for other JSON."""
    content = read_json(path, source)
    return content if are_tasks(content) else []


def table_with_files(content: Sequence[Mapping[str, Any]], source: str, tree: FileTree) -> Table | None:
    """A table of tasks with the files below the folder; None if they name none of these."""
    table = table_of_tasks(content, source, tree) if content else None
    return table if table is not None and any(isinstance(raw, list) for raw in table.columns.values()) else None


def read_task_file(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """An export without its files, or any other JSON file as `records.read_json` reads it."""
    if columns is None and is_label_studio(path) and (content := read_tasks(path, source)):
        return table_of_tasks(content, source)
    return records.read_json(path, source, columns, options)


def table_of_tasks(content: Sequence[Mapping[str, Any]], source: str, tree: FileTree | None = None) -> Table:
    """A row for each task: its data, and a column for each control. A single control is the target.

    Args:
        content: tasks, as `are_tasks` recognises them.
        tree: the files below the folder of the export; None where there is no folder.
    """
    log = ReadLog()
    tasks = _tasks(content, log)
    columns = _Columns(tasks, tree, log)
    columns.add_data()
    controls = dict.fromkeys(name for task in tasks for name in task.values or ())
    for control in controls:
        columns.add_control(control)
    log.note("tasks", f"{len(tasks):,} of Label Studio", f"controls: {first_names(list(controls), 8) or 'none'}")
    raws = {**columns.raws, "id": pl.Series("id", [str(task.id) for task in tasks])}
    target = columns.labels[0] if len(columns.labels) == 1 else None
    table = Table(raws, source, target=target, kinds=columns.kinds, excluded=("id", *columns.labels))
    present = np.array([i not in columns.absent for i in range(len(tasks))])
    notes, skipped = log.entries
    return replace(table.take(np.flatnonzero(present)), notes=notes, skipped=skipped)


# -- tasks -------------------------------------------------------------------------------------------------------


def _annotations(task: Mapping[str, Any]) -> Any:
    return task.get("annotations", task.get("completions"))


def _tasks(content: Sequence[Mapping[str, Any]], log: ReadLog) -> list[Task]:
    counts: Counter[str] = Counter()
    tasks = [_full_task(t, counts) if isinstance(t.get("data"), dict) else _short_task(t) for t in content]
    texts = {
        "several": "have several annotations: the first counts, or the one marked as ground truth",
        "skipped": "were skipped by their annotator: unlabelled",
        "predictions": "have predictions of a model: left out",
    }
    for what, why in texts.items():
        if counts[what]:
            log.note(what, f"{counts[what]:,} tasks", why)
    if unlabelled := sum(task.values is None for task in tasks):
        log.note("unlabelled", f"{unlabelled:,} tasks", "nobody has annotated them")
    return tasks


def _full_task(task: Mapping[str, Any], counts: Counter[str]) -> Task:
    annotations = [a for a in _annotations(task) if isinstance(a, dict) and isinstance(a.get("result"), list)]
    usable = [a for a in annotations if not a.get("was_cancelled")]
    counts["several"] += len(usable) > 1
    counts["skipped"] += bool(annotations) and not usable
    counts["predictions"] += bool(task.get("predictions"))
    if not usable:
        return Task(task.get("id"), task["data"], None)
    annotation = next((a for a in usable if a.get("ground_truth")), usable[0])
    values: dict[str, list[Any]] = {}
    for result in annotation["result"]:
        if isinstance(result, dict) and isinstance(result.get("value"), dict) and result.get("from_name"):
            sizes = {key: result.get(key) for key in ("original_width", "original_height")}
            values.setdefault(str(result["from_name"]), []).append({**sizes, **result["value"]})
    return Task(task.get("id"), task["data"], values)


def _short_task(task: Mapping[str, Any]) -> Task:
    """A task of JSON-MIN: its data stand before its id, the values of controls behind it."""
    names = list(task)
    data: dict[str, Any] = {}
    values: dict[str, list[Any]] = {}
    for i, (name, value) in enumerate(task.items()):
        if name in _META:
            continue
        listed = value if isinstance(value, list) else [value]
        if any(is_region(v) or is_span(v) or is_answer(v) for v in listed):
            values[name] = listed
        elif "id" in names and i > names.index("id"):
            values[name] = [{"choices": listed}]
        else:
            data[name] = value
    return Task(task.get("id"), data, values)


# -- columns -----------------------------------------------------------------------------------------------------


@dataclass
class _Columns:
    """The columns of some tasks: data first, then those of controls (`labels`)."""

    tasks: Sequence[Task]
    tree: FileTree | None
    log: ReadLog
    raws: dict[str, Raw] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    absent: set[int] = field(default_factory=set)  # tasks whose file is not there

    def add_data(self) -> None:
        for name in dict.fromkeys(name for task in self.tasks for name in task.data):
            cells = [task.data.get(name) for task in self.tasks]
            files = task_files(cells, self.tree, self.log)
            if files is not None:
                self.raws[name], self.kinds[name] = files.media, files.kind
                self.absent |= {i for i, file in enumerate(files.media) if file is None}
            else:
                texts = [v if v is None or isinstance(v, str | int | float) else str(v) for v in cells]
                self.raws[name] = pl.Series(name, texts, strict=False)

    def add_control(self, control: str) -> None:
        """Add the column of a control, by what most of its values are."""
        cells = [None if task.values is None else task.values.get(control, []) for task in self.tasks]
        values = [value for cell in cells for value in cell or ()]
        name = control if control not in self.raws else f"{control}_label"
        kinds = Counter("boxes" if is_region(v) else "tags" if is_span(v) else "answer" for v in values)
        kind = kinds.most_common(1)[0][0] if values else "answer"
        if others := kinds.total() - kinds[kind]:
            self.log.note("values", f"{others:,} of {control}", "of another kind than most: left out")
        if kind == "boxes":
            self.raws[name] = pl.Series(name, self._boxes(cells), dtype=BOXES)
            self.kinds[name] = "boxes"
        elif kind == "tags":
            text = self._text_of(cells)
            if text is None:
                self.log.note("values", control, "spans of what is no text of the tasks, such as sounds: left out")
                return
            self._add_tags(name, text, cells)
        else:
            answers = [None if cell is None else answers_of(cell) for cell in cells]
            several = any(len(answer or ()) > 1 for answer in answers)
            self.raws[name] = (
                pl.Series(name, [None if a is None else [str(v) for v in a] for a in answers], pl.List(pl.String))
                if several
                else pl.Series(name, [a[0] if a else None for a in answers], strict=False)
            )
            if several:
                self.kinds[name] = "multilabel"
        self.labels.append(name)

    def _boxes(self, cells: Sequence[list[Any] | None]) -> list[list[dict[str, Any]] | None]:
        converter, headers = PixelConverter(self.log), HeaderReader(self.log)
        images = next((raw for n, raw in self.raws.items() if self.kinds.get(n) == "image"), None)
        boxes: list[list[dict[str, Any]] | None] = []
        for i, cell in enumerate(cells):
            file = images[i] if isinstance(images, list) else None
            header = headers.read(file) if isinstance(file, Media) else _stated_header(cell or ())
            if cell is None or (header is None and cell):
                boxes.append(None)
                continue
            where = f"task {self.tasks[i].id}"
            regions = [box_of(value, where) for value in cell if is_region(value)]
            for _ in (region for region in regions if region is None):
                self.log.skip(where, "a region without an area, such as a key point or a brush")
            item = AnnotatedImage(where, [box for box in regions if box is not None], relative=True)
            pixels = converter.in_pixels(item, header) if header is not None else []
            boxes.append(None if cell and not pixels else pixels)
        converter.add_notes()
        headers.add_notes()
        return boxes

    def _text_of(self, cells: Sequence[list[Any] | None]) -> str | None:
        """The name of the text that spans are of: the longest texts of the tasks."""
        texts = {
            name: raw.str.len_chars().mean() or 0
            for name, raw in self.raws.items()
            if isinstance(raw, pl.Series) and raw.dtype == pl.String and name not in self.labels
        }
        texts |= {name: float("inf") for name, kind in self.kinds.items() if kind == "text"}
        sounds = any("channel" in value for cell in cells for value in cell or () if isinstance(value, dict))
        return None if sounds or not texts else max(texts, key=lambda name: float(texts[name]))  # type: ignore[arg-type]

    def _add_tags(self, name: str, text: str, cells: Sequence[list[Any] | None]) -> None:
        texts = [str(task.data.get(text) or "") for task in self.tasks]
        tags = [None if cell is None else tags_of(own, cell) for own, cell in zip(texts, cells, strict=True)]
        overlaps = sum(tagged.lost for tagged in tags if tagged is not None)
        if overlaps:
            self.log.note("spans", f"{overlaps:,} of {name}", "within others or outside of their text: left out")
        self.log.note("words", text, "words and signs of the text; each has a tag (B- begins a span, I- continues it)")
        self.raws[text] = pl.Series(text, [words_of(own) for own in texts], pl.List(pl.String))
        self.raws[name] = pl.Series(name, [t and t.tags for t in tags], pl.List(pl.String))
        self.kinds |= {text: "text", name: "tags"}


def _stated_header(values: Sequence[Any]) -> ImageHeader | None:
    """The size of an image that is not there, as its regions state it."""
    for value in values:
        if isinstance(value, dict):
            height, width = (value.get(key) for key in ("original_height", "original_width"))
            if isinstance(height, int) and isinstance(width, int) and height > 0 < width:
                return ImageHeader(height, width, 1, "RGB", 1, "")
    return None
