"""From a spec to encoded rows: what each column is taken for, who is in which split, what is left out and why."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from deepglass.config import construct
from deepglass.data.batches import Dataset
from deepglass.data.labels import KeepLabels, blanked, nothing_like
from deepglass.data.sources import SourceOptions, read
from deepglass.data.sources.base import joined
from deepglass.data.split import Split
from deepglass.data.table import Note, Skipped, Table
from deepglass.errors import SourceError
from deepglass.features._room import too_large
from deepglass.features.base import FEATURES, Best, Column, Feature, Media, Raw, recognise, take_raw
from deepglass.objectives.base import OBJECTIVES
from deepglass.run.checks import (
    check_count,
    check_drop,
    check_roles,
    check_rows,
    check_unlabelled,
    check_world,
    known_column,
)
from deepglass.run.relabel import Labels, check_labels, mended, read_labels
from deepglass.run.spec import DataSpec, Source, Spec
from deepglass.run.starting import taken_over
from deepglass.run.suited import suited

MUCH = 500_000_000  # bytes of encoded values of which something is said
SAMPLE = 10_000  # rows that recognising a kind looks at
PARTS = ("train", "valid", "test")


IN_STEPS = ("text", "tags", "sequence", "audio")  # kinds that answers may go step by step with

Role = Literal["input", "output", "ignored"]


class Taken(NamedTuple):
    """How a column was taken, and why."""

    name: str
    kind: str
    why: str
    role: Role


@dataclass(frozen=True)
class Prepared:
    """Everything that training needs of the data.

    Args:
        table: the rows that are used; those left out are in `table.skipped`.
        places: (N,) int64, where each row stands in the source.
        split: (N,) of "train", "valid", "test"; "" for rows that are not used.
        hidden: (N,) bool, rows whose answers are hidden: `data.keep_labels`.
        inputs, outputs: fitted on the training rows.
        taken: how each column was taken.
        notes: sentences for the user: imbalance, missing labels, what was left out.
        fingerprint: of the source's content.
    """

    table: Table
    places: np.ndarray
    split: np.ndarray
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    taken: tuple[Taken, ...]
    notes: tuple[str, ...]
    fingerprint: str
    hidden: np.ndarray

    def rows(self, part: str) -> np.ndarray:
        return np.flatnonzero(self.split == part)

    def part(self, part: str) -> Table:
        return self.table.take(self.rows(part))

    def datasets(self, device: str) -> dict[str, Dataset]:
        """The encoded rows of each part."""
        return {part: self.dataset(self.rows(part), device) for part in PARTS}

    def dataset(self, rows: np.ndarray, device: str = "cpu") -> Dataset:
        """Some rows, encoded, their targets where the inputs stand."""
        table = self.table.take(rows)
        inputs = {f.name: f.encode(table[f.column]) for f in self.inputs}
        targets = {f.name: f.place(f.encode(table[f.column]), inputs) for f in self.outputs}
        return Dataset(inputs, targets, device)


def prepare(spec: Spec) -> Prepared:
    """Read the source, settle kinds and split, fit the features on the training rows.

    Raises:
        SourceError, SpecError: all that can be wrong is found here, before training starts.
    """
    table = read_source(spec)
    check_count(len(table), table.name)
    fingerprint = fingerprint_of(table)
    labels = labels_for(spec, table)
    check_drop(spec.data.drop, table)
    taken, features = settle(table, spec)
    targets = [f for f in features if _role(taken, f.name) == "output"]
    inputs = [f for f in features if _role(taken, f.name) == "input"]
    inputs, targets = suited(spec, inputs, targets)
    objective = OBJECTIVES.get(spec.objective["name"], where="objective.name")
    check_world(spec.objective["name"], table)
    given = {m.row for m in labels.mends if m.new} if labels else set()
    table, places, absent = _usable(table, inputs, targets, objective.unlabelled, given)
    split = np.full(len(table), "train", "U5")
    labelled = table.take(np.flatnonzero(~absent)) if absent.any() else table
    check_rows(labelled, targets)
    first = labelled[targets[0].column] if targets else None
    stratify = bool(targets) and targets[0].kind in ("category", "binary")
    split[~absent] = split_of(spec, table, targets).assign(labelled, first, stratify)
    hidden = np.zeros(len(table), bool)
    if spec.data.keep_labels is not None and targets:
        kept = KeepLabels.of(spec.data.keep_labels)
        hidden = kept.hidden(table[targets[0].column], split, spec.data.split.seed)
        hidden &= ~np.isin(places, list(given))  # what somebody has labelled is not hidden
        split[hidden] = "train" if objective.unlabelled else ""
        table = _without_answers(table, targets, hidden)
    split[np.isin(places, spec.data.drop)] = ""  # the others stay in the parts where they would be
    if labels:  # after the split, which is therefore that of the run before
        table = _relabelled(spec, table, places, split, labels)
    return _fitted(spec, table, places, split, inputs, targets, taken, hidden, fingerprint)


def split_of(spec: Spec, table: Table, targets: Sequence[Feature]) -> Split:
    """As the spec says; where it says nothing and the answer is who it is, the people of the test are others.

    Kinds of learning that read the rows as one text are tested on its end.
    """
    split = spec.data.split
    in_order = OBJECTIVES.get(spec.objective["name"], where="objective.name").in_order
    if in_order and split.by is None and split.rows is None and table.split is None:
        return replace(split, by="order")
    if targets and targets[0].kind == "identity" and split.by is None and split.rows is None and table.split is None:
        return replace(split, by=f"group:{targets[0].column}")
    return split


def reprepare(spec: Spec, stored: pl.DataFrame, features: Mapping[str, Sequence[Feature]]) -> Prepared:
    """What `prepare` gave, from a stored split and stored features: for a run that goes on.

    Args:
        stored: a line a row that was used: "row", "split", "hidden".
    """
    places, split = stored["row"].to_numpy(), stored["split"].to_numpy()
    hidden = stored["hidden"].to_numpy() if "hidden" in stored.columns else np.zeros(len(places), bool)
    table = read_source(spec)
    fingerprint = fingerprint_of(table)
    inputs, outputs = tuple(features["inputs"]), tuple(features["outputs"])
    if len(places) and places.max() >= len(table):
        raise SourceError("mismatched-files", f"{table.name}: has {len(table)} rows, fewer than when the run began")
    labels = labels_for(spec, table)
    table = _without_answers(table.take(places), outputs, hidden)
    if labels:
        table = _relabelled(spec, table, places, split, labels)
    return Prepared(table, places, split, inputs, outputs, (), (), fingerprint, hidden)


def read_source(spec: Spec) -> Table:
    """The source as one table; with a test source, the two together and a split between them.

    Rows of an unlabelled source come last, without answers.
    """
    table = read_like(spec.data, spec.data.source)
    if spec.data.test is not None:
        test = read_like(spec.data, spec.data.test)
        table = _together(table, test, np.repeat(["train", "test"], [len(table), len(test)]))
    if spec.data.unlabelled is not None:
        named = [s.get("column", s["name"]) for s in spec.outputs] or [table.target]
        more = read_like(spec.data, spec.data.unlabelled)
        more = more.with_columns({n: nothing_like(table[n], len(more)) for n in named if n is not None})
        split = None if table.split is None else np.concatenate([table.split, np.full(len(more), "train")])
        table = _together(table, more, split)
    return table


def labels_for(spec: Spec, table: Table) -> Labels | None:
    """The labels of `data.relabel`, with their places in the whole source.

    They may have been given in the whole, or in one of the sources that it is put together from.

    Raises:
        SourceError: `mismatched-files` for a file that belongs to another source; see `run.relabel`.
    """
    if spec.data.relabel is None:
        return None
    labels = read_labels(Path(spec.data.relabel))
    start = _start_of(spec, table, labels) if labels.origin else 0
    labels = labels._replace(mends=tuple(m._replace(row=m.row + start) for m in labels.mends))
    check_labels(labels, table, spec.data.keep_labels is not None)
    return labels


def _start_of(spec: Spec, table: Table, labels: Labels) -> int:
    """The place in the whole source at which the rows of a file of labels begin."""
    origin, start = labels.origin, 0
    assert origin is not None
    if origin.fingerprint == fingerprint_of(table):
        return 0
    for source in (s for n in ("source", "test", "unlabelled") if (s := getattr(spec.data, n)) is not None):
        part = read_like(spec.data, source)
        if origin.fingerprint == fingerprint_of(part):
            return start
        start += len(part)
    raise SourceError(
        "mismatched-files",
        f"data.relabel: {labels.path}: was made for {origin.name} with {origin.rows} rows, and {table.name} is another "
        f"source or has changed since; it has {len(table)} rows",
    )


def _relabelled(spec: Spec, table: Table, places: np.ndarray, split: np.ndarray, labels: Labels) -> Table:
    """The labels mended, but those of test rows only if that is asked for."""
    open_rows = np.flatnonzero(split != "") if spec.data.relabel_test else np.flatnonzero(~np.isin(split, ("test", "")))
    rows = dict(zip(places[open_rows].tolist(), open_rows.tolist(), strict=True))
    changing = [m for m in labels.mends if m.old != m.new]
    left = len({m.row for m in changing} - rows.keys())
    table = mended(table, rows, labels.mends)
    said = [Note("relabel", f"{len(changing) - left:,} labels mended or given", f"as {labels.path.name} says")]
    if left:
        said.append(Note("relabel", f"{left:,} labels not", "rows of the test, or not used; data.relabel_test=true"))
    return replace(table, notes=(*table.notes, *said))


def _together(table: Table, more: Table, split: np.ndarray | None) -> Table:
    absent = [n for n in table.names if n not in more.columns]
    if absent:
        raise SourceError("mismatched-files", f"{more.name}: lacks the columns {', '.join(absent)} of {table.name}")
    columns = {n: joined([table[n], more[n]], n, more.name) for n in table.names}
    return replace(table, columns=columns, split=split, skipped=(*table.skipped, *more.skipped))


def read_like(data: DataSpec, source: Source) -> Table:
    """A source read with the options of a spec."""
    names = [f.name for f in dataclasses.fields(SourceOptions)]
    options = SourceOptions(**{n: getattr(data, n) for n in names})
    columns = data.columns if isinstance(source, str | Path) else ()
    root = Path(data.root) if data.root else None
    return read(source, columns=columns or None, name_pattern=data.name, data_root=root, options=options)


def settle(table: Table, spec: Spec) -> tuple[list[Taken], list[Feature]]:
    """What each column is taken for and why; features are not fitted yet."""
    outputs = list(spec.outputs) or ([{"name": table.target}] if table.target else [])
    for i, settings in enumerate(outputs):
        known_column(table, settings.get("column", settings["name"]), f"outputs[{i}]")
    for name in spec.data.ignore:
        known_column(table, name, "data.ignore")
    for name in spec.kinds:
        known_column(table, name, "--kind")
        FEATURES.get(spec.kinds[name], where=f"--kind {name}")
    check_roles(outputs, spec.inputs, spec.data.ignore)
    used = {s.get("column", s["name"]) for s in outputs}
    chosen = bool(spec.inputs)
    unasked = used.union(spec.data.ignore, table.aside)
    inputs = list(spec.inputs) or [{"name": n} for n in table.names if n not in unasked]
    taken: list[Taken] = []
    features: list[Feature] = []
    groups: tuple[tuple[Role, list[Any]], ...] = (("output", outputs), ("input", inputs))
    for role, group in groups:
        for i, settings in enumerate(group):
            where = f"{role}s[{i}]" if chosen or role == "output" else f"inputs.{settings['name']}"
            known_column(table, settings.get("column", settings["name"]), where)
            kind, why = _kind(table, settings, spec)
            useless = None if chosen or role == "output" else _useless(table, settings["name"])
            if useless:
                taken.append(Taken(settings["name"], kind, useless, "ignored"))
                continue
            column = settings.get("column", settings["name"])
            hints = table.hints.get(column, {}) if table.kinds.get(column) == kind else {}
            if kind == "image" and role == "input" and (side := _longest_side(features)):
                hints = {"longest": side, **hints}
            given = {**hints, **{k: v for k, v in settings.items() if k != "kind"}}
            cls = FEATURES.get(kind, where=where)
            feature = construct(cls, given, f"{role}s.{settings['name']}", beside=["kind"])
            features.append(feature.as_answer() if role == "output" else feature)
            taken.append(Taken(settings["name"], kind, why, role))
    taken += [Taken(n, "", "left out as asked", "ignored") for n in spec.data.ignore]
    aside = [n for n in table.aside if not chosen and n not in used and n not in spec.data.ignore]
    taken += [
        Taken(n, table.kinds.get(n, ""), "set aside by the source: no input unless asked", "ignored") for n in aside
    ]
    if not any(t.role == "input" for t in taken):
        why = "; ".join(f"{t.name}: {t.why if t.role == 'ignored' else 'the target'}" for t in taken[:8])
        raise SourceError("empty-source", f"{table.name}: no column is left to learn from ({why})")
    return taken, features


def fingerprint_of(table: Table) -> str:
    """A hash of a table's shape and of rows spread over it; enough to know a changed source."""
    digest = hashlib.sha256(repr((table.names, len(table))).encode())
    for i in np.unique(np.linspace(0, max(len(table) - 1, 0), 200).astype(int)) if len(table) else []:
        for raw in table.columns.values():
            value = raw[int(i)]
            plain = value.name if isinstance(value, Media) else value
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(plain).encode())
    return digest.hexdigest()


