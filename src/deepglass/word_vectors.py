"""Nearest words and analogies with a run of word vectors."""

from collections.abc import Sequence
from pathlib import Path

from deepglass.errors import SpecError
from deepglass.objectives._nearest_words import NearestWord, WordIndex
from deepglass.objectives._word_vectors import WordVectors
from deepglass.registry import Modules
from deepglass.run.predictor import Predictions
from deepglass.run.run import Run, open_run


def nearest_words(run: str | Path | Run, query: str, count: int = 10, *, allow_code: Modules = ()) -> list[NearestWord]:
    """The words nearest to a word, or to a sum of words, by the cosine of their vectors.

    Args:
        query: a word, or words with + and - between them.
        count: number of words; >= 1.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Raises:
        SpecError: `unknown-name` for a word without a vector; `bad-value` for a run of another objective.

    Example:
        deepglass.nearest_words("runs/word-vectors-1", "king - man + woman")
    """
    if count < 1:
        raise SpecError("bad-value", f"count: expected at least 1, got {count}")
    return word_index(open_run(run, allow_code)).nearest(query, count)


def predict_words(run: Run, queries: Sequence[str], count: int = 10) -> Predictions:
    """The nearest words of each query, in the format of predictions."""
    index, predictions = word_index(run), []
    for query in queries:
        nearest = index.nearest(query, count)
        words, similarities = [n.word for n in nearest], [n.similarity for n in nearest]
        predictions.append({query.strip(): {"value": words, "similarity": similarities}})
    return predictions


def word_index(run: Run) -> WordIndex:
    """The vectors of a run.

    Raises:
        SpecError: `bad-value` for a run of another objective.
    """
    objective = run.objective
    if not isinstance(objective, WordVectors):
        name = run.spec.objective.name
        raise SpecError("bad-value", f"{run.folder.name}: expected a run of skipgram or cbow, got {name}")
    return objective.index()
