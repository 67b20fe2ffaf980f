"""Who trains a challenger, and what it must prove."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Bound, Duration, ElementName, Rule, exactly_one
from leeboard.api.shared import DatasetRef, NoParameters

Package = Annotated[str, Field(pattern=r"^[^$`\n]+$", min_length=1, max_length=253)]
"""A shell of KubeRay's reads it between double quotes."""
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class BuiltinTrainer(ApiModel):
    """A trainer that comes with Leeboard; it uses the champion's own estimator."""

    refit: NoParameters | None = None
    """A clone of the champion's estimator is fitted from scratch."""
    partial_fit: NoParameters | None = None
    """The champion goes on learning by partial_fit."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("refit", "partialFit"),)


class WarmStart(StrEnum):
    """Which model training starts from."""

    NONE = "None"
    CHAMPION = "Champion"
    LAST_RUN = "LastRun"


class Trainer(ApiModel):
    """Who trains."""

    builtin: BuiltinTrainer | None = None
    """A trainer that comes with Leeboard."""
    entrypoint: (
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$", max_length=253)] | None
    ) = None
    """Yours: package.module:function, of the form train(context) -> TrainedModel."""
    packages: (
        Annotated[list[Package], Field(max_length=50, json_schema_extra={"x-kubernetes-list-type": "atomic"})] | None
    ) = None
    """Python packages that the entrypoint needs, as pip takes them; or bring an image in `job`."""
    parameters: Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=64)] | None = None
    """Parameters of the estimator (set by set_params, read as JSON where that works) or of the entrypoint."""
    warm_start: WarmStart = WarmStart.NONE
    """None, Champion or LastRun."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("builtin", "entrypoint"),
        Rule(
            cel="!has(self.packages) || has(self.entrypoint)",
            message="packages belong to an entrypoint",
            holds=lambda trainer: trainer.packages is None or trainer.entrypoint is not None,
        ),
        Rule(
            cel="!has(self.builtin) || !has(self.builtin.refit) || self.warmStart == 'None'",
            message="refit starts from scratch: use partialFit or an entrypoint for a warm start",
            holds=lambda trainer: (
                trainer.builtin is None or trainer.builtin.refit is None or trainer.warm_start is WarmStart.NONE
            ),
        ),
        Rule(
            cel="!has(self.builtin) || !has(self.builtin.partialFit) || self.warmStart != 'None'",
            message="partialFit goes on from a model: set warmStart: Champion or LastRun",
            holds=lambda trainer: (
                trainer.builtin is None
                or trainer.builtin.partial_fit is None
                or trainer.warm_start is not WarmStart.NONE
            ),
        ),
    )


class Split(StrEnum):
    """How the holdout is chosen."""

    TIME = "Time"
    RANDOM = "Random"


class Holdout(ApiModel):
    """Rows that neither model has seen, on which both are compared."""

    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the rows."""
    split: Split = Split.TIME
    """Time: the newest rows; Random: by a hash of the row's key."""
    min_rows: Annotated[int, Field(ge=10, le=10_000_000)] = 200
    """A smaller holdout makes the gates Inconclusive."""


class Scheme(StrEnum):
    """How training windows of a backtest grow."""

    EXPANDING = "Expanding"
    SLIDING = "Sliding"


class Backtest(ApiModel):
    """Train as of then, test on what came next, several times."""

    folds: Annotated[int, Field(ge=1, le=50)] = 5
    """How many times."""
    horizon: Duration = "1d"
    """How far ahead each fold is tested."""
    scheme: Scheme = Scheme.EXPANDING
    """Expanding or Sliding training windows."""


class Gate(ApiModel):
    """What the challenger must prove, on the holdout or a part of it, or on a table of its own."""

    name: ElementName
    """Name of the gate."""
    metric: MetricName
    """accuracy, balanced_accuracy, f1, roc_auc, average_precision, log_loss, brier, calibration_error, mae, rmse, mape
    or r2."""
    min: Bound | None = None
    """The challenger's metric must reach it (for losses: must not be above it)."""
    min_gain_over_champion: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    """The challenger must be better than the champion by so much."""
    max_drop_from_champion: Annotated[float, Field(ge=0, le=1000)] | None = None
    """The challenger must not be worse than the champion by more."""
    slice: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Only rows that this filter lets through, such as: period < 12 and airline in ("AA", "UA")."""
    dataset: DatasetRef | None = None
    """Rows of this table instead of the holdout, against forgetting."""
    min_rows: Annotated[int, Field(ge=10, le=10_000_000)] | None = None
    """Fewer rows in the slice or the dataset make the gate Inconclusive; left out: 50."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("min", "minGainOverChampion", "maxDropFromChampion"),
        Rule(
            cel="!has(self.dataset) || has(self.dataset.labelColumn)",
            message="dataset needs a labelColumn to compare on",
            holds=lambda gate: gate.dataset is None or gate.dataset.label_column is not None,
        ),
        Rule(
            cel="!has(self.minRows) || has(self.slice) || has(self.dataset)",
            message="minRows belongs to a slice or a dataset: the holdout has its own",
            holds=lambda gate: gate.min_rows is None or gate.slice is not None or gate.dataset is not None,
        ),
    )


class Evaluation(ApiModel):
    """How challenger and champion are compared."""

    holdout: Holdout = Holdout()
    """Rows that neither model has seen."""
    backtest: Backtest | None = None
    """Train as of then, test on what came next; left out: none."""
    gates: Annotated[list[Gate], Field(min_length=1, max_length=20, json_schema_extra={"listMapKeys": ["name"]})]
    """Keyed by name; all must pass before a version is registered as a challenger."""