def with_context(best: Mapping[str, Best], outputs: Sequence[Feature], inputs: Mapping[str, Column]) -> dict[str, Best]:
    """Best answers with what `decode` needs of the inputs."""
    return {f.name: {**best[f.name], **f.context(inputs)} for f in outputs if f.name in best}


def _longest_side(features: Sequence[Feature]) -> int | None:
    """How large pictures should be for the outputs, which stand before the inputs."""
    return max((side for f in features if (side := type(f).longest_side)), default=None)


# -- steps -------------------------------------------------------------------------------------------------------


def _fitted(
    spec: Spec,
    table: Table,
    places: np.ndarray,
    split: np.ndarray,
    inputs: list[Feature],
    targets: list[Feature],
    taken: list[Taken],
    hidden: np.ndarray,
    fingerprint: str,
) -> Prepared:
    train = np.flatnonzero(split == "train")
    fit = lambda f: f.fit([take_raw(table[f.column], train)])  # noqa: E731
    fitted_targets = taken_over(spec, "outputs", tuple(fit(f) for f in targets))
    fitted_inputs = taken_over(spec, "inputs", tuple(fit(f) for f in inputs))
    if any(f.lines_up for f in fitted_targets):
        fitted_targets, fitted_inputs = _lined_up(table, train, fitted_targets, fitted_inputs)
    notes: list[str] = []
    learns_without = OBJECTIVES.get(spec.objective["name"]).unlabelled
    lacking: list[tuple[Feature, int]] = []
    for feature in fitted_targets:
        column = feature.encode(take_raw(table[feature.column], train))
        feature.check_target(column, table.name)
        missing = int((~column.mask).sum())
        lacking.append((feature, missing))
        if missing and learns_without:
            notes.append(f"{feature.name}: {missing:,} training rows without a value are learned from too")
        elif missing:
            notes.append(f"{feature.name}: {missing} training rows have no value and teach nothing about it")
        notes += feature.remarks(column)
    check_unlabelled(spec.objective["name"], lacking, len(train))
    notes += _mended(spec)
    notes += _left_out(table.skipped)
    notes += _odd(table, [*fitted_inputs, *fitted_targets])
    notes += _memory(fitted_inputs, len(table))
    return Prepared(
        table,
        places,
        split,
        fitted_inputs,
        fitted_targets,
        tuple(taken),
        tuple(notes),
        fingerprint,
        hidden,
    )


