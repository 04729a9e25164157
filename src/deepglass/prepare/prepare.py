"""From a spec to encoded rows: who is in which split, what is left out and why, features fitted on training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.data.label_budget import LabelBudget
from deepglass.data.missing import blanked, missing
from deepglass.data.split import Split
from deepglass.data.table import Skipped, Table
from deepglass.features._allocate import too_large
from deepglass.features.base import Column, Feature, PredictionArrays, take_raw
from deepglass.objectives.base import OBJECTIVES
from deepglass.prepare.checks import check_count, check_drop, check_rows, check_unlabelled, check_world
from deepglass.prepare.columns import ColumnRole, infer_columns
from deepglass.prepare.label_corrections import labels_for, relabelled
from deepglass.prepare.resolve import suited
from deepglass.prepare.sources import fingerprint_of, read_source
from deepglass.spec.spec import Spec

MUCH = 500_000_000  # bytes of encoded values of which something is said
PARTS = ("train", "valid", "test")
IN_STEPS = ("text", "tags", "sequence", "audio")  # kinds that answers may go step by step with


Inherit = Callable[[Literal["inputs", "outputs"], Sequence[Feature]], tuple[Feature, ...]]


def _inherit_nothing(role: Literal["inputs", "outputs"], features: Sequence[Feature]) -> tuple[Feature, ...]:
    return tuple(features)


@dataclass(frozen=True)
class Prepared:
    """Everything that training needs of the data.

    Args:
        table: the rows that are used; those left out are in `table.skipped`.
        places: (N,) int64, where each row stands in the source.
        split: (N,) of "train", "valid", "test"; "" for rows that are not used.
        hidden: (N,) bool, rows whose answers are hidden: `data.num_labels`.
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
    taken: tuple[ColumnRole, ...]
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
        targets = {f.name: f.to_input_frame(f.encode(table[f.column]), inputs) for f in self.outputs}
        return Dataset(inputs, targets, device)


def prepare(spec: Spec, inherit: Inherit = _inherit_nothing) -> Prepared:
    """Read the source, infer column roles and split, fit the features on the training rows.

    Args:
        inherit: replaces fitted features by those of the run whose weights this run starts from; called with "inputs"
            or "outputs" and the features.

    Raises:
        SourceError, SpecError: all that can be wrong is found here, before training starts.
    """
    table = read_source(spec)
    check_count(len(table), table.name)
    fingerprint = fingerprint_of(table)
    labels = labels_for(spec, table)
    check_drop(spec.data.drop, table)
    taken, features = infer_columns(table, spec)
    roles = {t.name: t.role for t in taken}
    inputs = [f for f in features if roles[f.name] == "input"]
    outputs = [f for f in features if roles[f.name] == "output"]
    inputs, outputs = suited(spec, inputs, outputs)
    check_world(spec.objective["name"], table)
    given = [m.row for m in labels.mends if m.new] if labels else []
    table, places = _usable(table, inputs, outputs, _learns_without(spec), given)
    absent = without_answer(table, outputs)
    split = np.full(len(table), "train", "U5")
    labelled = table.take(np.flatnonzero(~absent)) if absent.any() else table
    check_rows(labelled, outputs)
    split[~absent] = divided(spec, labelled, outputs)
    hidden = _hidden(spec, table, outputs, split) & ~np.isin(places, given)  # what people have labelled is not hidden
    split[hidden] = "train" if _learns_without(spec) else ""
    split[np.isin(places, spec.data.drop)] = ""  # the others stay in the parts where they would be
    table = with_hidden(table, outputs, hidden)
    if labels:  # after the split, which is therefore that of the run before
        table = relabelled(spec, table, places, split, labels)
    known = _fitted(inherit, table, split, inputs, outputs)
    notes = tuple(_notes(spec, table, split, *known))
    return Prepared(table, places, split, *known, tuple(taken), notes, fingerprint, hidden)


def without_answer(table: Table, outputs: Sequence[Feature]) -> np.ndarray:
    """The rows that hold no answer at all, (N,) bool; none where nothing is to be answered."""
    if not outputs:
        return np.zeros(len(table), bool)
    return np.all([missing(table[f.column]) for f in outputs], axis=0)


