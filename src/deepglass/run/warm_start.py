"""Warm start from another run: inherit its architecture and fitted features, and load the weights that fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from deepglass.errors import SpecError
from deepglass.features._word_codes import word_codes
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.features.text import Text
from deepglass.networks.network import Network, grouped, key_of
from deepglass.nn.bag import BagEncoder
from deepglass.nn.embeddings import TokenEncoder
from deepglass.objectives._token_pretraining import TokenPretraining
from deepglass.objectives._word_vectors import WordVectors
from deepglass.prepare.earlier_features import same_encoding
from deepglass.prepare.prepare import EarlierRun
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.folder import Folder
from deepglass.spec.spec import Spec

FINE_TUNING_RATE = 1e-4  # where the spec states none: a tenth of the rate of new weights


def inherit_architecture(spec: Spec, out: Path | None) -> Spec:
    """The spec with the network settings of the run that gives the initial weights, unless it names another trunk.

    A network that was pre-trained on tokens has a lower learning rate. Settings of the spec take precedence.

    Args:
        out: the folder of the new run; None for one that does not exist yet.

    Raises:
        SourceError: `not-found` without such a run.
        SpecError: `bad-value` if the new run would overwrite it.
    """
    if (run := spec.network.init_from) is None:
        return spec
    if out is not None and Path(run).resolve() == out.resolve():
        raise SpecError("bad-value", f"network.init_from: {run} would be overwritten; choose another --out")
    before, own = Folder.open(Path(run)).state().experiment, spec.network
    if before.objective_class.builds_network or own.trunk not in (None, before.trunk):
        return spec
    network = replace(own, trunk=before.trunk, settings={**before.network, **own.settings})
    training = spec.training
    fine_tunes = issubclass(before.objective_class, TokenPretraining) and spec.objective.name == "supervised"
    if fine_tunes and training.learning_rate is None:
        training = replace(training, learning_rate=FINE_TUNING_RATE)
    return replace(spec, network=network, training=training)


def is_pretraining(run: str | Path) -> bool:
    """Whether a run was trained on the tokens of texts without labels."""
    return issubclass(Folder.open(Path(run)).state().experiment.objective_class, TokenPretraining)


def earlier_run(spec: Spec) -> EarlierRun | None:
    """The run that gives the initial weights, with its rows; None without one."""
    if (run := spec.network.init_from) is None:
        return None
    folder = Folder.open(Path(run))
    state = folder.state()
    return EarlierRun(state.experiment, folder.lineage(state))


def load_weights(run: str | Path, objective: nn.Module, data: PreparedData) -> list[str]:
    """Load weights of the same name and shape, except encoders and heads of features that have changed.

    Args:
        run: the folder of the earlier run.

    Returns:
        The names of the weights that were not loaded.

    Raises:
        SourceError: `not-found` without such a run.
        SpecError: `bad-value` if no weights fit.
    """
    folder = Folder.open(Path(run))
    before = folder.state().experiment
    if issubclass(before.objective_class, WordVectors) and not isinstance(objective, WordVectors):
        return load_word_vectors(run, before.inputs[0], folder.weights()["words.weight"], objective)
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


def load_word_vectors(run: str | Path, words: Feature, vectors: Tensor, objective: nn.Module) -> list[str]:
    """Start the encoders of texts from word vectors, scaled to the size of the initial weights.

    Args:
        run: the folder of the vectors, for messages.
        words: the text whose words have the vectors.

    Returns:
        The names of the weights that did not start from vectors.

    Raises:
        SpecError: `bad-value` without an encoder of a text, or for vectors of another width.
    """
    assert isinstance(words, Text)
    index, tables = word_codes(words), []
    for network in (m for m in objective.modules() if isinstance(m, Network)):
        for (text, *_), encoder in zip(network.groups, network.encoders, strict=True):
            if isinstance(text, Text) and isinstance(encoder, TokenEncoder | BagEncoder):
                tables.append(encoder.table.weight if isinstance(encoder, TokenEncoder) else encoder.bag.weight)
                _copy_vectors(run, text, tables[-1], vectors, index)
    if not tables:
        problem = f"{run} has word vectors, and this network has no encoder of a text that starts with them"
        raise SpecError("bad-value", f"network.init_from: {problem}")
    return [name for name, p in objective.named_parameters() if not any(p is table for table in tables)]


def _copy_vectors(run: str | Path, text: Text, table: Tensor, vectors: Tensor, index: Mapping[str, int]) -> None:
    if table.shape[1] != vectors.shape[1]:
        raise SpecError(
            "bad-value",
            f"network.init_from: the vectors of {run} have {vectors.shape[1]} numbers, and the encoder of "
            f"{text.name!r} {table.shape[1]}; set the network's width (network.width, of a bag network.dim) to "
            f"{vectors.shape[1]}",
        )
    both = [(code, index[word]) for word, code in word_codes(text).items() if word in index]
    if not both:
        raise SpecError("bad-value", f"network.init_from: no word of {text.name!r} has a vector in {run}")
    own, theirs = map(torch.tensor, zip(*both, strict=True))
    with torch.no_grad():
        chosen = vectors[theirs].to(table)
        table[own.to(table.device)] = chosen * (table.std() / chosen.std())


def _changed(
    objective: nn.Module, data: PreparedData, inputs: Sequence[Feature], outputs: Sequence[Output]
) -> Iterator[str]:
    """Parts of parameter names: encoders and heads of features that have changed."""
    earlier = {f.name: f.state() for f in outputs}
    yield from (f".{key_of(f.name)}." for f in data.outputs if earlier.get(f.name) != f.state())
    before = grouped(inputs)
    names = {f.name for f in data.inputs}
    for path, network in objective.named_modules():
        if not isinstance(network, Network):
            continue
        for i, group in enumerate(network.groups):
            ours = all(f.name in names for f in group)  # none that the objective added
            if ours and (i >= len(before) or not _same_group(group, before[i])):
                yield f".{path}.encoders.{i}."


def _same_group(group: Sequence[Feature], before: Sequence[Feature]) -> bool:
    return len(group) == len(before) and all(same_encoding(f, b) for f, b in zip(group, before, strict=True))
