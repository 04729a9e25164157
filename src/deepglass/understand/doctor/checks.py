"""The list of checks, in the order in which findings are told."""

from __future__ import annotations

from deepglass.understand.doctor.base import Case, Check, Finding, together
from deepglass.understand.doctor.constant import constant
from deepglass.understand.doctor.drift import drift
from deepglass.understand.doctor.duplicate import duplicate
from deepglass.understand.doctor.few_examples import few_examples
from deepglass.understand.doctor.id_column import id_column
from deepglass.understand.doctor.imbalance import imbalance
from deepglass.understand.doctor.leak import leak
from deepglass.understand.doctor.mixed_encoding import mixed_encoding
from deepglass.understand.doctor.mixed_language import mixed_language
from deepglass.understand.doctor.odd_size import odd_size
from deepglass.understand.doctor.split_duplicate import split_duplicate
from deepglass.understand.doctor.unreadable import unreadable

CHECKS: tuple[Check, ...] = (
    unreadable,
    leak,
    split_duplicate,
    duplicate,
    id_column,
    constant,
    imbalance,
    few_examples,
    drift,
    mixed_encoding,
    mixed_language,
    odd_size,
)


def examine(case: Case, checks: tuple[Check, ...] = CHECKS) -> tuple[Finding, ...]:
    """What is wrong with the data, one finding a kind."""
    found = (check(case) for check in checks)
    return tuple(together(findings) for findings in found if findings)
