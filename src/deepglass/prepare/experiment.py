"""What a spec and its data resolve to: features, trunk, objective, training defaults and split, decided once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deepglass.config import restore
from deepglass.data.split import Split
from deepglass.data.table import Table
from deepglass.data.transforms.base import TableTransform, transform_from_state
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.trunks.base import TRUNKS, Trunk
from deepglass.objectives.base import OBJECTIVES, Objective
from deepglass.prepare.derived_columns import derive_columns
from deepglass.spec.spec import Spec
from deepglass.values import plain


@dataclass(frozen=True)
class Experiment:
    """A resolved spec. `prepare.prepare` makes it, the run folder stores it, everything later reads it.

    Args:
        spec: the declaration, with the trunk's resolved settings under `network`.
        inputs, outputs: fitted features.
        trunk: name of the network architecture.
        split: how rows were split, with defaults resolved.
        transforms: fitted, in the order in which they are applied.
    """

    spec: Spec
    inputs: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    trunk: str
    split: Split
    transforms: tuple[TableTransform, ...] = ()

    @property
    def objective(self) -> str:
        """Name of the objective."""
        return self.spec.objective.name

    @property
    def objective_class(self) -> type[Objective]:
        return OBJECTIVES.get(self.objective, where="objective.name")

    @property
    def trunk_class(self) -> type[Trunk]:
        return TRUNKS.get(self.trunk, where="network.trunk")

    @property
    def defaults(self) -> TrainingDefaults:
        """The trunk's training defaults, before the objective adapts them."""
        return self.trunk_class.training_defaults

    @property
    def network(self) -> dict[str, Any]:
        """Settings of the trunk."""
        return plain(self.spec.network.settings)

    @property
    def architecture(self) -> dict[str, Any]:
        """The trunk's settings and `trunk`, its name; {} for objectives that build their own network."""
        return {} if self.objective_class.builds_network else {**self.network, "trunk": self.trunk}

    def derive(self, table: Table) -> Table:
        """A table of source rows as the features read it, with the columns of transforms and of joined features."""
        return derive_columns(table, self.transforms, (*self.inputs, *self.outputs))

    def state(self) -> dict[str, Any]:
        """What the run folder stores beside spec and features, as JSON values."""
        transforms = [t.state() for t in self.transforms]
        return {"trunk": self.trunk, "split": asdict(self.split), "transforms": transforms}

    @staticmethod
    def from_state(
        spec: Spec, inputs: tuple[Feature, ...], outputs: tuple[Output, ...], state: Mapping[str, Any]
    ) -> Experiment:
        """The experiment of a stored run.

        Raises:
            SpecError: `bad-value`, `unknown-key`, or `unknown-name`.
        """
        if not isinstance(state["trunk"], str):
            raise SpecError("bad-value", f"experiment.trunk: expected a text, got {state['trunk']!r}")
        if state["trunk"] == "pretrained" and "source_config" not in spec.network.settings:
            raise SpecError(
                "bad-value",
                "network.source_config is missing in spec.yaml, and a run's pretrained network is not looked up again",
            )
        transforms = tuple(transform_from_state(t, f"transforms[{i}]") for i, t in enumerate(state["transforms"]))
        return Experiment(spec, inputs, outputs, state["trunk"], restore(Split, state["split"], "split"), transforms)
