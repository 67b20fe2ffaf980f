"""Whether the data are well: missing, unseen, impossible, doubled, constant or of another type."""

from enum import StrEnum

from leeboard.api.base import ApiModel, Share


class OnFinding(StrEnum):
    """What a finding is."""

    BREACH = "Breach"
    IGNORE = "Ignore"


class DataQuality(ApiModel):
    """Faults of the data themselves. Shares count only as far as their one-sided 95 % lower bound."""

    missing: Share = 0.05
    """By so much the share of missing values of a column may exceed the reference's."""
    unseen_categories: Share = 0.01
    """Largest share of a column's values that are levels which the reference does not know."""
    out_of_range: Share = 0.01
    """Largest share of a column's numbers that lie outside the reference's range, or are infinite."""
    duplicates: Share = 0.01
    """Largest share of rows that were logged twice: same request id, row and arm."""
    type_changes: OnFinding = OnFinding.BREACH
    """Numbers, text, times or lists that became another of these: Breach or Ignore."""
    constant_columns: OnFinding = OnFinding.BREACH
    """Columns that vary in the reference and hold a single value in the window: Breach or Ignore."""
    schema_differences: OnFinding = OnFinding.BREACH
    """Columns that the model takes and nobody sends, or that the reference does not know: Breach or Ignore."""
