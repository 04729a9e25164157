"""The list of checks, in the order of their findings."""

from deepglass.doctor.base import Check, DataContext, Finding, merge_findings
from deepglass.doctor.constant import constant
from deepglass.doctor.drift import drift
from deepglass.doctor.duplicate import duplicate
from deepglass.doctor.few_examples import few_examples
from deepglass.doctor.id_column import id_column
from deepglass.doctor.imbalance import imbalance
from deepglass.doctor.leak import leak
from deepglass.doctor.mixed_encoding import mixed_encoding
from deepglass.doctor.mixed_language import mixed_language
from deepglass.doctor.odd_size import odd_size
from deepglass.doctor.split_duplicate import split_duplicate
from deepglass.doctor.unreadable import unreadable

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


def run_checks(context: DataContext, checks: tuple[Check, ...] = CHECKS) -> tuple[Finding, ...]:
    """All findings, one per kind."""
    results = (check(context) for check in checks)
    return tuple(merge_findings(findings) for findings in results if findings)
