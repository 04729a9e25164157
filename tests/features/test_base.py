"""What a kind of data is, apart from any one kind."""

import polars as pl
import pytest

from deepglass.errors import SourceError
from deepglass.features.base import recognise


def test_a_column_that_no_kind_can_hold_is_named() -> None:
    uneven = pl.Series([[1.0], [1.0, 2.0], None, [3.0, 4.0, 5.0]])
    with pytest.raises(SourceError, match=r"\[bad-value\] column 'path'.*--ignore path.*--kind path=KIND"):
        recognise(uneven, "path")
