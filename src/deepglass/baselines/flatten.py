"""Inputs of any types as one matrix, for scikit-learn models."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import gen_batches

from deepglass.data.table import Table
from deepglass.features._images import shrink_by_averages
from deepglass.features.audio import Audio
from deepglass.features.base import Column, Feature, Raw, take_raw
from deepglass.mel import log_mel

Matrix: TypeAlias = np.ndarray | sparse.csr_matrix

NUM_COMPONENTS = 50  # of a PCA or SVD, for trees
IMAGE_SIDE = 16  # pixels
MAX_WORDS = 20_000
MAX_CODES = 254  # histogram boosting takes at most 255 categories, one of them for unknown
MAX_VALUES = 4096  # of a row; longer arrays (sounds, videos) are left out
CHUNK = 1024  # images decoded, or rows standardised, at a time


class TrainTest(NamedTuple):
    """The same columns of training and test rows; (N, F) float, dense or sparse."""

    train: Matrix
    test: Matrix


class FlatInputMatrix(NamedTuple):
    """Inputs in two forms.

    Args:
        linear: for linear models: standardised, one-hot, no missing values.
        trees: for trees: dense, NaN where missing, categories as codes.
        categorical: which columns of `trees` are codes.
    """

    linear: TrainTest
    trees: TrainTest
    categorical: list[bool]


class _Block(NamedTuple):
    """One feature's columns."""

    linear: TrainTest
    trees: TrainTest
    categorical: bool = False


def flatten(train: Table, test: Table, inputs: Sequence[Feature]) -> FlatInputMatrix | None:
    """All inputs that can be flattened, concatenated; None without any.

    Numbers, dates and vectors stay as they are, images are shrunk to at most 16 x 16 pixels, texts become tf-idf, and
    sequences of codes become counts. Sounds become mean and deviation of their log-mel bands, and their length.
    Sequences of numbers and videos are left out.
    """
    blocks = [b for f in inputs if (b := _block(f, train[f.column], test[f.column])) is not None]
    if not blocks:
        return None
    categorical = [b.categorical for b in blocks for _ in range(b.trees.train.shape[1])]
    return FlatInputMatrix(_beside([b.linear for b in blocks]), _beside([b.trees for b in blocks]), categorical)


def _block(feature: Feature, train: Raw, test: Raw) -> _Block | None:
    if feature.is_image:
        return _pixels(TrainTest(_images(feature, train), _images(feature, test)))
    if feature.is_text and isinstance(train, pl.Series) and isinstance(test, pl.Series):
        return _words(train, test)
    if isinstance(feature, Audio):
        return _numbers(TrainTest(_sounds(feature, train), _sounds(feature, test)))
    columns = feature.encode(train), feature.encode(test)
    if feature.has_classes:
        return _codes(*columns)
    if columns[0].offsets is not None:
        return _counts(*columns) if columns[0].values.dtype.kind in "iu" and columns[0].values.ndim == 1 else None
    if columns[0].values.reshape(len(columns[0]), -1).shape[1] > MAX_VALUES:
        return None
    return _numbers(TrainTest(*map(_with_nan, columns)))


