"""What the processes of a run do in each step, and the state that they begin with."""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext

import torch
from safetensors.torch import load, save

from deepglass.data.batches import Loader
from deepglass.documents import parse_json
from deepglass.errors import TrainingError
from deepglass.objectives.base import Objective
from deepglass.training.checkpoint import State, weights_sha256
from deepglass.training.distributed.processes import Processes, ProcessGroup
from deepglass.training.distributed.split import SplitLoader
from deepglass.training.distributed.split_batch import SplitBatch
from deepglass.training.plan import Plan


class Computation:
    """This process's part of the steps: its rows of each batch, and what it asks the others while it computes losses.

    Args:
        processes: of the run.
        loader: of whole batches.

    Attributes:
        loader: of this process's rows.
    """

    def __init__(self, processes: Processes, loader: Loader) -> None:
        self.processes = processes
        self.loader = SplitLoader(loader, processes) if isinstance(processes, ProcessGroup) else loader

    def of_batch(self) -> AbstractContextManager[None]:
        """A block in which losses of the loader's last batch are computed."""
        if isinstance(self.processes, ProcessGroup) and isinstance(self.loader, SplitLoader):
            return SplitBatch(self.loader.parts, self.processes).computed()
        return nullcontext()

    def check_equal(self, objective: Objective, step: int) -> None:
        """Raises: TrainingError: where the processes no longer have the same weights and random numbers."""
        if self.processes.count == 1:
            return
        random = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()
        for name, own in (("weights", weights_sha256(objective.state_dict())), ("random numbers", random)):
            if len(set(self.processes.texts(own))) > 1:
                raise TrainingError("internal", f"the {name} of the processes differ at step {step}; train in one")


def share_state(processes: Processes, state: State) -> State:
    """The state that the first process has."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in state.tensors.items()} if processes.is_first else {}
    parts = processes.send(save(tensors)), processes.send(json.dumps(state.values).encode())
    return State(load(parts[0]), parse_json(parts[1], "state"))


def send_plan(processes: Processes, plan: Plan, budget: float | None) -> None:
    """Tell the other processes the plan, and the time budget that it is fitted to."""
    processes.send(json.dumps({"plan": plan.to_json(), "budget": budget}).encode())


def receive_plan(processes: Processes) -> tuple[Plan, float | None]:
    """The plan of the first process, and its time budget."""
    message = parse_json(processes.send(b""), "plan")
    return Plan.from_json(message["plan"]), message["budget"]
