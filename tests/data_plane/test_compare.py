"""The job compare on a real prediction log and a real MLflow: the same requests, answered by two arms."""

from pathlib import Path

import httpx
import pytest
from mlflow.tracking import MlflowClient

from leeboard.contract.examinations import CompareReport, CompareRequest
from leeboard.contract.jobs import JobOutcome, LiveArm, LogTables
from leeboard_workers.jobs import compare, frame, handlers
from tests.support.dataplane import MODEL, NAMESPACE, Plane, Served, until

START = 1_772_000_000.0
WINDOW = {"from_time": "2026-02-25T06:13:20Z", "to_time": "2026-02-25T07:00:00Z"}
ROWS = 300


@pytest.fixture(scope="module")
def collector(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return plane.collector(tmp_path_factory.mktemp("log"))


def log(collector: Served, arm: str, version: str, answers: list[float], *, first: int = 0) -> None:
    batches = [
        {
            "namespace": NAMESPACE,
            "modelDeployment": MODEL,
            "version": version,
            "arm": arm,
            "requestId": f"r{first + at}",
            "time": START + at,
            "features": {"temperature": [50.0]},
            "predictions": [answer],
            "probabilities": [[1 - answer, answer]],
            "latencyMs": 10.0 if version == "1" else 20.0,
        }
        for at, answer in enumerate(answers)
    ]
    assert collector.post("/v1/predictions", batches).status_code == httpx.codes.OK


def test_answers_in_the_shadow_are_compared_row_by_row(collector: Served, mlflow_server: str, tmp_path: Path) -> None:
    log(collector, "one", "1", [1.0] * ROWS)
    log(collector, "two", "2", [1.0] * (ROWS - 30) + [0.0] * 30)
    log(collector, "two", "2", [0.0] * 50, first=ROWS)  # asked by header, not copied
    state = collector.get(f"/v1/tables/{NAMESPACE}/{MODEL}").json()
    tables = LogTables(predictions=state["predictions"], labels=state["labels"])
    request = CompareRequest(
        namespace=NAMESPACE,
        owner=MODEL,
        owner_uid="u",
        model_deployment=MODEL,
        model_name=MODEL,
        tracking_uri=mlflow_server,
        rollout_start_time="2026-02-25T06:00:00Z",
        rollout_attempt=1,
        stage="shadow",
        candidate=LiveArm(arm="two", version="2", **WINDOW),
        stable=LiveArm(arm="one", version="1", **WINDOW),
        log=tables,
        min_samples=ROWS,
        min_agreement=0.95,
    )

    def report() -> CompareReport | None:
        """Try with another attempt of the rollout until all rows are in the table."""
        nonlocal request
        request = request.model_copy(update={"rollout_attempt": request.rollout_attempt + 1})
        found = frame.work(request, compare.handle, permanent=handlers.PERMANENT)
        assert isinstance(found, CompareReport)
        return found if found.outcome is JobOutcome.MEASURED and found.candidate_only_rows == 50 else None

    found = until(report, "the log to hold all rows")
    assert (found.rows, found.equal_rows, found.passed) == (ROWS, ROWS - 30, False)
    assert found.message.startswith("versions 1 and 2 agree on 90.00% of 300 rows")
    assert (found.latency.p50, found.stable_latency.p50) == (20.0, 10.0)
    assert found.score_differences.largest == 1.0
    client = MlflowClient(mlflow_server)
    [run] = client.search_runs(
        [client.get_experiment_by_name(request.experiment).experiment_id],
        f"tags.`leeboard.request` = '{request.request_hash}'",
    )
    page = Path(client.download_artifacts(run.info.run_id, "report.html", str(tmp_path))).read_text()
    assert "Comparison in the shadow of" in page
    assert run.data.metrics["agreement"] == pytest.approx(0.9)
