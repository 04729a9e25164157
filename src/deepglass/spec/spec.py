"""The declaration of a run: the data, inputs and outputs, the network, the objective, the training.

A spec is a YAML file or a dict, validated against the pydantic models below, whose fields are its schema. It is
immutable, down to the settings of its sections.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from deepglass.config import SECTION, construct
from deepglass.data.environments import PREFIX as GYM
from deepglass.data.environments import module_of
from deepglass.data.split import Split
from deepglass.documents import read_yaml
from deepglass.errors import SpecError
from deepglass.spec.data_spec import (
    SOURCES,
    DataSpec,
    Settings,
    Source,
    TransformSpec,
    anchored_source,
    no_settings,
    source_name,
)
from deepglass.spec.sections import as_kinds, as_list, read_section, read_sections, read_settings
from deepglass.training.settings import TrainingSettings
from deepglass.values import frozen, plain

FEATURES = ("inputs", "outputs")
OBJECTIVE_PATHS = ("features", "style_image", "word_pairs")  # settings of objectives that are paths


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


@dataclass(frozen=True, config=SECTION)
class FeatureSpec:
    """An input or output.

    Args:
        name: name in batches and predictions.
        kind: kind of data or prediction; None: inferred.
        column: column of the table; "" for the name.
        columns: columns of the table, for a feature that reads several.
        settings: further arguments of the kind.
    """

    name: str
    kind: str | None = None
    column: str = ""
    columns: tuple[str, ...] = ()
    settings: Settings = field(default_factory=no_settings)

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", self.column or self.name)

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Columns of the table that it reads."""
        return self.columns or (self.column,)


@dataclass(frozen=True, config=SECTION)
class NetworkSpec:
    """The network.

    Args:
        trunk: architecture of the network; None: the default for the inputs.
        init_from: a run that gives the initial weights.
        settings: arguments of the trunk.
    """

    trunk: str | None = None
    init_from: str | None = None
    settings: Settings = field(default_factory=no_settings)


@dataclass(frozen=True, config=SECTION)
class ObjectiveSpec:
    """The kind of learning, with the arguments of its class.

    Args:
        name: kind of learning, see `deepglass list objectives`; "ppo" by default for an environment.
        settings: arguments of the objective.
    """

    name: str = "supervised"
    settings: Settings = field(default_factory=no_settings)

    def with_paths(self, change: Callable[[str], str]) -> ObjectiveSpec:
        """A copy with another spelling of each path in its settings."""
        settings = plain(self.settings)
        paths = {k: change(v) for k in OBJECTIVE_PATHS if isinstance(v := settings.get(k), str) and v}
        return replace(self, settings={**settings, **paths}) if paths else self


