"""Contract of every kind of data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from feature_samples import ROWS, SAMPLES
from torch import nn

from deepglass.features.base import FEATURES, Column, Feature, from_state, infer_type, take_raw
from deepglass.features.outputs.base import OUTPUTS, Output
from deepglass.metrics.table import METRICS
from deepglass.nn.decoding import AutoregressiveHead, DecoderOutput
from deepglass.nn.tokens import Field, Tokens

DIM = 8


KINDS = [kind for kind in FEATURES.names() if kind in SAMPLES]
EXPLICIT_KINDS = ("identity", "mask", "tags", "audio")  # as arrays they look like other kinds
STEPS = 4  # as many as the longest sample that goes along with an input's steps has
LINEAR = ("number", "category", "binary", "vector", "multilabel", "identity", "tags")  # heads of one layer
PREDICTED = [kind for kind in OUTPUTS.names() if kind in SAMPLES]


def _fitted(kind: str) -> Feature:
    return FEATURES.get(kind)(name="x").fit([SAMPLES[kind].raw])


def _field(column: Column, copies: int = 1) -> Field:
    """Rows as a batch; ragged ones are padded to the longest."""
    if column.offsets is not None:
        lengths = np.diff(column.offsets)
        mask = np.arange(max(lengths.max(), 1)) < lengths[:, None]
        values = np.zeros((*mask.shape, *column.values.shape[1:]), column.values.dtype)
        values[mask] = column.values
        rows = torch.from_numpy(column.mask.repeat(copies, 0)) if values.ndim > 2 else None
    else:
        values, mask, rows = column.values, column.mask, None
    return Field(torch.from_numpy(values.repeat(copies, 0)), torch.from_numpy(mask.repeat(copies, 0)), rows)


def _output(kind: str) -> Output:
    settings = {"label_smoothing": 0.0} if kind == "text" else {}
    return OUTPUTS.get(kind)(name="x", **settings).configure_output([]).fit([SAMPLES[kind].raw])


def _params(head: nn.Module, tokens: Tokens, target: Column) -> Any:
    """The output of a head; autoregressive heads get the target."""
    return head(tokens, _field(target)) if isinstance(head, AutoregressiveHead) else head(tokens)


def _columns(feature: Feature) -> list[Column]:
    sample = SAMPLES[feature.kind]
    return [feature.encode(raw) for raw in (sample.raw, sample.some_missing, sample.all_missing) if raw is not None]


def _encode(encoder: nn.Module, feature: Feature, field: Field) -> Tokens:
    if feature.joint:
        field = Field(field.values[:, None], field.mask[:, None])
    return encoder(field)


def _head(feature: Output) -> nn.Module:
    return feature.dense_head(DIM, [DIM] * 3) if feature.dense else feature.head(DIM)


def _read(rows: int, count: int = 1, draw: Callable[..., torch.Tensor] = torch.randn) -> Tokens:
    """Tokens of a trunk, with three feature maps for dense outputs."""
    maps = tuple(draw(rows, DIM, side, side) for side in (8, 4, 2))
    return Tokens(draw(rows, count, DIM), torch.ones(rows, count, dtype=torch.bool), None, maps)


def _members(params: Any, count: int) -> Any:
    if isinstance(params, torch.Tensor):
        return params.repeat_interleave(count, 0)
    return type(params)(*(p.repeat_interleave(count, 0) for p in params))


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in EXPLICIT_KINDS])
def test_kind_is_inferred_for_its_own_samples(kind: str) -> None:
    assert FEATURES.get(kind).infer_type(SAMPLES[kind].raw, "x").score > 0.4
    assert infer_type(SAMPLES[kind].raw, "x")[0] == kind


@pytest.mark.parametrize("kind", KINDS)
def test_kind_inference_accepts_samples_of_other_kinds(kind: str) -> None:
    for other in SAMPLES.values():
        for raw in (other.raw, other.some_missing, other.all_missing, take_raw(other.raw, np.arange(0))):
            guess = None if raw is None else FEATURES.get(kind).infer_type(raw, "x")
            assert guess is None or (0 <= guess.score <= 1 and guess.why)


@pytest.mark.parametrize("kind", KINDS)
def test_fit_makes_a_copy(kind: str) -> None:
    feature = FEATURES.get(kind)(name="x")
    fitted = feature.fit([SAMPLES[kind].raw])
    assert fitted.fitted
    assert not feature.fitted
    assert fitted.kind == kind
    assert fitted.column == "x"


@pytest.mark.parametrize("kind", KINDS)
def test_fit_in_chunks_equals_fit_at_once(kind: str) -> None:
    raw = SAMPLES[kind].raw
    chunks = [take_raw(raw, np.arange(0, 25)), take_raw(raw, np.arange(25, ROWS))]
    assert FEATURES.get(kind)(name="x").fit(chunks).state() == _fitted(kind).state()


@pytest.mark.parametrize("kind", KINDS)
def test_state_round_trips_through_json(kind: str) -> None:
    feature = _fitted(kind)
    again = from_state(json.loads(json.dumps(feature.state())))
    assert again.state() == feature.state()
    for a, b in zip(_columns(feature), _columns(again), strict=True):
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.mask, b.mask)


@pytest.mark.parametrize("kind", KINDS)
def test_encode_row_by_row(kind: str) -> None:
    feature, sample = _fitted(kind), SAMPLES[kind]
    raw = sample.raw if sample.some_missing is None else sample.some_missing
    whole = feature.encode(raw)
    assert len(whole) == ROWS
    assert whole.mask.dtype == bool
    for i in (0, 1, ROWS - 1):
        one, same = feature.encode(take_raw(raw, np.array([i]))), whole.take(np.array([i]))
        np.testing.assert_array_equal(one.values, same.values)
        np.testing.assert_array_equal(one.mask, same.mask)
    assert len(feature.encode(take_raw(raw, np.arange(0)))) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_are_masked(kind: str) -> None:
    feature, sample = _fitted(kind), SAMPLES[kind]
    assert feature.encode(sample.raw).mask.all()
    assert feature.count_anomalies(sample.raw) == {}
    if sample.some_missing is not None:
        np.testing.assert_array_equal(feature.encode(sample.some_missing).mask, np.arange(ROWS) % 4 != 1)
        assert not feature.encode(sample.all_missing).mask.any()
        assert feature.count_anomalies(sample.some_missing) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_fit_on_missing_values_only(kind: str) -> None:
    sample = SAMPLES[kind]
    if sample.all_missing is None:
        pytest.skip("has no missing values")
    feature = FEATURES.get(kind)(name="x").fit([sample.all_missing])
    encoder = feature.encoder(DIM).eval()
    tokens = _encode(encoder, feature, _field(feature.encode(sample.all_missing)))
    assert feature.fitted
    assert torch.isfinite(tokens.values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_encoder_gives_finite_tokens_and_gradients(kind: str) -> None:
    torch.manual_seed(0)
    feature = _fitted(kind)
    encoder = feature.encoder(DIM)
    for column in _columns(feature):
        tokens = _encode(encoder, feature, _field(column))
        B, T, D = tokens.values.shape
        assert (B, D) == (ROWS, DIM)
        assert tokens.mask.shape == (B, T)
        assert encoder.shape.count in (None, T)
        assert tokens.mask.any(1).all()
        assert torch.isfinite(tokens.values).all()
        encoder.zero_grad()
        tokens.values.square().mean().backward()
        assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)
    assert all(p.requires_grad for p in encoder.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_encoder_gives_one_row_as_in_a_batch(kind: str) -> None:
    torch.manual_seed(0)
    feature = _fitted(kind)
    encoder = feature.encoder(DIM).eval()
    column = _columns(feature)[0]
    whole = _encode(encoder, feature, _field(column))
    one = _encode(encoder, feature, _field(column.take(np.array([3]))))
    T = one.values.shape[1]
    torch.testing.assert_close(one.values[0][one.mask[0]], whole.values[3][whole.mask[3]], atol=1e-5, rtol=1e-5)
    assert whole.values.shape[1] >= T


@pytest.mark.parametrize("kind", KINDS)
def test_encoder_shape_needs_no_memory(kind: str) -> None:
    feature = _fitted(kind)
    with torch.device("meta"):
        shape = feature.encoder(DIM).shape
    assert shape == feature.encoder(DIM).shape


@pytest.mark.parametrize("kind", [k for k in KINDS if FEATURES.get(k).joint])
def test_joint_encoder_encodes_several_columns(kind: str) -> None:
    torch.manual_seed(0)
    cls = FEATURES.get(kind)
    features = [cls(name="a").fit([SAMPLES[kind].raw]), cls(name="b").fit([SAMPLES[kind].raw[:7]])]
    fields = [_field(f.encode(SAMPLES[kind].some_missing)) for f in features]
    encoder = cls.joint_encoder(features, DIM).eval()
    stacked = Field(torch.stack([f.values for f in fields], 1), torch.stack([f.mask for f in fields], 1))
    tokens = encoder(stacked)
    assert tokens.values.shape == (ROWS, 2, DIM)
    assert encoder.shape.count == 2
    missing = ~stacked.mask[:, 0]
    assert torch.equal(tokens.values[missing, 0], tokens.values[missing, 0][:1].expand(int(missing.sum()), DIM))


@pytest.mark.parametrize("kind", PREDICTED)
def test_head_and_prediction(kind: str) -> None:
    torch.manual_seed(0)
    feature = _output(kind)
    head = _head(feature)
    tokens = _read(ROWS, 4)
    for column in _columns(feature):
        loss = feature.prediction(_params(head, tokens, column)).loss(_field(column))
        assert loss.shape == (ROWS,)
        assert torch.isfinite(loss).all()
        head.zero_grad()
        loss.mean().backward()
        assert all(torch.isfinite(p.grad).all() for p in head.parameters())


@pytest.mark.parametrize("kind", PREDICTED)
def test_one_batch_is_overfitted(kind: str) -> None:
    torch.manual_seed(0)
    feature = _output(kind)
    column = feature.encode(SAMPLES[kind].raw).take(np.arange(6))
    head = _head(feature)
    tokens = _read(6, STEPS)
    optimizer = torch.optim.Adam(head.parameters(), 0.3 if kind in LINEAR else 0.005 if kind == "text" else 0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss = feature.prediction(_params(head, tokens, column)).loss(_field(column)).mean()
        loss.backward()
        optimizer.step()
    head.eval()
    best = _numpy(feature.prediction(_params(head, tokens, column)).mode())
    figures, constant = feature.score(best, column), feature.score(_repeat(feature.baseline(column), 6), column)
    name = feature.metric.name
    assert (figures[name] > constant[name]) == feature.metric.higher_is_better
    # boxes never overlap entirely, and a writer learns with dropout
    assert loss.item() < {"boxes": 0.4, "text": 0.3}.get(kind, 0.05)


@pytest.mark.parametrize("kind", PREDICTED)
def test_ensemble_members_are_averaged(kind: str) -> None:
    torch.manual_seed(0)
    feature = _output(kind)
    head = _head(feature)
    with torch.no_grad():
        params = head(_read(ROWS))
        alone = _numpy(feature.prediction(params).mode())
        if isinstance(params, DecoderOutput):  # the members of a writer lie in its search
            pytest.skip("see tests/nn/test_decoding.py")
        mixed = _numpy(feature.prediction(_members(params, 3)).ensemble_mean(3).mode())
        different = _numpy(feature.prediction(params).ensemble_mean(3).mode())
    for name, value in alone.items():
        np.testing.assert_allclose(mixed[name], value, rtol=1e-5, atol=1e-6)
        assert len(different[name]) == ROWS // 3


@pytest.mark.parametrize("kind", PREDICTED)
def test_score_calibrate_decode(kind: str) -> None:
    torch.manual_seed(0)
    feature = _output(kind)
    head = _head(feature)
    with torch.no_grad():
        params = head(_read(ROWS))
    best = _numpy(feature.prediction(params).mode())
    for column in _columns(feature):
        calibration = json.loads(json.dumps(feature.calibrate(best, column), allow_nan=False))
        for known in (None, calibration):
            figures = feature.score(best, column, known)
            assert feature.score(*feature.for_scoring(best, column), known) == pytest.approx(figures)
            assert all(np.isfinite(v) for v in figures.values())
            assert set(figures) <= set(METRICS), "each metric stands in the table of metrics"
            assert column.mask.any() == (feature.metric.name in figures)
            answers = feature.decode(best, known)
            assert len(answers) == ROWS
            assert all("value" in a for a in answers)
            assert all(0 <= a.get("confidence", 0) <= 1 for a in answers)
            json.dumps(answers, allow_nan=False)


@pytest.mark.parametrize("kind", PREDICTED)
def test_baseline_is_the_best_constant_prediction(kind: str) -> None:
    feature = _output(kind)
    sample = SAMPLES[kind]
    truth = feature.encode(sample.raw if sample.some_missing is None else sample.some_missing)
    constant = feature.baseline(truth)
    assert all(len(v) == 1 for v in constant.values())
    figures = feature.score(_repeat(constant, ROWS), truth)
    assert feature.metric.name in figures
    torch.manual_seed(0)
    head = _head(feature)
    if kind in ("text", "sequence"):  # what is written, or as long as it is found to be, begins anywhere
        return
    with torch.no_grad():  # a head begins near it
        params = head(_read(ROWS, STEPS, draw=torch.zeros))
        loss = feature.prediction(params).loss(_field(truth))[torch.from_numpy(truth.mask)].mean().item()
    assert feature.baseline_loss(truth) == pytest.approx(loss, rel=0.1)
    assert feature.baseline_loss(truth) <= loss + 1e-5
    feature.check_target(truth, "here")


def _numpy(best: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in best.items()}


def _repeat(best: dict[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
    return {name: value.repeat(rows, 0) for name, value in best.items()}
