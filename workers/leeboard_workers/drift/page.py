"""The pages that Leeboard's jobs leave: one file each, without a script, readable by day and by night."""

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

_ROUNDING_TO_ZERO = 1e-300
_SMALL_P_VALUE = 1e-3


HOUSE_STYLE = "leeboard_workers.drift"
"""The room with the page that all templates extend."""


def render(room: str, template: str, **context: Any) -> str:
    """Fill a template of a room, given by its package, in the house style."""
    return _environment(room).get_template(template).render(**context)


@cache
def _environment(room: str) -> Environment:
    rooms = [PackageLoader(package) for package in dict.fromkeys([room, HOUSE_STYLE])]
    environment = Environment(
        loader=ChoiceLoader(rooms),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "p_value": p_value, "grouped": grouped, "day": day}
    environment.filters["duration"] = duration
    return environment


def number(value: float | None) -> str:
    """Write a number with three digits that count."""
    return "–" if value is None else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")  # noqa: RUF001 (typography)


def percent(value: float | None) -> str:
    """Write a share; what is neither nothing nor all is never shown as such."""
    if value is None:
        return "–"  # noqa: RUF001 (typography)
    if 0 < value < 0.001:  # noqa: PLR2004 (a tenth of a percent)
        return "< 0.1 %"
    if 0.999 < value < 1:  # noqa: PLR2004 (all but a tenth of a percent)
        return "> 99.9 %"
    return f"{value:.1%}".replace("%", " %").replace(".0 ", " ")


def p_value(value: float | None) -> str:
    """Write a p-value."""
    if value is None:
        return "–"  # noqa: RUF001 (typography)
    if value < _ROUNDING_TO_ZERO:
        return "< 1e\N{MINUS SIGN}300"
    return f"{value:.0e}".replace("-", "\N{MINUS SIGN}") if value < _SMALL_P_VALUE else f"{value:.3f}"


def grouped(value: int) -> str:
    """Write a count."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """Write a length of time with its largest unit that fills."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            units = seconds / length
            return f"{units:.2g} {unit}" if units < 10 else f"{units:.0f} {unit}"  # noqa: PLR2004 (two digits)
    return f"{seconds:.2g} s"


def day(time: str) -> str:
    """Write an RFC 3339 time for people."""
    return time.replace("T", " ").replace("Z", " UTC").replace(":00 UTC", " UTC")
