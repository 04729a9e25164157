"""Numbers as text: counts, figures, shares, durations, each for the eye and never as `nan`."""

from __future__ import annotations

import math
from typing import TypeGuard

MISSING = "–"
_SPACE = "\N{NO-BREAK SPACE}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

SHARES = {
    "accuracy", "balanced_accuracy", "coverage", "pixel_accuracy", "win_rate", "word_error_rate", "ece",
    "equal_error_rate", "share", "class_agreement", "critic_accuracy", "density_coverage", "view_accuracy",
}  # fmt: skip
"""Metrics that read best in per cent."""

_DECIMALS = {
    "roc_auc", "f1_macro", "f1_micro", "f1", "r2", "miou", "iou", "map", "map50", "map50_95", "average_precision",
    "ap50", "ap50_95",
    "precision", "recall", "spearman",
}  # fmt: skip
_METRICS = {
    "roc_auc": "ROC AUC",
    "f1_macro": "F1 (macro)",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
    "mse": "MSE",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "f1_micro": "F1 (micro)",
    "f1": "F1",
    "miou": "mean IoU",
    "iou": "IoU",
    "map": "mAP",
    "ap50": "AP at 50 %",
    "ap50_95": "AP at 50–95 %",
    "map50": "mAP at 50 %",
    "map50_95": "mAP at 50–95 %",
    "bleu": "BLEU",
    "psnr": "signal to noise (dB)",
}
_LOWER_IS_BETTER = {
    "log_loss", "brier", "ece", "mse", "rmse", "mae", "mae_units", "loss", "perplexity", "bits_per_character",
    "word_error_rate", "frechet_distance", "equal_error_rate", "sliced_wasserstein", "critic_accuracy", "kl",
    "reconstruction_nll",
}  # fmt: skip
_BASELINES = {
    "random": "play at random",
    "constant": "constant answer",
    "linear": "linear model",
    "gradient_boosting": "gradient boosting",
}


def finite(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def count(value: float | None) -> str:
    """48000 -> `48,000`."""
    return f"{value:,.0f}".replace("-", "−") if finite(value) else MISSING


def number(value: float | None, digits: int = 3) -> str:
    """A figure to so many significant digits: `0.0312`, `48,211`, `1.2 × 10⁻⁵`."""
    if not finite(value):
        return MISSING
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e9 or size < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa}{_SPACE}×{_SPACE}10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    elif size >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    else:
        # Rounding first: 9.996 has one digit before the point, 10.0 has two.
        rounded = float(f"{value:.{digits - 1}e}")
        text = f"{value:.{max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)}f}"
    return text.replace("-", "−")


def short(value: float | None, digits: int = 3) -> str:
    """Like `number`, without zeros at the end and with large figures rounded: `3`, `0.5`, `18,600`."""
    if not finite(value):
        return MISSING
    text = number(float(f"{value:.{digits - 1}e}"), digits)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def percent(share: float | None, digits: int = 1) -> str:
    """0.9812 -> `98.1 %`; what is not quite all is never shown as all."""
    if not finite(share):
        return MISSING
    text = f"{100 * share:.{digits}f}"
    if share < 1 and float(text) >= 100:
        text = f">{100 - 10**-digits:.{digits}f}"
    elif share > 0 and float(text) == 0:
        text = f"<{10**-digits:.{digits}f}"
    return f"{text}{_SPACE}%".replace("-", "−")


def confidence(share: float | None) -> str:
    """0.87 -> `87 %`, with a decimal only near certainty."""
    return percent(share, 1 if finite(share) and 0.99 <= share < 1 else 0)


def figure(metric: str, value: float | None) -> str:
    """A metric's value in the form in which that metric is usually read."""
    if metric in SHARES:
        return percent(value)
    if metric in _DECIMALS and finite(value):
        return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")
    return number(value)


def metric_name(metric: str) -> str:
    """`roc_auc` -> `ROC AUC`."""
    return _METRICS.get(metric, metric.replace("_", " "))


def higher_is_better(metric: str) -> bool:
    """Which way a metric improves."""
    return metric not in _LOWER_IS_BETTER


def baseline_name(name: str) -> str:
    """`gradient_boosting` -> `gradient boosting`."""
    return _BASELINES.get(name, name.replace("_", " "))


def duration(seconds: float | None) -> str:
    """192 -> `3 min 12 s`."""
    if not finite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.{1 if seconds < 10 else 0}f}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{n}{_SPACE}{unit}" for n, unit in parts if n)


def plural(n: int, one: str, many: str = "") -> str:
    """`1 row`, `1,200 rows`."""
    return f"{count(n)}{_SPACE}{one if n == 1 else many or one + 's'}"


def short_figure(value: float) -> str:
    """Four significant digits, thousands apart: `0.9953`, `41,230`."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def short_span(seconds: float) -> str:
    """A span of time in the unit that suits it: `0.4 s`, `48 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def answer_text(value: object, confidence: float | None = None) -> str:
    """An answer as it is shown everywhere: `5 (87 %)`."""
    shown = short_figure(value) if isinstance(value, float) else str(value)
    return shown if confidence is None else f"{shown} ({confidence:.0%})".replace("%", " %")
