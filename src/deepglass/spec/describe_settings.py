"""All settings of a spec with type, default, meaning and example, read from what validates them.

Types and defaults are those of the constructors, meanings those of their docstrings, so that a new setting appears in
`deepglass list settings` and in `docs/settings.md` by itself.
"""

import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from deepglass.config import choices_of, describe, options_of, setting_types
from deepglass.data.augment import Augment
from deepglass.data.split import Split
from deepglass.data.transforms.history import EntityHistory
from deepglass.errors import SpecError, alternatives, near_miss
from deepglass.features.base import FEATURES
from deepglass.features.outputs.base import OUTPUTS
from deepglass.limits import LIMITS
from deepglass.networks.trunks.base import TRUNKS
from deepglass.objectives.base import OBJECTIVES
from deepglass.registry import Registry
from deepglass.spec.aliases import ALIASES
from deepglass.spec.data_spec import DataSpec, TransformSpec
from deepglass.spec.sections import OWN_FIELDS
from deepglass.spec.spec import FeatureSpec, NetworkSpec, ObjectiveSpec, Spec
from deepglass.training.settings import TrainingSettings

REQUIRED = "required"
COLUMN = "COLUMN"  # stands for the name of a column
_SHORT = {path: key for key, path in ALIASES.items()}

EXAMPLES: Mapping[str, Any] = {
    **{
        "column": "photo_path",
        "columns": ["latitude", "longitude"],
        "dim": 16,
        "expected_lag": 100,
        "gradient_penalty_interval": 4,
    },
    **{"hidden": 64, "ignore": 255, "kind": "category", "max_vocabulary": 20_000, "mels": 64, "names": ["road", "sky"]},
    **{"ngram_order": 4, "num_labels": 100, "patch": 8, "positive": "survived", "pretrained": "facebook/dinov2-small"},
    **{
        "rate": 16_000,
        "separator": ";",
        "size": [64, 64],
        "threads": 2,
        "threshold": "recall>=0.8",
        "tokenizer": "tokenizer.json",
    },
    "data.columns": ["age", "hours", "income"],
    "data.data_root": "datasets",
    "data.decimal": ",",
    "data.delimiter": ";",
    "data.drop": [17, 204],
    "data.encoding": "cp1252",
    "data.filename_pattern": "{digit}_{speaker}_{take}",
    "data.fix": ["duplicate"],
    "data.derive": {"profit": "price - cost"},
    "data.history.columns": ["amount"],
    "data.history.entities": ["home_team", "away_team"],
    "data.history.even": "neutral",
    "data.history.former_names": "former_names.csv",
    "data.history.rating_outcome": "result",
    "data.history.time": "date",
    "data.ignore": ["id"],
    "data.keep": ["NA"],
    "data.label_corrections": "labels.csv",
    "data.sample_weight": "importance",
    "data.missing": [-999],
    "data.quote": "none",
    "data.sheet": "2023",
    "data.source": "houses.csv",
    "data.split.by": "time:date",
    "data.split.file": "split.csv",
    "data.split.fold": 0,
    "data.split.folds": 5,
    "data.split.rows": [800, 100, 100],
    "data.test": "held-out.csv",
    "data.transforms[].kind": "my_module:GroupMean",
    "data.unlabelled": "more.csv",
    "inputs": ["age", "hours"],
    "kinds": {"year": "category"},
    "network.init_from": "runs/houses-1",
    "network.trunk": "mlp",
    "objective.name": "fixmatch",
    "outputs": ["price"],
    "training.augment": {"shift": 0.1},
    "training.clip": 1.0,
    "training.device": "cuda",
    "training.epochs": 30,
    "training.learning_rate": 0.001,
    "training.optimizer": "adamw",
    "training.patience": 10,
    "training.schedule": "linear",
    "training.steps": 1000,
    "training.time": "60s",
    "training.warmup": 0.1,
    "training.weight_decay": 0.01,
}
"""Values of settings whose default or type gives none, by path or by name."""


class SettingDescription(NamedTuple):
    """A setting.

    Args:
        name: its path in a spec, such as `network.depth`.
        of: the kind, network or objective that has it; "" for all.
        type: the values that it takes.
        default: as in a spec; `required` without one.
        meaning: one or more sentences.
        example: as on the command line.
        short: its short form on the command line; "" without one.
    """

    name: str
    of: str
    type: str
    default: str
    meaning: str
    example: str
    short: str = ""


def describe_settings(prefix: str = "") -> list[SettingDescription]:
    """All settings, or those whose path, a part of it, or whose kind, network or objective begins with `prefix`.

    Raises:
        SpecError: `unknown-name` with the near misses, where no setting begins so.
    """
    settings = [*_sections(), *_registry_settings()]
    selected = [s for s in settings if _matches(s, prefix)]
    if not selected:
        words = dict.fromkeys(word for s in settings for word in (*_section_and_name(s), s.of) if word)
        raise SpecError("unknown-name", f"list settings: no setting {prefix!r}{near_miss(prefix, words)}")
    return selected


def check_sections(keys: Iterable[str]) -> None:
    """Check that paths begin with a section of a spec, or are short forms.

    Raises:
        SpecError: `unknown-key` with the settings of that name in all sections, such as `network.depth` for `depth`.
    """
    sections = setting_types(Spec)
    for key in keys:
        if ALIASES.get(key, key).partition(".")[0] in sections:
            continue
        settings = describe_settings()
        near = dict.fromkeys(s.name for s in settings if s.name.rpartition(".")[2] == key)
        names = [*sections, *ALIASES, *(s.name.replace(f".{COLUMN}", "") for s in settings)]
        hint = f"; did you mean {alternatives(near)}?" if near else near_miss(key, names)
        raise SpecError("unknown-key", f"spec: no setting {key!r}{hint} (`deepglass list settings` lists all)")