@dataclass(frozen=True, config=SECTION)
class Spec:
    """A run, declared.

    Args:
        inputs: columns to predict from; an empty list takes all that are left.
        outputs: columns to predict; an empty list takes the target that the source marks.
        kinds: column -> kind, or settings of its kind, where the inferred ones are wrong.
    """

    data: DataSpec
    inputs: tuple[FeatureSpec, ...] = ()
    outputs: tuple[FeatureSpec, ...] = ()
    network: NetworkSpec = field(default_factory=NetworkSpec)
    objective: ObjectiveSpec = field(default_factory=ObjectiveSpec)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    kinds: Annotated[Mapping[str, str | Mapping[str, Any]], AfterValidator(frozen)] = field(default_factory=no_settings)

    @staticmethod
    def read(path: Path) -> Spec:
        """A spec from a YAML file.

        Raises:
            SourceError: `not-found`, `unreadable-file`.
            SpecError: with the path of the setting, or the lines of a key that stands twice.
        """
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise SpecError(
                "bad-value", f"{path}: expected keys such as data and outputs, got {type(content).__name__}"
            )
        return Spec.from_dict(content, path.parent)

    @staticmethod
    def from_dict(content: Mapping[str, Any], folder: Path | None = None) -> Spec:
        """A spec from plain values; `folder` is what relative paths start from."""
        values = dict(content)
        data = values.pop("data", {})
        data = dict(data) if isinstance(data, Mapping) else {"source": data}
        data["split"] = read_settings(Split, data.pop("split", None), "data.split", "{test: 0.1}")
        data["transforms"] = read_sections(TransformSpec, data.pop("transforms", None), "data.transforms")
        values |= {
            "data": construct(DataSpec, data, "data"),
            "training": read_settings(TrainingSettings, values.pop("training", None), "training", "{time: 60s}"),
            "inputs": read_sections(FeatureSpec, as_list(values.pop("inputs", None), "inputs"), "inputs"),
            "outputs": read_sections(FeatureSpec, as_list(values.pop("outputs", None), "outputs"), "outputs"),
            "kinds": as_kinds(values.pop("kinds", None)),
            "network": read_section(NetworkSpec, values.pop("network", None), "network"),
            "objective": read_section(
                ObjectiveSpec, values.pop("objective", None), "objective", name=_default_objective(data.get("source"))
            ),
        }
        spec = construct(Spec, values, "spec")
        return spec if folder is None else spec.anchored(folder)

    def kind_of(self, column: str) -> str | None:
        """The kind that `kinds` states for a column."""
        entry = self.kinds.get(column)
        return entry.get("kind") if isinstance(entry, Mapping) else entry

    def kind_settings(self, column: str) -> dict[str, Any]:
        """The settings that `kinds` states for a column."""
        entry = self.kinds.get(column)
        return {k: v for k, v in plain(entry).items() if k != "kind"} if isinstance(entry, Mapping) else {}

    def code_names(self) -> dict[str, str]:
        """Values that name code outside the package, `module:Class` or `gym:module:ID` -> the module."""
        features = [f.kind for f in (*self.inputs, *self.outputs)]
        transforms = [t.kind for t in self.data.transforms]
        kinds = [self.kind_of(column) for column in self.kinds]
        settings = [f.settings for f in (*self.inputs, *self.outputs)] + [*map(self.kind_settings, self.kinds)]
        functions = [name for s in settings for name in (s.get("loss"), *_items(s.get("metrics")))]
        names = [*features, *transforms, *kinds, self.network.trunk, self.objective.name, *functions]
        modules = {name: name.partition(":")[0] for name in names if isinstance(name, str) and ":" in name}
        sources = [s for n in SOURCES if isinstance(s := getattr(self.data, n), str) and s.startswith(GYM)]
        return modules | {s: module for s in sources if (module := module_of(s.removeprefix(GYM)))}

    def anchored(self, folder: Path | None = None) -> Spec:
        """The same with paths that start from a folder; absolute ones without it, for use from another folder."""
        folder = folder or Path.cwd()
        roots = tuple(str(anchored_source(root, folder)) for root in self.data.data_root)
        data = self.data.with_paths(lambda path: anchored_source(path, folder), roots)
        network = replace(self.network, init_from=anchored_source(self.network.init_from, folder))
        objective = self.objective.with_paths(lambda path: anchored_source(path, folder))
        return replace(self, data=data, network=network, objective=objective)

    def with_names(self) -> tuple[Spec, dict[str, str]]:
        """The same with the names of its files instead of paths, and the name of each path."""
        names: dict[str, str] = {}
        data = self.data.with_paths(lambda path: source_name(path, names), ())
        network = replace(self.network, init_from=source_name(self.network.init_from, names))
        objective = self.objective.with_paths(lambda path: source_name(path, names))
        return replace(self, data=data, network=network, objective=objective), names

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain values; defaults are left out."""
        data = {k: _named_source(getattr(self.data, k)) for k in SOURCES if getattr(self.data, k) is not None}
        data |= _changed(self.data, but=SOURCES)
        features = {k: [f["name"] if len(f) == 1 else f for f in map(_changed, getattr(self, k))] for k in FEATURES}
        sections = {k: _changed(getattr(self, k)) for k in ("network", "objective", "training")}
        sections["objective"] = {"name": self.objective.name, **sections["objective"]}
        plain_values = {"data": data, **features, **sections, "kinds": plain(self.kinds)}
        return {k: v for k, v in plain_values.items() if v or k == "data"}


def _default_objective(source: Source) -> str:
    return "ppo" if isinstance(source, str) and source.startswith(GYM) else "supervised"


def _changed(section: Any, but: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a section that differ from their defaults as plain values, and its further settings beside them."""
    values = {f.name: getattr(section, f.name) for f in dataclasses.fields(section) if f.name not in but}
    defaults = {f.name: f.default for f in dataclasses.fields(section)}
    if isinstance(section, FeatureSpec):
        defaults["column"] = section.name
    settings = values.pop("settings", {})
    changed = {n: v for n, v in values.items() if v != defaults[n]}
    if isinstance(section, DataSpec):
        nested = {"split": _changed(section.split), "transforms": list(map(_changed, section.transforms))}
        changed = {n: nested.get(n, v) for n, v in changed.items() if nested.get(n, v)}
    return plain({**changed, **settings})


def _named_source(source: Source) -> str | list[str]:
    if isinstance(source, list | tuple) and source and all(isinstance(path, str | Path) for path in source):
        return [str(path) for path in source]
    return source if isinstance(source, str) else f"<{type(source).__name__}>"
