"""What a trained run imports when it is used, and how often a run resolves its spec and reads its files."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import deepglass
from deepglass import documents
from deepglass.prepare import prepare
from deepglass.run import fit

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
    own, most = ("deepglass.explain", 160) if ".explain(" in statement else ("none of them", 150)  # it reads a source
    assert len([m for m in modules if not m.startswith(own)]) <= most


def test_training_does_not_load_the_compiler_of_torch(tmp_path: Path) -> None:
    """It takes more than a second, and nothing is compiled."""
    code = f"""
import sys, deepglass
deepglass.train("sklearn:iris", out={str(tmp_path / "run")!r}, steps=2, baselines=False, network={{"width": 8}})
print(sorted({{"torch._dynamo", "torch._inductor", "sympy"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of a run folder is read, and the trunk is chosen, from here on."""
    counted: Counter[str] = Counter()

    def count(owner: object, name: str, key: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def counting(*args: object, **settings: object) -> object:
            counted[key(*args)] += 1
            return original(*args, **settings)

        monkeypatch.setattr(owner, name, counting)

    count(documents, "read_file", lambda path, *_: path.name)
    count(prepare, "adapt_features", lambda *_: "trunk chosen")
    count(prepare, "resolve_network", lambda *_: "network resolved")
    count(fit, "build", lambda *_: "objective built")
    return counted


def test_training_resolves_and_builds_once_and_reads_each_file_once(tmp_path: Path, counts: Counter[str]) -> None:
    deepglass.train("sklearn:iris", out=tmp_path / "run", steps=5, network={"width": 8})
    files = {name: n for name, n in counts.items() if name.endswith((".json", ".yaml", ".jsonl")) and n > 1}
    files.pop("manifest.json", None)  # it is written again after the baselines
    assert counts["trunk chosen"] == counts["network resolved"] == counts["objective built"] == 1
    assert not files


def test_predicting_and_reporting_read_each_file_once(run: Path, counts: Counter[str]) -> None:
    loaded = deepglass.Run(run)
    loaded.predict([ROW])
    assert counts["features.json"] == counts["spec.yaml"] == 1
    deepglass.report(loaded)
    files = {name: n for name, n in counts.items() if name.endswith((".json", ".yaml", ".jsonl")) and n > 1}
    assert counts["trunk chosen"] == counts["objective built"] == 0
    assert not files
