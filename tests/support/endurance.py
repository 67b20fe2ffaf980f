"""Traffic through the whole data plane while its parts are killed and restarted in turn, and what became of it.

clients ── retry ──┬── transformer A ──┬── predictor
                   └── transformer B ──┤
                                       └── collector ── tables

A client does what a gateway does: a request that nobody answered goes to the other transformer, under the same id. So
every request must be answered, and the log must hold each of its rows once, whoever was killed meanwhile.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from deltalake import DeltaTable

from leeboard.contract.serving import (
    ENV_COLLECTOR_URL,
    ENV_DETECTOR_URI,
    ENV_MODEL_DEPLOYMENT,
    ENV_NAMESPACE,
    ENV_PROTOCOL,
)
from leeboard.sandbox.processes import free_port
from tests.support.dataplane import MODEL, NAMESPACE, START_SECONDS, Artifacts, Plane, Served, until

PARTS = ("predictor", "collector", "transformer A", "transformer B")
ROWS = 3
"""Rows of a request."""

_PATIENCE_SECONDS = 90.0
_ARM = "arm"


@dataclass
class Outcome:
    """What became of the traffic."""

    answered: set[str] = field(default_factory=set)
    """Ids of the requests that were answered with 200."""
    unanswered: list[str] = field(default_factory=list)
    """Ids of those that nobody answered within the patience, and why."""
    retries: int = 0
    restarts: Counter[str] = field(default_factory=Counter)
    dropped: float = 0.0
    """Rows that the transformers' queues gave up."""
    logged: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """Rows of the log by key."""
    memory: dict[str, list[float]] = field(default_factory=dict)
    """Resident memory of the parts, MB, while nobody was restarted."""

    @property
    def lost(self) -> int:
        """Answered rows that the log lacks."""
        return sum((request_id, row, _ARM) not in self.logged for request_id in self.answered for row in range(ROWS))

    @property
    def doubled(self) -> int:
        """Rows that the log holds more than once."""
        return sum(count - 1 for count in self.logged.values())


class Endurance:
    """The parts, and the traffic."""

    def __init__(self, plane: Plane, artifacts: Artifacts, folder: Path) -> None:
        self._plane = plane
        self._artifacts = artifacts
        self._folder = folder
        self._ports = {part: free_port() for part in PARTS}
        self._parts: dict[str, Served] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.outcome = Outcome()
        for part in self._ports:
            self._start(part)

    def run(
        self, parts: Sequence[str], rounds: int, clients: int, between: Callable[[], None], steady: int = 0
    ) -> Outcome:
        """Send traffic while parts are restarted in turn, and then while nobody is.

        Args:
            parts: Which.
            rounds: How often each of them is restarted.
            clients: How many send at once.
            between: Called after each restart: waits for what should pass meanwhile.
            steady: So many more waits at the end, with a look at the memory after each.
        """
        threads = [threading.Thread(target=self._send, args=(client,)) for client in range(clients)]
        for thread in threads:
            thread.start()
        try:
            between()
            for _ in range(rounds):
                for part in parts:
                    self._restart(part)
                    between()
            for _ in range(steady):
                between()
                self._measure()
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        self._settle()
        return self.outcome

    def _start(self, part: str) -> None:
        port = self._ports[part]
        if part == "predictor":
            arguments = [f"--model_dir={self._artifacts.model_dir}", f"--model_name={MODEL}", f"--http_port={port}"]
            served = self._plane.start(
                "leeboard_workers.serving.predictor", arguments, f"/v2/models/{MODEL}/ready", port
            )
        elif part == "collector":
            served = self._plane.collector(self._folder, port)
        else:
            arguments = ["--model_name", _ARM, "--predictor_host", f"127.0.0.1:{self._ports['predictor']}"]
            environment = {
                ENV_NAMESPACE: NAMESPACE,
                ENV_MODEL_DEPLOYMENT: MODEL,
                ENV_PROTOCOL: "v2",
                ENV_COLLECTOR_URL: f"http://127.0.0.1:{self._ports['collector']}",
                ENV_DETECTOR_URI: str(self._artifacts.detector_dir),
            }
            arguments += ["--http_port", str(port)]
            entrypoint = "leeboard_workers.serving.transformer"
            served = self._plane.start(entrypoint, arguments, "/v2/health/ready", port, **environment)
        self._parts[part] = served

    def _restart(self, part: str) -> None:
        """Kill what must bear it; ask a transformer to leave, for what it has not sent yet is in its memory."""
        self.outcome.restarts[part.split(" ", maxsplit=1)[0]] += 1
        if part.startswith("transformer"):
            self.outcome.dropped += self._parts[part].metric("leeboard_log_dropped_total")
            self._parts[part].terminate()
        else:
            self._parts[part].kill()
        self._start(part)

    def _measure(self) -> None:
        for part, served in self._parts.items():
            status = Path(f"/proc/{served.process.pid}/status").read_text()
            kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            self.outcome.memory.setdefault(part, []).append(kilobytes / 1024)

    def _send(self, client: int) -> None:
        frame = self._artifacts.frame
        urls = [
            f"http://127.0.0.1:{self._ports[part]}/v2/models/{MODEL}/infer"
            for part in ("transformer A", "transformer B")
        ]
        with httpx.Client(trust_env=False, timeout=30) as http:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                at = (client * 7919 + number * ROWS) % (len(frame) - ROWS)
                rows = frame.iloc[at : at + ROWS]
                self._ask(http, urls, f"c{client}-{number}", _request(rows), number % 2)

    def _ask(self, http: httpx.Client, urls: list[str], request_id: str, body: dict[str, Any], first: int) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        problem = ""
        for attempt in itertools.count(first):
            try:
                answer = http.post(urls[attempt % 2], json=body, headers={"x-request-id": request_id})
                problem = f"{answer.status_code} {answer.text[:100]}"
                if answer.status_code == httpx.codes.OK:
                    with self._lock:
                        self.outcome.answered.add(request_id)
                        self.outcome.retries += attempt - first
                    return
            except httpx.TransportError as error:
                problem = repr(error)
            if time.monotonic() > deadline:
                with self._lock:
                    self.outcome.unanswered.append(f"{request_id}: {problem}")
                return
            self._stop.wait(0.05)

    def _settle(self) -> None:
        """Wait until all that was answered is in the table, and read it."""
        for part in ("transformer A", "transformer B"):
            self.outcome.dropped += self._parts[part].metric("leeboard_log_dropped_total")
            self._parts[part].terminate()
        self._parts["collector"].terminate()  # which carries over what it holds
        uri = str(self._folder / NAMESPACE / MODEL / "predictions")
        columns = DeltaTable(uri).to_pyarrow_table(columns=["request_id", "row", "arm"]).to_pydict()
        self.outcome.logged = Counter(zip(columns["request_id"], columns["row"], columns["arm"], strict=True))


def _request(rows: Any) -> dict[str, Any]:
    datatypes = {"temperature": "FP64", "distance": "FP64", "carrier": "BYTES"}
    return {
        "inputs": [
            {"name": name, "shape": [len(rows)], "datatype": datatype, "data": rows[name].tolist()}
            for name, datatype in datatypes.items()
        ]
    }


def after(seconds: float, outcome: Outcome, answers: int) -> Callable[[], None]:
    """Return a wait for some time, and for so many answers at the least."""

    def wait() -> None:
        began, before = time.monotonic(), len(outcome.answered)
        until(
            lambda: time.monotonic() - began >= seconds and len(outcome.answered) >= before + answers,
            f"{answers} answers",
            seconds + START_SECONDS,
        )

    return wait
