"""Whole numbers as codes or quantities: the same for all parts of a table."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from deepglass.features.base import infer_type

RED_WINE = {3: 10, 4: 53, 5: 681, 6: 638, 7: 199, 8: 18}
WHITE_WINE = {3: 20, 4: 163, 5: 1457, 6: 2198, 7: 880, 8: 175, 9: 5}


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        (RED_WINE, "number"),
        (WHITE_WINE, "number"),
        ({1: 83, 2: 247, 3: 509, 4: 756, 5: 1812, 6: 15784, 7: 10878, 8: 2061, 9: 8025, 10: 834, 11: 594}, "number"),
        ({1: 199, 2: 2760, 3: 9824, 4: 6882, 5: 1601, 6: 272, 7: 38, 8: 13, 9: 6, 10: 3, 11: 1, 33: 1}, "number"),
        ({0: 1120, 1: 1670, 2: 1255, 3: 630, 4: 235, 5: 70, 6: 17, 7: 3}, "number"),  # goals
        ({0: 678, 1: 118, 2: 80, 3: 5, 4: 4, 5: 5, 6: 1}, "number"),
        ({1: 216, 2: 184, 3: 491}, "category"),
        ({0: 72471, 1: 2223, 2: 5788, 3: 641, 4: 6431}, "category"),
        ({1: 2118, 2: 2833, 3: 357, 4: 27, 5: 94, 6: 173, 7: 205}, "category"),
        ({1: 70, 2: 76, 3: 17, 5: 13, 6: 9, 7: 29}, "category"),
        ({0: 900, 1: 80, 2: 20}, "category"),
        (dict.fromkeys(range(10), 50), "category"),
    ],
)
def test_a_part_of_a_table_has_the_kind_of_the_whole(counts: Mapping[int, int], kind: str) -> None:
    values = np.repeat(list(counts), list(counts.values()))
    assert infer_type(values, "q")[0] == kind
    for share in (0.3, 0.6, 0.9):
        for seed in range(3):
            part = np.random.default_rng(seed).choice(values, int(share * len(values)), replace=False)
            assert infer_type(part, "q")[0] == kind


def test_names_come_before_the_values() -> None:
    codes, scores = np.arange(400) % 10, np.repeat(list(RED_WINE), list(RED_WINE.values()))
    assert [infer_type(codes, name)[0] for name in ("q", "label", "age")] == ["category", "category", "number"]
    assert infer_type(scores - 3, "class")[0] == "category"
    assert [infer_type(codes, name)[0] for name in ("p12", "pixel_3_7", "px4")] == ["number"] * 3


@pytest.mark.parametrize(
    ("form", "kind"),
    [("{} %", "number"), ("{}%", "number"), ("{} €", "number"), ("CHF {}", "number"), ("{}WD", "category")],
)
def test_numbers_with_a_currency_or_a_sign_are_quantities(form: str, kind: str) -> None:
    series = pl.Series("rebate", [form.format(5 * (i % 4)) for i in range(200)])
    assert infer_type(series, "rebate")[0] == kind
