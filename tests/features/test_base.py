"""Functions of `features.base`."""

from datetime import date

import polars as pl
import pytest

from deepglass.errors import SourceError
from deepglass.features.base import infer_type


def test_a_column_that_fits_no_kind_is_named() -> None:
    uneven = pl.Series([[date(2020, 1, 1)], None, [date(2021, 1, 1), date(2022, 1, 1)]])
    with pytest.raises(SourceError, match=r"\[bad-value\] column 'path'.*--ignore path.*--kind path=KIND"):
        infer_type(uneven, "path")
