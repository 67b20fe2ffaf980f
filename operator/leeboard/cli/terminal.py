"""The terminal, which shows text as it is: nothing in it is markup, an emoji's name or a control sequence."""

from typing import Any

from rich.console import Console


def terminal(*, stderr: bool = False) -> Console:
    """Return the console of a command."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def printable(document: Any) -> Any:
    """Return a JSON document whose texts no terminal obeys: what it would not print is shown as its escape.

    Args:
        document: Objects, lists and scalars; texts may come from anybody's data.
    """
    if isinstance(document, dict):
        return {printable(name): printable(value) for name, value in document.items()}
    if isinstance(document, list):
        return [printable(value) for value in document]
    if isinstance(document, str):
        return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in document)
    return document
