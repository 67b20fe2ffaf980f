"""Prometheus: one question, one number."""

import math
import re
import time
from collections.abc import Callable
from typing import Any

import requests
from prometheus_api_client import PrometheusApiClientException, PrometheusConnect
from urllib3.util.retry import Retry

from leeboard.api.errors import TransientError
from leeboard.services.threads import Threads

_BAD_QUERY = re.compile("HTTP Status Code (400|422) ")
"""How the client says that the query itself was refused; any other refusal is the server's."""

_AWAY = "PrometheusUnavailable"
_FAILURE_LASTS = 5.0
"""Seconds for which Prometheus is not asked again after a failure: many passes ask at once."""


class PrometheusMetrics:
    """Answers PromQL by a Prometheus server.

    Args:
        url: Address of the server.
        timeout: Longest wait for an answer, seconds.
        clock: Monotonic seconds.
    """

    def __init__(self, url: str, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._clock = clock
        self._failed: tuple[float, str] | None = None
        # The pass backs off; a retry here would only hold a thread.
        self._client = PrometheusConnect(url=self._url, retry=Retry(total=0), timeout=timeout)
        self._threads = Threads("prometheus")

    async def query(self, promql: str) -> float | None:
        """Return the one number that a query answers; None: no data, or not a number.

        Raises:
            TransientError: Prometheus is away, or cannot answer the query.
        """
        if self._failed is not None and self._clock() - self._failed[0] < _FAILURE_LASTS:
            raise TransientError(self._failed[1], _AWAY)
        try:
            answer = await self._threads.call(self._timeout + 1, self._client.custom_query, promql)
        except PrometheusApiClientException as error:
            if _BAD_QUERY.match(str(error)) is None:
                raise self._away(f"Prometheus at {self._url} cannot answer now: {str(error)[:300]}") from None
            raise TransientError(
                f"Prometheus at {self._url} cannot answer the query: {str(error)[:300]}", "QueryFailed"
            ) from None
        except (requests.RequestException, OSError, ValueError, KeyError) as error:
            raise self._away(
                f"Prometheus at {self._url} does not answer ({type(error).__name__}): "
                "see whether it runs and whether LEEBOARD_PROMETHEUS_URL names it"
            ) from None
        return _number(answer, promql)

    def _away(self, sentence: str) -> TransientError:
        self._failed = (self._clock(), sentence)
        return TransientError(sentence, _AWAY)

    def close(self) -> None:
        """Give back threads and connections."""
        self._threads.close()
        self._client.close()


def _number(answer: list[Any], promql: str) -> float | None:
    if not answer:
        return None
    if isinstance(answer[0], dict) and len(answer) > 1:
        raise TransientError(
            f"the query answers {len(answer)} series, not one number; sum or select: {promql[:200]}", "QueryFailed"
        )
    try:
        value = float((answer[0]["value"] if isinstance(answer[0], dict) else answer)[1])
    except (LookupError, TypeError, ValueError):
        raise TransientError(
            "the query answers no single number, but a range, a text or a histogram; "
            f"make it an instant vector or a scalar: {promql[:200]}",
            "QueryFailed",
        ) from None
    return None if math.isnan(value) else value
