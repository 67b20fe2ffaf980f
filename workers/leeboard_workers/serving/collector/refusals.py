"""What is not taken, and why."""

from http import HTTPStatus

from leeboard_workers.serving.asgi import Response


class RefusedError(Exception):
    """A document that is not taken; the message is one sentence."""

    def __init__(
        self, sentence: str, status: int = HTTPStatus.BAD_REQUEST, *, retry_after: float | None = None
    ) -> None:
        """Say why.

        Args:
            sentence: The reason, and what to do.
            status: HTTP status of the answer.
            retry_after: After so many seconds it is worth trying again.
        """
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after

    def response(self) -> Response:
        """Return the answer."""
        headers: list[tuple[bytes, bytes]] = []
        if self.retry_after is not None:
            headers.append((b"retry-after", str(max(1, round(self.retry_after))).encode()))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b'Bearer realm="leeboard"'))
        answer = Response.error(str(self), self.status)
        return Response(answer.status, answer.body, answer.content_type, tuple(headers))
