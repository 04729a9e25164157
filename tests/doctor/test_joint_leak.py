"""Targets that are computed from a few inputs are found, and those that are only easy are not."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import deepglass

ROWS = 500
RANDOM = np.random.default_rng(0)
NOISE = {f"x{i}": RANDOM.normal(size=ROWS) for i in range(3)}
A, B, C = RANDOM.normal(size=(3, ROWS))
HOME, AWAY = RANDOM.poisson(1.5, ROWS), RANDOM.poisson(1.2, ROWS)
COUNT, UNIT = RANDOM.integers(1, 9, ROWS), RANDOM.uniform(1, 50, ROWS).round(2)
EXTRA = np.where(HOME == AWAY, RANDOM.choice(["home", "away"], ROWS), "none")


def _result(extra: np.ndarray | str) -> np.ndarray:
    return np.select([HOME > AWAY, HOME < AWAY], ["home", "away"], extra)


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"home_goals": HOME, "away_goals": AWAY}, _result("draw")),
        ({"home_goals": HOME, "away_goals": AWAY, "shootout": EXTRA}, _result(EXTRA)),
        ({"a": A, "b": B, "c": C}, A + B + C),
        ({"a": A, "b": B}, 3 * A - 2 * B + 2),
        ({"a": A, "b": B}, np.where(A > B, "yes", "no")),
        ({"count": COUNT, "unit": UNIT}, (COUNT * UNIT).round(2)),
    ],
)
def test_the_columns_that_give_away_a_target_are_named(columns: dict[str, np.ndarray], target: np.ndarray) -> None:
    findings = deepglass.inspect(pl.DataFrame(NOISE | columns | {"y": target}), "y").findings
    leak = next(f for f in findings if f.kind == "leak")
    assert set(leak.columns) == set(columns)
    assert leak.fix == f"data.ignore=[{', '.join(leak.columns)}]"
    assert "together give away y" in leak.text
    assert "known before the prediction is made?" in leak.text


def _noisy() -> np.ndarray:
    return A + B + C + 0.05 * RANDOM.normal(size=ROWS)


def _noisy_classes() -> np.ndarray:
    return np.where(A - B + 0.2 * RANDOM.normal(size=ROWS) > 0, "yes", "no")


@pytest.mark.parametrize("target", [_noisy, _noisy_classes])
def test_a_target_with_noise_is_not_given_away(target: Callable[[], np.ndarray]) -> None:
    table = pl.DataFrame(NOISE | {"a": A, "b": B, "c": C, "y": target()})
    assert "leak" not in [f.kind for f in deepglass.inspect(table, "y").findings]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_bundled_sets_give_nothing_away(name: str) -> None:
    assert "leak" not in [f.kind for f in deepglass.inspect(f"sklearn:{name}").findings]


def test_classes_with_a_gap_between_them_are_easy_and_not_given_away() -> None:
    centre = np.repeat([[-2.0, 2.0], [2.0, -2.0]], ROWS // 2, axis=0)  # each input alone is right in 97.7 %
    points = centre + RANDOM.normal(size=(ROWS, 2))
    table = pl.DataFrame({"p": points[:, 0], "q": points[:, 1], "y": ["u"] * 250 + ["v"] * 250})
    findings = deepglass.inspect(table.sample(fraction=1, shuffle=True, seed=0), "y").findings
    assert not any("together" in f.text for f in findings)
