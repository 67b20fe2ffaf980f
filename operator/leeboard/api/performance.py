"""How well answers match the outcomes that became known: by which metrics, how late, and how much worse is bad."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Bound, Duration, Rule

CLASS_METRICS = ("accuracy", "balanced_accuracy", "f1")
PROBABILITY_METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "calibration_error")
NUMBER_METRICS = ("mae", "rmse", "mape", "r2", "quantile_loss")
_NAMES = "|".join((*CLASS_METRICS, *PROBABILITY_METRICS, *NUMBER_METRICS))


class Estimate(StrEnum):
    """How quality is estimated before labels come."""

    CONFIDENCE_BASED = "ConfidenceBased"


class PerformanceMetric(ApiModel):
    """A metric and how much worse it may become."""

    name: Annotated[str, Field(pattern=f"^({_NAMES})$", max_length=40)]
    """accuracy, balanced_accuracy, f1, roc_auc, average_precision, log_loss, brier, calibration_error; of numbers mae,
    rmse, mape, r2, quantile_loss."""
    max_drop: Annotated[float, Field(ge=0, le=1e15)]
    """Breached when the metric is worse than on the reference by more than this, even at the friendly end of the 95 %
    interval; of losses and errors a rise is meant."""
    baseline: Bound | None = None
    """What the metric is held against; left out: the metric on the reference. Training data flatter a model: state
    here what it reached on rows that it had not seen."""
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of quantile_loss: which quantile the model foretells; left out: 0.5."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.quantile) || self.name == 'quantile_loss'",
            message="quantile belongs to quantile_loss",
            holds=lambda metric: metric.quantile is None or metric.name == "quantile_loss",
        ),
    )


class Performance(ApiModel):
    """Quality of the stable version's answers, once their outcomes are known."""

    metrics: Annotated[
        list[PerformanceMetric], Field(min_length=1, max_length=13, json_schema_extra={"listMapKeys": ["name"]})
    ]
    """Keyed by name; the check drifted if any of them is breached."""
    label_delay: Duration = "1h"
    """How late labels come: this check looks at the window shifted back by so much."""
    min_coverage: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the rows that must have a label; a window with fewer is scored again as labels come, at most three
    times, at most once in labelDelay."""
    estimate: Estimate | None = None
    """ConfidenceBased: also say what the quality ought to be by the answers' own probabilities, calibrated on the
    reference; in the report only, it raises no alarm. Left out: no estimate."""