def _lined_up(
    table: Table, train: np.ndarray, targets: Sequence[Feature], inputs: Sequence[Feature]
) -> tuple[tuple[Feature, ...], tuple[Feature, ...]]:
    """Answers that know with which input they go step by step; that input comes first, where the networks have it."""
    encode = lambda f: f.encode(take_raw(table[f.column], train))  # noqa: E731
    columns = {f.name: encode(f) for f in inputs if f.kind in IN_STEPS}
    settled = tuple(f.lined_up(encode(f), columns) if f.lines_up else f for f in targets)
    first = {getattr(f, "beside_", "") for f in settled}
    return settled, tuple(sorted(inputs, key=lambda f: f.name not in first))


def _odd(table: Table, features: Sequence[Feature]) -> list[str]:
    """What is odd about sequences, counted: what is cut off, tags that training never saw."""
    found = [(f.name, f.notes(table[f.column])) for f in features if f.kind in IN_STEPS]
    return [f"{name}: {what}: {count:,}" for name, notes in found for what, count in notes.items()]


def _memory(inputs: Sequence[Feature], rows: int) -> list[str]:
    """What the encoded rows take, where that is much, said before it is taken."""
    notes = []
    for feature in inputs:
        if (size := rows * feature.row_bytes) >= MUCH:
            kept = "in a file on disk, as memory has no room for them" if too_large(size) else "in memory"
            notes.append(f"{feature.name}: {rows:,} rows of {feature.row_bytes:,} bytes, {size / 1e9:.1f} GB {kept}")
    return notes


