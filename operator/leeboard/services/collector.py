"""The collector: where the prediction log of a ModelDeployment lies, and how much it holds."""

import httpx
from pydantic import ValidationError

from leeboard.api.errors import TransientError
from leeboard.contract.serving import TableState


class HttpCollector:
    """Asks Leeboard's collector.

    Args:
        url: Its address; None: predictions are not logged.
        timeout: Longest wait for an answer, seconds.
    """

    def __init__(self, url: str | None, timeout: float) -> None:
        self._url = url.rstrip("/") if url else None
        self._client = httpx.AsyncClient(timeout=timeout)

    async def table_state(self, namespace: str, model_deployment: str) -> TableState | None:
        """Return where the log lies and how much it holds; None: nothing was logged yet, or nothing is.

        Raises:
            TransientError: the collector is away.
        """
        if self._url is None:
            return None
        try:
            answer = await self._client.get(f"{self._url}/v1/tables/{namespace}/{model_deployment}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            answer.raise_for_status()
            return TableState.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise TransientError(
                f"the collector at {self._url} does not answer ({type(error).__name__}): "
                "see whether it runs and whether LEEBOARD_COLLECTOR_URL names it",
                "CollectorUnavailable",
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
