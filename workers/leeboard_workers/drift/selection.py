"""Which columns are compared."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from leeboard.api.checks import Columns


class ColumnSelectionError(ValueError):
    """The manifest names a column that there is not."""


def selected_columns(columns: Columns, present: Sequence[str]) -> list[str]:
    """Return the columns that `include` matches and `exclude` does not, in their order.

    Raises:
        ColumnSelectionError: a name without `*` matches nothing, or nothing is left.
    """
    unknown = [name for name in columns.include if "*" not in name and name not in present]
    if unknown:
        raise ColumnSelectionError(f"columns.include names {_listed(unknown)}, but the columns are {_listed(present)}")
    kept = [name for name in present if selects(columns, name)]
    if not kept:
        raise ColumnSelectionError(f"columns.include and exclude leave none of the columns {_listed(present)}")
    return kept


def selects(columns: Columns, name: str) -> bool:
    """Say whether `include` matches a name and `exclude` does not."""
    return _matches(name, columns.include) and not _matches(name, columns.exclude)


def stated_weights(weights: Mapping[str, float], present: Sequence[str]) -> dict[str, float]:
    """Return the weights of a manifest.

    Raises:
        ColumnSelectionError: a weight names a column that there is not.
    """
    unknown = sorted(set(weights) - set(present))
    if unknown:
        raise ColumnSelectionError(f"columns.weights names {_listed(unknown)}, but the columns are {_listed(present)}")
    return dict(weights)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    # Only * is special: brackets and question marks are ordinary characters of column names.
    return any(fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]")) for pattern in patterns)


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:20])
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
