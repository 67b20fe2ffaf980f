"""Where the time of one request goes: each part of the transformer's work alone, beside all of it.

The parts are the transformer's own functions on one request and one answer of v1, on one processor. What is not among
them is the hop: sockets, HTTP and the event loop, towards the client, the predictor and the collector.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from threadpoolctl import threadpool_limits

from leeboard_workers.data.encoding import RowLists
from leeboard_workers.ood.store import load
from leeboard_workers.serving.answers import Answer
from leeboard_workers.serving.asgi import Response
from leeboard_workers.serving.codec import decode_v1
from leeboard_workers.serving.exchange import Exchange, Recorder
from leeboard_workers.serving.logqueue import LogQueue
from leeboard_workers.serving.metrics import Metrics
from leeboard_workers.serving.options import Identity, Options
from tests.benchmarks.figures import Figure, median_seconds
from tests.benchmarks.serving import PATH, SIZES, body, detector, peer, processor_seconds, transformer
from tests.support.dataplane import Plane
from tests.support.load import measure
from tests.support.servingpeers import COLUMNS, MODEL

CALLS = 400
INPUTS = 64
"""Different requests: asked the same again and again, a processor learns the branches by heart."""
SECONDS = 4.0


def figures() -> Iterator[Figure]:
    """Each part beside the whole, as the process that served requests took it of a processor."""
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1, user_api="blas"):
        folder = Path(name)
        detector(folder / "detector")
        for rows in SIZES:
            whole = _whole(folder, rows)
            times = {what: median_seconds(part, CALLS) for what, part in _parts(folder, rows).items()}
            times["log"] = times.pop("count and log") - times["count"]
            times["the hop: sockets, HTTP, event loop"] = whole - sum(times.values())
            for what, seconds in times.items():
                yield Figure(f"{rows} x 64: {what}", "the whole request", seconds, whole)


def _whole(folder: Path, rows: int) -> float:
    """Return the processor seconds of a transformer for a request, from a load of one client."""
    plane = Plane(folder)
    try:
        predictor, sink = peer(plane, "predictor"), peer(plane, "sink")
        served = transformer(plane, predictor, folder / "detector", sink.url)
        measure(served.url + PATH, body(rows), clients=1, seconds=1.0)
        before = processor_seconds(served)
        met = measure(served.url + PATH, body(rows), clients=1, seconds=SECONDS)
        return (processor_seconds(served) - before) / (met.requests_per_second * SECONDS)
    finally:
        plane.stop()


def _parts(folder: Path, rows: int) -> dict[str, Callable[[], Any]]:
    random = np.random.default_rng(rows)
    tables = [random.normal(size=(rows, len(COLUMNS))).tolist() for _ in range(INPUTS)]
    requests = cycle([orjson.dumps({"instances": table}) for table in tables])
    documents = cycle([{"instances": table} for table in tables])
    fitted = load(folder / "detector")
    request = next(requests)
    decoded = decode_v1(orjson.loads(request), COLUMNS)
    scores = fitted.score_rows(decoded.columns)
    reply = orjson.dumps({"predictions": random.normal(size=rows).tolist()})
    answer = Answer.read(orjson.loads(reply), "v1", rows)
    metrics = Metrics(namespace="ml", model_deployment=MODEL, version="1", arm="arm")
    options = Options(Identity("ml", MODEL, "1", "arm"), "nowhere", MODEL, "v1")
    queue = LogQueue("http://nowhere", None, metrics)
    exchange = Exchange("v1", decoded, "0" * 32, time.time(), scores=scores, answer=answer, body=request)
    counting, logging = Recorder(options, metrics, None), Recorder(options, metrics, queue)
    return {
        "read the request's JSON": lambda: orjson.loads(next(requests)),
        "into rows": lambda: decode_v1(next(documents), COLUMNS),
        "score": lambda: fitted.score_rows(RowLists(COLUMNS, next(documents)["instances"])),
        "read the answer": lambda: Answer.read(orjson.loads(reply), "v1", rows),
        "write the answer": lambda: Response.json(answer.flagged(scores).document),
        "count": lambda: counting.record(exchange, 200, 0.001),
        "count and log": lambda: logging.record(exchange, 200, 0.001),
    }