def divided(spec: Spec, table: Table, outputs: Sequence[Feature]) -> np.ndarray:
    """The part of each row, (N,); where there are classes, each part has its share of them.

    Raises:
        SourceError: `too-few-rows`.
    """
    first = table[outputs[0].column] if outputs else None
    stratify = bool(outputs) and outputs[0].has_classes
    return split_of(spec, table, outputs).assign(table, first, stratify)


def split_of(spec: Spec, table: Table, outputs: Sequence[Feature]) -> Split:
    """As the spec says; where it says nothing and the answer is who it is, the people of the test are others.

    Of pictures with several captions each, those of the test are others too. Kinds of learning that read the rows as
    one text are tested on its end.
    """
    split = spec.data.split
    if split.by is not None or split.rows is not None or table.split is not None:
        return split
    if OBJECTIVES.get(spec.objective["name"], where="objective.name").sequential_rows:
        return replace(split, by="order")
    if outputs and outputs[0].kind == "identity":
        return replace(split, by=f"group:{outputs[0].column}")
    if outputs and outputs[0].kind == "text" and (picture := _shared_picture(table)):
        return replace(split, by=f"group:{picture}")
    return split


def _shared_picture(table: Table) -> str | None:
    """The column of pictures of which one file stands in several rows."""
    for name, kind in table.kinds.items():
        if kind == "image" and isinstance(raw := table[name], list):
            files = [item.name for item in raw if item is not None]
            if len(set(files)) < len(files):
                return name
    return None


def with_context(
    best: Mapping[str, PredictionArrays], outputs: Sequence[Feature], inputs: Mapping[str, Column]
) -> dict[str, PredictionArrays]:
    """Best answers with what `decode` needs of the inputs."""
    return {f.name: {**best[f.name], **f.context(inputs)} for f in outputs if f.name in best}


# -- rows ----------------------------------------------------------------------------------------------------------


def _learns_without(spec: Spec) -> bool:
    """Whether this kind of learning learns from rows without an answer too."""
    return OBJECTIVES.get(spec.objective["name"], where="objective.name").uses_unlabelled


def _usable(
    table: Table, inputs: Sequence[Feature], outputs: Sequence[Feature], unlabelled: bool, given: Sequence[int]
) -> tuple[Table, np.ndarray]:
    """Leave out rows whose item cannot be read, and rows without any answer unless they are of use.

    Args:
        given: rows that are given a label.

    Returns:
        The rows that stay, and their places.
    """
    keep = np.ones(len(table), bool)
    skipped: list[Skipped] = []
    for row, item in unreadable(table, (*inputs, *outputs)):
        keep[row] = False
        skipped.append(item)
    if not unlabelled:
        useless = without_answer(table, outputs) & ~np.isin(np.arange(len(table)), given)
        if count := int((useless & keep).sum()):
            names = " or ".join(f.name for f in outputs)
            skipped.append(Skipped("1 row" if count == 1 else f"{count} rows", f"no value for {names}"))
        keep &= ~useless
    places = np.flatnonzero(keep)
    if len(places) < len(table):
        table = replace(table.take(places), skipped=(*table.skipped, *skipped))
    return table, places


def unreadable(table: Table, features: Sequence[Feature]) -> list[tuple[int, Skipped]]:
    """The rows whose item cannot be read, with its name and why; columns that are not there are passed over."""
    found = []
    for feature in features:
        raw = table.columns.get(feature.column, [])
        for row, reason in feature.unreadable(raw).items():
            name = getattr(raw[row], "name", f"row {row}")
            found.append((row, Skipped(name, reason.partition("] ")[2].removeprefix(f"{name}: ") or reason)))
    return found


def _hidden(spec: Spec, table: Table, outputs: Sequence[Feature], split: np.ndarray) -> np.ndarray:
    """The rows whose answers `data.num_labels` hides, (N,) bool."""
    if spec.data.num_labels is None or not outputs:
        return np.zeros(len(table), bool)
    return LabelBudget.of(spec.data.num_labels).hidden(table[outputs[0].column], split, spec.data.split.seed)


def with_hidden(table: Table, outputs: Sequence[Feature], rows: np.ndarray) -> Table:
    """The table with the answers of these rows, (N,) bool, gone."""
    return table.with_columns({f.column: blanked(table[f.column], rows) for f in outputs}) if rows.any() else table


# -- features --------------------------------------------------------------------------------------------------------


