"""From a network's inputs to the parameters of its predictions there are tensors only: `torch.export` traces it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from deepglass.data.batches import Dataset
from deepglass.features.base import Feature, Raw
from deepglass.features.category import Category
from deepglass.features.image import Image
from deepglass.features.number import Number
from deepglass.features.outputs.base import Output
from deepglass.features.outputs.category import CategoryOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.features.outputs.number import NumberOutput
from deepglass.features.text import Text
from deepglass.networks.network import Network
from deepglass.networks.trunks.base import TRUNKS
from deepglass.nn.tokens import Field

# torch's recurrent layers keep a list of their weights, which `torch.export` assigns anew while it traces
pytestmark = pytest.mark.filterwarnings("ignore:The tensor attributes? self.network.*_flat_weights:UserWarning")

ROWS = 12
SIZE = (20, 16)
RANDOM = np.random.default_rng(0)
COLUMNS: dict[str, Raw] = {
    "age": pl.Series([*RANDOM.normal(40, 10, ROWS - 1), None]),
    "job": pl.Series(["nurse", "baker", None, "smith"] * (ROWS // 4)),
    "photo": RANDOM.integers(0, 255, (ROWS, *SIZE, 3), dtype=np.uint8),
    "note": pl.Series([" ".join(RANDOM.choice(["red", "blue", "sea", "sky"], 1 + i % 5)) for i in range(ROWS)]),
    "label": pl.Series(["a", "b", "c"] * (ROWS // 3)),
    "price": pl.Series(RANDOM.normal(0, 3, ROWS)),
    "regions": RANDOM.integers(0, 3, (ROWS, *SIZE), dtype=np.uint8),
}
NAMES = [name for name, _ in TRUNKS if name != "pretrained"]  # its models come from another library


class Exportable(nn.Module):
    """A network whose inputs are positional tensors."""

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, values: list[Tensor], masks: list[Tensor]) -> dict[str, Tensor]:
        fields = {name: Field(v, m) for name, v, m in zip(self.names, values, masks, strict=True)}
        return self.network(fields)


def export_equals(trunk: str, inputs: Sequence[Feature], outputs: Sequence[Output]) -> None:
    """The exported network gives the parameters of the network, also for rows that it was not traced with."""
    torch.manual_seed(0)
    network = Exportable(Network(inputs, outputs, trunk).eval(), [f.name for f in inputs])
    data = Dataset({f.name: f.encode(COLUMNS[f.name]) for f in inputs}, {})
    traced, other = data.batch(torch.arange(ROWS)), data.batch(torch.arange(ROWS).flip(0))
    arguments = [
        ([batch.inputs[n].values for n in network.names], [batch.inputs[n].mask for n in network.names])
        for batch in (traced, other)
    ]
    with torch.no_grad():
        program = torch.export.export(network, arguments[0]).module()
        for values, masks in arguments:
            expected, exported = network(values, masks), program(values, masks)
            assert set(exported) == {f.name for f in outputs}
            for name in exported:
                torch.testing.assert_close(exported[name], expected[name])


def feature(kind: type[Feature], name: str) -> Feature:
    return kind(name=name).fit([COLUMNS[name]])


def inputs_for(trunk: str) -> list[Feature]:
    if TRUNKS.get(trunk).ordered:
        return [Text(name="note").as_sequence().fit([COLUMNS["note"]])]
    if trunk == "mlp":
        return [feature(Number, "age"), feature(Category, "job")]
    return [feature(Text, "note")] if trunk == "bag" else [feature(Image, "photo")]


def two_outputs() -> list[Output]:
    return [CategoryOutput(name="label").fit([COLUMNS["label"]]), NumberOutput(name="price").fit([COLUMNS["price"]])]


@pytest.mark.parametrize("trunk", NAMES)
def test_a_network_of_each_trunk_exports(trunk: str) -> None:
    export_equals(trunk, inputs_for(trunk), two_outputs())


@pytest.mark.parametrize("trunk", [name for name in NAMES if name not in ("mlp", "bag")])
def test_a_network_with_numbers_beside_its_main_input_exports(trunk: str) -> None:
    export_equals(trunk, [feature(Number, "age"), *inputs_for(trunk)], two_outputs())


def test_an_mlp_on_an_image_exports() -> None:
    export_equals("mlp", [feature(Image, "photo")], two_outputs())


@pytest.mark.parametrize("trunk", ["conv", "unet"])
def test_a_dense_head_exports(trunk: str) -> None:
    export_equals(trunk, [feature(Image, "photo")], [MaskOutput(name="regions").fit([COLUMNS["regions"]])])
