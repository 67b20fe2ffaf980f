"""Envoy is real: a request that is copied keeps its id, and a header chooses the version."""

from pathlib import Path

import httpx

from leeboard.api.modeldeployment import ModelDeployment
from leeboard.modeldeployment.route import Split, http_route
from leeboard.sandbox.gateway import Endpoints, Gateway
from leeboard.sandbox.processes import Supervisor, until
from leeboard.settings import Settings
from tests.support.web import Web, web

STABLE, CANDIDATE = "flights-v1-aaaaaa", "flights-v2-bbbbbb"
HOST = "flights.default.models.local"


async def test_both_arms_of_a_copied_request_see_the_same_id(tmp_path: Path):
    split = Split({STABLE: 100}, mirror=(CANDIDATE, 100), by_version={"1": STABLE, "2": CANDIDATE})
    metadata = {"name": "flights", "namespace": "default", "uid": "u"}
    subject = ModelDeployment.model_validate({"metadata": metadata, "spec": {"model": {"name": "flights"}}})
    route = http_route(subject, split, Settings())
    with web() as stable, web() as candidate:
        stable.body, candidate.body = b'{"version": 1}', b'{"version": 2}'
        endpoints = Endpoints(
            {
                ("default", f"{arm}-transformer"): _address(told)
                for arm, told in ((STABLE, stable), (CANDIDATE, candidate))
            }
        )
        async with Supervisor(tmp_path / "logs") as processes, httpx.AsyncClient() as client:
            gateway = Gateway(tmp_path / "envoy", processes)
            await gateway.start()
            gateway.route([route], endpoints)

            async def asked(**headers: str) -> httpx.Response:
                where = f"{gateway.url}/v2/models/flights/infer"
                return await client.post(where, json={"inputs": []}, headers={"host": HOST, **headers})

            async def routed() -> bool:
                return (await asked()).status_code == httpx.codes.OK

            async def settled() -> bool:
                return len(candidate.asked) == len(stable.asked)

            await until(routed, "the route to be followed", within=30, every=0.1)
            await until(settled, "the copy of the first request", within=10, every=0.05)
            stable.asked.clear()
            candidate.asked.clear()
            assert (await asked()).json() == {"version": 1}
            assert (await asked(**{"x-request-id": "order-17"})).json() == {"version": 1}

            async def copied() -> bool:
                return len(candidate.asked) == 2

            await until(copied, "the copies", within=10, every=0.05)
            ids = [{headers["x-request-id"] for _, _, headers, _ in told.asked} for told in (stable, candidate)]
            assert ids[0] == ids[1]
            assert "order-17" in ids[0]
            assert len(ids[0]) == 2

            assert (await asked(**{"x-leeboard-version": "2"})).json() == {"version": 2}
            assert (await asked(**{"x-leeboard-version": "1"})).json() == {"version": 1}


def _address(told: Web) -> tuple[str, int]:
    host, _, port = told.url.removeprefix("http://").partition(":")
    return host, int(port)
