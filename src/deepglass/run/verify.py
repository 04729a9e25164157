"""Are these two the same one: a run that knows people apart, asked about a pair that it need never have seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Media, sequence_of
from deepglass.features.outputs.identity import IdentityOutput, Verdict
from deepglass.features.text import Text
from deepglass.prepare.sources import read_like
from deepglass.run.predictor import Predictor


def verify(predictor: Predictor, a: Any, b: Any) -> Verdict:
    """Whether two pictures or rows show the same one.

    Args:
        a, b: a file's path, where the run reads one picture or sound; a row as a dict or as JSON text; what the one
            input takes, such as an open picture; or a source of one row.

    Raises:
        SpecError: `bad-value` for a run that answers no identity.
        SourceError: `not-found`, `unreadable-image`, `bad-value` for a source of several rows.
    """
    feature = next((f for f in predictor.outputs if isinstance(f, IdentityOutput)), None)
    if feature is None:
        answers = " and ".join(f"{f.name!r} ({f.kind})" for f in predictor.outputs) or "nothing"
        name = predictor.outputs[0].name if predictor.outputs else "NAME"
        raise SpecError(
            "bad-value",
            f"verify: the run answers {answers}, and only an identity says who is the same; train with "
            f"--kind {name}=identity",
        )
    rows = [_row(predictor, value, place) for value, place in ((a, "A"), (b, "B"))]
    return feature.compare(predictor.best(rows)[feature.name], predictor.calibration.get(feature.name))


def _row(predictor: Predictor, value: Any, place: str) -> Mapping[str, Any]:
    """What was given as a row of the run's inputs."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return _parsed(value, place)
    alone = predictor.inputs[0] if len(predictor.inputs) == 1 else None
    if not isinstance(value, str | Path):
        if alone is None:
            names = ", ".join(f.name for f in predictor.inputs)
            raise SpecError("bad-value", f"verify: {place}: the run reads {names}; give a row as {{name: value}}")
        return {alone.column: value}
    if alone is not None and alone.file_based and not Path(value).is_dir():
        if not Path(value).is_file():
            raise SourceError("not-found", f"verify: {place}: {value}: there is no such file")
        return {alone.column: str(value)}
    if alone is not None and isinstance(alone, Text) and not Path(value).exists():
        return {alone.column: str(value)}
    return _only_row(predictor, value, place)


def _parsed(value: str, place: str) -> Mapping[str, Any]:
    try:
        row = json.loads(value)
    except json.JSONDecodeError as error:
        raise SpecError("bad-value", f"verify: {place}: expected a row as JSON ({error})") from error
    assert isinstance(row, dict)  # it begins with a brace
    return row


def _only_row(predictor: Predictor, value: str | Path, place: str) -> Mapping[str, Any]:
    table = read_like(predictor.data, value)
    if len(table) != 1:
        raise SourceError("bad-value", f"verify: {place}: {value}: expected one row, got {len(table)}")
    row = {name: sequence_of(table[name])[0] for name in table.names}
    return {name: _content(cell) if isinstance(cell, Media) else cell for name, cell in row.items()}


def _content(media: Media) -> str | bytes:
    return str(media.path) if media.member is None else media.read()
