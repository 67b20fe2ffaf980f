"""The data plane as real processes: a model on disk, a detector on disk, and their servers.

plane.predictor(), plane.collector(), plane.transformer(...) start one each and wait until it is ready.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import mlflow.sklearn
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from leeboard.api.outofdistribution import Detector
from leeboard.contract import serving as contract
from leeboard.sandbox.processes import free_port
from leeboard_workers.ood.fitting import Wish, fit_on_rows
from leeboard_workers.ood.store import save

MODEL = "weather"
NAMESPACE = "ml"
COLUMNS = ("temperature", "distance", "carrier")
START_SECONDS = 90.0


def weather(rows: int, seed: int = 0) -> pd.DataFrame:
    """Rows that belong, with a label."""
    rng = np.random.default_rng(seed)
    temperature = rng.normal(50.0, 10.0, rows)
    distance = rng.lognormal(6.5, 0.6, rows)
    carrier = rng.choice(["UA", "AA", "DL"], rows, p=[0.5, 0.3, 0.2])
    late = rng.random(rows) < 1.0 / (1.0 + np.exp((temperature - 50.0) / 5.0))
    return pd.DataFrame({"temperature": temperature, "distance": distance, "carrier": carrier, "late": late * 1})


def train(frame: pd.DataFrame, *, linear: bool = False) -> Any:
    """Return a pipeline fitted to the weather."""
    encode = ColumnTransformer([("carrier", OneHotEncoder(sparse_output=False), ["carrier"])], remainder="passthrough")
    last = LogisticRegression(max_iter=1000) if linear else HistGradientBoostingClassifier(max_iter=20, random_state=0)
    return make_pipeline(encode, last).fit(frame[list(COLUMNS)], frame["late"])


@dataclass
class Served:
    """A running process."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30, trust_env=False)

    def post(self, path: str, document: Any = None, **extra: Any) -> httpx.Response:
        body = {"json": document} if document is not None else {}
        return httpx.post(self.url + path, timeout=30, trust_env=False, **body, **extra)

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """Ask it to end, and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a metric that have the labels."""
        total = 0.0
        for line in self.get("/metrics").text.splitlines():
            if line.startswith((f"{name}{{", f"{name} ")) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total


def until(check: Any, what: str, within: float = 30.0) -> Any:
    """Return the first true answer of `check`."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if answer := check():
                return answer
        time.sleep(0.02)
    return pytest.fail(f"waited {within:g} s in vain for {what}")


@dataclass
class Plane:
    """Starts processes and ends them."""

    folder: Path
    started: list[Served] = field(default_factory=list)

    def start(self, entrypoint: str, arguments: list[str], ready: str, port: int, **environment: str) -> Served:
        log = self.folder / f"{entrypoint.rpartition('.')[2]}-{port}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", entrypoint, *arguments], stdout=out, stderr=out, env=os.environ | environment
            )
        served = Served(process, f"http://127.0.0.1:{port}", log)
        self.started.append(served)

        def is_ready() -> bool:
            if process.poll() is not None:
                pytest.fail(f"{entrypoint} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
            return not ready or served.get(ready).status_code == 200

        until(is_ready, f"{entrypoint} to be ready:\n{log}", START_SECONDS)
        return served

    def predictor(self, model_dir: Path, name: str = MODEL, **environment: str) -> Served:
        port = free_port()
        arguments = [f"--model_dir={model_dir}", f"--model_name={name}", f"--http_port={port}"]
        return self.start(
            "leeboard_workers.serving.predictor", arguments, f"/v2/models/{name}/ready", port, **environment
        )

    def collector(self, root: Path, port: int | None = None, **environment: str) -> Served:
        port = port or free_port()
        arguments = ["--root", str(root), "--port", str(port), "--flush_seconds", "0.3"]
        return self.start("leeboard_workers.serving.collector", arguments, "/healthz", port, **environment)

    def transformer(
        self, predictor: str, *, ready: str = "/v2/health/ready", arm: str = "arm", **environment: str
    ) -> Served:
        port = free_port()
        arguments = ["--model_name", arm, "--predictor_host", predictor.removeprefix("http://")]
        arguments += ["--http_port", str(port), "--grpc_port=8081", "--workers", "1"]
        names = {
            contract.ENV_NAMESPACE: NAMESPACE,
            contract.ENV_MODEL_DEPLOYMENT: MODEL,
            contract.ENV_VERSION: "3",
            contract.ENV_ARM: arm,
            contract.ENV_PROTOCOL: "v2",
        }
        return self.start("leeboard_workers.serving.transformer", arguments, ready, port, **(names | environment))

    def stop(self) -> None:
        for served in self.started:
            if served.process.poll() is None:
                served.process.terminate()
        for served in self.started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                served.process.wait(10)
            served.process.kill()


@dataclass(frozen=True)
class Artifacts:
    """A model and a detector on disk."""

    frame: pd.DataFrame
    model: Any
    model_dir: Path
    detector_dir: Path


@pytest.fixture(scope="session")
def weather_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """Train once."""
    return make_artifacts(tmp_path_factory.mktemp("weather"))


def make_artifacts(folder: Path) -> Artifacts:
    """Train a model, fit its detector, and write both into the folder."""
    frame = weather(4000)
    model = train(frame)
    features = frame[list(COLUMNS)]
    signature = infer_signature(features, model.predict(features))
    mlflow.sklearn.save_model(model, folder / "model", signature=signature, serialization_format="cloudpickle")
    wish = Wish(Detector(mahalanobis={}), 0.95, seed=0, provenance={})
    known = pa.Table.from_pandas(features, preserve_index=False)
    detector = fit_on_rows(wish, known, pa.chunked_array([pa.array(frame["late"])]))
    save(detector, folder / "detector")
    return Artifacts(frame, model, folder / "model", folder / "detector")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Processes of a module; none outlives it."""
    started = Plane(tmp_path_factory.mktemp("plane"))
    try:
        yield started
    finally:
        started.stop()
