"""Baselines of single kinds of output: tags, masks, boxes, sequences and texts, by counting in the training rows.

most_frequent_tag     tags: how often each tag goes with the word
colour_and_position   masks: how often each class goes with the colour and with the place of a pixel
mean_boxes            boxes: centres of the training boxes, the same for all images
last_value            sequences: the input's value at the step, or its last value for further steps
nearest_row           texts: that of the training row with the most similar inputs
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize

from deepglass.baselines.flatten import Matrix, flatten
from deepglass.data.table import Table
from deepglass.features._alignment import pad_rows
from deepglass.features.base import Column, Feature, take_raw
from deepglass.features.image import Image
from deepglass.features.mask import resize_nearest
from deepglass.features.outputs._dense import crop_to_frame
from deepglass.features.outputs.base import Output, PredictionArrays
from deepglass.features.outputs.boxes import BoxesOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.features.outputs.sequence import SequenceOutput
from deepglass.features.outputs.tags import TagsOutput
from deepglass.features.outputs.text import TextOutput
from deepglass.features.sequence import Sequence as SequenceFeature

Predict = Callable[[Table, Table, Sequence[Feature], Output, Column], PredictionArrays | None]
"""(training rows, test rows, inputs, output, encoded targets of the training rows) -> predictions for the test rows."""

COLOUR_LEVELS = 8  # of a channel
PLACES = 8  # of each axis
CHUNK = 128  # images at a time
MAX_CENTRES = 20  # boxes of a class in an image
MAX_NEIGHBOURS = 20_000  # training rows that texts are taken from
MAX_BOXES = 5_000  # that the centres are fitted to


def most_frequent_tag(
    train: Table, test: Table, inputs: Sequence[Feature], output: Output, truth: Column
) -> PredictionArrays | None:
    """Shares of the tags of each word; rare words and unseen ones have those of the rare training words."""
    feature = next((f for f in inputs if isinstance(output, TagsOutput) and f.name == output.aligned_input_), None)
    if feature is None:
        return None
    words, other = feature.encode(train[feature.column]), feature.encode(test[feature.column])
    if words.offsets is None or other.offsets is None or words.values.dtype.kind not in "iu":
        return None
    length = int(np.diff(words.offsets).max(initial=1))
    (codes, mask), (tags, tagged) = pad_rows(_first_code(words), length), pad_rows(truth, length)
    pairs = mask & tagged & (tags > 0)
    size = 1 + int(max(words.values.max(initial=0), other.values.max(initial=0)))
    shares = 1 + np.bincount(tags[pairs] - 1, minlength=len(output.class_names))
    counts = np.zeros((size, len(shares)))
    np.add.at(counts, (codes[pairs], tags[pairs] - 1), 1)
    probs = counts + shares / shares.sum()  # one word of prior
    log_probs = np.log(probs / probs.sum(1, keepdims=True)).astype(np.float32)
    codes, mask = pad_rows(_first_code(other), int(np.diff(other.offsets).max(initial=1)))
    return {"log_probs": log_probs[codes], "mask": mask}


def colour_and_position(
    train: Table, test: Table, inputs: Sequence[Feature], output: Output, truth: Column
) -> PredictionArrays | None:
    """Naive Bayes of the colour and the place of each pixel."""
    feature = next((f for f in inputs if isinstance(f, Image)), None)
    if not isinstance(output, MaskOutput) or feature is None:
        return None
    Y, X = output.size_
    place = (np.arange(Y) * PLACES // Y)[:, None] * PLACES + np.arange(X) * PLACES // X
    classes, colours = len(output.values_), COLOUR_LEVELS**3
    by_colour, by_place = np.ones((classes, colours)), np.ones((classes, PLACES**2))
    for start in range(0, len(train), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(train)))
        codes, labels = _colours(feature, train, rows, (Y, X)), truth.values[rows]
        labelled = (labels > 0) & truth.mask[rows][:, None, None]
        labels = labels[labelled].astype(np.int64) - 1
        for counts, values in ((by_colour, codes[labelled]), (by_place, np.broadcast_to(place, codes.shape)[labelled])):
            counts += np.bincount(labels * counts.shape[1] + values, minlength=counts.size).reshape(counts.shape)
    totals = by_colour.sum(1, keepdims=True) - colours + classes
    scores = np.log(by_colour / by_colour.sum(1, keepdims=True))
    by_place = np.log(totals / totals.sum() * by_place / by_place.sum(1, keepdims=True))
    logits = scores.T[:, None] + by_place.T[None]  # (colours, places, classes)
    likely = (logits.argmax(-1) + 1).astype(truth.values.dtype)
    highest = 1 / np.exp(logits - logits.max(-1, keepdims=True)).sum(-1)
    confidence = np.round(255 * highest).astype(np.uint8)
    codes = np.concatenate(
        [_colours(feature, test, np.arange(a, min(a + CHUNK, len(test))), (Y, X)) for a in range(0, len(test), CHUNK)]
    )
    return {"classes": likely[codes, place], "confidence": confidence[codes, place]}


def mean_boxes(
    train: Table, test: Table, inputs: Sequence[Feature], output: Output, truth: Column
) -> PredictionArrays | None:
    """Centres of the training boxes of each class in the image's frame, as many as an image with this class has."""
    feature = next((f for f in inputs if isinstance(f, Image)), None)
    if not isinstance(output, BoxesOutput) or feature is None or truth.offsets is None or not len(truth.values):
        return None
    rows = np.repeat(np.arange(len(truth)), np.diff(truth.offsets))
    labels, random = truth.values[:, 0].astype(np.int64), np.random.default_rng(0)
    relative = truth.values[:, 1:] / _sizes(feature, train)[rows]
    boxes, scores, names = [], [], []
    for label in np.unique(labels):
        own = relative[labels == label]
        images = len(np.unique(rows[labels == label]))
        sample = own[random.permutation(len(own))[:MAX_BOXES]]
        count = min(MAX_CENTRES, max(1, round(len(own) / images)), len(np.unique(sample, axis=0)))
        fitted = KMeans(count, n_init=1, random_state=0).fit(sample)
        boxes.append(fitted.cluster_centers_)
        scores.append(np.bincount(fitted.labels_, minlength=count) / len(sample) * len(own) / max(len(truth), 1))
        names.append(np.full(count, label))
    result = {
        "boxes": np.concatenate(boxes).astype(np.float32),
        "scores": np.concatenate(scores).clip(0, 1).astype(np.float32),
        "labels": np.concatenate(names),
    }
    result["mask"] = np.ones(len(result["labels"]), bool)
    repeated = {name: np.repeat(values[None], len(test), axis=0) for name, values in result.items()}
    return repeated | {"boxes": repeated["boxes"] * _sizes(feature, test)[:, None].astype(np.float32)}


