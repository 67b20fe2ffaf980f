"""A real Kubernetes control plane on loopback, with no node: etcd, kube-apiserver, kube-controller-manager.

    async with ControlPlane() as plane:
        await plane.install_crds(documents)
        print(plane.kubeconfig())

Everything but the programs lives in one temporary folder that goes when the control plane stops.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import ssl
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from leeboard.sandbox import programs
from leeboard.sandbox.certificates import Authority, kubeconfig, signing_key
from leeboard.sandbox.processes import Child, Ready, Supervisor, answers, free_port, until

ADMIN = "admin"
MASTERS = "system:masters"

# Without nodes there is nothing to schedule, scale or route; these keep objects honest.
CONTROLLERS = ("garbage-collector-controller", "namespace-controller", "clusterrole-aggregation-controller")

# ServiceAccount wants a token for every pod, and here nobody makes any.
_DISABLED_ADMISSION = ("ServiceAccount",)

_READS = ["get", "list", "watch"]


class ControlPlane:
    """Kubernetes without nodes; start it with `start` or `async with`, and no two controls of it at once.

    Args:
        folder: where keys, logs and data go; without it, a temporary folder that is removed at the end.
        keep: leave the folder where it is.
        audited: users of whom reads are in the audit log, too.
        controllers: which controllers run; with none of them kube-controller-manager does not run at all.
        say: is told what is built or downloaded when programs are missing.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        keep: bool = False,
        audited: Sequence[str] = (),
        controllers: Sequence[str] = CONTROLLERS,
        say: programs.Say = programs.quiet,
    ) -> None:
        self.folder = Path(folder or tempfile.mkdtemp(prefix="leeboard-kubernetes-")).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.audit_log = self.folder / "audit.jsonl"
        self._audit_offset = 0  # bytes that were read
        self._audit_events: list[dict[str, Any]] = []
        self._keep = keep
        self._audited = list(audited)
        self._say = say
        self._controllers = tuple(controllers)
        self._authority = Authority()
        self._ports = {name: free_port() for name in ("api", "etcd", "peer", "controllers")}
        self._processes = Supervisor(self.folder / "logs")
        self._programs: dict[str, Path] = {}

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://127.0.0.1:{self._ports['api']}"

    @property
    def children(self) -> list[Child]:
        """Its processes, in the order of their start."""
        return list(self._processes.children.values())

    async def start(self) -> None:
        """Bring everything up, and return when the API server is ready and the controllers run.

        Raises:
            PartMissing: a program is missing, and cannot be had.
            ChildFailedError: a program did not come up.
        """
        needed = ["etcd", "kube-apiserver", *(["kube-controller-manager"] if self._controllers else [])]
        self._programs = await programs.ensure(needed, self._say)
        self._write_keys()
        await self._start_etcd()
        await self.start_api_server()
        await self._start_controllers()

    async def stop(self) -> None:
        """Stop all processes, and remove the folder unless it is to be kept."""
        # The data goes too, so nothing is gained by a graceful end, which takes the API server seconds.
        await self._processes.stop(patience=10.0 if self._keep else 0.0)
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kubeconfig(self, user: str = ADMIN, groups: Sequence[str] | None = None) -> Path:
        """Write a kubeconfig for a user with a client certificate, and return its path.

        Without arguments it is the administrator's; others may do what RBAC grants to them and their groups.
        """
        groups = (MASTERS if user == ADMIN else "system:authenticated",) if groups is None else groups
        path = self.folder / f"{re.sub('[^A-Za-z0-9-]+', '-', '.'.join((user, *groups)))}.kubeconfig"
        if not path.exists():
            path.touch(mode=0o600)
            pair = self._authority.client(user, groups)
            path.write_text(kubeconfig(self.url, self._authority.certificate, user, pair))
        return path

    def client(self) -> httpx.AsyncClient:
        """Make an HTTP client of the administrator, for paths like `/api/v1/nodes`; the caller closes it."""
        return httpx.AsyncClient(base_url=self.url, verify=self._tls(), trust_env=False, timeout=30)

    async def start_api_server(self) -> None:
        """Start the API server on its port, with the data that etcd has, and wait until it is ready."""
        tls = self._tls()

        async def ready() -> bool:
            return await answers(f"{self.url}/readyz", tls=tls)

        await self._again("kube-apiserver", self._api_server_flags(), ready)

    async def stop_api_server(self) -> None:
        """Let the API server finish what it does and end; clients see refused connections."""
        # It stops listening and answers what it has at once, and then waits in vain for watches to end.
        await self._processes.forget("kube-apiserver", patience=1)

    async def kill_api_server(self) -> None:
        """End the API server as a crash would."""
        await self._processes.children["kube-apiserver"].kill()

    async def restart_api_server(self) -> None:
        """Stop the API server and start it again on the same port."""
        await self.stop_api_server()
        await self.start_api_server()

    async def install_crds(self, documents: Iterable[dict[str, Any]]) -> None:
        """Create or replace CRDs, and return when each of their versions is established and served.

        The garbage collector looks for new kinds only every 30 s, so the controllers are started anew.
        """
        await self._processes.forget("kube-controller-manager")
        async with self.client() as client:
            crds = list(documents)
            await asyncio.gather(*(_put_crd(client, crd) for crd in crds))
            for crd in crds:
                name = crd["metadata"]["name"]
                await until(partial(_is_served, client, crd), f"{name} to be served", within=60)
        await self._start_controllers()

    async def make_namespace(self, name: str) -> None:
        """Create a namespace."""
        async with self.client() as client:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            (await client.post("/api/v1/namespaces", json=body)).raise_for_status()

    async def delete_namespace(self, name: str, *, wait: bool = False) -> None:
        """Ask for a namespace and all it holds to be deleted, and wait until it is gone if so wished."""
        async with self.client() as client:
            path = f"/api/v1/namespaces/{name}"
            await client.delete(path)

            async def gone() -> bool:
                return (await client.get(path)).status_code == httpx.codes.NOT_FOUND

            if wait:
                await until(gone, f"namespace {name} to go", within=60, every=0.2)

    def writes(self, user: str | None = None) -> list[dict[str, Any]]:
        """What was written so far, or tried: the API server's own audit events, of one user or of all.

        An event has `verb`, `user.username`, `objectRef`, `responseStatus.code`, `stageTimestamp` and more.
        """
        return [event for event in self.requests(user) if event["verb"] not in _READS]

    def requests(self, user: str | None = None) -> list[dict[str, Any]]:
        """Return all audit events, of one user or of all; reads only of those that are audited."""
        if self.audit_log.exists():
            with self.audit_log.open("rb") as file:  # only what is new: it grows to tens of megabytes
                file.seek(self._audit_offset)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._audit_offset += len(whole)
            self._audit_events += [json.loads(line) for line in whole.splitlines()]
        return [event for event in self._audit_events if user is None or event["user"]["username"] == user]

    def _audit_policy(self) -> dict[str, Any]:
        rules: list[dict[str, Any]] = [{"level": "None", "verbs": _READS}, {"level": "Metadata"}]
        if self._audited:
            rules.insert(0, {"level": "Metadata", "users": self._audited})
        return {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": rules,
        }

    async def _again(self, name: str, flags: Sequence[str], ready: Ready) -> Child:
        await self._processes.forget(name)
        command: list[str | Path] = [self._programs[name], *flags]
        return await self._processes.start(name, command, ready=ready, cwd=self.folder)

    def _write_keys(self) -> None:
        (self.folder / "ca.crt").write_bytes(self._authority.certificate)
        self._authority.server().write(self.folder, "server")
        self._authority.client(ADMIN, [MASTERS]).write(self.folder, "admin")
        tokens = self.folder / "tokens.key"
        tokens.touch(mode=0o600)
        tokens.write_bytes(signing_key())
        (self.folder / "audit-policy.yaml").write_text(yaml.safe_dump(self._audit_policy()))

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._authority.certificate.decode())
        context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        return context

    async def _start_etcd(self) -> None:
        url, peer = (f"https://127.0.0.1:{self._ports[name]}" for name in ("etcd", "peer"))
        tls = self._tls()

        async def ready() -> bool:
            return await answers(f"{url}/health", tls=tls)

        flags = [
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--heartbeat-interval=10",  # nobody else can win the election: do not wait a second for them
            "--election-timeout=100",
            "--logger=zap",
            "--log-level=warn",
        ]
        for side in ("", "peer-"):
            flags += [f"--{side}cert-file=server.crt", f"--{side}key-file=server.key"]
            flags += [f"--{side}trusted-ca-file=ca.crt", f"--{side}client-cert-auth"]
        await self._again("etcd", flags, ready)

    def _api_server_flags(self) -> list[str]:
        return [
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._ports['api']}",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--client-ca-file=ca.crt",
            f"--etcd-servers=https://127.0.0.1:{self._ports['etcd']}",
            "--etcd-cafile=ca.crt",
            "--etcd-certfile=server.crt",
            "--etcd-keyfile=server.key",
            "--authorization-mode=RBAC",
            f"--disable-admission-plugins={','.join(_DISABLED_ADMISSION)}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=tokens.key",
            "--service-account-signing-key-file=tokens.key",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
            "--audit-policy-file=audit-policy.yaml",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-mode=blocking-strict",
            "--shutdown-delay-duration=0s",
        ]

    async def _start_controllers(self) -> None:
        if not self._controllers:
            return
        admin = self.kubeconfig("system:kube-controller-manager", [MASTERS])
        flags = [
            f"--kubeconfig={admin}",
            f"--authentication-kubeconfig={admin}",
            f"--authorization-kubeconfig={admin}",
            f"--controllers={','.join(self._controllers)}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports['controllers']}",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--leader-elect=false",
            "--authentication-skip-lookup",
        ]
        tls = self._tls()

        async def ready() -> bool:
            return await answers(f"https://127.0.0.1:{self._ports['controllers']}/healthz", tls=tls)

        await self._again("kube-controller-manager", flags, ready)


async def _put_crd(client: httpx.AsyncClient, crd: dict[str, Any]) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    answer = await client.post(path, json=crd)
    if answer.status_code == httpx.codes.CONFLICT:
        path = f"{path}/{crd['metadata']['name']}"
        version = (await client.get(path)).raise_for_status().json()["metadata"]["resourceVersion"]
        newer = {**crd, "metadata": {**crd["metadata"], "resourceVersion": version}}
        answer = await client.put(path, json=newer)
    if answer.is_error:
        raise ValueError(f"CRD {crd['metadata']['name']} was refused: {answer.text}")


async def _is_served(client: httpx.AsyncClient, crd: dict[str, Any]) -> bool:
    """Whether every version can be discovered and listed, which is later than `Established`."""
    spec, plural = crd["spec"], crd["spec"]["names"]["plural"]
    for version in (v["name"] for v in spec["versions"] if v["served"]):
        prefix = f"/apis/{spec['group']}/{version}"
        known = await client.get(prefix)
        if not known.is_success or all(r["name"] != plural for r in known.json()["resources"]):
            return False
        if not (await client.get(f"{prefix}/{plural}?limit=1")).is_success:
            return False
    return True