def _section_and_name(setting: SettingDescription) -> tuple[str, str, str]:
    parts = setting.name.split(".")
    return parts[0], parts[-1], setting.name


def _matches(setting: SettingDescription, prefix: str) -> bool:
    parts = setting.name.split(".")
    paths = [".".join(parts[i:]) for i in range(len(parts))]
    return any(text.startswith(prefix) for text in (*paths, setting.of, setting.short) if text)


def _sections() -> Iterator[SettingDescription]:
    """The settings that do not depend on a kind, network or objective."""
    yield from _settings_of(DataSpec, "data", but=("limits", "split", "history", "transforms"))
    yield from _settings_of(Split, "data.split")
    yield from _settings_of(EntityHistory, "data.history")
    for name, limit in LIMITS.items():
        meaning = f"Limit on the {limit.description}, in {limit.unit}."
        value = str(limit.default)
        yield SettingDescription(
            f"data.limits.{name}", "", "a whole number above 0", value, meaning, f"data.limits.{name}={value}"
        )
    yield from _settings_of(TransformSpec, "data.transforms[]", but=("settings",))
    yield from _settings_of(Spec, "", but=("data", "network", "objective", "training"))
    for section in ("inputs", "outputs"):
        yield from _settings_of(FeatureSpec, f"{section}.{COLUMN}", but=("settings",))
    yield from _settings_of(NetworkSpec, "network", but=("settings",))
    yield from _settings_of(ObjectiveSpec, "objective", but=("settings",))
    yield from _settings_of(TrainingSettings, "training")
    yield from _settings_of(Augment, "training.augment")


def _registry_settings() -> Iterator[SettingDescription]:
    sections: list[tuple[str, Registry[Any], tuple[str, ...]]] = [
        (f"inputs.{COLUMN}", FEATURES, OWN_FIELDS),
        (f"outputs.{COLUMN}", OUTPUTS, OWN_FIELDS),
        ("network", TRUNKS, ("inputs", "source_config")),
        ("objective", OBJECTIVES, ()),
    ]
    for path, registry, but in sections:
        for name, cls in registry:
            yield from _settings_of(cls, path, name, but=but)


def _settings_of(
    cls: Callable[..., Any], path: str, of: str = "", but: tuple[str, ...] = ()
) -> Iterator[SettingDescription]:
    """The settings of a constructor below a path."""
    meanings = argument_texts(cls)
    parameters = inspect.signature(cls).parameters
    for name, hint in setting_types(cls).items():
        if name in but:
            continue
        full = f"{path}.{name}" if path else name
        default = parameters[name].default
        value = default if isinstance(default, bool | int | float | str | tuple) else None  # not of a factory
        yield SettingDescription(
            full,
            of,
            describe(hint),
            REQUIRED if default is inspect.Parameter.empty else _text(value),
            meanings.get(name, ""),
            _example(full, hint, value),
            _SHORT.get(full, ""),
        )


def _example(path: str, hint: Any, default: Any) -> str:
    """The setting with a value, as it is written in a shell."""
    name = path.rpartition(".")[2]
    value = EXAMPLES[path] if path in EXAMPLES else _example_value(name, hint, default)
    if name in OWN_FIELDS and COLUMN in path:
        path, value = path.partition(".")[0], [{"name": COLUMN.lower()} | ({name: value} if name != "name" else {})]
    elif path.startswith("data.history."):  # which has settings without a default
        path, value = "data.history", {"entities": ["home_team", "away_team"], "time": "date"} | {name: value}
    elif "[]" in path:
        path, value = path.partition("[]")[0], [{name: value}]
    return shlex.quote(f"{path.replace(COLUMN, COLUMN.lower())}={_text(value)}")


def _example_value(name: str, hint: Any, default: Any) -> Any:
    """A valid value: another choice, or the default where it is a number."""
    options, choices = list(options_of(hint)), choices_of(hint)
    if bool in options and isinstance(default, bool | None):
        return not default
    if choices:
        return next((choice for choice in choices if choice != default), choices[0])
    if default not in (None, "", (), 0.0):
        return default
    if name in EXAMPLES:
        return EXAMPLES[name]
    return 0.1 if float in options else default


def _text(value: Any) -> str:
    """A value as YAML in one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return str(value) if value != "" else '""'


def argument_texts(cls: Callable[..., Any]) -> dict[str, str]:
    """Argument -> its text in the section `Args` of a class; what the class does not say, its base classes do."""
    texts: dict[str, str] = {}
    for owner in reversed(cls.__mro__ if inspect.isclass(cls) else (cls,)):
        texts |= _arguments(inspect.cleandoc(owner.__doc__ or ""))
    return texts


def _arguments(doc: str) -> dict[str, str]:
    """The arguments of one docstring; `a, b: text` is a text of both."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)*)", doc, re.MULTILINE)
    texts: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \S)", section[1].rstrip("\n")) if section else ():
        names, _, text = entry.strip().partition(":")
        sentence = " ".join(text.split())
        texts |= {name.strip(): sentence[:1].upper() + sentence[1:] for name in names.split(",")}
    return texts
