"""Names of feature columns in Delta tables.

Delta engines differ in which characters a column may hold and whether case counts. A feature is therefore stored as
`x_` and its name, percent-encoded where an engine would refuse it; a name that differs from a stored one only by
case has the letters encoded in which they differ. Decoding needs no table: it is plain percent-decoding.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from leeboard.contract.serving import FEATURE_PREFIX

_REFUSED = frozenset(" ,;{}()\n\t=%")
_CONTROL_END = 0x20


def _encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _column_of(feature: str) -> str:
    return FEATURE_PREFIX + "".join(
        _encoded(character) if character in _REFUSED or ord(character) < _CONTROL_END else character
        for character in feature
    )


def _apart(column: str, taken: str) -> str:
    """Encode the letters in which two names of equal spelling differ by case."""
    return "".join(mine if mine == theirs else _encoded(mine) for mine, theirs in zip(column, taken, strict=True))


def stored_names(features: Iterable[str], stored: Iterable[str] = ()) -> Mapping[str, str]:
    """Return feature → column name, given the columns that the table already holds.

    Args:
        features: Names of features, in any order.
        stored: Column names of the table.
    """
    by_case = {column.lower(): column for column in stored}
    known = set(by_case.values())
    names = {}
    for feature in sorted(features):
        column = _column_of(feature)
        other = by_case.get(column.lower(), column)
        if other != column:
            column = _apart(column, other) if len(other) == len(column) else column
        if column not in known:
            by_case.setdefault(column.lower(), column)
            known.add(column)
        names[feature] = column
    return names


def feature_of(column: str) -> str:
    """Return the feature that a column `x_…` holds."""
    return unquote(column.removeprefix(FEATURE_PREFIX))


def feature_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return column name → feature, for the columns that hold features."""
    return {column: feature_of(column) for column in columns if column.startswith(FEATURE_PREFIX)}
