"""`leeboard sandbox …`: prepares and plays the loop on one machine."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from leeboard.cli.errors import CommandError
from leeboard.cli.terminal import terminal

T = TypeVar("T")

_EXTRA = "the sandbox is an extra: pip install 'leeboard[sandbox]'"


def prepare(names: Sequence[str]) -> None:
    """Make the programs that are missing, and say where they are; without names: all that the sandbox needs."""
    try:
        from leeboard.sandbox import programs
    except ModuleNotFoundError as error:
        raise CommandError(f"{_EXTRA} ({error.name} is missing)") from None

    there = (*programs.ALL, *programs.FOR_TESTS)
    if unknown := sorted(set(names) - {*there}):
        raise CommandError(f"no program {', '.join(unknown)}; there are: {', '.join(there)}")
    console = terminal()
    for name, path in sorted(_play(programs.ensure(names or programs.ALL, console.print)).items()):
        console.print(f"{name:<24} {path}", soft_wrap=True)


def demo(*, keep: bool) -> None:
    """Play the scenario; the exit status is 0 only if what it told was observed."""
    try:
        from leeboard.sandbox import demo as demonstration
    except ModuleNotFoundError as error:
        raise CommandError(f"{_EXTRA} ({error.name} is missing)") from None

    raise SystemExit(_play(demonstration.demo(keep=keep)))


def _play(coroutine: Coroutine[Any, Any, T]) -> T:
    from leeboard.sandbox.processes import ChildFailedError
    from leeboard.sandbox.programs import PartMissing

    try:
        return asyncio.run(coroutine)
    except (PartMissing, ChildFailedError) as error:
        raise CommandError(str(error)) from None
