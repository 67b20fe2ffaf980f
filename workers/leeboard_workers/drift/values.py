"""Turns an Arrow column into what statistics need: finite numbers in order or counts of levels; the rest is counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leeboard_workers.drift.sorting import ascending, remaining

Floats = npt.NDArray[np.float64]

LARGEST_EXACT_INTEGER = 2**53


@dataclass(frozen=True)
class NumericValues:
    """A numeric column."""

    finite: Floats
    """Finite values, ascending."""
    missing: int
    """Nulls and NaN; of text, also what is no number."""
    below: int
    """Values of minus infinity."""
    above: int
    """Values of plus infinity."""
    nulls: int = 0
    """Nulls among the missing."""

    @property
    def rows(self) -> int:
        """All rows of the column."""
        return self.finite.size + self.missing + self.below + self.above

    @property
    def present(self) -> int:
        """Rows that the tests look at."""
        return self.finite.size

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the finite values; 0 without any."""
        return float(np.std(self.finite)) if self.finite.size else 0.0

    def distinct(self, most: int) -> Floats:
        """Return the distinct finite values, ascending, or the first `most` of them: enough to see that they are many.

        Args:
            most: At least 1.
        """
        found: list[float] = []
        place = 0
        while place < self.finite.size and len(found) < most:
            found.append(float(self.finite[place]))
            place += 1
            if place < self.finite.size and self.finite[place] == found[-1]:  # else it stands there once: no search
                place = int(np.searchsorted(self.finite, found[-1], side="right"))
        return np.array(found)

    def quantile(self, share: float) -> float:
        """Return the smallest finite value that at least this share of them do not exceed (none: an IndexError)."""
        return float(self.finite[max(int(np.ceil(share * self.finite.size)) - 1, 0)])

    def merged(self, other: "NumericValues") -> "NumericValues":
        """Return the values of both, as if they had been one column."""
        return NumericValues(
            finite=ascending(np.concatenate([self.finite, other.finite]))[0],
            missing=self.missing + other.missing,
            below=self.below + other.below,
            above=self.above + other.above,
            nulls=self.nulls + other.nulls,
        )

    def without(self, taken: "NumericValues") -> "NumericValues":
        """Return the values without some of them, all of which must be among them."""
        return NumericValues(
            finite=remaining(self.finite, taken.finite),
            missing=self.missing - taken.missing,
            below=self.below - taken.below,
            above=self.above - taken.above,
            nulls=self.nulls - taken.nulls,
        )


@dataclass(frozen=True)
class CategoricalValues:
    """A categorical column."""

    counts: Mapping[str, int]
    """Rows by level, for the levels that are told apart."""
    missing: int
    """Nulls and NaN."""
    other: int = 0
    """Rows of further levels, which are too many to be told apart."""
    other_levels: int = 0
    """How many levels those are."""
    nulls: int = 0
    """Nulls among the missing."""

    @property
    def rows(self) -> int:
        """All rows of the column."""
        return self.present + self.missing

    @property
    def present(self) -> int:
        """Rows that the tests look at."""
        return sum(self.counts.values()) + self.other

    def without(self, taken: "CategoricalValues") -> "CategoricalValues":
        """Return the counts without those of some of the rows, which must have been read by these levels."""
        left = {level: count - taken.counts.get(level, 0) for level, count in self.counts.items()}
        return CategoricalValues(
            counts={level: count for level, count in left.items() if count},
            missing=self.missing - taken.missing,
            other=self.other - taken.other,
            other_levels=self.other_levels if self.other > taken.other else 0,
            nulls=self.nulls - taken.nulls,
        )


Values = NumericValues | CategoricalValues


class UnsupportedColumnError(ValueError):
    """The column holds neither numbers nor levels."""


def is_numeric(kind: pa.DataType) -> bool:
    """Whether columns of the Arrow type are compared as numbers: also times of day and durations, but not booleans.

    Raises:
        UnsupportedColumnError: the type is compared in no way.
    """
    types = pa.types
    if types.is_dictionary(kind):
        return is_numeric(kind.value_type)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_temporal(kind):
        return True
    if types.is_boolean(kind) or types.is_null(kind) or is_text(kind):
        return False
    if types.is_nested(kind):
        raise UnsupportedColumnError(
            f"columns of type {kind} are not compared: exclude the column, or store its parts as columns"
        )
    raise UnsupportedColumnError(f"columns of type {kind} are not compared: exclude the column")


def is_text(kind: pa.DataType) -> bool:
    """Whether columns of the Arrow type hold text or bytes."""
    types = pa.types
    strings = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return bool(strings or types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def numeric_values(column: pa.ChunkedArray | pa.Array) -> NumericValues:
    """Read a column as numbers; times become seconds since the epoch, text is parsed.

    Integers beyond 2^53 become the nearest double.
    """
    finite, missing, below, above = ascending(numbers_of(column))
    return NumericValues(finite=finite, missing=missing, below=below, above=above, nulls=column.null_count)


def numbers_of(column: pa.ChunkedArray | pa.Array) -> Floats:
    """Read a column as numbers in its own order; what is missing, or text that is no number, is NaN."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return numbers_of(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        seconds = column.cast(pa.timestamp("us", getattr(kind, "tz", None))).cast(pa.int64())
        return numbers_of(seconds) / 1e6
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return numbers_of(column.cast(pa.int32() if kind.bit_width == 32 else pa.int64()))  # noqa: PLR2004 (Arrow's widths)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    if is_text(kind):
        return _parsed(column)
    return _as_numpy(pc.cast(column, pa.float64(), safe=False))


def level_of(value: object) -> str:
    """Name a level: integral numbers without a fraction, booleans as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT_INTEGER:
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _as_numpy(numbers: pa.ChunkedArray | pa.Array) -> Floats:
    """Return the memory of the column where it lies in one piece without nulls; a null becomes NaN."""
    if isinstance(numbers, pa.ChunkedArray):
        numbers = numbers.chunk(0) if numbers.num_chunks == 1 else numbers.combine_chunks()
    found: Floats = numbers.to_numpy(zero_copy_only=False)
    return found


def _parsed(column: pa.ChunkedArray | pa.Array) -> Floats:
    try:
        return _as_numpy(pc.cast(column, pa.float64()))
    except pa.ArrowException:  # at least one is no number, or is none for Arrow
        return np.array([_number(text) for text in column.to_pylist()], dtype=np.float64)


def _number(text: str | bytes | None) -> float:
    try:
        return float(text) if text is not None else float("nan")
    except ValueError:
        return float("nan")
