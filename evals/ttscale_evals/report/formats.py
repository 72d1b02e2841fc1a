"""Numbers as a reader wants them: pure functions to short text. Unknown is a dash, never a zero."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "–"

_PREFIXES: Final = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def percent(value: float | None) -> str:
    """Return a proportion as per cent with one decimal: 0.725 is ``72.5 %``."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def interval(low: float | None, high: float | None) -> str:
    """Return an interval of proportions in per cent: ``[63.1, 79.8]``."""
    return "" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


def points(value: float | None) -> str:
    """Return a difference of proportions in points with its sign: 0.012 is ``+1.2``."""
    if value is None:
        return UNKNOWN
    rounded = round(100 * value, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def count(value: float | None) -> str:
    """Return a count with thousands separated; a mean below 10 keeps one decimal."""
    if value is None:
        return UNKNOWN
    if value == int(value) or abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}"


def magnitude(value: float | None) -> str:
    """Return a large number in three figures with a metric prefix: 1.23e9 is ``1.23 G``."""
    if value is None:
        return UNKNOWN
    # At the edge the rounded number decides: 999,950 is 1.00 M, not 1000 k.
    for size, prefix in _PREFIXES:
        if abs(value) >= size * 0.9995:
            return f"{_three_figures(value / size)} {prefix}"
    return _three_figures(value)


def _three_figures(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def ratio(value: float | None) -> str:
    """Return how many times as much something is, with two decimals: ``1.04``."""
    return UNKNOWN if value is None else f"{value:,.2f}"


def dollars(value: float | None) -> str:
    """Return US dollars in three figures, without their sign: 0.0012345 is ``0.00123``."""
    return UNKNOWN if value is None else f"{value:.3g}"


def seconds(value: float | None) -> str:
    """Return a duration in seconds, to milliseconds below a tenth and whole above a hundred."""
    if value is None:
        return UNKNOWN
    if value < 0.1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def duration(value: float | None) -> str:
    """Return a duration as hours, minutes and seconds: ``1:02:03`` or ``2:03``."""
    if value is None:
        return "?"
    whole = round(value)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
