"""Drops, hashes and rounds columns before they are logged; the model and the detector see them as they came.

A hash is the first 128 bits of HMAC-SHA-256 (RFC 2104) of the value's text, in hexadecimal: without the key nobody can
try out values, with the same key equal values stay equal over rows, models and time. Numbers are equal by value, so
that 7 and 7.0 give one hash.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from leeboard.contract.serving import ChangedColumns

FEWEST_KEY_BYTES = 16

_DIGEST_BYTES = 16


class Privacy:
    """What happens to the columns of one arm's log."""

    def __init__(self, changes: ChangedColumns, key: bytes) -> None:
        """Take the rules and the key.

        Args:
            changes: Columns to drop, to hash and to round.
            key: Of the hashes; may be empty when nothing is hashed.

        Raises:
            ValueError: columns are to be hashed and the key is too short.
        """
        if changes.hash and len(key) < FEWEST_KEY_BYTES:
            raise ValueError(
                f"the columns {', '.join(changes.hash[:5])} are to be hashed, and the key has {len(key)} bytes: "
                f"give the Secret's entry at least {FEWEST_KEY_BYTES}"
            )
        self.told = changes.document()
        """What the log says about it."""
        self._changes = changes
        self._key = key

    def changed(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Return the columns as they may be logged."""
        kept = {name: cells for name, cells in columns.items() if name not in self._changes.drop}
        for name in self._changes.hash:
            if name in kept:
                kept[name] = [self._hashed(cell) for cell in kept[name]]
        for name, places in self._changes.round.items():
            if name in kept:
                kept[name] = [_rounded(cell, places) for cell in kept[name]]
        return kept

    def _hashed(self, cell: Any) -> str | None:
        if cell is None:
            return None
        return hmac.digest(self._key, _text(cell), "sha256")[:_DIGEST_BYTES].hex()


def _text(cell: Any) -> bytes:
    if isinstance(cell, str):
        return cell.encode()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell)).encode()
    return orjson.dumps(cell, option=orjson.OPT_SORT_KEYS)


def _rounded(cell: Any, places: int) -> Any:
    """Return a number, or a list of numbers, rounded; what is neither tells too much and becomes null."""
    if isinstance(cell, list):
        return [_rounded(inner, places) for inner in cell]
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return round(cell, places)
    return None
