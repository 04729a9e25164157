"""The data sets that scikit-learn bundles: `sklearn:digits` and others; nothing is downloaded."""

import numpy as np
import polars as pl
from sklearn import datasets

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.frames import table_from_frame
from deepglass.data.table import Note, Table
from deepglass.errors import SourceError, near_miss

SETS = {
    name: getattr(datasets, f"load_{name}")
    for name in ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
}


def read_bundled(name: str) -> Table:
    """One of scikit-learn's bundled sets.

    Raises:
        SourceError: `unknown-name`, with the near miss.
    """
    source = f"sklearn:{name}"
    if name not in SETS:
        raise SourceError("unknown-name", f"{source}: scikit-learn has no data set of this name{near_miss(name, SETS)}")
    bunch = SETS[name]()
    if name == "digits":
        return _digits(bunch.images, bunch.target, source)
    log = ReadLog()
    columns = {column: bunch.data[:, i] for i, column in enumerate(bunch.feature_names)}
    if bunch.target.ndim > 1:
        columns |= {column: bunch.target[:, i] for i, column in enumerate(bunch.target_names)}
        log.note("targets", ", ".join(bunch.target_names), "the set has several targets; name them with --target")
        return table_from_frame(pl.DataFrame(columns), source, log)
    has_classes = "target_names" in bunch
    target = np.asarray(bunch.target_names)[bunch.target].tolist() if has_classes else bunch.target
    log.note("target", "target", "the target of the set")
    table = table_from_frame(pl.DataFrame(columns | {"target": target}), source, log)
    return Table(
        table.columns, source, table.notes, target="target", kinds={"target": "category"} if has_classes else {}
    )


def _digits(images: np.ndarray, labels: np.ndarray, source: str) -> Table:
    pixels = np.round(images * (255 / 16)).astype(np.uint8)
    return Table(
        {"image": pixels, "label": pl.Series("label", labels.astype(np.int64))},
        source,
        (Note("image", "(8, 8) bytes", "the set's 0 to 16 are scaled to 0 to 255"),),
        target="label",
        kinds={"image": "image", "label": "category"},
    )
