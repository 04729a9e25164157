"""From a spec to an experiment and its data: read the source, infer columns, split, fit the features."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np

from deepglass.data.label_budget import LabelBudget
from deepglass.data.table import Table
from deepglass.data.trained_rows import TrainedRows, row_hashes
from deepglass.data.transforms.base import TableTransform
from deepglass.features.base import Column, Feature, take_raw
from deepglass.features.outputs.base import Output
from deepglass.prepare.checks import check_count, check_drop, check_environment, check_rows
from deepglass.prepare.columns import infer_columns
from deepglass.prepare.data_warnings import data_warnings
from deepglass.prepare.derived_columns import derive_columns, fit_transforms, join_columns
from deepglass.prepare.earlier_features import check_vocabularies, inherit_features, with_earlier_settings
from deepglass.prepare.experiment import Experiment
from deepglass.prepare.label_corrections import correct_labels, load_corrections
from deepglass.prepare.lineage import inherit_split
from deepglass.prepare.prepared_data import PreparedData, hide_targets, missing_targets
from deepglass.prepare.resolve import adapt_features, resolve_network, trunk_for_size
from deepglass.prepare.rows import (
    choose_split,
    usable_rows,
    uses_unlabelled,
)
from deepglass.prepare.sample_weights import check_sample_weight, check_sums, sample_weights, weight_notes
from deepglass.prepare.sources import fingerprint_of, read_source
from deepglass.spec.spec import Spec

F = TypeVar("F", bound=Feature)
Fitted = tuple[tuple[Feature, ...], tuple[Output, ...]]


class EarlierRun(NamedTuple):
    """The run that gives the initial weights, and its rows and those of the runs before it, the latest first."""

    experiment: Experiment
    lineage: tuple[TrainedRows, ...]


def prepare(spec: Spec, earlier: EarlierRun | None = None) -> tuple[Experiment, PreparedData]:
    """Resolve a spec against its data: infer columns and split, choose the network, fit the features on training rows.

    Args:
        earlier: the run that gives the initial weights. Its fitted features are inherited, since its weights depend on
            their vocabularies and scales, and so is the split of its rows.

    Raises:
        SourceError, SpecError: for everything that can be wrong in spec and data, before training starts.
    """
    table = read_source(spec)
    check_count(len(table), table.name)
    fingerprint = fingerprint_of(table)
    spec = replace(spec, data=spec.data.with_values(table.values))  # new rows are read as these
    corrections = load_corrections(spec, table)
    check_drop(spec.data.drop, table)
    check_sample_weight(spec, table)
    column_roles, inferred_inputs, inferred_outputs = infer_columns(table, spec)
    inferred_inputs = _as_before(spec, inferred_inputs, earlier)
    inputs, outputs, trunk, by_size = adapt_features(spec, inferred_inputs, inferred_outputs)
    table = join_columns(table, (*inputs, *outputs))
    check_environment(spec.objective.name, table)
    unlabelled = uses_unlabelled(spec)
    corrected = [m.row for m in corrections.corrections if m.new] if corrections else []
    table, source_rows = usable_rows(table, inputs, outputs, unlabelled, corrected)
    absent = missing_targets(table, outputs)
    split = np.full(len(table), "train", "U5")
    labelled = table.take(np.flatnonzero(~absent)) if absent.any() else table
    check_rows(labelled, outputs)
    chosen_split = choose_split(spec, labelled, outputs)
    ancestors = () if earlier is None else earlier.lineage
    split[~absent], split_notes = inherit_split(chosen_split, labelled, outputs, ancestors)
    hidden = _hidden_rows(spec, table, outputs, split) & ~np.isin(source_rows, corrected)
    split[hidden] = "train" if unlabelled else ""
    split[np.isin(source_rows, spec.data.drop)] = ""  # the others stay in their split
    table = hide_targets(table, outputs, hidden)
    if corrections:  # after the split, which is therefore that of the run before
        table = correct_labels(spec, table, source_rows, split, corrections)
    transforms = fit_transforms(
        spec.data.table_transforms,
        table,
        np.flatnonzero(split == "train"),
        [c for f in outputs for c in f.source_columns],
    )
    table = replace(table, notes=(*table.notes, *(note for t in transforms for note in t.notes(table))))
    own_rows = _own_rows(table, (*inputs, *transforms))
    table = derive_columns(table, transforms, (*inputs, *outputs))
    if transforms:  # they add columns
        history = transforms[0].added_ if spec.data.history else ()
        column_roles, inferred_inputs, _ = infer_columns(table, spec, history)
        inferred_inputs = _as_before(spec, inferred_inputs, earlier)
        inputs, outputs, trunk, by_size = adapt_features(spec, inferred_inputs, inferred_outputs)
        table = join_columns(table, inputs)
    before = None if earlier is None else earlier.experiment
    fitted_inputs, fitted_outputs = _fit_features(before, table, split, inputs, outputs)
    if before is not None and _same_network(spec, before):
        check_vocabularies(fitted_inputs, before.inputs)
    warnings = (*split_notes, *data_warnings(spec, table, split, fitted_inputs, fitted_outputs, source_rows))
    warnings = (*warnings, *weight_notes(spec, fitted_outputs), *(n for f in fitted_outputs for n in f.notes()))
    weights = None
    if (column := spec.data.sample_weight) is not None:
        weights = sample_weights(table[column], table.name, column, ~absent)
        check_sums(weights, split, table.name)
    lineage = tuple(rows._replace(split=split) for rows in own_rows) + ancestors
    trunk = trunk_for_size(fitted_inputs) if by_size else trunk
    experiment = Experiment(spec, fitted_inputs, fitted_outputs, trunk, chosen_split, transforms)
    data = PreparedData(
        table,
        source_rows,
        split,
        fitted_inputs,
        fitted_outputs,
        tuple(column_roles),
        warnings,
        fingerprint,
        hidden,
        lineage,
        weights,
    )
    return resolve_network(experiment, len(data.rows("train"))), data


def _as_before(spec: Spec, inputs: Sequence[Feature], earlier: EarlierRun | None) -> list[Feature]:
    """Inputs with the settings of the run that gives the weights, unless the spec names another network."""
    if earlier is None or not _same_network(spec, earlier.experiment):
        return list(inputs)
    return with_earlier_settings(inputs, earlier.experiment.inputs)


def _same_network(spec: Spec, earlier: Experiment) -> bool:
    """Whether the weights of the earlier run's network are taken."""
    return spec.network.trunk == earlier.trunk and not earlier.objective_class.builds_network


