"""Prometheus is real: it finds its targets in files, and answers queries about them."""

import json
from pathlib import Path

import httpx

from leeboard.sandbox.processes import Supervisor, until
from leeboard.sandbox.prometheus import start_prometheus


async def test_scrapes_what_a_file_names(tmp_path: Path):
    targets = tmp_path / "targets"
    targets.mkdir()
    async with Supervisor(tmp_path / "logs") as processes, httpx.AsyncClient() as client:
        url = await start_prometheus(processes, tmp_path / "prometheus", targets, say=print)
        itself = [{"targets": [url.removeprefix("http://")], "labels": {"arm": "stable"}}]
        (targets / "itself.json").write_text(json.dumps(itself))

        async def seen() -> bool:
            answer = await client.get(f"{url}/api/v1/query", params={"query": 'up{arm="stable"} == 1'})
            return bool(answer.json()["data"]["result"])

        await until(seen, "the target to be scraped", within=30, every=0.2)
