"""What a stand-in asks of the API server: no write that would change nothing, and objects that stay current."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from leeboard.sandbox.standins.cluster import DEPLOYMENTS, RAY_JOBS, Cluster, merged_conditions

EARLIER = "2026-01-01T00:00:00Z"


@dataclass
class ApiServer:
    """Answers as it is told, and remembers what was asked."""

    answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200, json={})
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)


@asynccontextmanager
async def cluster(server: ApiServer, status: dict[str, Any] | None = None) -> AsyncIterator[Cluster]:
    """A cluster in which one RayJob of that status is known."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(server), base_url="http://kubernetes") as client:
        made = Cluster(client)
        known = {"metadata": {"namespace": "ml", "name": "job"}} | ({"status": status} if status is not None else {})
        made.objects[RAY_JOBS.kind] = {("ml", "job"): known}
        yield made


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ({"jobStatus": "RUNNING"}, {"jobStatus": "RUNNING"}),
        ({"jobStatus": "RUNNING", "jobId": "one"}, {"jobStatus": "RUNNING"}),
        ({"jobStatus": "RUNNING"}, {"jobStatus": "RUNNING", "reason": None}),
        ({"states": {"active": "Loaded", "target": "Loaded"}}, {"states": {"active": "Loaded", "failure": None}}),
        ({"parts": {"predictor": {}}}, {"parts": {"predictor": {}}}),
    ],
)
async def test_a_status_that_stands_is_not_written_again(known: dict[str, Any], wanted: dict[str, Any]):
    server = ApiServer()
    async with cluster(server, known) as standing:
        await standing.write_status(RAY_JOBS, "ml", "job", wanted)
    assert not server.asked


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (None, {"jobStatus": "RUNNING"}),
        ({"jobStatus": "PENDING"}, {"jobStatus": "RUNNING"}),
        ({"reason": "AppFailed"}, {"reason": None}),
        ({"states": "Loaded"}, {"states": {"active": "Loaded"}}),
        ({"conditions": [{"type": "Ready"}]}, {"conditions": []}),
    ],
)
async def test_a_status_that_differs_is_merged_in(known: dict[str, Any] | None, wanted: dict[str, Any]):
    server = ApiServer()
    async with cluster(server, known) as standing:
        await standing.write_status(RAY_JOBS, "ml", "job", wanted)
    (request,) = server.asked
    assert (request.method, request.url.path) == ("PATCH", "/apis/ray.io/v1/namespaces/ml/rayjobs/job/status")
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert json.loads(request.content) == {"status": wanted}


async def test_an_object_that_is_gone_stays_so():
    async with cluster(ApiServer(lambda _: httpx.Response(404))) as standing:
        await standing.write_status(RAY_JOBS, "ml", "job", {"jobStatus": "RUNNING"})


async def test_an_object_that_exists_is_left_as_it_is():
    server = ApiServer(lambda _: httpx.Response(409))
    async with cluster(server) as standing:
        await standing.create(DEPLOYMENTS, {"metadata": {"namespace": "ml", "name": "arm"}})
    assert [(request.method, request.url.path) for request in server.asked] == [
        ("POST", "/apis/apps/v1/namespaces/ml/deployments")
    ]


async def test_a_refused_manifest_is_an_error_that_says_why():
    async with cluster(
        ApiServer(lambda _: httpx.Response(422, text="spec.replicas: must not be negative"))
    ) as standing:
        with pytest.raises(ValueError, match="must not be negative"):
            await standing.patch(DEPLOYMENTS, "ml", "arm", {"spec": {"replicas": -1}})


async def test_an_api_server_in_trouble_may_be_asked_again():
    async with cluster(ApiServer(lambda _: httpx.Response(503))) as standing:
        with pytest.raises(httpx.HTTPError, match="503"):
            await standing.patch(DEPLOYMENTS, "ml", "arm", {"spec": {"replicas": 1}})


async def test_follows_what_is_listed_added_changed_and_deleted():
    def job(name: str, **status: str) -> dict[str, Any]:
        return {"metadata": {"namespace": "ml", "name": name}, "status": status}

    events = [
        {"type": "ADDED", "object": job("second")},
        {"type": "MODIFIED", "object": job("second", jobStatus="RUNNING")},
        {"type": "DELETED", "object": job("first")},
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        if "watch" in request.url.params:
            return httpx.Response(200, text="".join(json.dumps(event) + "\n" for event in events))
        return httpx.Response(200, json={"items": [job("first")], "metadata": {"resourceVersion": "5"}})

    seen: list[dict[str, dict[str, str]]] = []
    enough = asyncio.Event()
    async with cluster(ApiServer(answer)) as standing:

        async def changed() -> None:
            seen.append({item["metadata"]["name"]: item["status"] for item in standing.all(RAY_JOBS)})
            if len(seen) == 4:
                enough.set()

        following = asyncio.create_task(standing.follow(RAY_JOBS, changed))
        await asyncio.wait_for(enough.wait(), 10)
        following.cancel()
    assert seen[:4] == [
        {"first": {}},
        {"first": {}, "second": {}},
        {"first": {}, "second": {"jobStatus": "RUNNING"}},
        {"second": {"jobStatus": "RUNNING"}},
    ]


def test_a_condition_keeps_its_time_until_its_status_changes():
    old = [
        {"type": "Ready", "status": "True", "reason": "Old", "lastTransitionTime": EARLIER},
        {"type": "Stopped", "status": "False", "lastTransitionTime": EARLIER},
    ]
    new = [
        {"type": "Ready", "status": "True", "reason": "New"},
        {"type": "Stopped", "status": "True"},
        {"type": "Fresh", "status": "True"},
    ]
    ready, stopped, fresh = merged_conditions(old, new)
    assert ready == {"type": "Ready", "status": "True", "reason": "New", "lastTransitionTime": EARLIER}
    assert stopped["lastTransitionTime"] > EARLIER
    assert fresh["lastTransitionTime"] > EARLIER
