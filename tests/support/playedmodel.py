"""A ModelDeployment of which only the status is played, and a log; what monitors and policies look at."""

from typing import Any

from leeboard.contract.serving import TableState
from leeboard.control.clock import iso
from tests.support.playedworld import PlayedWorld

MODEL = "flights"
ZERO = "2026-01-01T00:00:00Z"


def serve(world: PlayedWorld, version: str = "1", since: str | None = None, **spec: Any) -> None:
    """Let a version serve, alone."""
    arm = arm_of(version)
    since = since or iso(world.time)
    raw = world.objects.get(("ModelDeployment", MODEL)) or world.put(
        "ModelDeployment", MODEL, {"model": {"name": "flights"}, **spec}
    )
    raw["status"] = {
        "stable": {"version": version, "arm": arm, "sinceTime": since},
        "traffic": [{"version": version, "arm": arm, "percent": 100, "routedSinceTime": since}],
    }


def roll_out(world: PlayedWorld, version: str) -> None:
    """Let a candidate come in, with a tenth of the traffic."""
    status = world.objects["ModelDeployment", MODEL]["status"]
    arm, now = arm_of(version), iso(world.time)
    status["candidate"] = {"version": version, "arm": arm}
    status["rollout"] = {"attempt": 1, "phase": "Stages", "hash": "x", "startTime": now, "lastAdvanceTime": now}
    status["traffic"][0]["percent"] = 90
    status["traffic"].append({"version": version, "arm": arm, "percent": 10, "routedSinceTime": now})


def end_rollout(world: PlayedWorld, version: str, outcome: str, *, rejected: bool = False) -> None:
    """Let the rollout of a version end."""
    status = world.objects["ModelDeployment", MODEL]["status"]
    before = status["stable"]
    history = status.get("history", [])
    if outcome == "Promoted":
        serve(world, version)
    else:
        serve(world, before["version"], before["sinceTime"])
    ended = {
        "version": version,
        "outcome": outcome,
        "reason": "Told",
        "message": f"the test says {outcome}",
        "finishedTime": iso(world.time),
        "rejected": rejected,
    }
    status = world.objects["ModelDeployment", MODEL]["status"]
    status |= {"lastRollout": ended, "history": [ended, *history][:10]}


def log(world: PlayedWorld, labels: int = 0) -> None:
    """Let the collector know the log, with so many labels."""
    world.tables = TableState(
        predictions="/log/predictions", labels="/log/labels", prediction_rows=10, label_rows=labels
    )


def arm_of(version: str) -> str:
    return f"flights-v{version}-0a1b2c"
