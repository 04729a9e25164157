"""The JSON schema of specs against the specs that come with deepglass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from deepglass.documents import read_yaml
from deepglass.objectives.base import OBJECTIVES
from deepglass.spec import recipes
from deepglass.spec.schema import spec_schema

SCHEMA = spec_schema()
TYPES = {
    "object": Mapping,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value is valid, by the keywords that the schema uses."""
    if "anyOf" in schema and not any(fits(value, option) for option in schema["anyOf"]):
        return False
    if "type" in schema:
        whole = schema["type"] in ("integer", "number") and isinstance(value, bool)
        if not isinstance(value, TYPES[schema["type"]]) or whole:
            return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    if "not" in schema and fits(value, schema["not"]):
        return False
    if isinstance(value, Mapping):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        rest = [v for k, v in value.items() if k not in properties]
        return (
            all(key in value for key in schema.get("required", []))
            and all(fits(v, properties[k]) for k, v in value.items() if k in properties)
            and (not rest if more is False else more is True or all(fits(v, more) for v in rest))
        )
    if isinstance(value, list):
        items = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
        return len(value) >= schema.get("minItems", 0) and all(fits(v, s) for v, s in zip(value, items, strict=False))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            value >= schema.get("minimum", value)
            and value <= schema.get("maximum", value)
            and value > schema.get("exclusiveMinimum", value - 1)
            and value < schema.get("exclusiveMaximum", value + 1)
        )
    return True


@pytest.mark.parametrize("name", recipes.names())
def test_recipes_match_the_schema(name: str) -> None:
    content = read_yaml(recipes.locate(name))
    for key, value in content.items():
        assert fits(value, SCHEMA["properties"][key]), f"{key}: {value}"
    assert fits(content, SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dta": "a.csv"},
        {"data": {"source": "a.csv", "splitt": {}}},
        {"data": "a.csv", "training": {"epochs": 0}},
        {"data": "a.csv", "training": {"precision": "half"}},
        {"data": "a.csv", "network": {"trunk": "mlp", "width": 0}},
        {"data": "a.csv", "network": {"trunk": "mlp", "kernel": 3}},
        {"data": "a.csv", "network": "mpl"},
        {"data": "a.csv", "objective": {"name": "ppo", "discount": 2}},
        {"data": "a.csv", "outputs": [{"name": "y", "kind": "nummer"}]},
        {"data": "a.csv", "outputs": [{"kind": "number"}]},
    ],
)
def test_wrong_specs_do_not_match_the_schema(wrong: dict[str, Any]) -> None:
    assert not fits(wrong, SCHEMA)


def test_the_schema_has_all_settings_of_objectives() -> None:
    options = {o["properties"]["name"]["const"]: o for o in SCHEMA["properties"]["objective"]["anyOf"] if "title" in o}
    assert set(options) == set(OBJECTIVES.names())
    assert "gae_lambda" in options["ppo"]["properties"]
