"""Reads the bodies of requests, and checks what all documents have in common."""

import re
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import ValidationError

from leeboard_workers.serving.asgi import Request
from leeboard_workers.serving.collector.refusals import RefusedError

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_HELD_BYTES = 2 * MAX_BODY_BYTES
"""Bodies of all requests under way."""

MAX_MEMBERS = 1000
"""Of one gzip, such as several files that were put one behind the other."""

_GZIP = b"\x1f\x8b"
_PIECE = 64 * 1024
_LAST_SECOND = 253_402_300_799  # of the year 9999
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def read_body(request: Request) -> bytes:
    """Return the body as it was before it was packed.

    Raises:
        RefusedError: it is packed in an unknown way, cannot be unpacked, or is too large.
    """
    encoding = (request.header("content-encoding") or "identity").strip().lower()
    if encoding == "identity":
        return request.body
    if encoding != "gzip":
        sentence = f"the content-encoding {encoding[:40]!r} is not taken: send gzip, or none"
        raise RefusedError(sentence, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return Budget().unpacked(request.body)


class Budget:
    """How much all that one request brings packed may unpack to."""

    def __init__(self) -> None:
        """Begin with the bound of bodies."""
        self._left = MAX_BODY_BYTES

    def unpacked(self, body: bytes) -> bytes:
        """Undo gzip, of one member or several.

        Raises:
            RefusedError: it cannot be unpacked, or nothing is left for it.
        """
        whole = bytearray()
        view, at, members = memoryview(body), 0, 0
        try:
            while at < len(view) or not members:
                members += 1
                if members > MAX_MEMBERS:
                    raise RefusedError(f"the gzip has more than {MAX_MEMBERS} members: send less at once")
                at = self._member(view, at, whole)
        except zlib.error as error:
            raise RefusedError(f"the body is no gzip: {error}") from error
        return bytes(whole)

    def _member(self, view: memoryview, at: int, into: bytearray) -> int:
        """Unpack the member that begins at a byte; returns where the next one does."""
        unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while not unpacking.eof:
            if at >= len(view):
                raise RefusedError("the body is no gzip: it ends too early")
            piece = view[at : at + _PIECE]
            part = unpacking.decompress(piece, self._left + 1)
            if len(part) > self._left:
                sentence = f"the unpacked body is larger than {MAX_BODY_BYTES // 2**20} MiB: send less at once"
                raise RefusedError(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            self._left -= len(part)
            into += part
            at += len(piece) - len(unpacking.unused_data) - len(unpacking.unconsumed_tail)
        return at


def is_gzip(body: bytes) -> bool:
    """Say whether a body is packed, whatever its headers say."""
    return body.startswith(_GZIP)


def content_type(request: Request) -> str:
    """Return the media type without its parameters."""
    return (request.header("content-type") or "").partition(";")[0].strip().lower()


def read_json(body: bytes) -> Any:
    """Parse JSON.

    Raises:
        RefusedError: it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(f"the body is no JSON: {error}") from error


def check_names(namespace: str, name: str) -> None:
    """Refuse what is no name of a Kubernetes object, for they become folders."""
    for text in (namespace, name):
        if not _NAME.fullmatch(text):
            raise RefusedError(f"{text[:80]!r} is no name of a Kubernetes object")


def check_time(name: str, seconds: float) -> None:
    """Refuse a time that no calendar has."""
    if not 0 <= seconds <= _LAST_SECOND:
        raise RefusedError(f"{name} must be seconds since 1970, not {seconds}")


def check_length(name: str, text: str, longest: int) -> None:
    """Refuse a text that is too long or that cannot be written."""
    if len(text) > longest:
        raise RefusedError(f"{name} is longer than {longest} characters")


def sentence_of(error: ValidationError) -> str:
    """Return the first of pydantic's complaints."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg']}"


def told(sentences: Iterator[str], most: int) -> str:
    """Join some sentences, and say when there are more."""
    first = [sentence for sentence, _ in zip(sentences, range(most + 1), strict=False)]
    return "; ".join(first[:most]) + ("; …" if len(first) > most else "")
