"""A worker that is killed at a moment that the test names: `python -m tests.support.dyingworker <moment>`.

The request comes by the environment, as for every worker.
"""

import os
import signal
import sys
from dataclasses import replace
from typing import Any

from leeboard.contract.jobs import JobReport, JobRequest, RetrainRequest
from leeboard_workers.jobs import frame, handlers, retrain
from leeboard_workers.jobs.main import read_request


class FatalCheck:
    """A run that kills the worker when it is asked whether it is still ours: the last step before registering."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def ensure_ours(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def die_before_registering(request: JobRequest, desk: frame.Desk) -> tuple[JobReport, frame.Artifacts]:
    assert isinstance(request, RetrainRequest)
    return retrain.handle(request, replace(desk, run=FatalCheck(desk.run)))  # type: ignore[arg-type]


def die_after_registering(request: JobRequest, desk: frame.Desk) -> tuple[JobReport, frame.Artifacts]:
    assert isinstance(request, RetrainRequest)
    retrain.handle(request, desk)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


MOMENTS = {"before-registering": die_before_registering, "after-registering": die_after_registering}

if __name__ == "__main__":
    frame.work(read_request(["retrain"]), MOMENTS[sys.argv[1]], permanent=handlers.PERMANENT)
