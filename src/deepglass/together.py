"""Training by several processes: what they must have in common, and what those beside the first one do.

The first process alone writes the run folder, shows progress, tests and reports.
"""

from pathlib import Path

import torch

from deepglass.errors import SpecError
from deepglass.run.cross_validation import is_many
from deepglass.run.fit import Setup
from deepglass.spec.spec import Spec
from deepglass.training.clock import Clock
from deepglass.training.distributed.processes import Processes, check_same
from deepglass.training.distributed.steps import receive_plan
from deepglass.training.planning import max_steps
from deepglass.training.trainer import Trainer


def follow(setup: Setup) -> None:
    """Make the steps of the first process's plan with it; weights and state at the start are those of the first one."""
    objective, processes = setup.objective, setup.processes
    datasets = setup.data.datasets(setup.device)
    setup.random_state.restore()
    objective.on_fit_start(datasets["train"])
    plan, budget = receive_plan(processes)
    torch.set_num_threads(plan.threads)
    trainer = Trainer(processes=processes)
    loader = setup.loader(datasets["train"], plan)
    clock = Clock(budget) if budget is not None else None
    if clock is not None:
        costs = trainer.probe(objective, loader, plan, datasets["valid"], 0.0)  # the first process knows the seconds
        plan, _ = receive_plan(processes)
        loader = setup.loader(datasets["train"], plan)
        clock.begin(plan.first_step, costs, plan.first_step + max_steps(plan, setup.defaults))
    trainer.fit(objective, loader, plan, datasets["valid"], clock)


def check_together(processes: Processes, spec: Spec, out: Path | None) -> None:
    """Raises: SpecError: `bad-value` for what several processes cannot do."""
    if processes.count == 1:
        return
    if out is None:
        raise SpecError("bad-value", f"--out: {processes.count} processes need the name of their run folder; give it")
    if is_many(spec):
        text = f"a cross-validation cannot be trained by {processes.count} processes"
        raise SpecError("bad-value", f"data.split.folds: {text}; leave --devices out")


def check_same_data(setup: Setup) -> None:
    """Raises: SpecError: `mismatched-files` where processes have read other data, or have other settings."""
    spec = setup.experiment.spec
    settings = repr(sorted({**spec.to_dict(), "data": None}.items(), key=str))
    if setup.processes.count > 1:
        check_same(setup.processes, {"the data": setup.data.fingerprint, "the settings": settings})
