"""What an arm's containers are told, what its answers look like, and what is logged about them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from leeboard.contract.documents import Document

# Environment of the transformer.
ENV_NAMESPACE = "LEEBOARD_NAMESPACE"
ENV_MODEL_DEPLOYMENT = "LEEBOARD_MODEL_DEPLOYMENT"
ENV_VERSION = "LEEBOARD_VERSION"
ENV_ARM = "LEEBOARD_ARM"
ENV_PROTOCOL = "LEEBOARD_PROTOCOL"
"""v1 or v2: what the predictor speaks; the transformer answers both."""
ENV_PREDICTOR_MODEL = "LEEBOARD_PREDICTOR_MODEL"
"""Name of the model at the predictor, when it is not the public name."""
ENV_DETECTOR_URI = "LEEBOARD_DETECTOR_URI"
"""Folder of the detector artifact; unset: nothing is scored."""
ENV_ON_DETECTION = "LEEBOARD_ON_DETECTION"
"""Observe, Flag or Reject."""
ENV_COLLECTOR_URL = "LEEBOARD_COLLECTOR_URL"
"""Where predictions are sent; unset: nothing is logged."""
ENV_COLLECTOR_TOKEN = "LEEBOARD_COLLECTOR_TOKEN"  # noqa: S105 (a name)
"""Bearer token of the namespace; unset: the collector asks for none."""
ENV_SAMPLE_PERCENT = "LEEBOARD_SAMPLE_PERCENT"
ENV_LOG_COLUMNS = "LEEBOARD_LOG_COLUMNS"
"""ChangedColumns as JSON: what is done to columns before they are logged; unset: nothing."""
ENV_HASH_KEY = "LEEBOARD_HASH_KEY"
"""Key of the hashed columns, from a Secret."""
ENV_TRACKING_URI = "MLFLOW_TRACKING_URI"

# Environment of transformer, predictor and collector.
ENV_HOST = "LEEBOARD_HOST"
"""Address to listen on; unset: all, 0.0.0.0."""

# What leeboard-fetch ends with.
EXIT_STORE_AWAY = 75
"""The store of models did not answer, which says nothing about the model (EX_TEMPFAIL of sysexits.h)."""

# Headers.
HEADER_REQUEST_ID = "x-request-id"
HEADER_VERSION = "x-leeboard-version"
HEADER_PURPOSE = "x-leeboard-purpose"
"""On a request: `probe` or `verification` is neither logged nor counted."""
UNCOUNTED_PURPOSES = ("probe", "verification")

# Answers.
V1_OUT_OF_DISTRIBUTION = "outOfDistribution"
"""v1: beside `predictions`, one entry per row: {score, pValue, flagged}; a refused row's prediction is null. A flagged
row's entry has also `threshold` and, where the detector can tell, `features`: the strangest columns first."""
V2_FLAG_TENSOR = "out_of_distribution"
"""v2: BOOL, one per row; its parameter `threshold` is the score above which a row is flagged. Where classes have
thresholds of their own, that is the one of all rows, and the parameter `thresholds` a JSON list of each row's."""
V2_SCORE_TENSOR = "ood_score"
"""v2: FP64, one per row."""
V2_P_VALUE_TENSOR = "ood_p_value"
"""v2: FP64, one per row."""
V2_STRANGEST_TENSOR = "ood_features"
"""v2: BYTES, one JSON list of names per row: the strangest columns of a flagged row; absent if no row has any."""
V2_PREDICTION_TENSOR = "predict"
"""v2: what the model answers, one per row."""
V2_PROBABILITIES_TENSOR = "probabilities"
"""v2: class probabilities, rows by classes, when the model has them."""
V2_LOGITS_TENSOR = "logits"
"""v2: rows by classes, when the model has them."""
V2_FEATURES_TENSOR = "features"
"""v2: rows by features of the penultimate layer, when the model has them."""
STATUS_ALL_REFUSED = 422

