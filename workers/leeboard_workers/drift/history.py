"""The windows before this one, as the page draws them: each check's statistic over time, each window's verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leeboard.contract.jobs import CheckReport

WIDTH = 720
HEIGHT = 44
_PAD = 5
_REACHED = ("univariateTest", "multivariateTest")
"""Checks that find drift at their threshold, too."""
_ROUNDING = 1e-9
MAX_WINDOWS = 60


@dataclass(frozen=True)
class PastWindow:
    """A window that was scored."""

    end_time: str
    """End of the window, RFC 3339."""
    verdict: str
    statistics: Mapping[str, float] = field(default_factory=dict)
    """By check."""
    drifted: Mapping[str, bool] = field(default_factory=dict)
    """By check, where it is known."""


@dataclass(frozen=True)
class Dot:
    """A measured window in a line."""

    x: float
    y: float
    over: bool
    """Whether the check called it drift."""
    end_time: str
    value: float


@dataclass(frozen=True)
class Line:
    """A check over time."""

    name: str
    dots: tuple[Dot, ...]
    threshold_y: float | None
    last: float | None

    @property
    def path(self) -> str:
        """The line through the dots, as SVG's `points`."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


def merged(windows: Sequence[PastWindow]) -> tuple[PastWindow, ...]:
    """Return each window once, oldest first: what later runs say of a window wins."""
    found: dict[str, PastWindow] = {}
    for window in windows:
        before = found.get(window.end_time)
        if before is not None:
            verdict = "Drifted" if "Drifted" in {before.verdict, window.verdict} else window.verdict
            window = PastWindow(  # noqa: PLW2901
                window.end_time,
                verdict,
                {**before.statistics, **window.statistics},
                {**before.drifted, **window.drifted},
            )
        found[window.end_time] = window
    return tuple(found[time] for time in sorted(found))[-MAX_WINDOWS:]


def lines(windows: Sequence[PastWindow], checks: Sequence[CheckReport]) -> tuple[Line, ...]:
    """Return a line for each check that was measured at least once; windows stand at equal distances.

    Args:
        windows: Oldest first, this one last.
        checks: The checks of this window, with the thresholds that hold now.
    """
    drawn = []
    for check in checks:
        values = [window.statistics.get(check.name) for window in windows]
        known = [value for value in values if value is not None]
        if not known:
            continue
        low, high = min(0.0, *known), max(*known, check.threshold or 0.0, 1e-12) * 1.08
        dots = tuple(
            Dot(
                x=place(index, len(windows)),
                y=_height(value, low, high),
                over=window.drifted.get(check.name, _beyond(check, value)),
                end_time=window.end_time,
                value=value,
            )
            for index, (window, value) in enumerate(zip(windows, values, strict=True))
            if value is not None
        )
        bound = None if check.threshold is None else _height(check.threshold, low, high)
        drawn.append(Line(check.name, dots, bound, values[-1]))
    return tuple(drawn)


def place(index: int, count: int) -> float:
    """Return where the index-th of so many windows stands."""
    return WIDTH - _PAD if count < 2 else _PAD + (WIDTH - 2 * _PAD) * index / (count - 1)  # noqa: PLR2004 (alone)


def _beyond(check: CheckReport, value: float) -> bool:
    """Say what a run that kept no verdicts must have found, as far as its statistic tells."""
    if check.threshold is None:
        return False
    return value >= check.threshold - _ROUNDING if check.kind in _REACHED else value > check.threshold


def _height(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.0
    return HEIGHT - _PAD - share * (HEIGHT - 2 * _PAD)
