"""Fetches a model for KServe: `leeboard-fetch <uri> <destination>`, the storage container for MLflow's own schemes."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

SCHEMES = ("mlflow-artifacts:/", "models:/", "runs:/")
ENV_ALLOWED = "LEEBOARD_FETCH_ALLOW"
"""Prefixes of URIs that may be fetched, separated by commas; unset: every URI of the three schemes."""


def check_allowed(uri: str, allowed: str | None) -> None:
    """Raise ValueError unless the URI is one of MLflow's and under an allowed prefix."""
    if not uri.startswith(SCHEMES):
        raise ValueError(f"leeboard-fetch fetches {', '.join(SCHEMES)} and nothing else; it got {uri}")
    prefixes = [prefix.strip() for prefix in (allowed or "").split(",") if prefix.strip()] or list(SCHEMES)
    if ".." in uri or not uri.startswith(tuple(prefixes)):
        raise ValueError(f"{uri} is not under an allowed prefix: {', '.join(prefixes)} ({ENV_ALLOWED})")


def fetch(uri: str, destination: Path) -> None:
    """Download what lies in the folder of artifacts into the destination itself, whatever the folder's name."""
    import mlflow.artifacts  # noqa: PLC0415 (two seconds; a refused URI is told at once)

    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=destination) as scratch:
        fetched = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch))
        for item in fetched.iterdir():
            item.rename(destination / item.name)


def main() -> None:
    """Fetch and leave; any failure is one sentence and status 1."""
    parser = argparse.ArgumentParser(prog="leeboard-fetch", description="Fetch a model from MLflow.")
    parser.add_argument("uri")
    parser.add_argument("destination", type=Path)
    options = parser.parse_args()
    try:
        check_allowed(options.uri, os.environ.get(ENV_ALLOWED))
        fetch(options.uri, options.destination)
    except Exception as error:  # noqa: BLE001 (MLflow wraps the errors of whatever store stands behind it)
        sys.exit(f"cannot fetch {options.uri}: {str(error)[:500]}")


if __name__ == "__main__":
    main()
