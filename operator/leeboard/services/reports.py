"""Fetches the reports of our jobs from MLflow, for people to read."""

import os

import mlflow
import mlflow.artifacts
import requests
from mlflow.exceptions import MlflowException

from leeboard.api.errors import TransientError


def fetch(tracking_uri: str, uri: str, timeout: float) -> str:
    """Return the text of an artifact.

    Args:
        tracking_uri: MLflow's server.
        uri: Where the artifact lies, as a status says it.
        timeout: Longest wait for one answer, seconds.

    Raises:
        TransientError: MLflow does not answer, or has no such artifact (any more).
    """
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(1, round(timeout)))
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    mlflow.set_tracking_uri(tracking_uri)
    try:
        return str(mlflow.artifacts.load_text(uri))
    except (MlflowException, requests.RequestException, OSError) as error:
        raise TransientError(
            f"{uri} cannot be read from MLflow at {tracking_uri}: set LEEBOARD_TRACKING_URI to an address that this "
            f"machine reaches ({type(error).__name__})"
        ) from None
