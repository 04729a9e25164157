"""Augmented views of rows and batches of labelled and unlabelled rows; exact resume of loaders."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from deepglass.data.batches import Batch, Dataset, ShuffledLoader
from deepglass.data.views import MultiViewLoader, TwoPoolLoader, strong_augmentation, weak_augmentation
from deepglass.features.base import Column, Feature
from deepglass.features.image import Image
from deepglass.features.number import Number
from deepglass.features.text import Text

ROWS = 50


def pictures() -> Image:
    random = np.random.default_rng(0)
    return Image(name="picture").fit([random.integers(0, 256, (ROWS, 12, 12), np.uint8)])


def data(features: list[Feature], raw: list[object]) -> Dataset:
    columns = {f.name: f.encode(r) for f, r in zip(features, raw, strict=True)}  # type: ignore[arg-type]
    mask = np.arange(ROWS) < 10
    return Dataset(columns, {"label": Column(np.where(mask, 1, 0), mask)})


@pytest.fixture
def seen() -> tuple[Dataset, Image]:
    feature = pictures()
    raw = np.random.default_rng(0).integers(0, 256, (ROWS, 12, 12), np.uint8)
    return data([feature], [raw]), feature


def same(one: Batch, other: Batch) -> bool:
    fields = [(one.inputs, other.inputs), *zip(one.views, other.views, strict=True)]
    equal = [torch.equal(a[n].values, b[n].values) for a, b in fields for n in a]
    return torch.equal(one.rows, other.rows) and all(equal)


def pools(data: Dataset, sizes: tuple[int, int] = (4, 12)) -> TwoPoolLoader:
    return TwoPoolLoader(data, (np.arange(10), np.arange(10, ROWS)), sizes, seed=3)


def test_two_views_are_augmented_copies_of_the_same_rows(
    seen: tuple[Dataset, Image],
) -> None:
    data, feature = seen
    batch = MultiViewLoader(
        ShuffledLoader(data, 8, 0), 0, (weak_augmentation([feature]), strong_augmentation([feature]), None)
    ).next()
    weak, strong, plain = batch.inputs["picture"], *(v["picture"] for v in batch.views)
    raw = data.batch(batch.rows).inputs["picture"].values
    assert torch.equal(plain.values, raw)
    changed = [(v.values.float() - raw.float()).abs().mean() for v in (weak, strong)]
    assert 0 < changed[0] < changed[1], "the strong view changes more than the weak one"


def test_a_batch_has_labelled_rows_first_and_an_epoch_covers_the_unlabelled_ones(
    seen: tuple[Dataset, Image],
) -> None:
    loader = pools(seen[0], (4, 8))
    assert loader.batches_per_epoch == 5
    batches = [loader.next() for _ in range(5)]
    assert all((b.rows[:4] < 10).all() and (b.rows[4:] >= 10).all() for b in batches)
    assert sorted(torch.cat([b.rows[4:] for b in batches]).tolist()) == list(range(10, ROWS))
    assert all(b.targets["label"].mask[:4].all() and not b.targets["label"].mask[4:].any() for b in batches)


def test_only_unlabelled_rows_have_a_second_view(seen: tuple[Dataset, Image]) -> None:
    data, feature = seen
    batch = MultiViewLoader(pools(data), 0, (None, strong_augmentation([feature]))).next()
    assert len(batch) == 16
    assert len(batch.views[0]["picture"].values) == 12
    unchanged = MultiViewLoader(pools(data), 0, (None, None)).next()
    assert torch.equal(unchanged.views[0]["picture"].values, unchanged.inputs["picture"].values[4:])


@pytest.mark.parametrize("kind", ["shuffled", "pools"])
@pytest.mark.parametrize("steps", [0, 2, 7, 11])
def test_a_loader_resumes_to_the_same_batches(seen: tuple[Dataset, Image], kind: str, steps: int) -> None:
    data, feature = seen

    def make() -> MultiViewLoader:
        inner = pools(data) if kind == "pools" else ShuffledLoader(data, 8, 1)
        return MultiViewLoader(inner, 5, (weak_augmentation([feature]), strong_augmentation([feature])))

    whole, stopped = make(), make()
    for _ in range(steps):
        whole.next()
        stopped.next()
    going_on = make()
    going_on.next()  # elsewhere than where it is sent
    going_on.load_state_dict(stopped.state_dict())
    assert all(same(whole.next(), going_on.next()) for _ in range(6))


def test_another_seed_gives_another_order_and_augmentation(seen: tuple[Dataset, Image]) -> None:
    data, feature = seen
    loaders = [
        MultiViewLoader(TwoPoolLoader(data, (np.arange(10), np.arange(10, ROWS)), (4, 12), s), s, (None, None))
        for s in (0, 1)
    ]
    one, other = (loader.next() for loader in loaders)
    assert not torch.equal(one.rows, other.rows)
    views = [MultiViewLoader(pools(data), s, (None, strong_augmentation([feature]))).next() for s in (0, 1)]
    assert torch.equal(views[0].rows, views[1].rows)
    assert not same(*views)


def test_cells_of_a_table_are_replaced_by_other_rows() -> None:
    raw = [np.arange(ROWS) + 0.5, 100.0 + np.arange(ROWS)]
    features = [Number(name=n).fit([r]) for n, r in zip("ab", raw, strict=True)]
    view = strong_augmentation(features)
    assert not view.is_identity
    batch = data(features, raw).batch(torch.arange(ROWS))  # type: ignore[arg-type]
    changed = view(batch, torch.Generator().manual_seed(0))
    for name in "ab":
        before, after = batch.inputs[name].values, changed.inputs[name].values
        moved = (before != after).float().mean()
        assert 0.1 < moved < 0.5
        assert set(after.tolist()) <= set(before.tolist())


def test_words_of_a_text_are_dropped() -> None:
    raw = pl.Series("t", [f"word{i} and another word{i + 1} here" for i in range(ROWS)])
    feature = Text(name="t").as_sequence().fit([raw])
    view = strong_augmentation([feature])
    batch = data([feature], [raw]).batch(torch.arange(ROWS))
    changed = view(batch, torch.Generator().manual_seed(0))
    assert changed.inputs["t"].values.shape == batch.inputs["t"].values.shape
    assert not torch.equal(changed.inputs["t"].values, batch.inputs["t"].values)


def test_a_single_number_is_not_augmented(seen: tuple[Dataset, Image]) -> None:
    number = Number(name="a").fit([np.arange(9.0)])
    assert strong_augmentation([number]).is_identity
    assert strong_augmentation([number, seen[1]]).cells == {}
