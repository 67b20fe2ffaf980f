"""One real control plane for all tests of a session, and a namespace of its own for each test that asks.

    async def test_something(control_plane, namespace): ...

`control_plane` has the neighbours' CRDs and the project's own; a test that stops its API server starts it again.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from leeboard.sandbox import crds
from leeboard.sandbox.controlplane import ControlPlane

OWN_CRDS = Path(__file__).parents[2] / "crds"

T = TypeVar("T")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    plane = ControlPlane(say=print)
    try:
        _finish(plane.start())
        _finish(_install(plane))
        yield plane
    finally:
        _finish(plane.stop())


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Exist for one test; what is in it goes after the test, without the test waiting for that."""
    name = f"test-{next(_numbers)}"
    _finish(control_plane.make_namespace(name))
    yield name
    _finish(control_plane.delete_namespace(name))


async def _install(plane: ControlPlane) -> None:
    await plane.install_crds([*await crds.neighbours(print), *crds.read(OWN_CRDS)])


def _finish(coroutine: Coroutine[Any, Any, T]) -> T:
    # A loop of its own, which leaves the current one of pytest-asyncio alone.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
