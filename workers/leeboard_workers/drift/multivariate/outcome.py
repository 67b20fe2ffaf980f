"""What a joint test of all columns found."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class UnfitRowsError(ValueError):
    """There is nothing to test; the message says what is missing."""


@dataclass(frozen=True)
class JointOutcome:
    """All columns at once, then against now."""

    method: str
    """As reports name it."""
    statistic: float
    """In the method's own unit."""
    p_value: float
    effect: float
    """0: nothing tells then from now, 1: everything does."""
    told: str
    """The statistic in words."""
    notes: tuple[str, ...] = ()
    """What was left out, approximated or chosen."""
    importances: Mapping[str, float] = field(default_factory=dict)
    """How much each column tells then from now, where the method knows."""
