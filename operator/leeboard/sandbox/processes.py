"""Child processes of the sandbox: started, watched until they are ready, and never left behind.

Nothing here belongs to an event loop, so a child may be started in one and stopped in another. Each child
leads a process group of its own: Ctrl-C in a terminal reaches only the sandbox, which then stops its children
in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

T = TypeVar("T")

Ready = Callable[[], Awaitable[bool]]

PATIENCE = 10.0  # seconds between asking a process to end and ending it

# Becomes the program after asking the kernel to kill it with its parent, unless the parent is gone already.
_TETHER = (
    "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,9);"
    "os.getppid()==int(sys.argv[1]) or os._exit(1);os.execv(sys.argv[2],sys.argv[2:])"
)


class ChildFailedError(RuntimeError):
    """A child ended, or did not become ready in time; the message shows the end of its log."""


async def until(check: Callable[[], Awaitable[T]], what: str, *, within: float, every: float = 0.05) -> T:
    """Return the first true answer of `check`, asked again every `every` seconds.

    Raises:
        TimeoutError: there was none `within` so many seconds; the message says `what` was waited for.
    """
    deadline = time.monotonic() + within
    while not (answer := await check()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within:g} s in vain for {what}")
        await asyncio.sleep(every)
    return answer


async def answers(url: str, *, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a GET of `url` gives a 2xx answer right now."""
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(verify=tls or False, trust_env=False, timeout=2) as client:
            return (await client.get(url)).is_success
    return False


def free_port() -> int:
    """Return a loopback port on which nobody listens, and which the kernel gives to no outgoing connection.

    A server can therefore be stopped and started again on its port: with one of the kernel's own choice, a
    client that tries to reconnect in between may be given that very port and end up connected to itself.
    """
    first_of_kernel = 32768
    with contextlib.suppress(OSError):
        first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(10240, max(first_of_kernel, 10240 + 4096))
    for port in random.sample(ports, len(ports)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port on 127.0.0.1")


@dataclass
class Child:
    """One program, which can be started, stopped, killed and started again with the same arguments.

    Args:
        name: what it is called in messages.
        command: program and arguments; the program is a path, or is looked up on PATH.
        log: file that its output is appended to.
        env: variables added to the sandbox's own; `None` takes one away.
        cwd: working folder.
        ready: says whether it does its work; without it, running is enough.
        within: seconds it may take to become ready.
    """

    name: str
    command: Sequence[str | Path]
    log: Path
    env: Mapping[str, str | None] = field(default_factory=dict)
    cwd: Path | None = None
    ready: Ready | None = None
    within: float = 60.0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, which is also the id of its group."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the program itself runs."""
        return self._process is not None and self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """How it ended: negative for a signal, nothing while it runs or before its first start."""
        if self._process is None or self._process.returncode is not None:
            return None if self._process is None else self._process.returncode
        # Looks without reaping: until `kill` has ended the group, nobody else must be given its number.
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    async def start(self) -> None:
        """Start it and return when it is ready; when it does not get there, nothing of it stays.

        It dies with the thread that calls this, so call it from one that lasts.
        """
        if self.running:
            return
        self._spawn()
        try:
            await until(self._ready_or_dead, f"{self.name} to be ready", within=self.within)
        except TimeoutError as error:
            await self.kill()
            raise ChildFailedError(f"{error}\n{self.last_words()}") from None
        except BaseException:
            await self.kill()
            raise

    async def wait(self, *, within: float | None = None) -> int:
        """Return its exit code once it has ended by itself."""

        async def ended() -> bool:
            return not self.running

        await until(ended, f"{self.name} to end", within=float("inf") if within is None else within)
        return self.exit_code or 0

    async def stop(self, *, patience: float = PATIENCE) -> None:
        """Ask its group to end, and kill what is still there after `patience` seconds."""
        if self.running:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await self.wait(within=patience)
        await self.kill()

    async def kill(self) -> None:
        """End its group at once."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _spawn(self) -> None:
        program, *arguments = map(str, self.command)
        environment = {k: v for k, v in {**os.environ, **self.env}.items() if v is not None}
        path = shutil.which(program, path=environment.get("PATH"))
        if path is None:
            raise ChildFailedError(f"{self.name}: there is no program {program}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_tether(), path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.cwd,
                start_new_session=True,
            )

    async def _ready_or_dead(self) -> bool:
        if not self.running:
            raise ChildFailedError(f"{self.name} ended with {self.exit_code}\n{self.last_words()}")
        return self.ready is None or await self.ready()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def _tether() -> list[str]:
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid())]


def end_strays(variable: str, value: str) -> int:
    """Kill every process that has this environment variable, and return how many there were.

    Ray starts jobs in sessions of their own, which outlive their head when it is killed; Linux only.
    """
    mark = f"{variable}={value}".encode()
    strays = 0
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is someone else's
            if mark in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)
                strays += 1
    return strays


class Supervisor:
    """The children of one sandbox: each with a log in one folder, stopped with it, the last one first."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.children: dict[str, Child] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        ready: Ready | None = None,
        within: float = 60.0,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
    ) -> Child:
        """Start a child under a name of its own, and return it when it is ready."""
        previous = self.children.get(name)
        if previous is not None and previous.running:
            raise ValueError(f"{name} runs already")
        log = self.logs / f"{name}.log"
        child = Child(name, command, log, env=env or {}, cwd=cwd, ready=ready, within=within)
        self.children[name] = child
        await child.start()
        return child

    async def forget(self, name: str, *, patience: float = PATIENCE) -> None:
        """Stop one child, if there is one of that name."""
        if (child := self.children.pop(name, None)) is not None:
            await child.stop(patience=patience)

    async def stop(self, *, patience: float = PATIENCE) -> None:
        """Stop all children, and kill what is left when this is interrupted."""
        try:
            while self.children:
                name = next(reversed(self.children))
                await self.children[name].stop(patience=patience)
                del self.children[name]
        finally:
            for child in self.children.values():
                await child.kill()
