"""How an attempt stands, and which RayJobs may go."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeboard.control.attempts import KEPT_JOBS, Stand, doing, next_attempt, standing, surplus
from leeboard.control.clock import iso

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=1)


def job(
    name: str = "j", deployment: str = "Running", outcome: str = "", reason: str = "", **meta: Any
) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": iso(NOW)} | meta
    status = {"jobDeploymentStatus": deployment, "jobStatus": outcome, "reason": reason}
    return {"metadata": metadata, "spec": {}, "status": status}


@pytest.mark.parametrize(
    ("sentence", "raw", "observed", "stand", "retryable"),
    [
        ("it was never seen: it is still to be made", None, False, Stand.UNMADE, True),
        ("it was seen and is gone", None, True, Stand.FAILED, True),
        ("it is on its way out", job(deletionTimestamp=iso(NOW)), True, Stand.FAILED, True),
        ("it works", job(), True, Stand.RUNNING, True),
        ("it waits in a queue", job(deployment="Suspended"), True, Stand.QUEUED, True),
        ("it succeeded and left no report", job(deployment="Complete", outcome="SUCCEEDED"), True, Stand.FAILED, True),
        ("nobody took it up", job(deployment="", creationTimestamp=iso(LONG_AGO)), True, Stand.UNCLAIMED, True),
        ("its code failed", job(deployment="Failed", reason="AppFailed"), True, Stand.FAILED, True),
        ("KubeRay refuses it", job(deployment="ValidationFailed"), True, Stand.FAILED, False),
    ],
)
def test_an_attempt_stands_where_its_job_says(
    sentence: str, raw: dict[str, Any] | None, *, observed: bool, stand: Stand, retryable: bool
) -> None:
    found = standing(raw, "j", NOW, observed=observed)
    assert (found.stand, found.retryable) == (stand, retryable), sentence
    assert bool(found.message) is (stand is Stand.FAILED)


@pytest.mark.parametrize(
    ("deployment", "held_up", "does"),
    [
        ("Suspended", "", "waits in its queue"),
        ("Initializing", "no node takes its pod", "waits for its pods (no node takes its pod)"),
        ("Running", "", "trains"),
    ],
)
def test_what_a_job_under_way_does(deployment: str, held_up: str, does: str) -> None:
    where = standing(job(deployment=deployment), "j", NOW, observed=True)
    assert doing(where, "trains", held_up) == does


def test_attempts_come_later_and_later_but_never_more_than_ten_minutes_apart() -> None:
    waits = []
    for attempt in range(6):
        change = next_attempt(attempt, "next", "it broke", NOW)
        waits.append((datetime.fromisoformat(change["retry_time"]) - NOW).total_seconds())
        assert (change["attempt"], change["observed"]) == (attempt + 1, False)
    assert waits == [5, 20, 80, 320, 600, 600]


def test_what_works_for_nobody_goes_and_what_ended_is_kept_for_a_while() -> None:
    ended = [
        job(f"old-{number:02}", "Complete", "SUCCEEDED", creationTimestamp=f"2026-01-01T00:{number:02}:00Z")
        for number in range(KEPT_JOBS + 2)
    ]
    overdue = job("overdue", "Failed", "RUNNING", "DeadlineExceeded")
    broken = job("broken", "Failed", "FAILED", "AppFailed")
    found = surplus([*ended, job("stray"), overdue, broken, job("mine")], active={"mine"})
    assert {step.name for step in found} == {"stray", "overdue", "old-00", "old-01", "old-02"}
    assert all(step.uid == f"uid-{step.name}" for step in found)


def test_what_is_being_deleted_is_not_deleted_again() -> None:
    assert surplus([job("stray", deletionTimestamp=iso(NOW))], active=()) == ()
