"""The integration metric test of a rollout: a labelled test pack goes through the whole deployed arm."""

from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Bound, Rule, at_least_one
from leeboard.api.performance import CLASS_METRICS, NUMBER_METRICS, PROBABILITY_METRICS
from leeboard.api.shared import DatasetRef

METRIC_NAMES = (
    *CLASS_METRICS,
    *PROBABILITY_METRICS,
    *(name for name in NUMBER_METRICS if name != "quantile_loss"),  # which quantile, nobody says here
)


class VerificationMetric(ApiModel):
    """What the deployed arm must prove on the test pack."""

    name: Annotated[str, Field(pattern=f"^({'|'.join(METRIC_NAMES)})$", max_length=40)]
    """accuracy, balanced_accuracy, f1, roc_auc, average_precision, log_loss, brier, calibration_error, mae, rmse, mape
    or r2."""
    min: Bound | None = None
    """The candidate's metric must reach it (for losses: must not be above it)."""
    max_drop_from_stable: Annotated[float, Field(ge=0, le=1000)] | None = None
    """The candidate must not be worse by more than the stable version on the same rows; the first version has none."""

    rules: ClassVar[tuple[Rule, ...]] = (at_least_one("min", "maxDropFromStable"),)


class Verification(ApiModel):
    """Before any traffic a labelled test pack is sent through the arm, and what it answers is held against bounds."""

    dataset: DatasetRef
    """The test pack: the model's input columns and, named by `labelColumn`, the outcome."""
    metrics: Annotated[
        list[VerificationMetric], Field(min_length=1, max_length=10, json_schema_extra={"listMapKeys": ["name"]})
    ]
    """Keyed by name; all must pass."""
    max_rows: Annotated[int, Field(ge=10, le=100_000)] = 5000
    """Of a larger test pack so many rows are drawn, always the same."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.dataset.labelColumn)",
            message="a test pack has labels: name their column in dataset.labelColumn",
            holds=lambda verification: verification.dataset.label_column is not None,
        ),
    )
