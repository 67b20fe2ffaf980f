"""Rows of the reference and of the window, cut into spans of consecutive rows that hang together.

Rows of a log resemble their neighbours in time, so tests that take single rows for independent pretend to far more
information than there is, and call every quiet week a drift. Spans are taken for independent instead; that is right
when they are longer than the resemblance lasts (Künsch, "The jackknife and the bootstrap for general stationary
observations", 1989).
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.drift.multivariate.spans import FEWEST_SPANS, resemblance

Rows = NDArray[np.float32]

MOST_SPANS = 20_000
"""So many spans of both sides together, at most: finer ones are of no use."""


@dataclass(frozen=True)
class Sides:
    """Both sides in order of time, each a whole number of spans."""

    reference: Rows
    """Rows x numbers."""
    window: Rows
    """Rows x numbers."""
    span: int = 1
    """Rows of a span, on both sides."""
    notes: tuple[str, ...] = ()
    """What was left out."""

    @classmethod
    def cut(cls, reference: Rows, window: Rows, spans: int | None = None) -> Self:
        """Cut both sides into spans; the first rows, which fill none, are left out.

        Args:
            reference: Rows x numbers, in order of time; at least two.
            window: Rows x numbers, in order of time; at least two.
            spans: Spans of the window, those of the reference are as long; None: as long as rows of the reference
                resemble their neighbours, and at least a few for the window.
        """
        span = len(window) // spans if spans else resemblance(reference, len(window) // FEWEST_SPANS)
        span = max(span, -(-(len(reference) + len(window)) // MOST_SPANS), 1)
        span = min(span, len(reference), len(window))
        return cls(_whole(reference, span), _whole(window, span), span)

    @property
    def reference_spans(self) -> int:
        """Spans of the reference."""
        return len(self.reference) // self.span

    @property
    def window_spans(self) -> int:
        """Spans of the window."""
        return len(self.window) // self.span

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Rows of the reference that a model of it may see where others must stay new to it: every second span."""
        return np.repeat(np.arange(self.reference_spans) % 2 == 0, self.span)

    def at_most(self, rows: int) -> Self:
        """Return at most so many rows of both sides together, at least one span of each.

        Both sides are thinned alike until the smaller has no more than half, so that spans stay equally long in time;
        then spans of the larger are left out, and those that stay are evenly spread.
        """
        if len(self.reference) + len(self.window) <= rows:
            return self
        step = max(-(-min(len(self.reference), len(self.window)) // (rows // 2)), 1)
        span = max(self.span // step, 1)
        reference, window = _whole(self.reference[::step], span), _whole(self.window[::step], span)
        if len(reference) >= len(window):
            reference = _some_spans(reference, span, rows - len(window))
        else:
            window = _some_spans(window, span, rows - len(reference))
        note = f"of {len(reference):,} and {len(window):,} rows, evenly spread"
        return replace(self, reference=reference, window=window, span=span, notes=(*self.notes, note))

    def with_numbers(self, reference: Rows, window: Rows) -> Self:
        """Return the same rows with other numbers."""
        return replace(self, reference=reference, window=window)


def _whole(rows: Rows, span: int) -> Rows:
    return rows[len(rows) % span :]


def _some_spans(rows: Rows, span: int, most: int) -> Rows:
    """Return whole spans, evenly spread, of at most so many rows."""
    spans, room = len(rows) // span, max(most // span, 1)
    if spans <= room:
        return rows
    kept = np.linspace(0, spans - 1, room).round().astype(np.int64)
    return rows.reshape(spans, span, -1)[kept].reshape(room * span, -1)
