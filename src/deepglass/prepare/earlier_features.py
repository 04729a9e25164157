"""Features of the run that gives the initial weights: their settings, vocabularies and scales are inherited."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.features.text import Text

F = TypeVar("F", bound=Feature)

ENCODING_FIELDS = ("type_", "format_", "flat_", "lists_", "parts_", "subword_features_")  # how raw values are parsed
PLACE = ("name", "column", "columns")  # where a feature reads, not how


def with_earlier_settings(features: Sequence[F], earlier: Sequence[Feature]) -> list[F]:
    """Unfitted features with the settings of the earlier run's, where they state none of their own."""
    return [_with_settings(f, _match(f, features, earlier)) for f in features]


def inherit_features(features: Sequence[F], earlier: Sequence[Feature]) -> tuple[F, ...]:
    """Fitted features: the earlier run's where settings and reading are equal; an output must have all classes too."""
    return tuple(_inherited(f, _match(f, features, earlier)) for f in features)


def check_vocabularies(features: Sequence[Feature], earlier: Sequence[Feature]) -> None:
    """Raises: SpecError: `bad-value` for a text with another vocabulary than the one that the weights belong to."""
    for feature in features:
        before = _match(feature, features, earlier)
        if isinstance(feature, Text) and isinstance(before, Text) and _settings(feature) != _settings(before):
            raise SpecError(
                "bad-value",
                f"inputs.{feature.name}: network.init_from has weights for {_vocabulary(before)}, and these settings "
                f"give {_vocabulary(feature)}; leave the settings of the text out to take those of the earlier run",
            )


def same_encoding(feature: Feature, before: Feature) -> bool:
    """Whether both encode values alike, wherever they read them."""
    ours, theirs = ({k: v for k, v in f.state().items() if k not in PLACE} for f in (feature, before))
    return ours == theirs


def _match(feature: Feature, features: Sequence[Feature], earlier: Sequence[Feature]) -> Feature | None:
    """The earlier feature of the same name, or the only one of its kind on both sides."""
    if (named := next((f for f in earlier if f.name == feature.name), None)) is not None:
        return named
    alike = [f for f in earlier if isinstance(f, type(feature))]
    alone = len(alike) == 1 and sum(isinstance(f, type(feature)) for f in features) == 1
    return alike[0] if alone and isinstance(feature, Text) and not isinstance(feature, Output) else None


def _with_settings(feature: F, before: Feature | None) -> F:
    if not isinstance(before, type(feature)):
        return feature
    unstated = {k: v for k, v in before.settings().items() if k not in (*feature.settings(), *PLACE)}
    return replace(feature, **unstated) if unstated else feature


def _inherited(feature: F, before: Feature | None) -> F:
    if not isinstance(before, type(feature)):
        return feature
    moved = replace(before, **{name: getattr(feature, name) for name in PLACE})
    if moved.settings() != feature.settings():
        return feature
    if any(getattr(before, name, None) != getattr(feature, name, None) for name in ENCODING_FIELDS):
        return feature
    new_classes = isinstance(feature, Output) and not set(feature.class_names) <= set(before.class_names)
    return feature if new_classes else moved


def _settings(feature: Feature) -> dict[str, Any]:
    return {name: value for name, value in feature.settings().items() if name not in PLACE}


def _vocabulary(feature: Text) -> str:
    words = feature.tokenizer or feature.tokenization or "ngrams"
    return f"{feature.size:,} codes of {words}"
