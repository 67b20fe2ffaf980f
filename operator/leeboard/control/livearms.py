"""Which arms were live, and from when to when: remembered, since a deployment forgets an arm when it is gone. Pure.

A ModelDeployment's status names only the arms that are in its route now. A window reaches further back, so whoever
reads windows of the log keeps the spans that it has seen. An arm that came and went before anyone looked is unknown,
and its rows do not count.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.shared import ArmSpan
from leeboard.contract.jobs import LiveArm
from leeboard.control.clock import instant, iso

MAX_SPANS = 64
"""As many as status holds; the oldest go first."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def remember(
    before: Sequence[ArmSpan], model: ModelDeployment | None, now: datetime, horizon: datetime
) -> list[ArmSpan]:
    """Return the spans that are known now, oldest first.

    Args:
        before: What was known.
        model: The ModelDeployment; None: nothing new is known.
        now: The present instant; an arm that left the route is taken to have been live until now.
        horizon: Spans that ended by then cannot matter any more.
    """
    if model is None:
        return list(before)
    routed = {entry.arm: entry for entry in model.status.traffic if entry.percent > 0}
    spans = [
        span.model_copy(update={"to_time": iso(now)}) if span.to_time is None and span.arm not in routed else span
        for span in before
    ]
    still_open = {span.arm for span in spans if span.to_time is None}
    for arm, entry in routed.items():
        if arm not in still_open:
            left = [span.to_time for span in spans if span.arm == arm and span.to_time is not None]
            since = max(entry.routed_since_time, *left) if left else entry.routed_since_time
            spans.append(ArmSpan(arm=arm, version=entry.version, from_time=since))
    if not before:  # the first look: old arms that wait for their end have served, nobody knows since when
        spans += [
            ArmSpan(arm=old.arm, version=old.version, from_time=iso(_EPOCH), to_time=iso(now))
            for old in model.status.retiring
            if old.served and old.arm not in routed
        ]
    wanted = [span for span in spans if span.to_time is None or instant(span.to_time) > horizon]
    return sorted(wanted, key=lambda span: (span.from_time, span.arm))[-MAX_SPANS:]


def within(spans: Sequence[ArmSpan], start: datetime, end: datetime) -> tuple[LiveArm, ...]:
    """Return the spans that overlap `[start, end)`, cut to it: the same for a window whenever it is asked for."""
    found = []
    for span in spans:
        since = max(instant(span.from_time), start)
        until = instant(span.to_time) if span.to_time is not None else None
        if since < end and (until is None or until > start):
            to_time = iso(until) if until is not None and until < end else None
            found.append(LiveArm(arm=span.arm, version=span.version, from_time=iso(since), to_time=to_time))
    return tuple(found)
