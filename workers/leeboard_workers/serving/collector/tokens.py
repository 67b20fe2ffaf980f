"""Who may write for a namespace: whoever holds one of its tokens, for forged labels would steer retraining.

Tokens stand in a JSON document `{namespace: token}` or `{namespace: [old token, new token]}`, or in a folder with a
file per namespace (a mounted Secret), one token a line. Files are looked at again when they change, so that a token is
changed without a restart: add the new one, hand it out, remove the old one.
"""

import base64
import binascii
import hmac
import json
import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from leeboard_workers.serving.collector.refusals import RefusedError

_LOOK_SECONDS = 2.0

_log = logging.getLogger(__name__)

Known = Mapping[str, tuple[str, ...]]
"""Tokens by namespace."""


class Tokens:
    """The tokens of all namespaces."""

    def __init__(self, path: Path | None = None, given: str | None = None) -> None:
        """Read them.

        Args:
            path: File or folder.
            given: A JSON document; counts when there is no path.

        Raises:
            ValueError, OSError: they cannot be read.
        """
        self._path = path
        self._state = _state(path)
        self._looked = time.monotonic()
        self._known = _read(path) if path else _parsed(given) if given else None

    def check(self, namespace: str, authorization: str | None) -> None:
        """Let a writer pass.

        Args:
            namespace: Where it wants to write.
            authorization: The header: `Bearer <token>`, or `Basic` with the token as password, for senders that can
                only be given an address.

        Raises:
            RefusedError: it holds no token of the namespace.
        """
        self._look()
        if self._known is None:
            return
        if not authorization:
            sentence = f"writing for the namespace {namespace!r} needs a token: send the header Authorization: Bearer …"
            raise RefusedError(sentence, HTTPStatus.UNAUTHORIZED)
        held = _held(authorization)
        if not any(hmac.compare_digest(held, token.encode()) for token in self._known.get(namespace, ())):
            sentence = f"the token is not one of the namespace {namespace!r}: see who gave it, and for which namespace"
            raise RefusedError(sentence, HTTPStatus.FORBIDDEN)

    def _look(self) -> None:
        if self._path is None or time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        state = _state(self._path)
        if state == self._state:
            return
        try:
            self._known = _read(self._path)
        except (OSError, ValueError):
            _log.exception("the tokens have changed and cannot be read; the former ones count on")
        else:
            self._state = state


def _state(path: Path | None) -> Any:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return found and (found.st_mtime_ns, found.st_ino, found.st_size)


def _read(path: Path) -> Known:
    if not path.is_dir():
        return _parsed(path.read_text())
    files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
    return {file.name: tuple(filter(None, map(str.strip, file.read_text().splitlines()))) for file in files}


def _parsed(text: str) -> Known:
    tokens = json.loads(text)
    if not isinstance(tokens, dict):
        raise ValueError("tokens must be an object {namespace: token}")  # noqa: TRY004 (one kind for all bad files)
    return {
        str(namespace): tuple(map(str, token)) if isinstance(token, list) else (str(token),)
        for namespace, token in tokens.items()
    }


def _held(authorization: str) -> bytes:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
