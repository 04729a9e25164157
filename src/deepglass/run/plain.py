"""Figures as people read them."""

from __future__ import annotations

import math


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