def _mended(spec: Spec) -> list[str]:
    """What was put right in the data before training."""
    notes = [f"mended before training: {', '.join(spec.data.fix)} (data.fix)"] if spec.data.fix else []
    return [*notes, f"left out: {len(spec.data.drop):,} rows that data.drop names"] if spec.data.drop else notes


def _left_out(skipped: Sequence[Skipped], most: int = 3) -> list[str]:
    """Sentences about the first things that are left out, and how many there are."""
    more = len(skipped) - most
    notes = [f"left out: {s.name} ({s.reason})" for s in skipped[:most]]
    return [*notes, f"left out: {more} more, {len(skipped)} in all"] if more > 0 else notes


def _usable(
    table: Table, inputs: Sequence[Feature], targets: Sequence[Feature], unlabelled: bool, given: set[int]
) -> tuple[Table, np.ndarray, np.ndarray]:
    """Leave out rows whose item cannot be read, and rows without any target unless they are of use.

    Args:
        given: rows that are given a label.

    Returns:
        The rows that stay, their places, and which of them have no target.
    """
    keep = np.ones(len(table), bool)
    skipped: list[Skipped] = []
    for feature in (*inputs, *targets):
        for row, reason in feature.unreadable(table[feature.column]).items():
            keep[row] = False
            name = getattr(table[feature.column][row], "name", f"row {row}")
            skipped.append(Skipped(name, reason.partition("] ")[2].removeprefix(f"{name}: ") or reason))
    absent = np.zeros(len(table), bool)
    if targets:
        absent = np.all([without_value(table[f.column]) for f in targets], axis=0)
    if not unlabelled:
        useless = absent & ~np.isin(np.arange(len(table)), list(given))
        count = int((useless & keep).sum())
        if count:
            names = " or ".join(f.name for f in targets)
            skipped.append(Skipped("1 row" if count == 1 else f"{count} rows", f"no value for {names}"))
        keep &= ~useless
    places = np.flatnonzero(keep)
    if len(places) < len(table):
        table = replace(table.take(places), skipped=(*table.skipped, *skipped))
    return table, places, absent[places]


