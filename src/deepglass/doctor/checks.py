"""The list of checks, in the order of their findings."""

from deepglass.doctor.base import Check, DataContext, Finding, merge_findings
from deepglass.doctor.class_sizes import few_examples, imbalance
from deepglass.doctor.drift import drift
from deepglass.doctor.duplicate import duplicate, split_duplicate
from deepglass.doctor.groups import group_leak
from deepglass.doctor.leak import leak
from deepglass.doctor.media_items import altered, odd_size, unreadable
from deepglass.doctor.media_quality import media_quality
from deepglass.doctor.near_copies import near_copy
from deepglass.doctor.order_drift import order_drift
from deepglass.doctor.outliers import outlier
from deepglass.doctor.proxies import proxy
from deepglass.doctor.spelling import spelling
from deepglass.doctor.swapped import swapped
from deepglass.doctor.text_content import boilerplate, empty_text, markup
from deepglass.doctor.texts import mixed_encoding, mixed_language
from deepglass.doctor.uninformative_columns import constant, id_column

CHECKS: tuple[Check, ...] = (
    unreadable,
    altered,
    leak,
    split_duplicate,
    group_leak,
    order_drift,
    duplicate,
    near_copy,
    outlier,
    swapped,
    spelling,
    proxy,
    id_column,
    constant,
    imbalance,
    few_examples,
    drift,
    mixed_encoding,
    mixed_language,
    empty_text,
    markup,
    boilerplate,
    odd_size,
    media_quality,
)


READABLE_CHECKS = tuple(check for check in CHECKS if check is not unreadable)
"""Of rows among which unreadable ones are left out."""


def run_checks(context: DataContext, checks: tuple[Check, ...] = CHECKS) -> tuple[Finding, ...]:
    """All findings, one per kind."""
    return merge_findings(check(context) for check in checks)
