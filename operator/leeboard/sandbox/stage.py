"""Where the demonstration plays: the sandbox on one machine, or a real cluster."""

from pathlib import Path
from typing import Protocol

import httpx

from leeboard.sandbox.manifests import Manifest


class Stage(Protocol):
    """What the storyteller needs of the place."""

    namespace: str
    """Namespace of the three manifests; it exists."""
    domain: str
    """The model answers at <name>.<namespace>.<domain>."""
    collector_url: str
    mlflow_url: str
    shortened: dict[str, Manifest]
    """Changes of the example's specs, by kind."""
    slowness: float
    """How much longer than on one machine things take here: meanwhile the year goes slower."""
    trouble: str
    """Why the stage itself cannot go on; empty while it can."""

    @property
    def gateway_url(self) -> str:
        """Address that leads to the gateway, whatever the host name."""

    @property
    def client(self) -> httpx.AsyncClient:
        """A client of the API server that may do everything."""

    @property
    def environment(self) -> dict[str, str]:
        """What a process on this machine must know to reach MLflow."""

    @property
    def logs(self) -> Path:
        """Folder of the logs of processes on this machine."""

    async def kill_operator(self) -> None:
        """End the operator without warning."""

    async def start_operator(self) -> None:
        """Return when the operator works again."""
