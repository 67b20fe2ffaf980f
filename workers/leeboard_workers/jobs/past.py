"""What the runs before found, for the timeline of a monitor."""

import logging
from collections.abc import Mapping

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from leeboard.contract import tags
from leeboard.contract.jobs import JobRequest
from leeboard_workers.drift.history import MAX_WINDOWS, PastWindow
from leeboard_workers.jobs.tracking import experiment_of

log = logging.getLogger(__name__)

_CHECK = "check/"
_DRIFTED = "drifted/"


def past_windows(client: MlflowClient, request: JobRequest) -> tuple[PastWindow, ...]:
    """Return the windows that the same monitor scored before, oldest run first.

    A page without a timeline is better than none: when MLflow cannot tell, there are none.
    """
    subject = f"{request.namespace}/{request.owner}"
    wanted = f"tags.`{tags.KIND}` = 'drift' and tags.`{tags.OBJECT}` = '{subject}' and attributes.status = 'FINISHED'"
    try:
        runs = client.search_runs(
            [experiment_of(client, request.experiment)],
            wanted,
            max_results=MAX_WINDOWS,
            order_by=["attributes.start_time DESC"],
        )
    except MlflowException as error:
        log.warning("the page gets no timeline: %s", error)
        return ()
    return tuple(
        PastWindow(
            end_time=run.data.tags[tags.WINDOW_END],
            verdict=run.data.tags.get(tags.VERDICT, "Error"),
            statistics=_under(_CHECK, run.data.metrics),
            drifted={name: bool(value) for name, value in _under(_DRIFTED, run.data.metrics).items()},
        )
        for run in reversed(list(runs))
        if tags.WINDOW_END in run.data.tags
    )


def _under(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
