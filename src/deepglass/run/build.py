"""Build the objective of an experiment with its networks."""

from deepglass.config import construct
from deepglass.device import pick, seed_everything
from deepglass.errors import SourceError, SpecError
from deepglass.objectives.base import MakeNetwork, Objective
from deepglass.prepare.experiment import Experiment
from deepglass.run.folder import Folder
from deepglass.values import plain


def build(experiment: Experiment, device: str) -> Objective:
    """The objective with its networks, initialised from the seed.

    Raises:
        SpecError: an unknown objective, network or setting; a kind that cannot be an output.
    """
    spec = experiment.spec
    objective: Objective = construct(experiment.objective_class, plain(spec.objective.settings), "objective", ["name"])
    network = spec.network
    if objective.builds_network and (network.trunk is not None or network.settings):
        key = "trunk" if network.trunk is not None else next(iter(network.settings))
        raise SpecError(
            "unknown-key",
            f"network.{key}: the objective {experiment.objective!r} builds its own network; leave it out, its "
            "settings stand under objective",
        )
    seed_everything(spec.training.seed)
    objective.build(experiment.inputs, experiment.outputs, MakeNetwork(experiment.trunk, experiment.network))
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
            "mismatched-files", f"{folder.name}: model.safetensors does not fit spec.yaml ({error})"
        ) from error
    return objective.eval()
