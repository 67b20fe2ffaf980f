"""`leeboard status`: one model's loop at a glance, or all models; once, or again and again."""

import asyncio
import json
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from leeboard.api.errors import TransientError
from leeboard.cli.cluster import Loop, connected, loop_of, loops, namespace_or_default
from leeboard.cli.panel import panel
from leeboard.cli.table import table
from leeboard.cli.terminal import terminal
from leeboard.cli.words import BAD
from leeboard.control.client import Client
from leeboard.control.clock import SystemClock

_SECONDS = 2.0
"""Time between two looks of --watch."""


def run(name: str | None, namespace: str | None, *, all_namespaces: bool, as_json: bool, watch: bool) -> None:
    """Show what there is."""
    where = None if all_namespaces else namespace_or_default(namespace)
    asyncio.run(_run(name, where, as_json=as_json, watch=watch))


async def _run(name: str | None, namespace: str | None, *, as_json: bool, watch: bool) -> None:
    console = terminal()
    async with connected() as client:
        if as_json:
            await _write_json(client, name, namespace, watch=watch)
        elif watch:
            await _watch(client, name, namespace, console)
        else:
            console.print(_drawn(await _look(client, name, namespace), name, namespace))


async def _look(client: Client, name: str | None, namespace: str | None) -> list[Loop]:
    if name is None:
        return await loops(client, namespace)
    if namespace is None:
        return [loop for loop in await loops(client, None) if loop.name == name]
    return [await loop_of(client, namespace, name)]


def _drawn(found: Sequence[Loop], name: str | None, namespace: str | None) -> RenderableType:
    now = SystemClock().now()
    if name is not None:
        return Group(*(panel(loop, now) for loop in found))
    if not found:
        where = f"in the namespace {namespace}" if namespace else "in this cluster"
        return Text(f"there is no ModelDeployment {where}")
    return table(found, now, with_namespace=namespace is None)


async def _watch(client: Client, name: str | None, namespace: str | None, console: Console) -> None:
    drawn = _drawn(await _look(client, name, namespace), name, namespace)
    with Live(drawn, console=console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(_SECONDS)
            try:
                drawn = _drawn(await _look(client, name, namespace), name, namespace)
                live.update(drawn, refresh=True)
            except TransientError as error:
                live.update(Group(drawn, Text(str(error), style=BAD)), refresh=True)


async def _write_json(client: Client, name: str | None, namespace: str | None, *, watch: bool) -> None:
    """Write one document; with --watch one per line, each time that something has changed."""
    written = None
    while True:
        documents = [loop.document() for loop in await _look(client, name, namespace)]
        document = documents[0] if name is not None and documents else documents
        if document != written:
            print(json.dumps(document, indent=None if watch else 2), flush=True)  # noqa: T201 (the answer)
            written = document
        if not watch:
            return
        await asyncio.sleep(_SECONDS)
