"""The prepared data of a stored run, from its folder and its source."""

from __future__ import annotations

import numpy as np

from deepglass.errors import SourceError
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.label_corrections import labels_for, relabelled
from deepglass.prepare.prepared_data import PreparedData, hide_targets
from deepglass.prepare.sources import fingerprint_of, read_source
from deepglass.run.folder import Folder
from deepglass.spec.spec import Spec


def stored(folder: Folder, spec: Spec) -> PreparedData:
    """What `prepare` gave when a run began, from its folder and its source.

    Raises:
        SourceError: `mismatched-files` when the source has changed since, `not-found` where it was a Python object.
    """
    if any(isinstance(s, str) and s.startswith("<") for s in (spec.data.source, spec.data.test)):
        raise SourceError("not-found", f"{folder.path}: was trained on a Python object; give it again as source=")
    spec = folder.with_labels(spec)
    table = read_source(spec)
    kept, features, rows = folder.read_json("features.json"), folder.features(), folder.split()
    fingerprint = fingerprint_of(table)
    if fingerprint != kept["source"]["fingerprint"]:
        raise SourceError("mismatched-files", f"{spec.data.source}: is not what the run {folder.path} began with")
    labels = labels_for(spec, table)
    places, split = rows["row"].to_numpy(), rows["split"].to_numpy()
    hidden = rows["hidden"].to_numpy() if "hidden" in rows.columns else np.zeros(len(places), bool)
    inputs, outputs = features["inputs"], features["outputs"]
    table = hide_targets(table.take(places), outputs, hidden)
    if labels:
        table = relabelled(spec, table, places, split, labels)
    taken = tuple(ColumnRole(**t) for t in kept["column_roles"])
    return PreparedData(table, places, split, inputs, outputs, taken, (), fingerprint, hidden)
