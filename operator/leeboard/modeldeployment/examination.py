"""What verification and comparison have in common: how their job and its finding stand in the status. Pure."""

from leeboard.api.modeldeployment import Examination, JobUnderWay
from leeboard.contract.registry import ReportedRun
from leeboard.control.clock import iso
from leeboard.control.conditions import RECONCILING, STALLED, cut
from leeboard.control.steps import EmitEvent
from leeboard.modeldeployment.pursuit import Pursuit
from leeboard.modeldeployment.transitions import AT_ONCE
from leeboard.modeldeployment.view import Decision, Standing, View

_LOOK = 30.0


def under_way(view: View, reason: str, pursued: Pursuit) -> Decision:
    """Say that the job is at work."""
    standing = Standing(RECONCILING, reason, pursued.message)
    return Decision(_with(view, job=pursued.job).status, standing, steps=pursued.steps, look=pursued.look)


def passed(view: View, found: ReportedRun, field: str, reason: str) -> Decision:
    """Keep in the rollout's status what was found.

    Args:
        view: The view.
        found: The finished run.
        field: verification or comparison.
        reason: CamelCase reason.
    """
    examined = Examination(
        request_hash=found.report.request_hash,
        report_uri=found.report_uri,
        run_id=found.run_id,
        message=cut(found.report.message),
    )
    after = _with(view, **{field: examined, "job": None, "last_advance_time": iso(view.now)})
    event = EmitEvent("Normal", reason, examined.message)
    return Decision(after.status, Standing(RECONCILING, reason, examined.message), (event,), look=AT_ONCE)


def impossible(view: View, job: JobUnderWay, reason: str, what: str) -> Decision:
    """Say that nothing could be found out, which is nobody's verdict about the version.

    Args:
        view: The view.
        job: The job as it stands in status from now on.
        reason: CamelCase reason.
        what: `be verified`, and where to mend.
    """
    candidate = view.status.candidate
    version = candidate.version if candidate is not None else ""
    again = f"`leeboard retry {view.subject.metadata.name} --version {version}`"
    message = f"version {version} could not {what.format(why=job.message)}, then run {again}"
    return Decision(_with(view, job=job).status, Standing(STALLED, reason, message), look=_LOOK)


def _with(view: View, **changes: object) -> View:
    if view.rollout is None:
        raise ValueError("there is no rollout that could be examined")
    return View(view.seen, view.status.model_copy(update={"rollout": view.rollout.model_copy(update=changes)}))
