"""A run that begins with another run's weights."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from deepglass.errors import SpecError
from deepglass.run.folder import Folder
from deepglass.run.prepare import Prepared


def start_from(run: str | Path, objective: nn.Module, prepared: Prepared) -> list[str]:
    """Take over what fits: weights of the same name and shape, but no head of an answer whose classes differ.

    Args:
        run: the folder of the run to begin with.

    Returns:
        The names of the weights that begin anew.

    Raises:
        SourceError: `not-found` where there is no such run.
        SpecError: `bad-value` where nothing fits.
    """
    folder = Folder.open(Path(run))
    before = {f.name: f.class_names for f in folder.features()["outputs"]}
    changed = [f.name for f in prepared.outputs if before.get(f.name) != f.class_names]
    weights = folder.weights()
    own = objective.state_dict()
    fits = {
        name: tensor
        for name, tensor in weights.items()
        if name in own and own[name].shape == tensor.shape and not any(f"out_{c}" in name for c in changed)
    }
    if not any(name in fits for name, _ in objective.named_parameters()):
        raise SpecError("bad-value", f"network.start: none of the weights of {run} fit; take the same network")
    objective.load_state_dict(fits, strict=False)
    return [name for name, _ in objective.named_parameters() if name not in fits]
