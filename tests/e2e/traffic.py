"""A few requests a second through the gateway for as long as it is open, and who has failed them."""

import asyncio
import uuid
from collections import Counter
from types import TracebackType
from typing import Self

import httpx
import pandas as pd

from leeboard.contract.serving import HEADER_REQUEST_ID, HEADER_VERSION
from leeboard.sandbox.replay import request_body
from leeboard.sandbox.stage import Stage

PAUSE = 0.15
ROWS = 5
NOBODY = "nobody"
"""Who has failed a request that no version answered."""


class Traffic:
    """Asks on, and counts answers and failures by the version that gave them."""

    def __init__(self, stage: Stage, deployment: str, rows: pd.DataFrame) -> None:
        self.answered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.sentences: Counter[str] = Counter()
        """What failed requests were told, at most a line each."""
        self._bodies = [request_body(rows.iloc[at : at + ROWS]) for at in range(0, len(rows) - ROWS, ROWS)]
        self._host = f"{deployment}.{stage.namespace}.{stage.domain}"
        self._url = f"{stage.gateway_url}/v2/models/{deployment}/infer"
        self._client = httpx.AsyncClient(trust_env=False, timeout=30)
        self._asking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._asking = asyncio.create_task(self._ask_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._client.aclose()

    async def _ask_on(self) -> None:
        number = 0
        while True:
            await self._ask(self._bodies[number % len(self._bodies)])
            number += 1
            await asyncio.sleep(PAUSE)  # the pace of the traffic

    async def _ask(self, body: dict[str, object]) -> None:
        headers = {"host": self._host, HEADER_REQUEST_ID: str(uuid.uuid4())}
        try:
            answer = await self._client.post(self._url, json=body, headers=headers)
        except httpx.HTTPError as error:
            self.failed[NOBODY] += 1
            self.sentences[type(error).__name__] += 1
            return
        version = answer.headers.get(HEADER_VERSION, NOBODY)
        if answer.is_success:
            self.answered[version] += 1
            return
        self.failed[version] += 1
        self.sentences[f"{answer.status_code} {answer.text[:100]}"] += 1
