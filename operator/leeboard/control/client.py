"""The API server: objects of all kinds as plain documents, its refusals as errors of ours."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from leeboard.api.errors import TransientError
from leeboard.control.kinds import KINDS, MANAGER, Kind
from leeboard.control.listing import Listing, Manifest
from leeboard.control.refusals import AlreadyExistsError, ConflictError, GoneError, RefusedError
from leeboard.telemetry import Telemetry

_PAGE = 500
_PODS = 20
_LISTING_TRIES = 3
_SECONDS = 30
"""Longest wait for an answer."""
_HOME = "~/.kube/config"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"

_OK, _CREATED, _ACCEPTED = 200, 201, 202
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _GONE = 401, 403, 404, 409, 410
_TOO_MANY, _SERVER_ERROR = 429, 500


class Client:
    """Speaks to one API server.

    Args:
        api: The official client, configured.
        telemetry: Counts writes.
    """

    def __init__(self, api: ApiClient, telemetry: Telemetry) -> None:
        self._api = api
        self._telemetry = telemetry

    @classmethod
    async def connect(cls, telemetry: Telemetry) -> Self:
        """Connect as the environment says: KUBECONFIG, else the pod's service account, else ~/.kube/config.

        Raises:
            RefusedError: none of these is there, or they cannot be read.
        """
        configuration = Configuration()
        path = os.environ.get("KUBECONFIG") or (None if _in_pod() else _HOME)
        if path is not None and not _exists(path):  # the library would print a line of its own
            raise _no_way(f"no file {path}")
        try:
            if path is not None:
                await load_kube_config(config_file=path, client_configuration=configuration)
            else:
                load_incluster_config(client_configuration=configuration)
        except (ConfigException, OSError) as error:
            raise _no_way(str(error)) from None
        return cls(ApiClient(configuration), telemetry)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """Return the object as it now stands, or None. Raises TransientError."""
        status, answer = await self._ask("GET", KINDS[kind].path(namespace, name))
        if status == _NOT_FOUND:
            return None
        return self._expect(status, answer, KINDS[kind])

    async def list(self, kind: str, namespace: str | None = None) -> Listing | None:
        """Return all objects of a kind that pass its selector; None: the API server does not know the kind.

        Raises:
            TransientError: the API server is away.
        """
        for _ in range(_LISTING_TRIES):
            listing = await self._pages(KINDS[kind], namespace)
            if not isinstance(listing, _Expired):
                return listing
        raise TransientError(f"the listing of {kind} expired {_LISTING_TRIES} times", "ApiServerUnavailable")

    async def pods(self, namespace: str, selector: str) -> Sequence[Manifest]:
        """Return some pods with these labels, at most 20. Raises TransientError."""
        query = {"labelSelector": selector, "limit": str(_PODS)}
        status, answer = await self._ask("GET", KINDS["Pod"].path(namespace), query)
        pods: list[Manifest] = self._expect(status, answer, KINDS["Pod"])["items"]
        return pods

    async def apply(self, manifest: Manifest) -> Manifest:
        """Apply under the field manager `leeboard`. Raises TransientError, ConflictError, RefusedError."""
        query = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        return await self._write("PATCH", manifest, query, manifest, content_type=_APPLY)

    async def create(self, manifest: Manifest) -> Manifest:
        """Create the object. Raises AlreadyExistsError, TransientError, RefusedError."""
        kind, namespace = KINDS[manifest["kind"]], manifest["metadata"]["namespace"]
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        self._telemetry.api_writes.labels("create", kind.name).inc()
        status, answer = await self._ask("POST", kind.path(namespace), query, manifest)
        return self._expect(status, answer, kind)

    async def patch(self, kind: str, namespace: str, name: str, patch: Manifest, *, manager: str = MANAGER) -> Manifest:
        """Merge a patch into an object, under a field manager. Raises TransientError, RefusedError."""
        target = {"kind": kind, "metadata": {"namespace": namespace, "name": name}}
        return await self._write("PATCH", target, {"fieldManager": manager}, patch, content_type=_MERGE)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with this uid; absence, or another uid, is success. Raises TransientError."""
        self._telemetry.api_writes.labels("delete", kind).inc()
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        status, answer = await self._ask("DELETE", KINDS[kind].path(namespace, name), body=body)
        if status not in {_NOT_FOUND, _CONFLICT}:
            self._expect(status, answer, KINDS[kind])

    async def replace_status(self, raw: Manifest, status: Manifest) -> Manifest:
        """Write the whole status under the resourceVersion of `raw`.

        Raises:
            ConflictError: someone else wrote the object, or took it or its namespace away.
            TransientError: the API server is away.
        """
        try:
            return await self._write("PUT", raw, {"fieldManager": MANAGER}, {**raw, "status": status}, part="/status")
        except GoneError as error:
            raise ConflictError(str(error)) from None

    async def schema(self, kind: str) -> Manifest | None:
        """Return the OpenAPI schema of a kind as it is served; None: the API server does not know the kind.

        Raises:
            TransientError: the API server is away.
        """
        wanted = KINDS[kind]
        status, answer = await self._ask("GET", f"/openapi/v3/apis/{wanted.api_version}")
        if status == _NOT_FOUND:
            return None
        schemas = self._expect(status, answer, wanted).get("components", {}).get("schemas", {})
        identity = {"group": wanted.group, "version": wanted.version, "kind": kind}
        return next(
            (schema for schema in schemas.values() if identity in schema.get("x-kubernetes-group-version-kind", ())),
            None,
        )

    async def _write(
        self,
        method: str,
        target: Manifest,
        query: dict[str, str],
        body: Manifest,
        *,
        content_type: str = "application/json",
        part: str = "",
    ) -> Manifest:
        kind, metadata = KINDS[target["kind"]], target["metadata"]
        verb = part.lstrip("/") or ("apply" if content_type == _APPLY else "patch")
        self._telemetry.api_writes.labels(verb, kind.name).inc()
        path = kind.path(metadata["namespace"], metadata["name"]) + part
        status, answer = await self._ask(method, path, query, body, content_type)
        return self._expect(status, answer, kind)

    async def _pages(self, kind: Kind, namespace: str | None) -> "Listing | _Expired | None":
        objects: list[Manifest] = []
        query = {"limit": str(_PAGE)} | ({"labelSelector": kind.selector} if kind.selector else {})
        while True:
            status, answer = await self._ask("GET", kind.path(namespace), query)
            if status == _NOT_FOUND:
                return None
            if status == _GONE:
                return _Expired()
            answer = self._expect(status, answer, kind)
            head = {"apiVersion": kind.api_version, "kind": kind.name}
            objects.extend(head | entry for entry in answer["items"])
            if not answer["metadata"].get("continue"):
                return Listing(objects, int(answer["metadata"]["resourceVersion"]))
            query["continue"] = answer["metadata"]["continue"]

    async def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> tuple[int, Manifest]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            request = await self._api.param_serialize(
                method, target, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            answer = await self._api.call_api(*request, _request_timeout=_SECONDS)
            text = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TransientError(
                f"the API server at {self._api.configuration.host} does not answer ({type(error).__name__})",
                "ApiServerUnavailable",
            ) from None
        try:
            document = json.loads(text)
        except ValueError:
            document = {"message": text[:200].decode(errors="replace")}
        return answer.status, document

    def _expect(self, status: int, answer: Manifest, kind: Kind) -> Manifest:
        return answer if status in {_OK, _CREATED, _ACCEPTED} else _refuse(status, answer, kind)


def _exists(paths: str) -> bool:
    return any(path and Path(path).expanduser().exists() for path in paths.split(os.pathsep))


def _no_way(why: str) -> RefusedError:
    return RefusedError(
        f"there is no way to the API server: set KUBECONFIG, or run in a pod with a service account ({why})"
    )


def _in_pod() -> bool:
    return Path("/var/run/secrets/kubernetes.io/serviceaccount/token").exists()


class _Expired:
    """The API server forgot the listing between two pages."""


def _refuse(status: int, answer: dict[str, Any], kind: Kind) -> NoReturn:
    message = str(answer.get("message") or f"the API server answers {status}")
    if status == _CONFLICT:
        raise (AlreadyExistsError if answer.get("reason") == "AlreadyExists" else ConflictError)(message)
    if status == _NOT_FOUND and not (answer.get("details") or {}).get("name"):
        advice = f": install {kind.provider}" if kind.provider else ""
        raise TransientError(f"the API server does not know {kind.name} ({kind.api_version}){advice}", "KindMissing")
    if status == _NOT_FOUND:
        raise GoneError(message)
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise TransientError(f"the API server forbids it: {message}", "Forbidden")
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        raise TransientError(f"the API server answers {status}: {message}", "ApiServerUnavailable")
    raise RefusedError(message)
