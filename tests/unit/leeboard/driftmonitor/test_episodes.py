"""Windows become an episode, keep it and end it: each rule by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeboard.api.driftmonitor import CheckStatus, DriftMonitor, DriftMonitorStatus, Episode, MonitorRun
from leeboard.contract.documents import short_hash
from leeboard.control.clock import iso
from leeboard.control.steps import EmitEvent
from leeboard.driftmonitor import episodes

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MOVED = CheckStatus(name="columns", statistic=0.5, drifted=True, worst_columns=["temp", "wind"])
STILL = CheckStatus(name="columns", statistic=0.1)
UNMEASURED = CheckStatus(name="quality")


def run(hour: int, *checks: CheckStatus, verdict: str = "", version: str = "1", **more: Any) -> MonitorRun:
    said = verdict or ("Drifted" if any(check.drifted for check in checks) else "Stable")
    values = {
        "windowStartTime": f"2026-01-05T{hour - 1:02}:00:00Z",
        "windowEndTime": f"2026-01-05T{hour:02}:00:00Z",
        "verdict": said,
        "modelVersion": version,
        "runId": f"run-{hour}",
        "finishedTime": f"2026-01-05T{hour:02}:05:00Z",
        "checks": [check.document() for check in checks],
    }
    return MonitorRun.model_validate(values | more)


def monitor(**alerting: Any) -> DriftMonitor:
    return DriftMonitor.model_validate(
        {
            "metadata": {"name": "watch", "namespace": "default", "uid": "u-1"},
            "spec": {
                "modelDeploymentRef": {"name": "flights"},
                "schedule": {"every": "1h"},
                "window": {"duration": "1h"},
                "alerting": {"raiseAfter": {"breaches": 2, "of": 3}, "clearAfter": 2, "cooldown": "6h"} | alerting,
            },
        }
    )


def known(*history: MonitorRun, **more: Any) -> DriftMonitorStatus:
    return DriftMonitorStatus(history=list(history), last_run=history[0] if history else None, **more)


def episode(*checks: str, version: str | None = "1") -> Episode:
    return Episode(id="e1", started_time="2026-01-05T09:00:00Z", checks=list(checks), model_version=version)


def after(status: DriftMonitorStatus, stable: str | None = "1", **alerting: Any) -> DriftMonitorStatus:
    """Judge the newest run of a history."""
    return episodes.after_run(status, status.history[0], monitor(**alerting), stable, NOW)


def test_an_episode_says_what_raised_it_since_when_and_about_which_version():
    raised = after(known(run(11, MOVED), run(10, MOVED), quiet_runs=7))

    assert raised.episode == Episode(
        id=short_hash("u-1", "2026-01-05T11:00:00Z", length=16),
        started_time=iso(NOW),
        checks=["columns"],
        model_version="1",
    )
    assert raised.quiet_runs == 0


@pytest.mark.parametrize(
    ("sentence", "history", "more", "raised"),
    [
        ("one breach is too few", [run(11, MOVED)], {}, False),
        ("two of the last three", [run(11, MOVED), run(10, STILL), run(9, MOVED)], {}, True),
        (
            "two of the last four are too far apart",
            [run(11, MOVED), run(10, STILL), run(9, STILL), run(8, MOVED)],
            {},
            False,
        ),
        ("the window itself must have drifted", [run(11, STILL), run(10, MOVED), run(9, MOVED)], {}, False),
        (
            "an insufficient window takes no place",
            [run(11, MOVED), run(10, verdict="Insufficient"), run(9, STILL), run(8, MOVED)],
            {},
            True,
        ),
        ("windows of another version do not count", [run(11, MOVED), run(10, MOVED, version="0")], {}, False),
        (
            "windows of the last episode do not count",
            [run(11, MOVED), run(10, MOVED)],
            {"last_episode_end_time": "2026-01-05T10:05:00Z"},
            False,
        ),
        (
            "windows after it do",
            [run(11, MOVED), run(10, MOVED)],
            {"last_episode_end_time": "2026-01-05T10:04:59Z"},
            True,
        ),
        (
            "a run that does not tell when it ended counts",
            [run(11, MOVED), run(10, MOVED, finishedTime=None)],
            {"last_episode_end_time": "2026-01-05T10:05:00Z"},
            True,
        ),
    ],
)
def test_what_raises_an_episode(sentence: str, history: list[MonitorRun], more: dict[str, Any], *, raised: bool):
    assert (after(known(*history, **more)).episode is not None) is raised, sentence


def test_a_window_that_was_scored_again_is_judged_as_of_its_time():
    later = run(12, MOVED)
    status = known(later, run(11, MOVED), run(10, STILL))

    judged = episodes.after_run(status, status.history[1], monitor(), "1", NOW)
    assert judged.episode is None, "the later window was not there"


@pytest.mark.parametrize("stable", ["2", "0"])
def test_a_run_about_a_version_that_serves_no_more_changes_nothing(stable: str):
    status = known(run(11, MOVED), run(10, MOVED))

    assert after(status, stable) == status
    open_status = known(run(11, STILL), episode=episode("columns"), quiet_runs=1)
    assert after(open_status, stable) == open_status


def test_it_counts_when_nobody_knows_which_version_serves():
    assert after(known(run(11, MOVED), run(10, MOVED)), stable=None).episode is not None


@pytest.mark.parametrize("verdict", ["Insufficient", "Error"])
def test_a_window_that_measured_nothing_changes_nothing(verdict: str):
    status = known(run(11, verdict=verdict), episode=episode("columns"), quiet_runs=1)

    assert after(status) == status


def test_another_check_that_drifts_joins_the_episode_and_a_quiet_row_begins_anew():
    answers = CheckStatus(name="answers", statistic=1.0, drifted=True)
    gone_on = after(known(run(11, MOVED, answers), episode=episode("columns"), quiet_runs=1))

    assert gone_on.episode == episode("columns", "answers")
    assert gone_on.quiet_runs == 0


def test_an_episode_names_so_many_checks_and_no_more():
    many = [CheckStatus(name=f"check-{number}", statistic=1.0, drifted=True) for number in range(16)]
    gone_on = after(known(run(11, *many), episode=episode("columns")))

    assert gone_on.episode.checks == ["columns", *(f"check-{number}" for number in range(15))]


def test_quiet_windows_in_a_row_end_it():
    first = after(known(run(11, STILL), episode=episode("columns")))
    assert (first.episode, first.quiet_runs, first.last_episode_end_time) == (episode("columns"), 1, None)
    second = after(first)

    assert (second.episode, second.quiet_runs, second.last_episode_end_time) == (None, 0, iso(NOW))


def test_a_window_in_which_its_checks_were_not_measured_is_not_quiet():
    status = known(run(11, STILL, UNMEASURED), episode=episode("quality"), quiet_runs=1)
    assert after(status) == status

    other = known(run(11, STILL, UNMEASURED), episode=episode("columns"), quiet_runs=1)
    assert after(other).episode is None, "the checks that raised it were measured"


@pytest.mark.parametrize(
    ("sentence", "version", "stable", "ends"),
    [
        ("another version serves", "1", "2", True),
        ("the same version serves", "1", "1", False),
        ("nobody knows what serves", "1", None, False),
        ("nobody knows what it was about", None, "2", False),
    ],
)
def test_a_promotion_supersedes_it(sentence: str, version: str | None, stable: str | None, *, ends: bool):
    status = known(episode=episode("columns", version=version), quiet_runs=1)
    found = episodes.superseded(status, stable, NOW)

    expected = {"episode": None, "quiet_runs": 0, "last_episode_end_time": iso(NOW)}
    assert found == (status.model_copy(update=expected) if ends else status), sentence


def test_without_an_episode_there_is_nothing_to_supersede():
    status = known(quiet_runs=1)

    assert episodes.superseded(status, "2", NOW) == status


@pytest.mark.parametrize(
    ("sentence", "before", "now", "tells"),
    [
        ("a new window", [], run(11, STILL), True),
        ("the same again", [run(11, STILL)], run(11, STILL), False),
        ("drift that only the labels showed", [run(11, STILL)], run(11, MOVED), True),
        ("drift that was known", [run(11, MOVED)], run(11, MOVED), False),
        ("quiet that only the labels showed", [run(11, UNMEASURED)], run(11, STILL), False),
    ],
)
def test_what_a_window_tells_anew(sentence: str, before: list[MonitorRun], now: MonitorRun, *, tells: bool):
    found = episodes.news(known(*before, run(9, MOVED)), known(now, run(9, MOVED)), "2026-01-05T11:00:00Z")

    assert found == (now if tells else None), sentence


def test_a_window_that_labels_made_quiet_tells_something_about_the_episode():
    measured = CheckStatus(name="quality", statistic=0.9)
    before = known(run(11, UNMEASURED), episode=episode("quality"))

    assert episodes.news(before, known(run(11, measured)), "2026-01-05T11:00:00Z") == run(11, measured)
    assert episodes.news(before, known(run(11, UNMEASURED)), "2026-01-05T11:00:00Z") is None
    quiet = known(run(11, measured), episode=episode("quality"))
    assert episodes.news(quiet, known(run(11, measured)), "2026-01-05T11:00:00Z") is None


def test_a_window_that_no_history_holds_tells_nothing():
    assert episodes.news(known(run(9, MOVED)), known(run(9, MOVED)), "2026-01-05T11:00:00Z") is None


def test_the_runs_that_raised_it_speak_for_it_and_then_each_that_drifts():
    history = (run(11, MOVED), run(10, STILL), run(9, MOVED), run(8, MOVED, runId=None))
    raised = known(*history, episode=episode("columns"))

    assert episodes.evidence(known(*history), raised, history[0]) == (("run-11", "e1"), ("run-9", "e1"))
    other = Episode(id="e0", started_time="2026-01-05T07:00:00Z")
    assert episodes.evidence(known(episode=other), raised, history[0]) == (("run-11", "e1"), ("run-9", "e1"))
    assert episodes.evidence(raised, raised, history[0]) == (("run-11", "e1"),)
    assert episodes.evidence(raised, raised, history[1]) == (), "a quiet window speaks for nothing"
    assert episodes.evidence(raised, raised, None) == ()
    assert episodes.evidence(raised, known(*history), history[0]) == ()


def test_one_event_tells_window_checks_columns_and_report():
    answers = CheckStatus(name="answers", statistic=1.0, drifted=True)
    found = run(11, MOVED, answers, STILL.model_copy(update={"name": "joint"}), reportUri="mlflow-artifacts:/1/r")
    status = known(found, episode=episode("columns"))

    assert episodes.alert(status, found, monitor(), NOW) == EmitEvent(
        "Warning",
        "DriftDetected",
        "[Warning] the window 2026-01-05T10:00:00Z to 2026-01-05T11:00:00Z drifted: columns (temp, wind), answers; "
        "see mlflow-artifacts:/1/r",
    )
    quiet = episodes.alert(status, found.model_copy(update={"report_uri": None}), monitor(severity="Info"), NOW)
    assert quiet is not None
    assert (quiet.type, quiet.message.split("; ")[1]) == ("Normal", "see the report in MLflow")
    assert quiet.message.startswith("[Info] ")


def test_drift_of_which_the_report_names_no_check_says_so():
    assert episodes.tell_checks(run(11, STILL, verdict="Drifted")) == "no check is named in the report"


@pytest.mark.parametrize(("age", "told"), [(timedelta(hours=6, seconds=-1), False), (timedelta(hours=6), True)])
def test_at_most_one_event_per_cooldown(age: timedelta, *, told: bool):
    found = run(11, MOVED)
    status = known(found, episode=episode("columns"), last_alert_time=iso(NOW - age))

    assert (episodes.alert(status, found, monitor(), NOW) is not None) is told


def test_no_event_without_an_episode_or_about_a_quiet_window():
    found = run(11, MOVED)
    assert episodes.alert(known(found), found, monitor(), NOW) is None
    quiet = run(11, STILL)
    assert episodes.alert(known(quiet, episode=episode("columns")), quiet, monitor(), NOW) is None
