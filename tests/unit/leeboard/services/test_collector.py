import json

import pytest

from leeboard.api.errors import TransientError
from leeboard.services.collector import HttpCollector
from tests.support.web import Web

STATE = {"predictions": "/log/p", "labels": "/log/l", "predictionRows": 7, "labelRows": 3}


async def test_tells_where_the_log_lies(served: Web):
    served.body = json.dumps(STATE).encode()
    collector = HttpCollector(served.url, 5)
    state = await collector.table_state("ml", "flights")
    assert state is not None
    assert state.label_rows == 3
    assert served.asked[0][1] == "/v1/tables/ml/flights"
    await collector.close()


async def test_nothing_logged_yet_is_none(served: Web):
    served.status = 404
    collector = HttpCollector(served.url, 5)
    assert await collector.table_state("ml", "flights") is None
    await collector.close()


async def test_without_a_collector_nothing_is_logged():
    collector = HttpCollector(None, 5)
    assert await collector.table_state("ml", "flights") is None
    await collector.close()


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (200, b"hello"), (200, b"{}")])
async def test_a_collector_that_makes_no_sense_is_away(served: Web, status: int, body: bytes):
    served.status, served.body = status, body
    collector = HttpCollector(served.url, 5)
    with pytest.raises(TransientError, match="the collector at http") as away:
        await collector.table_state("ml", "flights")
    assert away.value.reason == "CollectorUnavailable"
    await collector.close()
