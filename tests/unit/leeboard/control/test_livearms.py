"""Which arms were live, and from when to when."""

from datetime import UTC, datetime, timedelta
from typing import Any

from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.shared import ArmSpan
from leeboard.control.clock import iso
from leeboard.control.livearms import MAX_SPANS, remember, within

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)


def at(minutes: int) -> str:
    return iso(NOW + timedelta(minutes=minutes))


def model(*traffic: tuple[str, int, int], retiring: tuple[str, ...] = ()) -> ModelDeployment:
    """A ModelDeployment with (arm, percent, minutes since it is in the route)."""
    entries: list[dict[str, Any]] = [
        {"version": arm[1:], "arm": arm, "percent": percent, "routedSinceTime": at(since)}
        for arm, percent, since in traffic
    ]
    old = [{"version": arm[1:], "arm": arm, "deleteTime": at(5)} for arm in retiring]
    return ModelDeployment.model_validate(
        {
            "metadata": {"name": "flights"},
            "spec": {"model": {"name": "flights"}},
            "status": {"traffic": entries, "retiring": old},
        }
    )


def spans(found: list[ArmSpan]) -> list[tuple[str, str, str | None]]:
    return [(span.arm, span.from_time, span.to_time) for span in found]


def test_arms_with_weight_are_live_since_they_were_routed() -> None:
    found = remember([], model(("v1", 90, -60), ("v2", 10, -5), ("v3", 0, -1)), NOW, LONG_AGO)
    assert spans(found) == [("v1", at(-60), None), ("v2", at(-5), None)]


def test_an_arm_that_left_the_route_was_live_until_it_was_seen_to_be_gone() -> None:
    before = remember([], model(("v1", 100, -60)), NOW, LONG_AGO)
    later = NOW + timedelta(minutes=10)
    found = remember(before, model(("v2", 100, 5)), later, LONG_AGO)
    assert spans(found) == [("v1", at(-60), at(10)), ("v2", at(5), None)]
    assert remember(found, model(("v2", 100, 5)), later + timedelta(hours=1), LONG_AGO) == found


def test_an_arm_that_comes_back_has_a_second_span() -> None:
    gone = [ArmSpan(arm="v1", version="1", from_time=at(-60), to_time=at(-30))]
    found = remember(gone, model(("v1", 100, -60)), NOW, LONG_AGO)
    assert spans(found) == [("v1", at(-60), at(-30)), ("v1", at(-30), None)]


def test_old_arms_count_at_the_first_look_only() -> None:
    first = remember([], model(("v2", 100, -5), retiring=("v1",)), NOW, LONG_AGO)
    assert [(span.arm, span.to_time) for span in first] == [("v1", at(0)), ("v2", None)]
    without = [span for span in first if span.arm == "v2"]
    assert remember(without, model(("v2", 100, -5), retiring=("v1",)), NOW, LONG_AGO) == without


def test_forgets_what_no_window_reaches_and_never_holds_more_than_status_can() -> None:
    many = [
        ArmSpan(arm=f"v{number}", version=str(number), from_time=at(number), to_time=at(number + 1))
        for number in range(100)
    ]
    found = remember(many, model(("v200", 100, 200)), NOW, NOW + timedelta(minutes=20))
    assert len(found) == MAX_SPANS
    assert found[-1].arm == "v200"
    assert spans(remember(many[:5], model(), NOW, NOW + timedelta(minutes=4))) == [("v4", at(4), at(5))]


def test_knows_no_less_when_the_deployment_is_not_there() -> None:
    before = [ArmSpan(arm="v1", version="1", from_time=at(-60))]
    assert remember(before, None, NOW, LONG_AGO) == before


def test_a_window_cuts_the_spans_and_is_the_same_whenever_it_is_asked_for() -> None:
    start, end = NOW - timedelta(minutes=30), NOW
    open_ones = [
        ArmSpan(arm="v1", version="1", from_time=at(-60)),
        ArmSpan(arm="v2", version="2", from_time=at(-10)),
        ArmSpan(arm="v0", version="3", from_time=at(-60), to_time=at(-30)),
        ArmSpan(arm="v4", version="4", from_time=at(0)),
    ]
    found = within(open_ones, start, end)
    assert [(arm.arm, arm.from_time, arm.to_time) for arm in found] == [("v1", at(-30), None), ("v2", at(-10), None)]
    closed = [open_ones[0].model_copy(update={"to_time": at(3)}), *open_ones[1:]]
    assert within(closed, start, end) == found
    ended = [open_ones[0].model_copy(update={"to_time": at(-20)})]
    assert within(ended, start, end)[0].to_time == at(-20)
