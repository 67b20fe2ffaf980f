"""What the runs before found, for the timeline of a monitor."""

import logging

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from leeboard.contract import tags
from leeboard.contract.jobs import JobRequest
from leeboard_workers.drift.history import MAX_WINDOWS, PastWindow
from leeboard_workers.jobs.tracking import experiment_of

log = logging.getLogger(__name__)

_CHECK = "check/"


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
            statistics={
                name.removeprefix(_CHECK): value for name, value in run.data.metrics.items() if name.startswith(_CHECK)
            },
        )
        for run in reversed(list(runs))
        if tags.WINDOW_END in run.data.tags
    )
