"""Compares what two arms answered to the same rows: how often they agree, how far apart they are, how fast they were.

Only rows that both logged under the same request id count: a mirrored request keeps its id.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from leeboard.contract.examinations import AnswerPair, Milliseconds, Spread
from leeboard_workers.data.logpairs import LoggedPairs

COLUMNS = ("prediction", "probabilities", "latency_ms", "ood")
"""What is compared."""
MAX_PAIRS = 20
_LONGEST_ANSWER = 80
_RELATIVE = 1e-9
"""Numbers that differ by less, relative to the larger, are the same number in another encoding."""
_Z_ONE_SIDED = 1.6448536269514722
"""95 % quantile of the standard normal distribution."""
_Z_TWO_SIDED = 1.959963984540054
"""97.5 % quantile."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Matched:
    """Rows that both have answered, in the same order."""

    stable: pa.Table
    candidate: pa.Table
    stable_only: int
    candidate_only: int
    share: float = 1.0
    """How much of all rows was looked at."""

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.stable.num_rows)


def match(logged: LoggedPairs) -> Matched:
    """Pair the rows of two arms by request id and row number."""
    stable, candidate = logged.stable, logged.candidate
    theirs = {key: at for at, key in enumerate(_keys(candidate))}
    pairs = [(at, theirs[key]) for at, key in enumerate(_keys(stable)) if key in theirs]
    left, right = (pa.array([pair[side] for pair in pairs], pa.int64()) for side in (0, 1))
    return Matched(
        stable.take(left),
        candidate.take(right),
        logged.stable_only + stable.num_rows - len(pairs),
        candidate.num_rows - len(pairs),
        logged.share,
    )


def equal(matched: Matched, tolerance: float) -> NDArray[np.bool_]:
    """Say for each row whether both answers are equal; two refusals are.

    Args:
        matched: The rows.
        tolerance: Numbers that differ by no more are equal.
    """
    mine, theirs = matched.candidate["prediction"].to_pylist(), matched.stable["prediction"].to_pylist()
    return np.array([_same(one, other, tolerance) for one, other in zip(mine, theirs, strict=True)], dtype=bool)


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return abs(one - other) <= tolerance or math.isclose(one, other, rel_tol=_RELATIVE)
    return bool(one == other)


def wilson(hits: int, total: int, z: float = _Z_TWO_SIDED) -> tuple[float, float]:
    """Return the Wilson interval of a rate, as if rows were independent.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).

    Args:
        hits: How often it happened.
        total: Out of how many, more than 0.
        z: Quantile of the standard normal distribution: by default the interval has 95 %.
    """
    rate = hits / total
    middle = (rate + z**2 / (2 * total)) / (1 + z**2 / total)
    spread = z / (1 + z**2 / total) * math.sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    return max(0.0, middle - spread), min(1.0, middle + spread)


def ruled_out(hits: int, total: int, at_least: float) -> bool:
    """Say whether the counts contradict, with 95 % confidence, that the true rate reaches a bound."""
    return wilson(hits, total, _Z_ONE_SIDED)[1] < at_least


def score_differences(matched: Matched) -> tuple[str, Spread | None]:
    """Return of what kind scores are, and how far both are apart, row by row.

    Probabilities differ by their total variation distance (for two classes: the difference of either); predicted
    numbers by their absolute difference.
    """
    mine, theirs = _matrix(matched.candidate), _matrix(matched.stable)
    if mine is not None and theirs is not None and mine.shape == theirs.shape:
        return "probabilities", _spread(np.abs(mine - theirs).sum(axis=1) / 2)
    numbers = [_numbers(table) for table in (matched.candidate, matched.stable)]
    if any(column is None for column in numbers):
        return "", None
    return "predictions", _spread(np.abs(numbers[0] - numbers[1]))


def _matrix(table: pa.Table) -> Floats | None:
    if "probabilities" not in table.column_names:
        return None
    rows = table["probabilities"].to_pylist()
    width = next((len(row) for row in rows if row), 0)
    if not width or any(row and len(row) != width for row in rows):
        return None
    return np.array([row or [np.nan] * width for row in rows], dtype=np.float64)


def _numbers(table: pa.Table) -> Any:
    column = table["prediction"]
    return column.cast(pa.float64()).to_numpy() if pa.types.is_floating(column.type) else None


def _spread(differences: Floats) -> Spread | None:
    known = differences[np.isfinite(differences)]
    if not len(known):
        return None
    p50, p95, p99 = (float(value) for value in np.quantile(known, [0.5, 0.95, 0.99]))
    return Spread(p50=p50, p95=p95, p99=p99, largest=float(known.max()))


def pairs(matched: Matched, same: NDArray[np.bool_]) -> tuple[AnswerPair, ...]:
    """Return the most frequent pairs of different answers."""
    mine, theirs = matched.candidate["prediction"].to_pylist(), matched.stable["prediction"].to_pylist()
    counted = Counter((_text(theirs[at]), _text(mine[at])) for at in np.flatnonzero(~same).tolist())
    return tuple(
        AnswerPair(stable=stable, candidate=candidate, rows=rows)
        for (stable, candidate), rows in counted.most_common(MAX_PAIRS)
    )


def _text(answer: Any) -> str:
    if answer is None:
        return "refused"
    return f"{answer:.6g}" if isinstance(answer, float) else str(answer)[:_LONGEST_ANSWER]


def latency(table: pa.Table) -> Milliseconds | None:
    """Return quantiles of the time to answer, each request once."""
    first = np.flatnonzero(table["row"].to_numpy() == 0)
    known = table["latency_ms"].to_numpy()[first]
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    p50, p95, p99 = (float(value) for value in np.quantile(known, [0.5, 0.95, 0.99]))
    return Milliseconds(p50=p50, p95=p95, p99=p99)


def flagged(table: pa.Table) -> float | None:
    """Return the share of rows that were out of distribution; None: none was scored."""
    if "ood" not in table.column_names:
        return None
    known = [flag for flag in table["ood"].to_pylist() if flag is not None]
    return sum(known) / len(known) if known else None


def _keys(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["request_id"].to_pylist(), table["row"].to_pylist(), strict=True))
