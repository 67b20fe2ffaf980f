"""Three hundred objects: few writes until they rest, none afterwards, and a change is answered at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bench import Bench, now
from tests.support.fleet import fleet

EACH = 100


@pytest.mark.timeout(400)
async def test_a_fleet_settles_rests_and_reacts(bench: Bench, mlflow_server: str, tmp_path: Path) -> None:
    async with fleet(bench, mlflow_server, EACH, tmp_path / "operator.log") as ships:
        await ships.make()
        await ships.operator.start()
        await ships.settle(within=200)
        written = ships.writes_by_kind()
        assert written["ModelDeployment"] <= 8 * EACH, written
        assert written["DriftMonitor"] <= 2 * EACH, written
        assert written["RetrainPolicy"] <= 2 * EACH, written
        assert ships.resident_mb < 400

        settled = now()
        await ships.restart(within=100)
        assert not bench.writes(settled), "each object was looked at again, and nothing was written"

        seconds = sorted(await ships.react(8))
        assert seconds[len(seconds) // 2] < 1
