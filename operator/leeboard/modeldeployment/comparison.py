"""Checks, when a candidate was in the shadow, that it answers as the stable version does. Pure.

copies begin ──────── duration ──────── compare ── too few rows ── a quarter of it later: compare all of them
"""

from datetime import datetime, timedelta

from leeboard.api.base import seconds
from leeboard.api.modeldeployment import Outcome, RolloutPhase
from leeboard.api.rollout import Shadow
from leeboard.contract.examinations import CompareReport, CompareRequest
from leeboard.contract.jobs import JobOutcome, LiveArm
from leeboard.contract.registry import ReportedRun
from leeboard.control.clock import iso
from leeboard.modeldeployment import examination, pursuit, transitions
from leeboard.modeldeployment.pursuit import Errand
from leeboard.modeldeployment.stepping import waiting
from leeboard.modeldeployment.view import Decision, View

PURPOSE = "compare"
_SHORTEST_PAUSE = timedelta(minutes=1)
_LOOK = 10.0


def is_due(view: View) -> bool:
    """Say whether the prediction log has to be compared now."""
    end = _window_end(view)
    return end is not None and view.now >= end


def _shadow(view: View) -> Shadow | None:
    """Return the shadow that was not compared yet; None: there is none."""
    rollout, stage = view.rollout, view.stage
    if rollout is None or stage is None or rollout.comparison is not None or not view.in_phase(RolloutPhase.STAGES):
        return None
    return stage.shadow


def _window_end(view: View) -> datetime | None:
    shadow, rollout, end = _shadow(view), view.rollout, view.hold_end
    if shadow is None or rollout is None or end is None:
        return None
    return end + rollout.comparisons * max(timedelta(seconds=seconds(shadow.duration)) / 4, _SHORTEST_PAUSE)


def awaited(view: View) -> CompareRequest | None:
    """Return the request whose report the rollout waits for now; None: it waits for none, or the log is not known."""
    rollout, stable, candidate, shadow = view.rollout, view.status.stable, view.status.candidate, _shadow(view)
    end, log = _window_end(view), view.seen.log
    if rollout is None or stable is None or candidate is None or shadow is None or end is None or log is None:
        return None
    if view.now < end or rollout.step_start_time is None:
        return None
    metadata, window = view.subject.metadata, {"from_time": rollout.step_start_time, "to_time": iso(end)}
    return CompareRequest(
        namespace=metadata.namespace,
        owner=metadata.name,
        owner_uid=metadata.uid,
        model_deployment=metadata.name,
        model_name=view.subject.spec.model.name,
        tracking_uri=view.seen.settings.tracking_uri,
        rollout_start_time=rollout.start_time,
        rollout_attempt=rollout.attempt,
        stage=rollout.stage or "",
        candidate=LiveArm(arm=candidate.arm, version=candidate.version, **window),
        stable=LiveArm(arm=stable.arm, version=stable.version, **window),
        log=log,
        min_samples=shadow.min_samples,
        min_agreement=shadow.min_agreement,
        tolerance=shadow.tolerance,
    )


def check_compared(view: View) -> Decision | None:
    """The answers in the shadow have to be compared before the rollout goes on."""
    shadow, rollout, end = _shadow(view), view.rollout, _window_end(view)
    if shadow is None or rollout is None or end is None:
        return None
    if view.now < end:
        why = f"too few rows to compare so far ({rollout.comparisons} times), it is compared again at {iso(end)}"
        return waiting(view, "Shadow", why, (end - view.now).total_seconds())
    request = awaited(view)
    if request is None:
        why = view.seen.log_problem or "nothing has been logged yet: see whether requests come and reach the collector"
        return waiting(view, "Comparing", f"the answers in the shadow cannot be compared: {why}", _LOOK)
    errand = Errand(request, PURPOSE, rollout.attempt, "compares the answers in the shadow")
    found = view.seen.reports.get(request.request_hash)
    answered = _answered(view, errand, found) if found is not None else None
    if answered is not None:
        return answered
    pursued = pursuit.pursue(view.seen, errand, rollout.job)
    if pursued.failed:
        return _impossible(view, errand, pursued.message)
    return examination.under_way(view, "Comparing", pursued)


def _answered(view: View, errand: Errand, found: ReportedRun) -> Decision | None:
    report = found.report
    if report.outcome is JobOutcome.INSUFFICIENT:
        return _too_few(view, report.message)
    if report.outcome is JobOutcome.MEASURED and isinstance(report, CompareReport):
        if report.passed:
            return examination.passed(view, found, "comparison", "Compared")
        message = f"{report.message}; report: {found.report_uri}"
        return transitions.roll_back(view, Outcome.ROLLED_BACK, "ComparisonFailed", message, run_id=found.run_id)
    return _impossible(view, errand, report.message) if report.permanent else None


def _too_few(view: View, why: str) -> Decision:
    if view.rollout is None:
        raise ValueError("there is no rollout that was compared")
    changed = view.rollout.model_copy(update={"comparisons": view.rollout.comparisons + 1, "job": None})
    after = View(view.seen, view.status.model_copy(update={"rollout": changed}))
    return waiting(after, "Shadow", why, transitions.AT_ONCE)


def _impossible(view: View, errand: Errand, why: str) -> Decision:
    job = pursuit.given_up(view.seen, errand, view.rollout.job if view.rollout else None, why)
    return examination.impossible(view, job, "ComparisonError", "be compared: {why}; mend what the message names")
