"""How the sandbox tells its story: lines that stay, one line that moves, and claims that must hold."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

_HEARTBEAT = 20.0


class Story:
    """Tells chapters and facts; keeps what was claimed, and whether it was observed."""

    def __init__(self, console: Console, moving: Callable[[], str]) -> None:
        self.console = console
        self.claims: list[tuple[str, bool]] = []
        self._moving = moving
        self._began = time.monotonic()
        self._live: Live | None = None
        self._last_beat = 0.0

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=lambda: Text(self._moving(), style="dim"),
                console=self.console,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.console.print(f"\n[bold cyan]{title}[/]")

    def say(self, text: str) -> None:
        """Tell one fact, with the seconds since the beginning."""
        self._tell(escape(text))

    def claim(self, what: str, *, holds: bool) -> None:
        """Say what was to be shown, and whether it was observed."""
        self.claims.append((what, holds))
        self._tell(f"[green]✓[/] {escape(what)}" if holds else f"[red]✗ not observed:[/] {escape(what)}")

    def beat(self) -> None:
        """Show the moving line now and then where there is no terminal to move it on."""
        now = time.monotonic()
        if self._live is None and now - self._last_beat > _HEARTBEAT and (text := self._moving()):
            self._last_beat = now
            self._tell(f"[dim]… {escape(text)}[/]")

    def table(self, title: str, rows: list[tuple[str, str]]) -> None:
        """Show a closing table."""
        table = Table(title=title, show_header=False, title_justify="left", title_style="bold cyan")
        for name, value in rows:
            table.add_row(escape(name), escape(value))
        self.console.print()
        self.console.print(table)

    def grid(self, title: str, headings: list[str], rows: list[list[str]]) -> None:
        """Show numbers under headings."""
        table = Table(*headings, title=title, title_justify="left", title_style="bold cyan", pad_edge=False)
        for row in rows:
            table.add_row(*map(escape, row))
        self.console.print(table)

    def _tell(self, markup: str) -> None:
        self.console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/]  {markup}", highlight=False)

    @property
    def seconds(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._began
