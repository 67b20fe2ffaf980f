"""Fetches a model for KServe: `leeboard-fetch <uri> <destination>`, the storage container for MLflow's own schemes.

    check the URI ── resolve it in the registry ── list ── fetch what is missing, file by file ── check ── in its place

KServe runs it again in the same volume when it failed: what lies there and is whole is not fetched again. A file is
whole when its length is the one that MLflow lists and its SHA-256 is the one that the model's own `SHA256SUMS` gives
(as `sha256sum` writes it), else the one that was computed when it was fetched.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from leeboard.contract.serving import EXIT_STORE_AWAY

SCHEMES = ("mlflow-artifacts:/", "models:/", "runs:/")
ENV_ALLOWED = "LEEBOARD_FETCH_ALLOW"
"""Prefixes of URIs that may be fetched, separated by commas; each ends where a name does. Unset: all three schemes."""
ENV_MAX_BYTES = "LEEBOARD_FETCH_MAX_BYTES"
"""Longest that all files together may be; unset: 50 GiB."""

SUMS = "SHA256SUMS"

_MAX_BYTES = 50 * 2**30
_MAX_FILES = 10_000
_MAX_DEPTH = 32
_HOPS = 4
_RETRIES = "3"
"""Of an HTTP request, with MLflow's back-off: about 14 s. Then a sentence is worth more, and Kubernetes tries again."""
_SCRATCH = ".leeboard-fetch"
_LEDGER = "fetched.json"


class FetchError(Exception):
    """What cannot be fetched; the message is one sentence."""


@dataclass(frozen=True)
class _File:
    """A file of the model."""

    path: str
    size: int | None
    """Bytes, when MLflow says."""


def check_allowed(uri: str, allowed: str | None) -> None:
    """Raise ValueError unless the URI is one of MLflow's and under an allowed prefix, which ends where a name does."""
    if not uri.startswith(SCHEMES):
        raise ValueError(f"leeboard-fetch fetches {', '.join(SCHEMES)} and nothing else; it got {uri}")
    prefixes = [prefix.strip() for prefix in (allowed or "").split(",") if prefix.strip()] or list(SCHEMES)
    disguised = ".." in uri or any(code in uri.lower() for code in ("%2e", "%25"))
    if disguised or not any(_is_under(uri, prefix) for prefix in prefixes):
        raise ValueError(f"{uri} is not under an allowed prefix: {', '.join(prefixes)} ({ENV_ALLOWED})")


def _is_under(uri: str, prefix: str) -> bool:
    rest = uri.removeprefix(prefix)
    return uri.startswith(prefix) and (not rest or prefix.endswith(("/", "@")) or rest.startswith(("/", "@")))


def fetch(uri: str, destination: Path, max_bytes: int = _MAX_BYTES) -> list[str]:
    """Bring the files of a folder of artifacts into the destination itself; returns the paths that had to be fetched.

    Args:
        uri: An allowed URI.
        destination: A folder; what is whole there already stays.
        max_bytes: Longest that all files together may be.

    Raises:
        FetchError: nothing is there, it is too large, or a file is not what it should be.
    """
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 (two seconds; refusals come first)
        get_artifact_repository,
    )

    repository = get_artifact_repository(_resolved(uri))
    files = list(_files(repository, max_bytes))
    if not files:
        raise FetchError("there is nothing: see whether the version's files were logged, and where")
    scratch = destination / _SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    ledger = _Ledger(scratch / _LEDGER)
    sums: dict[str, str] = {}
    fetched = []
    total = 0
    for file in sorted(files, key=lambda file: file.path != SUMS):  # the sums first, for they judge the others
        if not _is_whole(destination / file.path, file, sums.get(file.path) or ledger.known.get(file.path)):
            _fetch_one(repository, file, destination, sums.get(file.path), ledger)
            fetched.append(file.path)
        total += (destination / file.path).stat().st_size  # a store may leave the length out of its list
        _check_total(total, max_bytes)
        if file.path == SUMS:
            sums = _read_sums(destination / SUMS)
            if missing := sorted(sums.keys() - {each.path for each in files}):
                raise FetchError(f"{SUMS} names {missing[0]}, which is not there: the model is not whole")
    return fetched


