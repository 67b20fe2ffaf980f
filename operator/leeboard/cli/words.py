"""How numbers, times and verdicts look in the terminal."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.text import Text

from leeboard.control.clock import instant

_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_BLOCKS = "▁▂▃▄▅▆▇█"

GOOD, BAD, BUSY, QUIET = "green", "red", "yellow", "dim"

STYLES = {
    "Successful": GOOD,
    "Passed": GOOD,
    "Stable": GOOD,
    "Promoted": GOOD,
    "Measured": GOOD,
    "Failed": BAD,
    "Error": BAD,
    "Drifted": BAD,
    "RolledBack": BAD,
    "GateFailed": BAD,
    "Aborted": BAD,
    "Registered": BUSY,
    "Inconclusive": BUSY,
    "Insufficient": BUSY,
    "Superseded": BUSY,
}
"""Style of each verdict and outcome."""

_MARKS = {GOOD: "✓", BAD: "✗", BUSY: "…"}


def verdict(word: str) -> Text:
    """Write a verdict in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def mark(style: str) -> Text:
    """Write the sign of a style."""
    return Text(_MARKS[style], style=style)


def span(seconds: float) -> str:
    """Write a length of time by its largest unit."""
    seconds = max(0, round(seconds))
    length, unit = next(((length, unit) for length, unit in _SPANS if seconds >= length), _SPANS[-1])
    return f"{seconds // length} {unit}"


def ago(time: str, now: datetime) -> str:
    """Write how long ago something was."""
    return f"{since(time, now)} ago"


def since(time: str, now: datetime) -> str:
    """Write how long something has lasted."""
    return span((now - instant(time)).total_seconds())


def ahead(time: str, now: datetime) -> str:
    """Write how far ahead something lies."""
    seconds = (instant(time) - now).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else "now"


def number(value: float | None) -> str:
    """Write a number with the digits that matter."""
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004


def bar(shares: Iterable[tuple[int, str]], width: int = 40) -> Text:
    """Draw percentages as one bar, each in its style."""
    drawn = Text()
    left, percent_left = width, 100
    for percent, style in shares:
        cells = round(left * percent / percent_left) if percent_left else 0
        drawn.append("█" * cells, style=style)
        left, percent_left = left - cells, percent_left - percent
    return drawn.append("░" * left, style=QUIET)


def sparkline(shares: Sequence[float]) -> str:
    """Draw a histogram in one line; its tallest bin fills the line."""
    top = max(shares, default=0)
    return "".join(_BLOCKS[round((len(_BLOCKS) - 1) * share / top) if top else 0] for share in shares)
