import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from leeboard.contract.serving import METRIC_LOG_DROPPED
from leeboard_workers.serving.logqueue import LogQueue
from leeboard_workers.serving.metrics import Metrics


def metrics() -> Metrics:
    return Metrics(namespace="air", model_deployment="flights", version="1", arm="arm")


def dropped(counted: Metrics) -> float:
    lines = counted.page().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(METRIC_LOG_DROPPED + "{"))


async def send(answers: list[Callable[[], web.Response]], rows: list[int]) -> tuple[float, int]:
    """Put one document per number of rows; return the lost rows and how often the collector was asked."""
    asked = 0

    async def take(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return answers[min(asked, len(answers)) - 1]()

    app = web.Application()
    app.router.add_post("/v1/predictions", take)
    counted = metrics()
    async with TestServer(app) as server:
        queue = LogQueue(str(server.make_url("/")), None, counted)
        for count in rows:
            queue.put({"rows": count}, count)
        queue.close()
        await asyncio.wait_for(queue.run(), 10)
    return dropped(counted), asked


def taken(*refused: int) -> Callable[[], web.Response]:
    return lambda: web.json_response({"accepted": 1, "refused": len(refused), "refusedAt": list(refused)})


@pytest.mark.parametrize("status", [502, 503])
async def test_a_page_that_is_no_utf8_is_tried_again(status: int) -> None:
    def page() -> web.Response:
        return web.Response(status=status, body=b"\xff\xfe", headers={"content-type": "text/html; charset=utf-8"})

    assert await send([page, taken()], [2]) == (0, 2)


async def test_documents_refused_inside_an_answer_that_took_others_are_counted() -> None:
    assert await send([taken(1)], [2, 3, 5]) == (3, 1)


@pytest.mark.parametrize("body", [b"\xff", b"[]", b'{"refusedAt": [-7, 99]}'])
async def test_an_odd_acknowledgement_ends_nothing(body: bytes) -> None:
    assert await send([lambda: web.Response(body=body)], [2]) == (0, 1)


async def test_a_group_is_a_quarter_of_a_megabyte_at_most_but_for_a_document_that_is_longer() -> None:
    sizes: list[int] = []

    async def take(request: web.Request) -> web.Response:
        sizes.append(len(await request.read()))
        return taken()()

    app = web.Application(client_max_size=2**22)
    app.router.add_post("/v1/predictions", take)
    async with TestServer(app) as server:
        queue = LogQueue(str(server.make_url("/")), None, metrics())
        for length in (100_000, 100_000, 100_000, 1_500_000, 10):
            queue.put({"value": "x" * length}, 1)
        queue.close()
        await asyncio.wait_for(queue.run(), 10)
    assert [size // 100_000 for size in sizes] == [2, 1, 15, 0]
