"""A small world for the jobs: a river whose floods a model foretells, its log, its labels, its registered versions.

`level` and `rain` decide about a flood, `noise` does not, `bridge` is a name. `shift` moves the world: rain doubles and
floods come sooner.
"""

import json
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from leeboard.contract import tags
from leeboard.contract.jobs import LiveArm, LogTables

START = datetime(2026, 1, 1, tzinfo=UTC)
FEATURES = ["level", "rain", "noise", "bridge"]
ARM = "rivers-v1-abc123"


def world(
    rows: int, *, shift: float = 0.0, seed: int = 0, start: datetime = START, span: timedelta = timedelta(days=10)
):
    """Return rows with features, the label `flood` and the time `at`."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "level": draw.normal(2.0 + shift, 0.5, rows),
            "rain": draw.gamma(2.0, 3.0 * (1 + shift), rows),
            "noise": draw.normal(size=rows),
            "bridge": draw.choice(["iron", "stone", "wood"], rows),
        }
    )
    danger = (1 + 2 * shift) * (frame["level"] - 2.0) + 0.3 * (1 - 2 * shift) * (frame["rain"] - 6.0)
    frame["flood"] = (danger + draw.logistic(scale=0.5, size=rows) > 0).astype(np.int64)
    frame["at"] = [start + span * (index / rows) for index in range(rows)]
    return frame


def estimator(kind: str = "logistic"):
    last = {
        "logistic": LogisticRegression(),
        "sgd": SGDClassifier(loss="log_loss", random_state=0),
        "network": MLPClassifier((8,), max_iter=40, random_state=0),
    }[kind]
    return make_pipeline(
        make_column_transformer((StandardScaler(), ["level", "rain", "noise"]), (OneHotEncoder(), ["bridge"])), last
    )


def register(server: str, name: str, frame: pd.DataFrame, folder: Path, *, kind: str = "logistic", cutoff: Any = START):
    """Train on the frame and register; returns the version."""
    mlflow.set_tracking_uri(server)
    model = estimator(kind).fit(frame[FEATURES], frame["flood"])
    path = folder / f"{name}-training.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="cloudpickle",
            signature=infer_signature(frame[FEATURES], model.predict(frame[FEATURES])),
            pip_requirements=[],
        )
    ref = {"uri": str(path), "format": "Parquet", "labelColumn": "flood", "timestampColumn": "at"}
    lineage = {tags.TRAINING_DATA: json.dumps(ref)}
    if cutoff is not None:
        lineage[tags.TRAINING_CUTOFF] = cutoff.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(mlflow.register_model(info.model_uri, name, tags=lineage).version)


def write_log(
    folder: Path,
    frame: pd.DataFrame,
    *,
    version: str = "1",
    arm: str = ARM,
    answers: Any = None,
    labels_come: Any = None,
    first: int = 0,
) -> LogTables:
    """Log rows as requests of ten, numbered from `first`, and their labels, at once or when `labels_come` says."""
    rows = len(frame)
    ids = [f"r{index // 10:06d}" for index in range(first, first + rows)]
    times = pa.array(frame["at"].tolist(), pa.timestamp("us", "UTC"))
    predictions = pa.table(
        {
            "date": [time.date().isoformat() for time in frame["at"]],
            "request_id": ids,
            "row": pa.array([index % 10 for index in range(rows)], pa.int64()),
            "arm": [arm] * rows,
            "version": [version] * rows,
            "time": times,
            "ingest_time": times,
            **{f"x_{name}": pa.array(frame[name]) for name in FEATURES},
            "prediction": pa.array(frame["flood"] if answers is None else answers, pa.float64()),
            "ood_score": pa.array(np.zeros(rows)),
            "ood": pa.array((np.arange(rows) % 20) == 0),
            "latency_ms": pa.array(np.ones(rows)),
        }
    )
    labels = pa.table(
        {
            "request_id": ids,
            "row": predictions["row"],
            "label": pa.array(frame["flood"], pa.float64()),
            "reward": pa.nulls(rows, pa.float64()),
            "time": times,
            "ingest_time": times if labels_come is None else pa.array(labels_come, pa.timestamp("us", "UTC")),
        }
    )
    log = LogTables(predictions=str(folder / "predictions"), labels=str(folder / "labels"))
    write_deltalake(log.predictions, predictions, partition_by=["date"], mode="append")
    write_deltalake(log.labels, labels, mode="append")
    return log


def live(version: str = "1", arm: str = ARM) -> LiveArm:
    return LiveArm(arm=arm, version=version, from_time="2025-01-01T00:00:00Z")


def client(server: str) -> MlflowClient:
    return MlflowClient(server)
