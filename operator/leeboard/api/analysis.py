"""What is measured while a candidate takes traffic."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Bound, Duration, ElementName, Rule, Share, exactly_one

PromQuery = Annotated[str, Field(min_length=1, max_length=2048)]


class NoData(StrEnum):
    """What a metric without data, or with too little of it, means."""

    HOLD = "Hold"
    PASS = "Pass"  # noqa: S105 (a verdict)
    FAIL = "Fail"


class ErrorRate(ApiModel):
    """Share of requests that ended with a server error, or that the candidate alone refuses (HTTP 4xx)."""

    max: Share
    """Fails when the one-sided 95 % lower Wilson bound of the candidate's errors is above it, or that of the requests
    that it refuses is above it and what the stable version refuses together."""


class Latency(ApiModel):
    """A quantile of the time to answer."""

    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.99
    """Which quantile."""
    max_seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    """Fails when the one-sided 95 % lower bound of the candidate's quantile is above it."""
    max_ratio_to_stable: Annotated[float, Field(gt=0, le=100)] | None = None
    """Fails when that bound is above so many times the stable version's quantile over the same time."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("maxSeconds", "maxRatioToStable"),)


class OutOfDistributionRate(ApiModel):
    """Share of rows that the arm's detector calls out of distribution."""

    max: Share | None = None
    """Fails when the one-sided 95 % lower Wilson bound of the candidate's rate is above it."""
    max_ratio_to_stable: Annotated[float, Field(gt=0, le=100)] | None = None
    """Fails when that bound is above so many times the stable version's rate over the same time."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("max", "maxRatioToStable"),)


PROMQL_VARIABLES = (
    "namespace",
    "modelDeployment",
    "stableArm",
    "candidateArm",
    "stableVersion",
    "candidateVersion",
    "interval",
)
"""What a query may name as {{variable}}."""


class PromQl(ApiModel):
    """A query of yours that answers one number."""

    query: PromQuery
    """PromQL; may name {{namespace}}, {{modelDeployment}}, {{stableArm}}, {{candidateArm}}, {{stableVersion}},
    {{candidateVersion}} and {{interval}} (the time since the step began)."""
    min: Bound | None = None
    """The number must not be below it."""
    max: Bound | None = None
    """The number must not be above it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.min) || has(self.max)",
            message="set min, max or both",
            holds=lambda query: query.min is not None or query.max is not None,
        ),
        Rule(
            cel="self.query.split('{{').size() - 1 == ["
            + ", ".join(f"'{name}'" for name in PROMQL_VARIABLES)
            + "].map(v, self.query.split('{{' + v + '}}').size() - 1).sum()",
            message=f"query may use {{{{…}}}} only for: {', '.join(PROMQL_VARIABLES)}",
            holds=lambda query: (
                query.query.count("{{") == sum(query.query.count(f"{{{{{name}}}}}") for name in PROMQL_VARIABLES)
            ),
        ),
    )


class AnalysisMetric(ApiModel):
    """One thing that is measured while a candidate takes traffic."""

    name: ElementName
    """Name of the metric."""
    error_rate: ErrorRate | None = None
    """Share of requests that ended with a server error, or that the candidate alone refuses; a refusal for being out of
    distribution is neither."""
    latency: Latency | None = None
    """A quantile of the time to answer."""
    out_of_distribution_rate: OutOfDistributionRate | None = None
    """Share of rows out of distribution."""
    promql: PromQl | None = None
    """A query of yours."""
    min_samples: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    """Requests of the candidate since the step began below which the measurement is Inconclusive."""
    no_data: NoData = NoData.HOLD
    """What no data and too little data mean: Hold keeps the weight, Pass ignores it, Fail counts as a failure."""
    failure_limit: Annotated[int, Field(ge=0, le=100)] = 0
    """More failed measurements than this in a step fail the run."""
    consecutive_error_limit: Annotated[int, Field(ge=0, le=100)] = 4
    """More measurements in a row than this that Prometheus answers with an error fail the run; while Prometheus is
    away, the weight holds."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("errorRate", "latency", "outOfDistributionRate", "promql"),)


class Analysis(ApiModel):
    """What is measured while a candidate takes traffic; a failed run rolls back at once."""

    interval: Duration = "1m"
    """Time between measurements."""
    metrics: Annotated[list[AnalysisMetric], Field(max_length=20, json_schema_extra={"listMapKeys": ["name"]})] = Field(
        default_factory=lambda: [AnalysisMetric(name="errors", error_rate=ErrorRate(max=0.01))]
    )
    """Keyed by name; left out: errors at most 1 %."""
