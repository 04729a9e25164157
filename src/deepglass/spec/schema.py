"""JSON schema of a spec: its sections, and the settings of each kind, trunk and objective."""

import inspect
from collections.abc import Mapping
from typing import Any

from deepglass.config import settings_schema
from deepglass.data.split import Split
from deepglass.data.transforms.history import EntityHistory
from deepglass.features.base import FEATURES
from deepglass.features.outputs.base import OUTPUTS
from deepglass.networks.trunks.base import TRUNKS
from deepglass.objectives.base import OBJECTIVES
from deepglass.registry import Registry
from deepglass.spec.data_spec import DataSpec
from deepglass.training.settings import TrainingSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def spec_schema() -> dict[str, Any]:
    """The JSON schema of a spec file."""
    data = settings_schema(DataSpec, ["split", "history", "transforms"])
    transform = {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"]}
    data["properties"] |= {"split": settings_schema(Split), "history": settings_schema(EntityHistory)}
    data["properties"]["transforms"] = {"type": "array", "items": transform}
    inputs, outputs = _column(FEATURES), _column(OUTPUTS)
    init_from = {"type": "string", "description": "a run that gives the initial weights"}
    return {
        "$schema": DIALECT,
        "title": "deepglass spec",
        "type": "object",
        "properties": {
            "data": {"anyOf": [{"type": "string"}, data]},
            "inputs": {"anyOf": [inputs, {"type": "array", "items": inputs}, {"type": "object"}]},
            "outputs": {"anyOf": [outputs, {"type": "array", "items": outputs}, {"type": "object"}]},
            "network": _choice(TRUNKS, "trunk", {"init_from": init_from}),
            "objective": _choice(OBJECTIVES, "name", {}),
            "training": settings_schema(TrainingSettings),
            "kinds": {"type": "object", "additionalProperties": {"type": ["string", "object"]}},
        },
        "required": ["data"],
        "additionalProperties": False,
    }


def _column(kinds: Registry[Any]) -> dict[str, Any]:
    """A column by its name, or with the settings of one kind."""
    options: list[dict[str, Any]] = [{"type": "string"}]
    options.append({"type": "object", "required": ["name"], "not": {"required": ["kind"]}})
    for kind, cls in kinds:
        schema = settings_schema(cls)
        schema["properties"]["kind"] = {"const": kind}
        options.append({**schema, "required": ["name", "kind"]})
    return {"anyOf": options}


def _choice(registry: Registry[Any], key: str, others: Mapping[str, Any]) -> dict[str, Any]:
    """A name of the registry, or the name under `key` beside its settings."""
    options: list[dict[str, Any]] = [{"type": "string", "enum": registry.names()}]
    for name, cls in registry:
        arguments = [n for n in inspect.signature(cls).parameters if n == "inputs"]
        schema = settings_schema(cls, arguments)
        schema["properties"] = {key: {"const": name}, **schema["properties"], **others}
        options.append({**schema, "required": [key, *schema.get("required", [])]})
    options.append({"type": "object", "properties": dict(others), "not": {"required": [key]}})
    return {"anyOf": options}
