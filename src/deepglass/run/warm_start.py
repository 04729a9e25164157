"""Warm start from another run: inherit its architecture and fitted features, then load the weights that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

from torch import nn

from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.networks.network import Network, grouped, key_of
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.folder import Folder
from deepglass.spec.spec import Spec

F = TypeVar("F", bound=Feature)

Role = Literal["inputs", "outputs"]
_READING = (
    "type_",
    "format_",
    "flat_",
    "lists_",
    "parts_",
    "subword_features_",
)  # how raw values are read; other learned fields may differ


def inherit_architecture(spec: Spec, out: Path) -> Spec:
    """The spec with the network of the run that it starts with, where it names no other; its own settings win.

    Args:
        out: where the new run is to lie.

    Raises:
        SourceError: `not-found` where there is no such run.
        SpecError: `bad-value` where it would be overwritten.
    """
    if (run := spec.network.init_from) is None:
        return spec
    if Path(run).resolve() == out.resolve():
        raise SpecError("bad-value", f"network.init_from: {run} would be overwritten; choose another --out")
    before, own = Folder.open(Path(run)).spec().network, spec.network
    if own.trunk not in (None, before.trunk):
        return spec
    network = replace(own, trunk=before.trunk, settings={**before.settings, **own.settings})
    return replace(spec, network=network)


def inherit_features(spec: Spec, role: Role, fitted: Sequence[F]) -> tuple[F, ...]:
    """The fitted features of the earlier run, where kind and settings are the same.

    Its weights mean something for its own vocabularies and scales only: fitted to other rows, the same place may hold
    another word. Answers stay fitted anew where there are classes that the run before does not know.

    Args:
        fitted: to the rows of this run.
    """
    if (run := spec.network.init_from) is None:
        return tuple(fitted)
    before = {f.name: f for f in getattr(Folder.open(Path(run)).state().experiment, role)}
    return tuple(_of_before(f, before.get(f.name), role) for f in fitted)


def load_weights(run: str | Path, objective: nn.Module, data: PreparedData) -> list[str]:
    """Load weights of the same name and shape, except encoders and heads of features that have changed.

    Args:
        run: the folder of the run to begin with.

    Returns:
        The names of the weights that were not loaded.

    Raises:
        SourceError: `not-found` where there is no such run.
        SpecError: `bad-value` where nothing fits.
    """
    folder = Folder.open(Path(run))
    before = folder.state().experiment
    changed = tuple(_changed(objective, data, before.inputs, before.outputs))
    own = objective.state_dict()
    fits = {
        name: tensor
        for name, tensor in folder.weights().items()
        if name in own and own[name].shape == tensor.shape and not any(part in f".{name}" for part in changed)
    }
    if not any(name in fits for name, _ in objective.named_parameters()):
        raise SpecError("bad-value", f"network.init_from: none of the weights of {run} fit; take the same network")
    objective.load_state_dict(fits, strict=False)
    return [name for name, _ in objective.named_parameters() if name not in fits]


def _of_before(feature: F, before: F | None, role: Role) -> F:
    if before is None or type(before) is not type(feature) or before.settings() != feature.settings():
        return feature
    if any(getattr(before, name, None) != getattr(feature, name, None) for name in _READING):
        return feature
    new_classes = role == "outputs" and not set(feature.class_names) <= set(before.class_names)
    return feature if new_classes else before


def _changed(
    objective: nn.Module, data: PreparedData, inputs: Sequence[Feature], outputs: Sequence[Output]
) -> Iterator[str]:
    """Parts of parameter names: encoders and heads of features that have changed."""
    earlier = {f.name: f.state() for f in outputs}
    yield from (f".{key_of(f.name)}." for f in data.outputs if earlier.get(f.name) != f.state())
    same = [[f.state() for f in group] for group in grouped(inputs)]
    names = {f.name for f in data.inputs}
    for path, network in objective.named_modules():
        if not isinstance(network, Network):
            continue
        for i, group in enumerate(network.groups):
            states = [f.state() for f in group]
            ours = all(f.name in names for f in group)  # and none that the kind of learning has added
            if ours and (i >= len(same) or states != same[i]):
                yield f".{path}.encoders.{i}."
