"""How figures are written: one decimal, a true minus, a dash for what is not there."""

from __future__ import annotations

import math
from collections.abc import Sequence

ABSENT = "–"

_METRICS = {
    "f1": "F1", "exact_match": "EM", "accuracy": "accuracy",
    "f1_unicode": "F1, Unicode-normalised", "exact_match_unicode": "EM, Unicode-normalised",
    "accuracy_from_foreign": "accuracy, foreign to English",
    "f1_best_threshold": "F1, at the best threshold",
}  # fmt: skip


def metric_name(metric: str) -> str:
    return _METRICS.get(metric, metric.replace("_", " "))


def capital(text: str) -> str:
    """As a title begins."""
    return text[:1].upper() + text[1:]


def number(value: float) -> str:
    """`41.3`; a minus sign, not a hyphen, and never `-0.0`."""
    return ABSENT if math.isnan(value) else f"{round(value, 1) + 0.0:.1f}".replace("-", "−")


def signed(value: float) -> str:
    """`+1.3`, `−0.4`, `0.0`."""
    text = number(value)
    return text if text[0] in "−–" or float(text) == 0 else f"+{text}"


def span(low: float, high: float) -> str:
    """A range of levels: `41.0–43.2`, or the one number when there is no width to it."""
    first, last = number(low), number(high)
    return first if first == last else f"{first}–{last}"


def signed_span(low: float, high: float) -> str:
    """A range of changes, in words, since a dash beside a minus cannot be read."""
    first, last = signed(low), signed(high)
    return first if first == last else f"{first} to {last}"


def count(value: int) -> str:
    return f"{value:,}"


def percent(share: float) -> str:
    """`10%`, `12.5%`."""
    return f"{100 * share:g}%"


def short_count(value: int) -> str:
    """`819`, `4,096`, `39.9k`, `1.1M`: for the ticks of an axis."""
    if value < 10_000:
        return count(value)
    unit, letter = (1_000, "k") if value < 999_950 else (1_000_000, "M")
    return f"{value / unit:.1f}".removesuffix(".0") + letter


def hours(seconds: float) -> str:
    """`1.25 h`, and minutes below a tenth of an hour."""
    return f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds / 60:.1f} min"


def listing(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def plural(number_of: int, noun: str) -> str:
    return f"{count(number_of)} {noun}" + ("" if number_of == 1 else "s")
