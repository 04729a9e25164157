"""Archives with names that no file can have."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from deepglass.data.sources import read
from deepglass.errors import SourceError


@pytest.mark.parametrize("names", [["x" * 300 + ".csv"], ["a.csv", "a.csv/b.csv"]])
def test_a_name_that_no_file_can_have_is_no_full_disk(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"odd\.zip") as error:
        read(str(path))
    assert error.value.code == "unreadable-file"
