"""Turns an Arrow column into what statistics need: finite numbers in order or counts of levels; the rest is counted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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

    @property
    def rows(self) -> int:
        """All rows of the column."""
        return self.finite.size + self.missing + self.below + self.above

    @property
    def present(self) -> int:
        """Rows that the tests look at."""
        return self.finite.size


@dataclass(frozen=True)
class CategoricalValues:
    """A categorical column."""

    counts: Mapping[str, int]
    """Rows by level."""
    missing: int
    """Nulls."""

    @property
    def rows(self) -> int:
        """All rows of the column."""
        return self.present + self.missing

    @property
    def present(self) -> int:
        """Rows that the tests look at."""
        return sum(self.counts.values())


Values = NumericValues | CategoricalValues


class UnsupportedColumnError(ValueError):
    """The column holds neither numbers nor levels."""


def is_numeric(kind: pa.DataType) -> bool:
    """Whether columns of the Arrow type are compared as numbers: numbers and times, but not booleans.

    Raises:
        UnsupportedColumnError: the type is compared in no way.
    """
    if pa.types.is_dictionary(kind):
        return is_numeric(kind.value_type)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return True
    if pa.types.is_temporal(kind):
        return True
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return False
    if pa.types.is_null(kind) or pa.types.is_binary(kind) or pa.types.is_string_view(kind):
        return False
    raise UnsupportedColumnError(f"columns of type {kind} are not compared: exclude the column")


def numeric_values(column: pa.ChunkedArray | pa.Array) -> NumericValues:
    """Read a column as numbers; times become seconds since the epoch, text is parsed."""
    numbers = numbers_of(column)
    finite = numbers[np.isfinite(numbers)]
    finite.sort()
    return NumericValues(
        finite=finite,
        missing=int(np.isnan(numbers).sum()),
        below=int(np.isneginf(numbers).sum()),
        above=int(np.isposinf(numbers).sum()),
    )


def categorical_values(column: pa.ChunkedArray | pa.Array) -> CategoricalValues:
    """Read a column as levels; 1, 1.0 and true are told apart only where their types differ in meaning."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    counts: dict[str, int] = {}
    missing = 0
    for entry in pc.value_counts(column).to_pylist():
        value, count = entry["values"], entry["counts"]
        if value is None or value != value:  # noqa: PLR0124 (NaN differs from itself)
            missing += count
        else:
            level = level_of(value)
            counts[level] = counts.get(level, 0) + count
    return CategoricalValues(counts=counts, missing=missing)


def as_levels_of(values: CategoricalValues, reference: CategoricalValues) -> CategoricalValues:
    """Read logged 0 and 1 as the reference's booleans, since JSON and Delta may have made numbers of them."""
    names = {"0": "false", "1": "true"}
    if set(reference.counts) <= set(names.values()) and set(values.counts) <= set(names):
        return CategoricalValues({names[level]: count for level, count in values.counts.items()}, values.missing)
    return values


def level_of(value: object) -> str:
    """Name a level: integral numbers without a fraction, booleans as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT_INTEGER:
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


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
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return np.array([_parsed(text) for text in column.to_pylist()], dtype=np.float64)
    numbers = pc.cast(column, pa.float64(), safe=False)
    # A null becomes NaN: both are missing.
    return np.array(numbers.to_numpy(zero_copy_only=False) if isinstance(numbers, pa.Array) else numbers.to_numpy())


def _parsed(text: str | None) -> float:
    try:
        return float(text) if text is not None else float("nan")
    except ValueError:
        return float("nan")
