"""Settings checked against constructor signatures: types, ranges, near misses, JSON schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from deepglass.config import construct, settings_schema
from deepglass.constraints import Count, Fraction, Ge, Positive
from deepglass.errors import SpecError


@dataclass(frozen=True)
class Made:
    depth: Count = 2
    rate: Positive | None = None
    dropout: Fraction = 0.1
    sizes: tuple[Annotated[int, Ge(1)], ...] = ()
    grid: tuple[int, int] | None = None
    norm: Literal["batch", "layer"] = "batch"
    batch: Count | Literal["auto"] = "auto"
    more: bool | Mapping[str, Any] = False
    rule: Callable[[float], float] | None = None
    learned_: int | None = None

    def __post_init__(self) -> None:
        if self.grid is not None and self.grid[0] > self.grid[1]:
            raise ValueError("grid: expected the smaller side first")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"depth": 3.0}, 3),
        ({"depth": 3, "sizes": [1, 2.0], "grid": [2, 3], "batch": "auto", "more": {"a": 1}, "rate": 1}, 3),
    ],
)
def test_yaml_values_are_accepted(settings: dict[str, Any], expected: int) -> None:
    made = construct(Made, settings, "network")
    assert made.depth == expected
    assert type(made.depth) is int
    assert made.sizes == tuple(settings.get("sizes", ()))
    assert all(type(size) is int for size in made.sizes)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"depth": 0}, "network.depth: expected a whole number above 0, got 0"),
        ({"depth": "3"}, "network.depth: expected a whole number above 0, got '3'"),
        ({"depth": True}, "network.depth: expected a whole number above 0, got True"),
        ({"depth": 2.5}, "network.depth: expected a whole number above 0, got 2.5"),
        ({"rate": 0}, "network.rate: expected a number above 0, got 0"),
        ({"dropout": 1}, "network.dropout: expected a number from 0 to below 1, got 1"),
        ({"sizes": [3, 0]}, "network.sizes[1]: expected a whole number of at least 1, got 0"),
        ({"sizes": 3}, "network.sizes: expected a list, got 3"),
        ({"grid": [3]}, "network.grid: expected a list of 2, each a whole number, got [3]"),
        ({"norm": "bach"}, "network.norm: expected one of batch, layer, got 'bach'; did you mean 'batch'?"),
        ({"batch": "aut"}, "expected a whole number above 0 or one of auto, got 'aut'; did you mean 'auto'?"),
        ({"grid": [3, 2]}, "[bad-value] network.grid: expected the smaller side first"),
        ({"dept": 3}, "[unknown-key] network: no setting 'dept'; did you mean 'depth'?"),
        ({"learned_": 3}, "[unknown-key] network: no setting 'learned_'"),
    ],
)
def test_errors_state_path_value_and_expectation(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError) as error:
        construct(Made, settings, "network")
    assert text in str(error.value)


def test_the_schema_of_settings() -> None:
    schema = settings_schema(Made)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Made.__dataclass_fields__) - {"learned_"}
    assert schema["properties"]["depth"] == {"default": 2, "exclusiveMinimum": 0, "title": "Depth", "type": "integer"}
    assert schema["properties"]["norm"]["enum"] == ["batch", "layer"]
