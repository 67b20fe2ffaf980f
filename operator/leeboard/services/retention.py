"""Bounds how many runs of a DriftMonitor MLflow keeps; those that speak for an episode stay."""

import logging
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from leeboard.contract import tags

MOST_AT_ONCE = 100
"""Runs that are deleted in one go, at most: each is a call."""

logger = logging.getLogger(__name__)


def keep_runs(client: MlflowClient, experiment: str, subject: str, *, keep: int, episodes: Mapping[str, str]) -> None:
    """Mark the runs of episodes, and delete the oldest of the others beyond a number.

    What cannot be deleted now is deleted after the next window.

    Args:
        client: MLflow.
        experiment: Name of the experiment.
        subject: namespace/name of the DriftMonitor.
        keep: So many of its runs are kept, the newest.
        episodes: Episode by id of the run that speaks for it.
    """
    for run_id, episode in episodes.items():
        client.set_tag(run_id, tags.EPISODE, episode)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return
    try:
        runs = client.search_runs(
            [found.experiment_id],
            f"tags.`{tags.KIND}` = 'drift' and tags.`{tags.OBJECT}` = '{subject}'",
            max_results=keep + MOST_AT_ONCE,
            order_by=["attributes.start_time DESC"],
        )
        for run in runs[keep:]:
            if tags.EPISODE not in run.data.tags:
                client.delete_run(run.info.run_id)
    except MlflowException as error:
        logger.warning("old runs of %s could not be deleted: %s", subject, error)