class _Ledger:
    """What was fetched, by path: the SHA-256."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.known: dict[str, str] = dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            self.known = {}

    def note(self, path: str, digest: str) -> None:
        self.known[path] = digest
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self.known))
        new.rename(self._path)


def _resolved(uri: str) -> str:
    """Follow the registry to where the files lie.

    Raises:
        FetchError: that is no place of a server.
    """
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository  # noqa: PLC0415
    from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository  # noqa: PLC0415

    for _ in range(_HOPS):
        if uri.startswith("models:/"):
            uri = ModelsArtifactRepository.get_underlying_uri(uri)
        elif uri.startswith("runs:/"):
            uri = RunsArtifactRepository.get_underlying_uri(uri)
    if urlsplit(uri).scheme in {"", "file", "models", "runs"}:
        raise FetchError(f"the registry says that its files lie at {uri}, which no server serves")
    return uri


def _files(repository: Any, max_bytes: int) -> Iterator[_File]:
    folders = [(None, 0)]
    count = total = 0
    while folders:
        folder, depth = folders.pop()
        for found in repository.list_artifacts(folder):
            _check_path(found.path)
            if found.is_dir:
                if depth >= _MAX_DEPTH:
                    raise FetchError(f"{found.path} lies deeper than {_MAX_DEPTH} folders")
                folders.append((found.path, depth + 1))
                continue
            count, total = count + 1, total + (found.file_size or 0)
            if count > _MAX_FILES:
                raise FetchError(f"there are more than {_MAX_FILES} files")
            _check_total(total, max_bytes)
            yield _File(found.path, found.file_size)


def _check_total(total: int, max_bytes: int) -> None:
    if total > max_bytes:
        raise FetchError(f"the files are longer than {max_bytes} bytes: raise {ENV_MAX_BYTES} if that is meant")


def _check_path(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or parts[0] == _SCRATCH:
        raise FetchError(f"{path!r} is no path of a file of a model")


def _fetch_one(repository: Any, file: _File, destination: Path, digest: str | None, ledger: _Ledger) -> None:
    scratch = destination / _SCRATCH / "partial"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    arrived = Path(repository.download_artifacts(artifact_path=file.path, dst_path=str(scratch)))
    size = arrived.stat().st_size
    if file.size is not None and size != file.size:
        raise FetchError(
            f"{file.path} has {size} bytes, MLflow lists {file.size}: it was cut off, or changed meanwhile"
        )
    found = _digest(arrived)
    if digest is not None and found != digest:
        raise FetchError(f"{file.path} is not what {SUMS} says: SHA-256 {found}, not {digest}")
    target = destination / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived.rename(target)
    ledger.note(file.path, found)
    shutil.rmtree(scratch)


def _is_whole(path: Path, file: _File, digest: str | None) -> bool:
    if digest is None or not path.is_file():
        return False
    return file.size in {None, path.stat().st_size} and _digest(path) == digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_sums(path: Path) -> dict[str, str]:
    sums = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.strip().partition(" ")
        if len(digest) != hashlib.sha256().digest_size * 2 or not name:
            raise FetchError(f"{SUMS} has a line that sha256sum would not write: {line[:80]!r}")
        sums[name.lstrip(" *").removeprefix("./")] = digest.lower()
    sums.pop(SUMS, None)
    return sums


def _is_away(error: BaseException | None) -> bool:
    """Say whether a store that did not answer lies at the bottom of an error."""
    import requests  # noqa: PLC0415 (MLflow has it anyway)

    while error is not None:
        if isinstance(error, requests.ConnectionError | requests.Timeout | ConnectionError | TimeoutError):
            return True
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        error = error.__cause__ or error.__context__
    return False


def main() -> None:
    """Fetch and leave; any failure is one sentence and status 1, or EXIT_STORE_AWAY when the store did not answer."""
    parser = argparse.ArgumentParser(prog="leeboard-fetch", description="Fetch a model from MLflow.")
    parser.add_argument("uri")
    parser.add_argument("destination", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _RETRIES)
    try:
        check_allowed(options.uri, os.environ.get(ENV_ALLOWED))
        fetched = fetch(options.uri, options.destination, int(os.environ.get(ENV_MAX_BYTES) or _MAX_BYTES))
    except Exception as error:  # noqa: BLE001 (MLflow wraps the errors of whatever store stands behind it)
        print(f"cannot fetch {options.uri}: {str(error)[:500]}", file=sys.stderr)  # noqa: T201 (the container's log)
        sys.exit(EXIT_STORE_AWAY if _is_away(error) else 1)
    print(f"{options.uri}: {len(fetched)} files fetched to {options.destination}")  # noqa: T201 (the container's log)


if __name__ == "__main__":
    main()
