"""Features and outputs encode, calibrate and decode without torch, load few modules, and read memory-mapped arrays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepglass.features.base import FEATURES, from_state

TESTS = Path(__file__).parents[1]
MAX_MODULES = 20

ROUND_TRIP = """
import sys

sys.modules["torch"] = None  # importing torch raises ImportError

import numpy as np
from feature_samples import ROWS, SAMPLES

from deepglass.features.base import FEATURES, from_state
from deepglass.features.outputs.base import OUTPUTS

assert set(FEATURES.names()) <= set(SAMPLES)
for kind, cls in FEATURES:
    raw = SAMPLES[kind].raw
    feature = cls(name="x").fit([raw])
    assert len(from_state(feature.state()).encode(raw)) == ROWS, kind
for kind, cls in OUTPUTS:
    raw = SAMPLES[kind].raw
    output = cls(name="x").configure_output([]).fit([raw])
    truth = output.encode(raw)
    mode = {name: value.repeat(ROWS, 0) for name, value in output.baseline(truth).items()}
    calibration = output.calibrate(mode, truth)
    assert output.score(mode, truth, calibration), kind
    assert len(output.decode(mode, calibration)) == ROWS, kind
print(len(FEATURES.names()), len(OUTPUTS.names()))
"""

COUNT_MODULES = """
import importlib
import sys

for kind in sys.argv[1:]:
    for name in [n for n in sys.modules if n.partition(".")[0] == "deepglass"]:
        del sys.modules[name]
    importlib.import_module(f"deepglass.features.{kind}")
    print(kind, sum(n.partition(".")[0] == "deepglass" for n in sys.modules), "torch" in sys.modules)
"""


def _run(code: str, *args: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_kind_encodes_calibrates_and_decodes_without_torch() -> None:
    features, outputs = map(int, _run(ROUND_TRIP).split())
    assert features >= 15
    assert outputs >= 12


def test_importing_a_feature_loads_few_modules() -> None:
    lines = [line.split() for line in _run(COUNT_MODULES, *FEATURES.names()).splitlines()]
    assert [kind for kind, _, _ in lines] == FEATURES.names()
    assert {kind: int(count) for kind, count, _ in lines if int(count) >= MAX_MODULES} == {}
    assert [kind for kind, _, torch in lines if torch == "True"] == []


@pytest.mark.parametrize(
    ("kind", "shape", "dtype"),
    [("number", (40,), np.float64), ("vector", (40, 3), np.float32), ("image", (40, 6, 5, 3), np.uint8)],
)
def test_a_memory_mapped_array_is_read_like_one_in_memory(
    kind: str, shape: tuple[int, ...], dtype: type, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    mapped = np.memmap(tmp_path / "values", dtype, "w+", shape=shape)
    mapped[:] = values
    mapped.flush()
    mapped = np.memmap(tmp_path / "values", dtype, "r", shape=shape)
    feature = FEATURES.get(kind)(name="x").fit([values])
    assert FEATURES.get(kind)(name="x").fit([mapped[:25], mapped[25:]]).state() == feature.fit([values]).state()
    column, same = feature.encode(values), from_state(feature.state()).encode(mapped)
    np.testing.assert_array_equal(same.values, column.values)
    np.testing.assert_array_equal(same.mask, column.mask)
    rows = np.array([3, 0, 39])
    np.testing.assert_array_equal(same.take(rows).values, column.values[rows])
