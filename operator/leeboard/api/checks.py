"""Which columns of a window are looked at, and by which checks."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, ElementName, Rule, Share, at_most_one, exactly_one
from leeboard.api.multivariate import MultivariateTest
from leeboard.api.performance import Performance
from leeboard.api.quality import DataQuality
from leeboard.api.shared import ColumnName
from leeboard.api.thresholds import BY_DEFAULT, Learned


class ColumnWeighting(StrEnum):
    """How columns are weighted in an aggregate."""

    UNIFORM = "Uniform"
    IMPORTANCE = "Importance"


class Columns(ApiModel):
    """Which columns are looked at, and what they weigh."""

    include: Annotated[
        list[ColumnName],
        Field(min_length=1, max_length=1000, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ["*"]
    """Names; * stands for any characters."""
    exclude: Annotated[
        list[ColumnName], Field(max_length=1000, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = []
    """Names; * stands for any characters; wins over include."""
    weighting: ColumnWeighting | None = None
    """Uniform or Importance (the model's own feature importances). Left out without `weights`: Uniform."""
    weights: (
        Annotated[dict[str, Annotated[float, Field(ge=0, le=1_000_000)]], Field(min_length=1, max_length=1000)] | None
    ) = None
    """Weights by column; columns that are not named weigh nothing."""

    rules: ClassVar[tuple[Rule, ...]] = (at_most_one("weighting", "weights"),)


class NumericTest(StrEnum):
    """Test of a numeric column."""

    AUTO = "Auto"
    KOLMOGOROV_SMIRNOV = "KolmogorovSmirnov"


class CategoricalTest(StrEnum):
    """Test of a categorical column."""

    AUTO = "Auto"
    CHI_SQUARED = "ChiSquared"


class Correction(StrEnum):
    """Correction for testing many columns."""

    NONE = "None"
    BONFERRONI = "Bonferroni"
    HOLM = "Holm"
    BENJAMINI_HOCHBERG = "BenjaminiHochberg"


SMALLEST_EFFECT = 0.05


class UnivariateTest(ApiModel):
    """A test for each column. It drifted if its corrected p-value is below alpha and its effect reaches minEffect."""

    numeric: NumericTest = NumericTest.KOLMOGOROV_SMIRNOV
    """Test of numeric columns; the effect size is the KS statistic."""
    categorical: CategoricalTest = CategoricalTest.CHI_SQUARED
    """Test of categorical columns; the effect size is Cramér's V."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Significance level."""
    correction: Correction = Correction.BENJAMINI_HOCHBERG
    """Correction for many columns: None, Bonferroni, Holm or BenjaminiHochberg."""
    min_effect: Share | None = None
    """Smallest effect that counts: with much data everything is significant. Left out: 0.05, or for each column what
    the reference teaches, where that is more. Stated without `learned` it is the bound of all columns."""
    learned: Learned | None = None
    """A bound of each column's own, learned from the reference; where it is above minEffect it takes its place. Left
    out without minEffect: the mean of the reference's windows and 3 standard deviations, if it holds enough of them."""
    drifted_share: Annotated[float, Field(gt=0, le=1)] = 0.3
    """The window drifted if at least this share of the columns (by weight) drifted."""

    @property
    def smallest_effect(self) -> float:
        """Smallest effect that counts, stated or not; what is learned is never below it."""
        return SMALLEST_EFFECT if self.min_effect is None else self.min_effect

    @property
    def taught(self) -> Learned | None:
        """How its bounds are learned, asked for or by default; none: they are stated."""
        return self.learned or (BY_DEFAULT if self.min_effect is None else None)


class NumericDistance(StrEnum):
    """Distance of a numeric column."""

    AUTO = "Auto"
    WASSERSTEIN = "Wasserstein"
    JENSEN_SHANNON = "JensenShannon"
    KULLBACK_LEIBLER = "KullbackLeibler"
    POPULATION_STABILITY = "PopulationStability"
    HELLINGER = "Hellinger"
    TOTAL_VARIATION = "TotalVariation"


class CategoricalDistance(StrEnum):
    """Distance of a categorical column."""

    AUTO = "Auto"
    JENSEN_SHANNON = "JensenShannon"
    KULLBACK_LEIBLER = "KullbackLeibler"
    POPULATION_STABILITY = "PopulationStability"
    HELLINGER = "Hellinger"
    TOTAL_VARIATION = "TotalVariation"


class Aggregate(StrEnum):
    """How the columns' distances become one number."""

    WEIGHTED_MEAN = "WeightedMean"
    MAX = "Max"


Threshold = Annotated[float, Field(gt=0, le=1000)]
"""Largest distance that is no drift."""

DEFAULT_THRESHOLD = 0.1


def _limit(threshold: float | None, learned: Learned | None) -> float | None:
    if learned is not None:
        return None
    return DEFAULT_THRESHOLD if threshold is None else threshold


def _taught(threshold: float | None, learned: Learned | None) -> Learned | None:
    return learned or (BY_DEFAULT if threshold is None else None)


class UnivariateDistance(ApiModel):
    """A distance for each column, and one number for all."""

    numeric: NumericDistance = NumericDistance.WASSERSTEIN
    """Distance of numeric columns; Wasserstein is divided by the reference's standard deviation."""
    categorical: CategoricalDistance = CategoricalDistance.JENSEN_SHANNON
    """Distance of categorical columns."""
    threshold: Threshold | None = None
    """The window drifted if the aggregate is above it. Left out without `learned`: 0.1, or what the reference teaches
    (the mean of its windows and 3 standard deviations), where it holds enough of them and that is more."""
    learned: Learned | None = None
    """The threshold, and one for each column, are learned from the reference instead."""
    aggregate: Aggregate = Aggregate.WEIGHTED_MEAN
    """WeightedMean (weights as in `columns`) or Max."""

    rules: ClassVar[tuple[Rule, ...]] = (at_most_one("threshold", "learned"),)

    @property
    def limit(self) -> float | None:
        """The threshold, stated or not; what is learned by default is never below it; none: it is asked to learn."""
        return _limit(self.threshold, self.learned)

    @property
    def taught(self) -> Learned | None:
        """How the threshold is learned, asked for or by default; none: it is stated."""
        return _taught(self.threshold, self.learned)


class Prediction(ApiModel):
    """Distance between the stable version's answers on the reference and in the window."""

    method: CategoricalDistance = CategoricalDistance.JENSEN_SHANNON
    """Distance of the predictions; numeric answers use bins of the reference's quantiles."""
    threshold: Threshold | None = None
    """Drifted if above it. Left out without `learned`: 0.1, or what the reference teaches (the mean of its windows and
    3 standard deviations), where it holds enough of them and that is more."""
    learned: Learned | None = None
    """The threshold is learned from the reference instead."""

    rules: ClassVar[tuple[Rule, ...]] = (at_most_one("threshold", "learned"),)

    @property
    def limit(self) -> float | None:
        """The threshold, stated or not; what is learned by default is never below it; none: it is asked to learn."""
        return _limit(self.threshold, self.learned)

    @property
    def taught(self) -> Learned | None:
        """How the threshold is learned, asked for or by default; none: it is stated."""
        return _taught(self.threshold, self.learned)


class OutOfDistributionIncrease(ApiModel):
    """How many more rows are out of distribution than the detector's acceptance allows."""

    max_increase: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Drifted if the rate's one-sided 95 % lower bound is above 1 - acceptance + maxIncrease."""


class Check(ApiModel):
    """One check of a window."""

    name: ElementName
    """Name of the check."""
    univariate_test: UnivariateTest | None = None
    """A test for each column."""
    univariate_distance: UnivariateDistance | None = None
    """A distance for each column, and one number for all."""
    multivariate_test: MultivariateTest | None = None
    """One test of all columns at once."""
    prediction: Prediction | None = None
    """Distance between the answers then and now."""
    out_of_distribution_rate: OutOfDistributionIncrease | None = None
    """How many more rows are out of distribution."""
    performance: Performance | None = None
    """Quality of the answers, once their outcomes are known."""
    data_quality: DataQuality | None = None
    """Faults of the data themselves."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(
            "univariateTest",
            "univariateDistance",
            "multivariateTest",
            "prediction",
            "outOfDistributionRate",
            "performance",
            "dataQuality",
        ),
    )

    @property
    def looks_inside(self) -> bool:
        """Whether it compares the stable version's own features."""
        return self.multivariate_test is not None and self.multivariate_test.looks_inside

    @property
    def asks_the_model(self) -> bool:
        """Whether the stable version must be asked about the rows of the reference."""
        return self.prediction is not None or self.looks_inside

    @property
    def learned(self) -> Learned | None:
        """How it is asked to learn its bounds; none: they are stated, or left out."""
        for member in (self.univariate_test, self.univariate_distance, self.multivariate_test, self.prediction):
            if member is not None:
                return member.learned
        return None

    @property
    def taught(self) -> Learned | None:
        """How its bounds are learned, asked for or by default; none: they are stated."""
        for member in (self.univariate_test, self.univariate_distance, self.prediction):
            if member is not None:
                return member.taught
        return self.learned
