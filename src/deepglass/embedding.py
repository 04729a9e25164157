"""Embeddings of rows with a trained run. Imports no training code."""

from collections.abc import Sequence
from pathlib import Path

from deepglass.objectives._word_vectors import WordVectors
from deepglass.prepare.new_rows import Rows
from deepglass.registry import Modules
from deepglass.run.context import read_data, with_source
from deepglass.run.embedding import RowEmbeddings, embed_words
from deepglass.run.embedding import embed as embed_rows
from deepglass.run.run import Run, open_run
from deepglass.spec.data_spec import Source


def embed(
    run: str | Path | Run,
    rows: Rows = None,
    *,
    source: Source = None,
    allow_missing: Sequence[str] = (),
    allow_code: Modules = (),
) -> RowEmbeddings:
    """Embeddings of rows, and their columns.

    Args:
        rows: as for `predict`; None: all rows of the run's source, or of word vectors all words.
        source: the data of the run, where they have moved or were a Python object, for `rows=None`.
        allow_missing: columns that may be absent or unreadable, though training had them.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Example:
        >>> vectors, columns = deepglass.embed("runs/example", "sklearn:iris")
        >>> len(vectors) == len(columns) == 150
        True
    """
    run = open_run(run, allow_code)
    if rows is None and isinstance(run.objective, WordVectors):
        return embed_words(run.objective)
    with run.predictor.reader.reading(allow_missing):
        if rows is None:
            fingerprint = None if source is None else run.state.source["fingerprint"]
            rows = read_data(run.folder, with_source(run.spec, source), fingerprint)
        return embed_rows(run.predictor, rows)
