"""The registry as the operator asks it, against a real MLflow server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from leeboard.api.errors import TransientError
from leeboard.api.modeldeployment import RegistryWrite
from leeboard.contract import tags
from leeboard.contract.jobs import DriftReport, JobOutcome
from leeboard.sandbox.processes import free_port
from leeboard.services.registry import MlflowRegistry
from tests.support.web import web

_numbers = itertools.count(1)


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def registry(mlflow_server: str, clock: Seconds) -> Iterator[MlflowRegistry]:
    registry = MlflowRegistry(mlflow_server, poll_seconds=30, timeout=20, clock=clock)
    yield registry
    registry.close()


@pytest.fixture
def person(mlflow_server: str) -> MlflowClient:
    return MlflowClient(mlflow_server, mlflow_server)


@pytest.fixture
def name(person: MlflowClient) -> str:
    name = f"model {next(_numbers)}"
    person.create_registered_model(name)
    run = person.create_run("0").info
    for _ in range(2):
        person.create_model_version(name, f"{run.artifact_uri}/model", run.run_id)
    return name


async def test_one_listing_serves_until_it_is_old(
    registry: MlflowRegistry, person: MlflowClient, name: str, clock: Seconds
) -> None:
    model = await registry.model(name)
    assert model is not None
    assert set(model.versions) == {"1", "2"}
    assert model.aliases == {}
    person.set_registered_model_alias(name, "challenger", "2")
    person.set_model_version_tag(name, "2", "team", "ours")
    clock.now = 29
    assert (await registry.model(name)) == model
    clock.now = 30
    model = await registry.model(name)
    assert model is not None
    assert model.aliases == {"challenger": "2"}
    assert model.versions["2"].tags == {"team": "ours"}
    assert model.versions["2"].ready


async def test_a_refresh_sees_at_once(registry: MlflowRegistry, person: MlflowClient, name: str) -> None:
    await registry.model(name)
    person.set_registered_model_alias(name, "champion", "1")
    refreshed = await registry.refresh(name)
    assert refreshed is not None
    assert refreshed.aliases == {"champion": "1"}
    assert await registry.model(name) == refreshed


async def test_a_model_that_is_not_there_is_none(registry: MlflowRegistry) -> None:
    assert await registry.model("nobody") is None
    assert await registry.refresh("nobody") is None


async def test_writes_aliases_and_tags_and_reads_them_again(registry: MlflowRegistry, name: str) -> None:
    promoted = tags.promoted("ml", "flights")
    await registry.write(name, RegistryWrite(set_alias="champion", version="2"))
    model = await registry.write(name, RegistryWrite(tag=promoted, tag_value="2026-01-01T12:00:00Z", version="2"))
    assert model is not None
    assert model.aliases == {"champion": "2"}
    assert model.versions["2"].tags == {promoted: "2026-01-01T12:00:00Z"}
    model = await registry.write(name, RegistryWrite(tag=promoted, version="2"))
    assert model is not None
    assert model.versions["2"].tags == {}


async def test_an_alias_is_removed_only_while_it_names_the_version(registry: MlflowRegistry, name: str) -> None:
    await registry.write(name, RegistryWrite(set_alias="challenger", version="2"))
    model = await registry.write(name, RegistryWrite(delete_alias="challenger", version="1"))
    assert model is not None
    assert model.aliases == {"challenger": "2"}
    for _ in range(2):
        model = await registry.write(name, RegistryWrite(delete_alias="challenger", version="2"))
        assert model is not None
        assert model.aliases == {}


async def test_nothing_is_written_about_a_version_that_is_gone(registry: MlflowRegistry, name: str) -> None:
    model = await registry.write(name, RegistryWrite(set_alias="champion", version="9"))
    assert model is not None
    assert model.aliases == {}
    assert await registry.write("nobody", RegistryWrite(tag="a", tag_value="b", version="1")) is None


async def test_an_alias_has_one_owner(registry: MlflowRegistry, name: str) -> None:
    await registry.claim(name, "champion", "default/ml/flights")
    model = await registry.claim(name, "champion", "default/other/flights")
    assert model is not None
    assert model.tags == {tags.owner("champion"): "default/ml/flights"}


async def test_tells_where_a_versions_files_are(registry: MlflowRegistry, name: str) -> None:
    assert (await registry.download_uri(name, "1")).startswith("mlflow-artifacts:/0/")


def log_model(server: str, name: str, **more: Any) -> None:
    import mlflow.pyfunc  # noqa: PLC0415 (seconds)

    class Echo(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG002
            return model_input

    mlflow.set_tracking_uri(server)
    mlflow.set_experiment("examples")
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model", python_model=Echo(), registered_model_name=name, pip_requirements=[], **more
        )


async def test_finds_a_row_that_the_version_can_answer(registry: MlflowRegistry, mlflow_server: str) -> None:
    import pandas as pd  # noqa: PLC0415 (seconds)

    table = pd.DataFrame({"distance": [100.0, 2.0, 3.0], "carrier": ["AA", "B", "C"]})
    with_example, with_signature = f"model {next(_numbers)}", f"model {next(_numbers)}"
    log_model(mlflow_server, with_example, input_example=table)
    log_model(mlflow_server, with_signature, signature=mlflow.models.infer_signature(table))
    rows = [{"distance": 100.0, "carrier": "AA"}, {"distance": 2.0, "carrier": "B"}]
    assert await registry.input_example(with_example, "1") == rows
    assert await registry.input_example(with_signature, "1") == [{"distance": 0.0, "carrier": ""}]


def leave_report(person: MlflowClient, experiment: str, request: str, report: dict[str, Any] | None) -> str:
    found = person.get_experiment_by_name(experiment)
    place = found.experiment_id if found else person.create_experiment(experiment)
    run = person.create_run(place, tags={tags.REQUEST: request})
    if report is not None:
        person.log_text(run.info.run_id, json.dumps(report), "report.json")
        person.log_text(run.info.run_id, "<html>", "report.html")
    return str(run.info.run_id)


async def test_finds_the_finished_run_that_answers_a_request(registry: MlflowRegistry, person: MlflowClient) -> None:
    assert await registry.report("leeboard/ml/none", "ab12", "drift") is None
    report = DriftReport(request_hash="ab12", outcome=JobOutcome.MEASURED, drifted=True, rows=7)
    run = leave_report(person, "leeboard/ml/flights", "ab12", report.document())
    leave_report(person, "leeboard/ml/flights", "cd34", None)
    assert await registry.report("leeboard/ml/flights", "ab12", "drift") is None  # it still runs
    person.set_terminated(run)
    found = await registry.report("leeboard/ml/flights", "ab12", "drift")
    assert found is not None
    assert found.report == report
    assert found.run_id == run
    assert found.report_uri.endswith(f"{run}/artifacts/report.html")


@pytest.mark.parametrize("left", [None, {"nonsense": True}, {"requestHash": "other", "outcome": "Measured"}])
async def test_a_finished_run_without_a_report_of_this_request_is_an_error(
    registry: MlflowRegistry, person: MlflowClient, left: dict[str, Any] | None
) -> None:
    request = f"{next(_numbers):04x}"
    person.set_terminated(leave_report(person, "leeboard/ml/broken", request, left))
    found = await registry.report("leeboard/ml/broken", request, "drift")
    assert found is not None
    assert found.report.outcome is JobOutcome.ERROR
    assert "finished without a report.json" in found.report.message


async def test_an_mlflow_that_is_away_is_named_and_not_asked_by_everyone() -> None:
    clock = Seconds()
    registry = MlflowRegistry(f"http://127.0.0.1:{free_port()}", 30, 5, clock)
    with pytest.raises(TransientError, match=r"MLflow at http://127\.0\.0\.1:\d+ does not answer") as away:
        await registry.model("flights")
    with pytest.raises(TransientError) as again:
        await registry.model("other")
    assert again.value is away.value
    clock.now = 6
    with pytest.raises(TransientError) as later:
        await registry.model("flights")
    assert later.value is not away.value
    registry.close()


async def test_a_refused_host_name_has_its_own_sentence() -> None:
    with web() as served:
        served.status, served.kind = 403, "text/plain"
        served.body = b"Invalid Host header - possible DNS rebinding attack detected"
        registry = MlflowRegistry(served.url, 30, 5)
        with pytest.raises(TransientError, match="MLFLOW_SERVER_ALLOWED_HOSTS"):
            await registry.model("flights")
        registry.close()


async def test_other_errors_are_told_in_one_line() -> None:
    with web() as served:
        served.status, served.body = 400, b'{"error_code": "BAD_REQUEST", "message": "the page is full\\nat line"}'
        registry = MlflowRegistry(served.url, 30, 5)
        with pytest.raises(TransientError, match=r"answers with an error: .*the page is full$"):
            await registry.model("flights")
        registry.close()


async def test_an_mlflow_that_is_broken_is_told_from_one_that_is_away() -> None:
    with web() as served:
        served.status = 503
        registry = MlflowRegistry(served.url, 30, 5)
        with pytest.raises(TransientError, match="answers with an error: 503"):
            await registry.model("flights")
        registry.close()


async def test_keeps_the_newest_runs_and_those_of_episodes(registry: MlflowRegistry, person: MlflowClient) -> None:
    name = f"leeboard/ns/keep{next(_numbers)}"
    experiment = person.create_experiment(name)

    def leave(subject: str, start: int) -> str:
        marks = {tags.KIND: "drift", tags.OBJECT: subject}
        return str(person.create_run(experiment, start_time=start, tags=marks).info.run_id)

    runs = [leave("ns/watch", start) for start in range(1, 7)]
    other = leave("ns/other", 1)
    await registry.keep_runs(name, "ns/watch", 3, {runs[0]: "e1", runs[5]: "e1"})
    left = {run.info.run_id for run in person.search_runs([experiment])}
    assert left == {runs[0], *runs[3:], other}
    await registry.keep_runs("leeboard/ns/nowhere", "ns/watch", 3, {})