def _without_answers(table: Table, targets: Sequence[Feature], rows: np.ndarray) -> Table:
    """The table with the answers of these rows, (N,) bool, hidden."""
    return table.with_columns({f.column: blanked(table[f.column], rows) for f in targets}) if rows.any() else table


def _kind(table: Table, settings: Mapping[str, Any], spec: Spec) -> tuple[str, str]:
    name = settings["name"]
    column = settings.get("column", name)
    if "kind" in settings:
        return settings["kind"], "as asked"
    if name in spec.kinds:
        return spec.kinds[name], "as asked"
    if column in table.kinds:
        return table.kinds[column], "the source says so"
    return recognise(_head(table[column]), column)


def _useless(table: Table, name: str) -> str | None:
    """Why a column can teach nothing, if so."""
    raw = table[name]
    if not isinstance(raw, pl.Series):
        return None
    if raw.null_count() == len(raw):
        return "no value in any row"
    if (
        raw.dtype != pl.Object
        and not raw.dtype.is_nested()
        and raw.drop_nulls().n_unique() == 1
        and not raw.null_count()
    ):
        return "the same value in every row"
    if raw.dtype.is_integer() and len(raw) > 20 and not raw.null_count():
        steps = raw.cast(pl.Int64).diff().drop_nulls()
        if steps.min() == steps.max() == 1:
            return "a row number: it counts up by one"
    return None


def without_value(raw: Raw) -> np.ndarray:
    """Which rows have no value, (N,) bool."""
    if isinstance(raw, pl.Series):
        return (~raw.is_finite().fill_null(False) if raw.dtype.is_float() else raw.is_null()).to_numpy()
    if isinstance(raw, np.ndarray) and raw.dtype.kind == "f":
        return np.asarray(np.isnan(raw.reshape(len(raw), -1)).all(1))
    return np.array([isinstance(raw, list) and value is None for value in raw], bool)


def _head(raw: Raw) -> Raw:
    if len(raw) <= SAMPLE:
        return raw
    rows = np.random.default_rng(0).choice(len(raw), SAMPLE, replace=False)
    return take_raw(raw, np.sort(rows))


def _role(taken: Sequence[Taken], name: str) -> str:
    return next(t.role for t in taken if t.name == name)