def _hidden_rows(spec: Spec, table: Table, outputs: Sequence[Output], split: np.ndarray) -> np.ndarray:
    """Rows whose labels the label budget hides, (N,) bool."""
    if spec.data.num_labels is None or not outputs:
        return np.zeros(len(table), bool)
    return LabelBudget.of(spec.data.num_labels).hidden(table[outputs[0].column], split, spec.data.split.seed)


def _own_rows(table: Table, readers: Sequence[Feature | TableTransform]) -> tuple[TrainedRows, ...]:
    """The rows of this run, still without a split; none where no column of the source identifies them."""
    read = [c for reader in readers for c in reader.source_columns]
    columns = tuple(dict.fromkeys(c for c in read if c in table.columns))
    if not columns or table.environment is not None:
        return ()
    return (TrainedRows("", columns, row_hashes(table, columns), np.zeros(0, "U5")),)


def _fit_features(
    earlier: Experiment | None, table: Table, split: np.ndarray, inputs: Sequence[Feature], outputs: Sequence[Output]
) -> Fitted:
    """Inputs and outputs, fitted on the training rows or inherited from the run that this one starts from."""
    train = np.flatnonzero(split == "train")
    fitted_outputs = tuple(f.fit([take_raw(table[f.column], train)]) for f in outputs)
    fitted_inputs = tuple(f.fit([take_raw(table[f.column], train)]) for f in inputs)
    if earlier is not None:
        fitted_outputs = inherit_features(fitted_outputs, earlier.outputs)
        fitted_inputs = inherit_features(fitted_inputs, earlier.inputs)
    if any(f.alignable for f in fitted_outputs):
        return _align(table, train, fitted_inputs, fitted_outputs)
    return fitted_inputs, fitted_outputs


def _align(table: Table, train: np.ndarray, inputs: Sequence[Feature], outputs: Sequence[Output]) -> Fitted:
    """Outputs aligned to the input that they follow step by step; that input comes first, as the networks expect."""
    columns = {f.name: _encoded(table, f, train) for f in inputs if f.sequential}
    aligned = tuple(f.align_to(_encoded(table, f, train), columns) if f.alignable else f for f in outputs)
    first = {getattr(f, "aligned_input_", "") for f in aligned}
    return tuple(sorted(inputs, key=lambda f: f.name not in first)), aligned


def _encoded(table: Table, feature: Feature, rows: np.ndarray) -> Column:
    return feature.encode(take_raw(table[feature.column], rows))
