"""A worker that is killed at a moment that the test names: `python -m tests.support.dyingworker <moment>`.

The request comes by the environment, as for every worker.
"""

import os
import signal
import sys
from dataclasses import replace
from typing import Any

import mlflow
import mlflow.sklearn
from mlflow.tracking import MlflowClient

from leeboard.contract.jobs import JobReport, JobRequest, RetrainRequest
from leeboard_workers.jobs import frame, handlers, retrain
from leeboard_workers.jobs.main import read_request


def die(*_: Any, **__: Any) -> Any:
    """Be killed, as by the kernel: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


class FatalCheck:
    """A run that kills the worker when it is asked whether it is still ours: the last step before registering."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def ensure_ours(self) -> None:
        die()


def die_before_registering(request: JobRequest, desk: frame.Desk) -> tuple[JobReport, frame.Artifacts]:
    assert isinstance(request, RetrainRequest)
    return retrain.handle(request, replace(desk, run=FatalCheck(desk.run)))  # type: ignore[arg-type]


def die_before_storing(request: JobRequest, desk: frame.Desk) -> tuple[JobReport, frame.Artifacts]:
    """Die with the model trained and the training rows stored, before the model is."""
    assert isinstance(request, RetrainRequest)
    mlflow.sklearn.log_model = die
    return retrain.handle(request, desk)


def die_while_registering(request: JobRequest, desk: frame.Desk) -> tuple[JobReport, frame.Artifacts]:
    """Die when MLflow has made the version, before it has answered."""
    assert isinstance(request, RetrainRequest)
    made = mlflow.register_model

    def registered(*words: Any, **more: Any) -> Any:
        made(*words, **more)
        die()

    mlflow.register_model = registered
    return retrain.handle(request, desk)


def die_after_registering(request: JobRequest, desk: frame.Desk) -> tuple[JobReport, frame.Artifacts]:
    """Die with the version registered, before the report is left."""
    assert isinstance(request, RetrainRequest)
    done = retrain.handle(request, desk)
    die()
    return done


def die_before_finishing(request: JobRequest, desk: frame.Desk) -> tuple[JobReport, frame.Artifacts]:
    """Die with the report left, before the run is ended."""
    assert isinstance(request, RetrainRequest)
    MlflowClient.set_terminated = die
    return retrain.handle(request, desk)


MOMENTS = {
    "before-storing": die_before_storing,
    "before-registering": die_before_registering,
    "while-registering": die_while_registering,
    "after-registering": die_after_registering,
    "before-finishing": die_before_finishing,
}

if __name__ == "__main__":
    frame.work(read_request(["retrain"]), MOMENTS[sys.argv[1]], permanent=handlers.PERMANENT)
