"""One request through the transformer, with scoring, metrics and logging on, beside what else can stand there.

Client, predictor and whatever stands between share the machine's processors, so that each path is bound by the sum of
what its parts cost. The paths take turns within a round. The collector is a sink, for in a cluster it stands on another
machine; the predictor is a model on KServe's server that sums each row.
"""

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from leeboard.api.outofdistribution import Detector, DetectorInput, Energy, Mahalanobis
from leeboard.contract import serving as contract
from leeboard.sandbox.processes import free_port
from leeboard_workers.ood.fitting import Wish, fit_on_outputs, fit_on_rows
from leeboard_workers.ood.store import save
from tests.benchmarks.figures import Figure
from tests.support.dataplane import Plane, Served, until
from tests.support.load import Load, measure
from tests.support.servingpeers import COLUMNS, MODEL

PATH = f"/v1/models/{MODEL}:predict"
ROUNDS = 3
SECONDS = 1.0
SIZES = (1, 32)
CLIENTS = (1, 8)
PEERS = {
    "KServe's pass-through": "passthrough",
    "the same, pooled": "pooled",
    "a bare byte proxy": "proxy",
    "the predictor alone": "",
}
OURS = ("all on", "collector down", "detector failing", "log full")
MOST_ADDED_SECONDS = 1.2e-3


@dataclass
class Met:
    """What the rounds of one path met, and what its process took of a processor for a request."""

    loads: list[Load] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def median(self, what: str) -> float:
        return statistics.median(getattr(load, what) for load in self.loads)


def figures() -> Iterator[Figure]:
    """Throughput, tails and processor time of every path."""
    with tempfile.TemporaryDirectory() as folder:
        plane = Plane(Path(folder))
        try:
            yield from _figures(plane, Path(folder))
        finally:
            plane.stop()


def _figures(plane: Plane, folder: Path) -> Iterator[Figure]:
    paths = _started(plane, folder)
    met: dict[tuple[str, int, int], Met] = defaultdict(Met)
    for rows in SIZES:
        for clients in CLIENTS:
            for _ in range(ROUNDS):
                for name, served in paths.items():
                    _meet(met[name, rows, clients], served, rows, clients)
    for rows in SIZES:
        ours = met["all on", rows, 8]
        for name in PEERS:
            theirs = met[name, rows, 8]
            yield Figure(f"a request of {rows} x 64, 8 clients", name, *_seconds(ours, theirs))
            yield Figure("  its 99 % quantile", name, ours.median("p99"), theirs.median("p99"))
            cpu = statistics.median(ours.cpu), statistics.median(theirs.cpu)
            yield Figure("  its time on a processor, in this process", name, *cpu)
        alone, one = met["the predictor alone", rows, 1], met["all on", rows, 1]
        added = one.median("p50") - alone.median("p50")
        yield Figure(f"added to the median of {rows} x 64, 1 client", "the goal", added, MOST_ADDED_SECONDS)
        for name in OURS[1:]:
            worse = met[name, rows, 8]
            yield Figure(f"a request of {rows} x 64, 8 clients, {name}", "all on", *_seconds(worse, ours))


def _seconds(ours: Met, theirs: Met) -> tuple[float, float]:
    return 1.0 / ours.median("requests_per_second"), 1.0 / theirs.median("requests_per_second")


def _meet(met: Met, served: Served, rows: int, clients: int) -> None:
    before = processor_seconds(served)
    load = measure(served.url + PATH, body(rows), clients=clients, seconds=SECONDS)
    if load.refused:
        raise RuntimeError(f"{load.refused} requests were refused, see {served.log}")
    met.loads.append(load)
    met.cpu.append((processor_seconds(served) - before) / (load.requests_per_second * SECONDS))


def body(rows: int) -> bytes:
    """Return a request of so many rows of 64 numbers, protocol v1."""
    return orjson.dumps({"instances": np.random.default_rng(rows).normal(size=(rows, len(COLUMNS))).tolist()})


def detector(folder: Path) -> None:
    """Store a Mahalanobis detector of 64 features."""
    random = np.random.default_rng(0)
    reference = pa.table({name: random.normal(size=5_000) for name in COLUMNS})
    wish = Wish(Detector(mahalanobis=Mahalanobis()), 0.95, seed=0, provenance={})
    save(fit_on_rows(wish, reference, None), folder)


def _started(plane: Plane, folder: Path) -> dict[str, Served]:
    detector(folder / "detector")
    logits = np.random.default_rng(0).normal(size=(500, 3))  # which the model does not answer
    energy = Wish(Detector(energy=Energy()), 0.95, seed=0, provenance={})
    save(fit_on_outputs(energy, DetectorInput.LOGITS, logits, None), folder / "blind")
    predictor = peer(plane, "predictor")
    paths = {name: peer(plane, kind, predictor) if kind else predictor for name, kind in PEERS.items()}
    sink, stuck = peer(plane, "sink"), peer(plane, "stuck")
    paths["all on"] = transformer(plane, predictor, folder / "detector", sink.url)
    paths["collector down"] = transformer(plane, predictor, folder / "detector", f"http://127.0.0.1:{free_port()}")
    paths["detector failing"] = transformer(plane, predictor, folder / "blind", sink.url)
    paths["log full"] = full = transformer(plane, predictor, folder / "detector", stuck.url)
    until(lambda: _fill(full), "the log to be full", within=120)
    return paths


def peer(plane: Plane, kind: str, predictor: Served | None = None) -> Served:
    """Start what else can stand there, or the predictor itself; see `tests.support.servingpeers`."""
    port = free_port()
    before = [predictor.url.removeprefix("http://")] if predictor is not None else []
    ready = f"/v1/models/{MODEL}"
    return plane.start("tests.support.servingpeers", [kind, str(port), *before], ready, port)


def transformer(plane: Plane, predictor: Served, detector: Path, collector: str) -> Served:
    """Start ours."""
    environment = {
        contract.ENV_MODEL_DEPLOYMENT: MODEL,
        contract.ENV_PROTOCOL: "v1",
        contract.ENV_DETECTOR_URI: str(detector),
        contract.ENV_COLLECTOR_URL: collector,
    }
    return plane.transformer(predictor.url, **environment)


def _fill(served: Served) -> bool:
    measure(served.url + PATH, body(32), clients=8, seconds=2.0)
    return served.metric(contract.METRIC_LOG_DROPPED) > 0


def processor_seconds(served: Served) -> float:
    """Return the seconds of a processor that the process has taken."""
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0
