"""One column then and now, with what several statistics of it share, computed once."""

from dataclasses import dataclass
from functools import cached_property

from leeboard_workers.drift.bins import Bins, Shares, bins_of, has_few_values
from leeboard_workers.drift.levels import as_levels
from leeboard_workers.drift.merging import Gap, gap
from leeboard_workers.drift.values import CategoricalValues, NumericValues, Values

HUGE = 1e100
"""Beyond it squares and areas could overflow: the numbers are first divided by the largest of them."""


@dataclass(frozen=True)
class Pair:
    """Both sides of a column, of one type."""

    reference: Values
    window: Values

    def __post_init__(self) -> None:
        if isinstance(self.reference, NumericValues) is not isinstance(self.window, NumericValues):
            raise TypeError("both columns must be of one type")

    @property
    def numeric(self) -> bool:
        """Whether both sides are numbers."""
        return isinstance(self.reference, NumericValues)

    @property
    def numbers(self) -> tuple[NumericValues, NumericValues]:
        """Both sides of a numeric column."""
        if isinstance(self.reference, NumericValues) and isinstance(self.window, NumericValues):
            return self.reference, self.window
        raise TypeError("the column holds levels")

    @cached_property
    def levels(self) -> tuple[CategoricalValues, CategoricalValues]:
        """Both sides as levels; numbers become levels."""
        if isinstance(self.reference, CategoricalValues) and isinstance(self.window, CategoricalValues):
            return self.reference, self.window
        then, now = self.numbers
        levels = as_levels(then)
        return levels, as_levels(now, levels)

    @property
    def one_sided(self) -> bool:
        """Whether one side has no value to look at."""
        return self.reference.present == 0 or self.window.present == 0

    @cached_property
    def few(self) -> bool:
        """Whether the reference's numbers are so few different ones that they are better compared as levels."""
        return has_few_values(self.numbers[0])

    @cached_property
    def unit(self) -> float:
        """1, or the largest size of any value where that is huge."""
        then, now = (side.finite for side in self.numbers)
        largest = max(abs(float(value)) for side in (then, now) for value in (side[0], side[-1]))
        return largest if largest > HUGE else 1.0

    @cached_property
    def gap(self) -> Gap:
        """How far the distribution functions of the finite values are apart; values counted in `unit`."""
        then, now = (side.finite for side in self.numbers)
        return gap(then, now) if self.unit == 1.0 else gap(then / self.unit, now / self.unit)

    @cached_property
    def bins(self) -> Bins:
        """The bins of the reference."""
        return bins_of(self.reference)

    @cached_property
    def shares(self) -> Shares:
        """Rows of both sides in the bins of the reference."""
        return Shares(self.bins.counts(self.reference), self.bins.counts(self.window))
