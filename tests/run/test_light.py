"""What a trained run imports when it is used, and how often a run resolves its spec and reads its files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import deepglass

ROW = {"petal length (cm)": 5.1, "petal width (cm)": 1.8}
TRAINING = (
    "deepglass.training.trainer",
    "deepglass.training.optimizers",
    "deepglass.prepare.prepare",
    "deepglass.run.fit",
    "deepglass.doctor",
    "deepglass.report",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("light") / "run"
    deepglass.train("sklearn:iris", out=out, steps=5, baselines=False, network={"width": 8})
    return out


def imported(statement: str) -> list[str]:
    """The modules of the package that a new process has loaded after a statement."""
    code = f"import sys, json; {statement}; print(json.dumps([m for m in sys.modules if m.startswith('deepglass')]))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize(
    "statement",
    [
        "from deepglass import Run; Run({path!r}).predict([{row}])",
        "import deepglass; deepglass.predict({path!r}, [{row}])",
        "import deepglass; deepglass.embed({path!r}, [{row}])",
        "import deepglass; deepglass.explain({path!r}, [{row}])",
    ],
    ids=["run", "predict", "embed", "explain"],
)
def test_using_a_run_imports_no_training_code(run: Path, statement: str) -> None:
    modules = imported(statement.format(path=str(run), row=ROW))
    assert not [m for m in modules if any(f"{m}.".startswith(f"{t}.") for t in TRAINING)]
    assert len(modules) <= 150
