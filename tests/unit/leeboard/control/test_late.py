"""Whose pods are asked, and when."""

from typing import Any

import pytest

from leeboard.api.errors import TransientError
from leeboard.control.clock import iso
from leeboard.control.late import held_up
from tests.support.playedworld import PlayedWorld


@pytest.fixture
def world() -> PlayedWorld:
    played = PlayedWorld()
    played.put("RayJob", "j", {})
    played.hold_up("j", "no room")
    played.pass_time(seconds=5)
    return played


async def test_a_job_that_is_late_is_told_by_its_pods(world: PlayedWorld):
    assert await held_up(world.jobs["j"], world.world) == "no node takes its pod: no room"


@pytest.mark.parametrize(
    "status",
    [
        {"jobDeploymentStatus": "Running", "rayClusterName": "rc"},
        {"jobDeploymentStatus": "Initializing"},
        {},
    ],
)
async def test_pods_are_asked_only_while_their_job_waits_for_them(world: PlayedWorld, status: dict[str, Any]):
    world.jobs["j"]["status"] = status
    assert await held_up(world.jobs["j"], world.world) == ""


async def test_pods_that_only_just_began_are_not_asked(world: PlayedWorld):
    world.jobs["j"]["metadata"]["creationTimestamp"] = iso(world.time)
    assert await held_up(world.jobs["j"], world.world) == ""


async def test_without_a_job_or_the_right_to_list_pods_there_is_nothing_to_tell(world: PlayedWorld):
    assert await held_up(None, world.world) == ""
    forbidden = world.world

    async def pods(_namespace: str, _selector: str) -> list[Any]:
        raise TransientError("pods is forbidden", "Forbidden")

    forbidden.client.pods = pods
    assert await held_up(world.jobs["j"], forbidden) == ""
