"""Build the objective of an experiment with its networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepglass.config import construct
from deepglass.device import pick, seed_everything
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.networks.network import Network
from deepglass.networks.trunks.base import TRUNKS
from deepglass.objectives.base import Objective
from deepglass.prepare.experiment import Experiment
from deepglass.run.folder import Folder


def build(experiment: Experiment, device: str) -> Objective:
    """The objective with its networks, initialised from the seed.

    Raises:
        SpecError: an unknown objective, network or setting; a kind that cannot be an output.
    """
    spec = experiment.spec
    settings = {k: v for k, v in spec.objective.items() if k != "name"}
    objective: Objective = construct(experiment.objective_class, settings, "objective", ["name"])
    if objective.builds_network and (stated := [k for k in spec.network if k != "init_from"]):
        raise SpecError(
            "unknown-key",
            f"network.{stated[0]}: the objective {experiment.objective!r} builds its own network; leave it out, its "
            "settings stand under objective",
        )
    seed_everything(spec.training.seed)

    def make_network(
        inputs: Sequence[Feature],
        outputs: Sequence[Output],
        trunk: str | None = None,
        settings: Mapping[str, Any] | None = None,
        causal: bool = False,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Network:
        name = trunk or experiment.trunk
        own = experiment.network if settings is None and trunk is None else settings or {}
        own = {**(defaults or {}).get(name, {}), **own}
        return Network(inputs, outputs, name, TRUNKS.get(name).causal(own) if causal else own)

    objective.build(experiment.inputs, experiment.outputs, make_network)
    return objective.to(pick(device))


def load_objective(folder: Folder, experiment: Experiment, device: str = "auto") -> Objective:
    """The objective with the weights of a run: the final ones, or the best so far while the run trains.

    Raises:
        SourceError: `not-found` without weights; `mismatched-files` when they do not fit the spec.
    """
    weights = folder.weights()
    objective = build(experiment, device)
    try:
        objective.load_state_dict(weights)
    except RuntimeError as error:
        raise SourceError(
            "mismatched-files", f"{folder.path}: model.safetensors does not fit spec.yaml ({error})"
        ) from error
    return objective.eval()