def last_value(
    train: Table, test: Table, inputs: Sequence[Feature], output: Output, truth: Column
) -> PredictionArrays | None:
    """The input of an aligned sequence at each step; else its last value, for the mean length of the training rows."""
    if not isinstance(output, SequenceOutput) or truth.offsets is None:
        return None
    same = [f for f in inputs if isinstance(f, SequenceFeature) and len(f.mean_ or ()) == len(output.mean_ or ())]
    feature = next((f for f in same if f.name == output.aligned_input_), same[0] if same else None)
    if feature is None or (output.aligned_input_ and feature.name != output.aligned_input_):
        return None
    column = feature.encode(test[feature.column])
    assert column.offsets is not None
    lengths: np.ndarray = np.diff(column.offsets)
    values, mask = pad_rows(column, int(lengths.max(initial=1)))
    mean = np.array(output.mean_)
    values = np.where(np.isfinite(values), values, mean)
    if output.aligned_input_:
        return {"value": values, "mask": mask}
    steps = max(1, round(float(np.diff(truth.offsets)[truth.mask].mean())))
    last = values[np.arange(len(values)), np.maximum(lengths - 1, 0)]
    last = np.where((lengths > 0)[:, None], last, mean)
    return {"value": np.repeat(last[:, None], steps, axis=1), "mask": np.ones((len(last), steps), bool)}


def nearest_row(
    train: Table, test: Table, inputs: Sequence[Feature], output: Output, truth: Column
) -> PredictionArrays | None:
    """The text of the training row with the highest cosine similarity of the flattened inputs."""
    if not isinstance(output, TextOutput) or truth.offsets is None:
        return None
    rows = np.arange(min(len(train), MAX_NEIGHBOURS))
    flat = flatten(train.take(rows), test, inputs)
    if flat is None:
        return None
    directions = normalize(flat.linear.train)
    nearest = np.concatenate(
        [np.asarray((x @ directions.T).argmax(1)).reshape(-1) for x in _parts(normalize(flat.linear.test))]
    )
    tokens, mask = pad_rows(truth.take(nearest), int(np.diff(truth.offsets).max(initial=1)))
    return {"tokens": tokens.astype(np.int64), "mask": mask, "log_prob": np.zeros(len(tokens), np.float32)}


def _parts(x: Matrix) -> Iterator[Matrix]:
    """Some rows at a time."""
    for start in range(0, x.shape[0], CHUNK):
        yield x[start : start + CHUNK]


KINDS: Mapping[str, Predict] = {
    "most_frequent_tag": most_frequent_tag,
    "colour_and_position": colour_and_position,
    "mean_boxes": mean_boxes,
    "last_value": last_value,
    "nearest_row": nearest_row,
}


def _first_code(column: Column) -> Column:
    """The code of each word itself, without those of its prefixes and suffixes."""
    assert column.offsets is not None
    values = column.values if column.values.ndim == 1 else column.values[:, 0]
    return Column(values, column.mask, column.offsets)


def _sizes(feature: Image, table: Table) -> np.ndarray:
    """Columns, rows, columns and rows of the image files, (N, 4); those of unreadable images are 1."""
    parts = [np.ones((0, 2))]
    for start in range(0, len(table), CHUNK):
        column = feature.encode(take_raw(table[feature.column], np.arange(start, min(start + CHUNK, len(table)))))
        size = np.full((len(column), 2), column.values.shape[-2:])
        parts.append(size if column.letterbox is None else column.letterbox[:, 4:6])
    return np.tile(np.maximum(np.concatenate(parts)[:, ::-1], 1), 2)


def _colours(feature: Image, table: Table, rows: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Codes of the colours of images, of the first three channels, in the size of the mask; (N, Y, X) int."""
    column = feature.encode(take_raw(table[feature.column], rows))
    levels = 1 + (feature.levels_ or 255)
    codes = np.zeros((len(column), *size), np.int64)
    for i, image in enumerate(column.values):
        if column.letterbox is not None:
            Y, X = image.shape[-2:]
            image = crop_to_frame(image, column.letterbox[i] / [Y, X, Y, X, 1, 1])
        for channel in image[:3]:
            colour = channel.astype(np.int64) * COLOUR_LEVELS // levels
            codes[i] = codes[i] * COLOUR_LEVELS + resize_nearest(colour, size)
    return codes
