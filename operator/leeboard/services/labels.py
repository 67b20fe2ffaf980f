"""Hands labels to the collector, and waits until it has them."""

import time
from collections.abc import Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx

from leeboard.api.errors import SpecError, TransientError
from leeboard.contract.serving import Label, LabelBatch

TRIES = 8

_TIMEOUT_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_LATER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}


class LabelSender:
    """Sends labels of one ModelDeployment.

    Args:
        url: Address of the collector.
        token: Bearer token of the namespace; None: the collector asks for none.
        namespace: Of the ModelDeployment.
        name: Of the ModelDeployment.
    """

    def __init__(self, url: str, token: str | None, namespace: str, name: str) -> None:
        self._url = url.rstrip("/")
        self._owner = (namespace, name)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def send(self, labels: Sequence[Label]) -> None:
        """Send labels until they are acknowledged; what is sent twice counts once.

        Raises:
            SpecError: the collector refuses them.
            TransientError: it stays away, or takes no more.
        """
        namespace, name = self._owner
        batch = LabelBatch(namespace=namespace, model_deployment=name, labels=list(labels)).document()
        pause, problem = _FIRST_PAUSE_SECONDS, ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            try:
                answer = self._client.post(f"{self._url}/v1/labels", json=batch)
            except httpx.TransportError as error:
                problem = f"the collector at {self._url} does not answer ({type(error).__name__})"
                continue
            if answer.status_code == HTTPStatus.OK:
                return
            problem = f"the collector at {self._url} answers {answer.status_code}: {_sentence(answer)}"
            if answer.status_code not in _LATER:
                raise SpecError(problem, "LabelsRefused")
            pause = min(float(answer.headers.get("retry-after", pause)), _LONGEST_PAUSE_SECONDS)
        raise TransientError(problem, "CollectorUnavailable")


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200] or "nothing"
