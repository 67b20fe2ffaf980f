from datetime import UTC, datetime, timedelta

from leeboard.control.conditions import Finding, cut, false, find, holds, merge, true, unknown

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def test_a_condition_keeps_its_time_while_its_status_stays():
    first = merge([], [true("Ready", "Serving", "it serves")], 1, NOON)
    then = merge(first, [true("Ready", "Promoted", "version 8 serves")], 2, LATER)
    assert then == [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 2,
            "lastTransitionTime": "2026-01-01T12:00:00Z",
            "reason": "Promoted",
            "message": "version 8 serves",
        }
    ]


def test_a_condition_takes_the_time_at_which_its_status_changed():
    first = merge([], [true("Ready", "Serving", "")], 1, NOON)
    then = merge(first, [false("Ready", "RollingOut", "")], 1, LATER)
    assert then[0]["lastTransitionTime"] == "2026-01-01T13:00:00Z"


def test_reconciling_and_stalled_stand_only_while_true():
    troubled = merge([], [false("Ready", "A", ""), true("Reconciling", "A", ""), true("Stalled", "A", "")], 1, NOON)
    assert [entry["type"] for entry in troubled] == ["Ready", "Reconciling", "Stalled"]
    healed = merge(troubled, [true("Ready", "B", ""), false("Reconciling", "B", "")], 1, LATER)
    assert [entry["type"] for entry in healed] == ["Ready"]


def test_conditions_of_which_nothing_is_said_stay():
    before = merge([], [true("Ready", "A", ""), true("RouteReady", "A", "")], 1, NOON)
    after = merge(before, [false("Ready", "B", "")], 2, LATER)
    assert find(after, "RouteReady") == find(before, "RouteReady")


def test_saying_the_same_again_changes_nothing():
    findings = [unknown("Available", "A", "m"), true("Ready", "A", "m")]
    once = merge([], findings, 3, NOON)
    assert merge(once, findings, 3, LATER) == once


def test_the_last_word_on_a_type_counts():
    assert holds(merge([], [false("Ready", "A", ""), true("Ready", "B", "")], 1, NOON), "Ready")


def test_messages_are_cut_to_what_a_field_holds():
    said = merge([], [Finding("Ready", "True", "A", "x" * 5000)], 1, NOON)
    assert len(said[0]["message"]) == 1024
    assert said[0]["message"].endswith("…")
    assert cut("short") == "short"


def test_an_absent_condition_does_not_hold():
    assert find([], "Ready") is None
    assert not holds([], "Ready")
