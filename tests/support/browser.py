"""A real browser without a window: opens pages, asks them questions, takes pictures (Chrome's DevTools protocol)."""

import asyncio
import base64
import itertools
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HOW_TO_GET_ONE = (
    f"no browser among {', '.join(PROGRAMS)}: install Debian's package chromium, or Google Chrome, and try again"
)
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
PATIENCE_SECONDS = 60.0

Scheme = Literal["light", "dark"]


@dataclass
class Page:
    """An open page."""

    socket: aiohttp.ClientWebSocketResponse
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    loaded: list[str] = field(default_factory=list)
    """Addresses that were asked for."""
    complaints: list[str] = field(default_factory=list)
    """What the browser's console said."""

    async def open(self, address: str, *, scheme: Scheme, width: int) -> None:
        """Open an address as somebody with this colour scheme sees it in a window of this width."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.do(f"{domain}.enable")
        await self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        await self.do("Page.navigate", url=address)
        await self.ask(
            "new Promise((go) => document.readyState === 'complete' ? go() : addEventListener('load', () => go()))"
        )

    async def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        answer = await self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """Return a picture of the whole page, as PNG."""
        height = min(int(await self.ask("document.documentElement.scrollHeight")), 8_000)
        width = int(await self.ask("innerWidth"))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = await self.do("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; note what happens meanwhile."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = await self.socket.receive_json()
                if message.get("id") == number:
                    if "error" in message:
                        raise RuntimeError(f"{method}: {message['error']}")
                    return dict(message["result"])
                self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message["method"] == "Network.requestWillBeSent":
            self.loaded.append(message["params"]["request"]["url"])
        if message["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.complaints.append(str(message["params"]))


@dataclass(frozen=True)
class Browser:
    """A running browser."""

    session: aiohttp.ClientSession
    address: str

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """Open an empty page of its own."""
        async with self.session.put(f"{self.address}/json/new") as answer:
            target = await answer.json(content_type=None)
        async with self.session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            yield Page(socket)
        async with self.session.get(f"{self.address}/json/close/{target['id']}"):
            pass


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """Run a browser with a profile of its own. Raises FileNotFoundError: there is none, and how to get one."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise FileNotFoundError(HOW_TO_GET_ONE)
    process = await asyncio.create_subprocess_exec(
        program,
        *OPTIONS,
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
            yield Browser(session, await _address(process))
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Wait until the browser says where it listens."""
    said = b""
    if process.stderr is not None:
        async for line in process.stderr:
            said += line
            if found := re.search(rb"DevTools listening on ws://([^/]+)/", line):
                return f"http://{found[1].decode()}"
    raise RuntimeError(f"the browser ended at once: {said.decode(errors='replace')[-500:]}")