def _fitted(
    inherit: Inherit, table: Table, split: np.ndarray, inputs: Sequence[Feature], outputs: Sequence[Feature]
) -> tuple[tuple[Feature, ...], tuple[Feature, ...]]:
    """Inputs and outputs, fitted on the training rows or taken over from the run that this one starts with."""
    train = np.flatnonzero(split == "train")
    fitted_outputs = inherit("outputs", [f.fit([take_raw(table[f.column], train)]) for f in outputs])
    fitted_inputs = inherit("inputs", [f.fit([take_raw(table[f.column], train)]) for f in inputs])
    if any(f.alignable for f in fitted_outputs):
        return _lined_up(table, train, fitted_inputs, fitted_outputs)
    return fitted_inputs, fitted_outputs


def _lined_up(
    table: Table, train: np.ndarray, inputs: Sequence[Feature], outputs: Sequence[Feature]
) -> tuple[tuple[Feature, ...], tuple[Feature, ...]]:
    """Answers that know with which input they go step by step; that input comes first, where the networks have it."""
    columns = {f.name: _encoded(table, f, train) for f in inputs if f.kind in IN_STEPS}
    settled = tuple(f.align_to(_encoded(table, f, train), columns) if f.alignable else f for f in outputs)
    first = {getattr(f, "beside_", "") for f in settled}
    return tuple(sorted(inputs, key=lambda f: f.name not in first)), settled


def _encoded(table: Table, feature: Feature, rows: np.ndarray) -> Column:
    return feature.encode(take_raw(table[feature.column], rows))


# -- what is said of them ----------------------------------------------------------------------------------------------


def _notes(
    spec: Spec, table: Table, split: np.ndarray, inputs: Sequence[Feature], outputs: Sequence[Feature]
) -> list[str]:
    """Sentences for the user, once the answers are known to be such as can be learned.

    Raises:
        SourceError, SpecError: an answer that cannot be learned.
    """
    train = np.flatnonzero(split == "train")
    lacking: list[tuple[Feature, int]] = []
    notes: list[str] = []
    for feature in outputs:
        column = _encoded(table, feature, train)
        feature.check_target(column, table.name)
        lacking.append((feature, int((~column.mask).sum())))
        notes += [*_lacking(*lacking[-1], _learns_without(spec)), *feature.target_warnings(column)]
    check_unlabelled(spec.objective["name"], lacking, len(train))
    notes += [*_mended(spec), *_left_out(table.skipped)]
    return [*notes, *_odd(table, [*inputs, *outputs]), *_memory(table, inputs)]


def _lacking(feature: Feature, rows: int, learned_from: bool) -> list[str]:
    if not rows:
        return []
    if learned_from:
        return [f"{feature.name}: {rows:,} training rows without a value are learned from too"]
    return [f"{feature.name}: {rows} training rows have no value and teach nothing about it"]


def _mended(spec: Spec) -> list[str]:
    """What was put right in the data before training."""
    notes = [f"mended before training: {', '.join(spec.data.fix)} (data.fix)"] if spec.data.fix else []
    return [*notes, f"left out: {len(spec.data.drop):,} rows that data.drop names"] if spec.data.drop else notes


def _left_out(skipped: Sequence[Skipped], most: int = 3) -> list[str]:
    """Sentences about the first things that are left out, and how many there are."""
    more = len(skipped) - most
    notes = [f"left out: {s.name} ({s.reason})" for s in skipped[:most]]
    return [*notes, f"left out: {more} more, {len(skipped)} in all"] if more > 0 else notes


def _odd(table: Table, features: Sequence[Feature]) -> list[str]:
    """What is odd about sequences, counted: what is cut off, tags that training never saw."""
    found = [(f.name, f.count_anomalies(table[f.column])) for f in features if f.kind in IN_STEPS]
    return [f"{name}: {what}: {count:,}" for name, notes in found for what, count in notes.items()]


def _memory(table: Table, inputs: Sequence[Feature]) -> list[str]:
    """What the encoded rows take, where that is much, said before it is taken."""
    rows, notes = len(table), []
    for feature in inputs:
        if (size := rows * feature.row_bytes) >= MUCH:
            kept = "in a file on disk, as memory has no room for them" if too_large(size) else "in memory"
            notes.append(f"{feature.name}: {rows:,} rows of {feature.row_bytes:,} bytes, {size / 1e9:.1f} GB {kept}")
    return notes
