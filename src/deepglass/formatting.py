"""Numbers, shares and durations as text.

`count`, `number`, `short`, `percent` and `duration` are for reports (typographic signs, no-break spaces, `–` if
missing); `plain_number`, `plain_bytes`, `plain_duration`, `prediction_text` and the like are for terminals and files.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard
from unicodedata import category

MISSING = "–"
_SPACE = "\N{NO-BREAK SPACE}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BASELINES = {
    "random": "random play",
    "constant": "constant prediction",
    "linear": "linear model",
    "gradient_boosting": "gradient boosting",
    "most_frequent_tag": "most frequent tag of each word",
    "colour_and_position": "colour and position of each pixel",
    "mean_boxes": "mean boxes of each class",
    "last_value": "last value of the input",
    "nearest_row": "text of the most similar training row",
    "n_grams": "n-gram model",
}


def finite(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to write."""
    return value is not None and math.isfinite(value)


def count(value: float | None) -> str:
    """48000 -> `48,000`."""
    return f"{value:,.0f}".replace("-", "−") if finite(value) else MISSING


def first_names(names: Sequence[str], most: int) -> str:
    """The names of a list in a sentence: `a, b, c and 3 more`."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def plural(n: int, one: str, many: str = "") -> str:
    """`1 row`, `1,200 rows`."""
    return f"{count(n)}{_SPACE}{one if n == 1 else many or one + 's'}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits: `0.0312`, `48,211`, `1.2 × 10⁻⁵`.

    Thousands separators from 10,000 on: it may be a year.
    """
    if not finite(value):
        return MISSING
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e9 or size < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa}{_SPACE}×{_SPACE}10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    elif size >= 10 ** (digits - 1):
        text = f"{value:,.0f}" if size >= 9999.5 else f"{value:.0f}"
    else:
        # Rounding first: 9.996 has one digit before the point, 10.0 has two.
        rounded = float(f"{value:.{digits - 1}e}")
        text = f"{value:.{max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)}f}"
    return text.replace("-", "−")


def short(value: float | None, digits: int = 3) -> str:
    """Like `number`, without trailing zeros and with large numbers rounded: `3`, `0.5`, `18,600`."""
    if not finite(value):
        return MISSING
    text = number(float(f"{value:.{digits - 1}e}"), digits)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def percent(share: float | None, digits: int = 1) -> str:
    """0.9812 -> `98.1 %`; less than all is never written as 100 %, more than nothing never as 0 %."""
    if not finite(share):
        return MISSING
    text = f"{100 * share:.{digits}f}"
    if share <= 0 and float(text) == 0:  # not -0.0
        text = text.lstrip("-")
    if share < 1 and float(text) >= 100:
        text = f">{100 - 10**-digits:.{digits}f}"
    elif share > 0 and float(text) == 0:
        text = f"<{10**-digits:.{digits}f}"
    return f"{text}{_SPACE}%".replace("-", "−")


def confidence(share: float | None) -> str:
    """0.87 -> `87 %`, with a decimal from 0.99 on; never 100 %, which is 0.99999 rounded."""
    certain = finite(share) and share >= 1
    return percent(math.nextafter(1, 0), 1) if certain else percent(share, 1 if finite(share) and share >= 0.99 else 0)


def duration(seconds: float | None) -> str:
    """192 -> `3 min 12 s`; a time too short to be written is `<0.1 s`."""
    if not finite(seconds):
        return MISSING
    if 0 < seconds < 0.05:
        return f"<0.1{_SPACE}s"
    if seconds < 60:
        return f"{seconds:.{1 if seconds < 10 else 0}f}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{n}{_SPACE}{unit}" for n, unit in parts if n)


def exact(value: float | None) -> str:
    """An end of a range, or a step: four significant digits, of whole numbers all: `4.3`, `2415`, `39,292,300`."""
    return number(value, 4) if finite(value) and abs(value) >= 1000 else short(value, 4)


def baseline_name(name: str) -> str:
    """`gradient_boosting` -> `gradient boosting`."""
    return _BASELINES.get(name, name.replace("_", " "))


def plain_number(value: float) -> str:
    """Four significant digits, with thousands separators from 10,000 on: `0.9953`, `41,230`."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def signed_number(value: float) -> str:
    """A difference or contribution, written as `plain_number` writes its size: `+0.0333`, `-41,230`."""
    return ("-" if value < 0 else "+") + plain_number(abs(value))


def plain_percent(share: float, digits: int = 1) -> str:
    """As `percent` with plain signs: `98.1 %`, `<0.1 %`."""
    return percent(share, digits).replace(_SPACE, " ").replace("−", "-")


def plain_bytes(size: int) -> str:
    """A size: `850 bytes`, `3.4 kB`, `1.2 GB`."""
    if size < 1000:
        return f"{size} bytes"
    power = min((len(str(size)) - 1) // 3, 4)
    return f"{size / 1000**power:.3g} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def plain_duration(seconds: float) -> str:
    """`0.4 s`, `48 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"


def prediction_text(value: object, share: float | None = None) -> str:
    """A prediction and its confidence: `5 (87 %)`."""
    text = plain_number(value) if isinstance(value, float) else str(value)
    return text if share is None else f"{text} ({confidence(share).replace(_SPACE, ' ')})"


def printable(text: str) -> str:
    """The same text; control characters and lone surrogates become �."""
    if text.isprintable():
        return text
    return "".join("�" if category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in text)


def prediction_line(prediction: Mapping[str, Any]) -> str:
    """`5 (87 %)`; a number with its interval: `41,230 [35,000 .. 47,400]`; a mask as its largest classes;
    nearest words: `queen 0.71, princess 0.68`.
    """
    if "shares" in prediction:
        largest = [f"{name} {plain_percent(share, 0)}" for name, share in list(prediction["shares"].items())[:3]]
        return ", ".join(largest)
    value = prediction["value"]
    if "similarity" in prediction:
        return ", ".join(f"{word} {cosine:.2f}" for word, cosine in zip(value, prediction["similarity"], strict=True))
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "\n  " + "\n  ".join(map(_box, value))
    if isinstance(value, Mapping) and "png" in value:
        return "an image of {} x {}".format(*value["size"])
    if "low" in prediction and "high" in prediction:
        return f"{prediction_text(value)} [{plain_number(prediction['low'])} .. {plain_number(prediction['high'])}]"
    return prediction_text(value, prediction.get("confidence"))


def part_text(part: Mapping[str, Any]) -> str:
    """A part of an input with its value or its box."""
    value = part.get("value")
    value = plain_number(value) if isinstance(value, float) else value
    text = f"{part['part']} = {value}" if "value" in part else str(part["part"])
    return text + (" at {:.0f}, {:.0f} to {:.0f}, {:.0f}".format(*part["box"]) if "box" in part else "")


def _box(box: Mapping[str, Any]) -> str:
    """`WBC (87 %) from 202, 87 to 413, 313`: left and top, right and bottom, in pixels."""
    left, top, right, bottom = (round(box[side]) for side in ("left", "top", "right", "bottom"))
    return f"{prediction_text(box['label'], box['confidence'])} from {left}, {top} to {right}, {bottom}"
