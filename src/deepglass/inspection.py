"""Look at a source before training: its columns and problems, and a spec for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepglass.doctor.inspect import Inspection, inspect_table
from deepglass.doctor.new_rows import inspect_new_rows
from deepglass.limits import limits_changed
from deepglass.prepare.sources import file_columns, fingerprint_of, read_like, read_source
from deepglass.prepare.write_spec import commented_spec
from deepglass.registry import Modules
from deepglass.run.run import Run, open_run
from deepglass.spec.overrides import Setting, build_spec


def inspect(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    run: str | Path | Run | None = None,
    inputs: Sequence[Setting] | Mapping[str, Setting] | None = None,
    outputs: Sequence[Setting] | Mapping[str, Setting] | None = None,
    kinds: Mapping[str, Setting] | None = None,
    ignore: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    split: Mapping[str, Any] | None = None,
    test: Any = None,
    filename_pattern: str | None = None,
    data_root: str | Path | Sequence[str | Path] | None = None,
    data: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    allow_code: Modules = (),
) -> Inspection:
    """Inspect a source: columns, their inferred kinds with the reason, and data problems.

    Args:
        source, target, inputs, outputs, kinds, ignore, columns, split, test, filename_pattern, data_root, data,
            settings, allow_code: as for `train`.
        run: a run with whose kinds the rows are read: how they differ from its training rows, what predicting would
            refuse, and by its predictions label errors, rows worth labelling and weak slices.

    Example:
        >>> inspection = deepglass.inspect("sklearn:iris", target="target")
        >>> [(column.kind, column.role) for column in inspection.columns][-2:]
        [('number', 'input'), ('category', 'output')]
    """
    overrides = {
        "inputs": inputs, "outputs": outputs, "kinds": kinds, "ignore": ignore, "columns": columns, "split": split,
        "test": test, "filename_pattern": filename_pattern, "data_root": data_root, "data": data, **(settings or {}),
    }  # fmt: skip
    if run is None:
        spec = build_spec(source, target, overrides, allow_code=allow_code)
        with limits_changed(spec.data.limits):
            return inspect_table(read_source(spec), spec)
    run = open_run(run, allow_code)
    spec = build_spec(source, target, overrides, run.spec)
    is_path_of_run = isinstance(source, str | Path) and str(spec.anchored().data.source) == str(run.spec.data.source)
    with limits_changed(spec.data.limits):
        if not is_path_of_run:
            table = read_like(spec.data, source, file_columns(run.predictor.inputs))
            if fingerprint_of(table) != run.state.source["fingerprint"]:
                return inspect_new_rows(table, run)
        return inspect_table(read_source(spec), spec, run)


def new(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    folder: str | Path | None = None,
    inputs: Sequence[Setting] | Mapping[str, Setting] | None = None,
    outputs: Sequence[Setting] | Mapping[str, Setting] | None = None,
    kinds: Mapping[str, Setting] | None = None,
    ignore: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    split: Mapping[str, Any] | None = None,
    test: Any = None,
    filename_pattern: str | None = None,
    data_root: str | Path | Sequence[str | Path] | None = None,
    data: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    allow_code: Modules = (),
) -> str:
    """A commented spec for a source, as YAML text.

    Args:
        source, target, inputs, outputs, kinds, ignore, columns, split, test, filename_pattern, data_root, data,
            settings, allow_code: as for `train`.
        folder: where the spec will be stored; its source is written relative to it. None: the current folder.
    """
    overrides = {
        "inputs": inputs, "outputs": outputs, "kinds": kinds, "ignore": ignore, "columns": columns, "split": split,
        "test": test, "filename_pattern": filename_pattern, "data_root": data_root, "data": data, **(settings or {}),
    }  # fmt: skip
    spec = build_spec(source, target, overrides, allow_code=allow_code)
    with limits_changed(spec.data.limits):
        return commented_spec(read_source(spec), spec, None if folder is None else Path(folder))
