"""Bounds what waits for somebody else's application: so many requests at once, and so many bytes of their bodies.

A model works on one call at a time, and the SDK's server takes whatever comes. Who comes when all places are taken is
told at once to come again, rather than after its patience is over.
"""

from http import HTTPStatus
from typing import Any

from leeboard_workers.serving.asgi import (
    Asgi,
    BodyTooLargeError,
    BusyError,
    ClientGoneError,
    Held,
    Receive,
    Response,
    Send,
    respond,
    whole_body,
)

MOST_REQUESTS = 512
MAX_BODY_BYTES = 64 * 1024 * 1024
"""More than a transformer takes, for what it writes in the other protocol may be longer."""
MAX_HELD_BYTES = 256 * 1024 * 1024


class Bounded:
    """An application behind bounds; they hold for POST, so that probes are always answered."""

    def __init__(
        self,
        application: Asgi,
        *,
        most_requests: int = MOST_REQUESTS,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_held_bytes: int = MAX_HELD_BYTES,
    ) -> None:
        """Stand before an application.

        Args:
            application: What answers.
            most_requests: Under way at once; others are answered 503 with Retry-After.
            max_body_bytes: Of one request; longer ones are answered 413.
            max_held_bytes: Of the bodies of all requests under way; others are answered 503 with Retry-After.
        """
        self._application = application
        self._most_requests = most_requests
        self._max_body_bytes = max_body_bytes
        self._held = Held(max_held_bytes)
        self._under_way = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        if self._under_way >= self._most_requests:
            await respond(send, _busy(f"{self._under_way} requests wait for the model: try again in a second"))
            return
        self._under_way += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        with self._held.counting(receive) as received:
            try:
                body = await whole_body(received, dict(scope["headers"]), self._max_body_bytes)
            except BodyTooLargeError:
                sentence = f"the body is larger than {self._max_body_bytes // 2**20} MiB: send fewer rows at once"
                await respond(send, Response.error(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
                return
            except BusyError:
                await respond(send, _busy("the requests under way fill the memory for them: try again in a second"))
                return
            except ClientGoneError:
                return
            message = {"type": "http.request", "body": body, "more_body": False}
            waiting = iter([message])

            async def read() -> dict[str, Any]:
                return next(waiting, None) or await receive()

            await self._application(scope, read, send)


def _busy(sentence: str) -> Response:
    return Response.later(sentence, HTTPStatus.SERVICE_UNAVAILABLE)
