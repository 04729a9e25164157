"""The run of a fitted estimator as bytes, so that it can be copied and pickled."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from deepglass.device import RandomState
from deepglass.run.predictor import Predictor


def pack(folder: Path) -> bytes:
    """A run folder as the bytes of a zip, without its checkpoints."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and name.parts[0] != "checkpoint":
                archive.write(path, name)
    return content.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write the run folder of `pack`."""
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        archive.extractall(folder)


def lenient(predictor: Predictor) -> Predictor:
    """The predictor with missing values wherever a column has none, as scikit-learn's estimators take them."""
    predictor.reader.missing = {}
    return predictor


@contextmanager
def own_randomness() -> Iterator[None]:
    """Restore the random states of Python, numpy and torch afterwards, since training seeds them."""
    states = RandomState.capture()
    try:
        yield
    finally:
        states.restore()