# Metrics of the transformer; labels model_namespace, modeldeployment, version, arm.
METRIC_REQUESTS = "leeboard_requests_total"
"""Further label `code`: the HTTP status."""
METRIC_SECONDS = "leeboard_request_seconds"
METRIC_ROWS = "leeboard_rows_total"
METRIC_SCORED_ROWS = "leeboard_scored_rows_total"
METRIC_OOD_ROWS = "leeboard_ood_total"
METRIC_OOD_EXPECTED = "leeboard_ood_expected_ratio"
"""Share of good rows that the detector may flag, 1 - acceptance; there once the detector is."""
METRIC_OOD_SCORE = "leeboard_ood_score"
METRIC_SCORING_FAILURES = "leeboard_scoring_failures_total"
METRIC_LOG_DROPPED = "leeboard_log_dropped_total"

# The collector's API: POST /v1/predictions, POST /v1/labels, GET /v1/tables/{namespace}/{modelDeployment}.


class ChangedColumns(Document):
    """Columns that the log does not hold as they came."""

    drop: list[str] = []
    """Not logged."""
    hash: list[str] = []
    """Logged as the first 128 bits of HMAC-SHA-256, hexadecimal."""
    round: dict[str, int] = {}
    """Rounded to so many decimal places."""


class PredictionBatch(Document):
    """Rows of one answered request, by column; all lists are equally long."""

    schema_version: Literal[1] = 1
    namespace: str
    model_deployment: str
    version: str
    arm: str
    request_id: Annotated[str, Field(min_length=1, max_length=128)]
    time: float
    """When the request arrived, seconds since the epoch."""
    features: dict[str, list[Any]]
    """Input columns by name."""
    columns: Annotated[list[str], Field(max_length=10_000)] | None = None
    """Names of the input columns, where the rows come as `instances`."""
    instances: list[list[Any]] | None = None
    """Input rows, each in the order of `columns`; then `features` is empty."""
    predictions: list[Any]
    """Answers; null for a refused row."""
    probabilities: list[list[float]] | None = None
    ood_scores: list[float | None] | None = None
    ood: list[bool | None] | None = None
    latency_ms: float = 0.0
    changed_columns: ChangedColumns | None = None
    """What was done to columns before they were logged; none: nothing."""
    integer_features: Annotated[list[str], Field(max_length=10_000)] | None = None
    """Columns that the model's signature calls integer; they are stored as such as long as all values are whole."""


class Label(Document):
    """An outcome that became known."""

    request_id: Annotated[str, Field(min_length=1, max_length=128)]
    row: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    label: float | int | Annotated[str, Field(max_length=1024)] | bool | None = None
    reward: float | None = None
    time: float | None = None
    """When the outcome happened, seconds since the epoch; none: now."""


class LabelBatch(Document):
    """Outcomes of one ModelDeployment."""

    schema_version: Literal[1] = 1
    namespace: str
    model_deployment: str
    labels: Annotated[list[Label], Field(min_length=1, max_length=100_000)]


class TableState(Document):
    """What the collector tells about the log of a ModelDeployment."""

    predictions: str
    """URI of the Delta table."""
    labels: str
    """URI of the Delta table."""
    prediction_rows: int
    """Rows that were acknowledged."""
    label_rows: int
    """Labels that were acknowledged; never falls."""
    newest_prediction_time: float | None = None
    """Time of the newest prediction, seconds since the epoch."""


FEATURE_PREFIX = "x_"

PREDICTION_COLUMNS = {
    "date": "string",
    "request_id": "string",
    "row": "int64",
    "arm": "string",
    "version": "string",
    "time": "timestamp[us, UTC]",
    "ingest_time": "timestamp[us, UTC]",
    "prediction": "double or string",
    "probabilities": "list<double>",
    "ood_score": "double",
    "ood": "bool",
    "latency_ms": "double",
    "changed_columns": "string",
}
"""Columns of the predictions table beside one `x_<feature>` per input.

Partitioned by `date`; key (request_id, row, arm). `changed_columns` is the JSON of ChangedColumns, and is there only if
columns were changed."""

LABEL_COLUMNS = {
    "request_id": "string",
    "row": "int64",
    "label": "double or string",
    "reward": "double",
    "time": "timestamp[us, UTC]",
    "ingest_time": "timestamp[us, UTC]",
}
"""Columns of the labels table; key (request_id, row), the newest ingest_time wins."""
