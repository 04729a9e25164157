"""The sets that come with scikit-learn: `sklearn:digits` and others; nothing is fetched."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn import datasets

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.frames import table_from_frame
from deepglass.data.table import Note, Table
from deepglass.errors import SourceError, near_miss

SETS = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "linnerud": datasets.load_linnerud,
    "wine": datasets.load_wine,
}


def read_bundled(name: str) -> Table:
    """One of scikit-learn's bundled sets.

    Raises:
        SourceError: `unknown-name`, with the near miss.
    """
    source = f"sklearn:{name}"
    if name not in SETS:
        raise SourceError("unknown-name", f"{source}: scikit-learn bundles no such set{near_miss(name, SETS)}")
    bunch = SETS[name]()
    if name == "digits":
        return _digits(bunch.images, bunch.target, source)
    log = ReadLog()
    columns = {column: bunch.data[:, i] for i, column in enumerate(bunch.feature_names)}
    if bunch.target.ndim > 1:
        columns |= {column: bunch.target[:, i] for i, column in enumerate(bunch.target_names)}
        log.note("targets", ", ".join(bunch.target_names), "the set asks for all of these; name them with --target")
        return table_from_frame(pl.DataFrame(columns), source, log)
    named = "target_names" in bunch
    target = np.asarray(bunch.target_names)[bunch.target].tolist() if named else bunch.target
    log.note("target", "target", "as the set states it")
    table = table_from_frame(pl.DataFrame(columns | {"target": target}), source, log)
    return Table(table.columns, source, table.notes, target="target", kinds={"target": "category"} if named else {})


def _digits(images: np.ndarray, labels: np.ndarray, source: str) -> Table:
    return Table(
        {
            "image": np.round(images * (255 / 16)).astype(np.uint8),
            "label": pl.Series("label", labels.astype(np.int64)),
        },
        source,
        (Note("image", "(8, 8) bytes", "the set's 0..16 were scaled to 0..255"),),
        target="label",
        kinds={"image": "image", "label": "category"},
    )