def _with_nan(column: Column) -> np.ndarray:
    """A column as (N, F) float32, NaN where missing."""
    values = column.values.reshape(len(column), -1).astype(np.float32)
    mask = column.mask.reshape(len(column), -1)
    repeated = np.repeat(mask, values.shape[1] // mask.shape[1], axis=1)
    return np.where(repeated, values, np.nan)


def _numbers(values: TrainTest) -> _Block:
    present = np.isfinite(values.train)
    incomplete = ~present.all(0)
    exact = values.train.astype(np.float64)
    if incomplete.any():  # masked arrays take three times as long
        masked = np.ma.masked_array(exact, ~present)
        mean, std = masked.mean(0).filled(0), masked.std(0).filled(0)
        low, high = masked.min(0).filled(mean), masked.max(0).filled(mean)
    else:
        mean, std, low, high = exact.mean(0), exact.std(0), values.train.min(0), values.train.max(0)
    std[std < 1e-9 * (1 + np.abs(mean))] = np.inf  # a constant column

    def standard(x: np.ndarray) -> np.ndarray:
        result = np.empty((len(x), x.shape[1] + np.count_nonzero(incomplete)), np.float32)
        for rows in gen_batches(len(x), CHUNK):
            finite = np.isfinite(x[rows])
            inside = np.clip(np.where(finite, x[rows], mean), low, high)  # no extrapolation
            result[rows, : x.shape[1]] = (inside - mean) / std
            result[rows, x.shape[1] :] = ~finite[:, incomplete]
        return result

    return _Block(TrainTest(standard(values.train), standard(values.test)), values)


def _codes(train: Column, test: Column) -> _Block:
    """Category codes; code 0 is unknown: a one-hot column of its own, and missing for trees."""
    width = 1 + max(int(train.values.max(initial=0)), int(test.values.max(initial=0)))

    def one_hot(column: Column) -> Matrix:
        n = len(column)
        hot = sparse.csr_matrix((np.ones(n, np.float32), column.values, np.arange(n + 1)), shape=(n, width))
        return hot if width > 100 else hot.toarray()

    def codes(column: Column) -> np.ndarray:
        return np.where(column.mask, column.values - 1.0, np.nan).astype(np.float32)[:, None]

    return _Block(
        TrainTest(one_hot(train), one_hot(test)),
        TrainTest(codes(train), codes(test)),
        categorical=width - 1 <= MAX_CODES,
    )


def _counts(train: Column, test: Column) -> _Block | None:
    """Counts of each code, as log(1 + count)."""
    width = 1 + max(int(train.values.max(initial=0)), int(test.values.max(initial=0)))

    def counts(column: Column) -> sparse.csr_matrix:
        ones = np.ones(len(column.values), np.float32)
        counted = sparse.csr_matrix((ones, column.values, column.offsets), shape=(len(column), width))
        counted.sum_duplicates()
        counted.data = np.log1p(counted.data)
        return counted

    return _reduced(TrainTest(counts(train), counts(test)))


def _words(train: pl.Series, test: pl.Series) -> _Block | None:
    texts = [series.cast(pl.String).fill_null("").to_list() for series in (train, test)]
    vectorizer = TfidfVectorizer(
        max_features=MAX_WORDS, sublinear_tf=True, dtype=np.float32, min_df=2 if len(train) > 200 else 1
    )
    try:
        return _reduced(TrainTest(vectorizer.fit_transform(texts[0]), vectorizer.transform(texts[1])))
    except ValueError:  # not a single word in all texts
        return None


def _reduced(values: TrainTest) -> _Block:
    """Sparse columns for linear models, their first SVD components for trees."""
    width = min(NUM_COMPONENTS, values.train.shape[1] - 1, values.train.shape[0] - 1)
    if width < 1:
        return _Block(values, TrainTest(*(sparse.csr_matrix(x).toarray() for x in values)))
    svd = TruncatedSVD(width, n_iter=2, random_state=0)
    return _Block(values, TrainTest(svd.fit_transform(values.train), svd.transform(values.test)))


def _images(feature: Feature, raw: Raw) -> np.ndarray:
    """Images shrunk to at most 16 x 16 by area averaging, (N, C * Y * X) float32; missing ones are NaN."""
    parts = []
    for start in range(0, len(raw), CHUNK):
        column = feature.encode(take_raw(raw, np.arange(start, min(start + CHUNK, len(raw)))))
        x = shrink_by_averages(column.values.astype(np.float32), IMAGE_SIDE)  # (N, C, Y, X)
        x = x.reshape(len(x), -1).astype(np.float32)
        x[~column.mask] = np.nan
        parts.append(x)
    return np.concatenate(parts)


def _sounds(feature: Audio, raw: Raw) -> np.ndarray:
    """Mean and deviation of each log-mel band, and the logarithm of the length; (N, 2 M + 1), missing ones NaN."""
    parts = []
    for start in range(0, len(raw), CHUNK):
        column = feature.encode(take_raw(raw, np.arange(start, min(start + CHUNK, len(raw)))))
        assert column.offsets is not None
        x = np.full((len(column), 2 * feature.frames.mels + 1), np.nan, np.float32)
        for row in np.flatnonzero(column.mask):
            wave = column.values[column.offsets[row] : column.offsets[row + 1]]
            bands = log_mel(wave, feature.frames)
            x[row] = np.concatenate([bands.mean(0), bands.std(0), [np.log1p(len(wave))]])
        parts.append(x)
    return np.concatenate(parts)


def _pixels(values: TrainTest) -> _Block:
    linear = _numbers(values).linear
    mean = np.nan_to_num(np.nanmean(values.train, axis=0)) if np.isfinite(values.train).any() else 0.0
    filled = [np.where(np.isfinite(x), x, mean) for x in values]
    width = min(NUM_COMPONENTS, *filled[0].shape)
    pca = PCA(width, svd_solver="covariance_eigh" if filled[0].shape[0] > filled[0].shape[1] else "full")
    return _Block(linear, TrainTest(pca.fit_transform(filled[0]), pca.transform(filled[1])))


def _beside(parts: list[TrainTest]) -> TrainTest:
    if all(isinstance(p.train, np.ndarray) for p in parts):
        return TrainTest(np.concatenate([p.train for p in parts], 1), np.concatenate([p.test for p in parts], 1))
    return TrainTest(*(sparse.hstack([sparse.csr_matrix(p[i]) for p in parts], format="csr") for i in (0, 1)))
