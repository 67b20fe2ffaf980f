"""Checks that a candidate passes its integration metric test: a labelled test pack through its whole arm. Pure."""

from leeboard.api.modeldeployment import Examination, JobUnderWay, Outcome, RolloutPhase
from leeboard.contract.jobs import ArmAddress, JobOutcome, VerifyReport, VerifyRequest
from leeboard.contract.registry import ReportedRun
from leeboard.control import names
from leeboard.control.clock import iso
from leeboard.control.conditions import RECONCILING, STALLED, cut
from leeboard.control.steps import EmitEvent
from leeboard.modeldeployment import pursuit, transitions
from leeboard.modeldeployment.pursuit import Errand
from leeboard.modeldeployment.transitions import AT_ONCE
from leeboard.modeldeployment.view import Decision, Standing, View

PURPOSE = "verify"
_LOOK = 30.0


def awaited(view: View) -> VerifyRequest | None:
    """Return the request whose report the rollout waits for now; None: it waits for none.

    A version that returns was verified when it came in first.
    """
    candidate, rollout, wanted = view.status.candidate, view.rollout, view.subject.spec.verification
    if candidate is None or rollout is None or wanted is None or rollout.emergency_return:
        return None
    if not view.in_phase(RolloutPhase.PREPARING) or candidate.arm not in view.status.proven_arms:
        return None
    metadata, stable = view.subject.metadata, view.status.stable
    comparable = stable is not None and stable.arm in view.status.proven_arms and stable.arm != candidate.arm
    request = VerifyRequest(
        namespace=metadata.namespace,
        owner=metadata.name,
        owner_uid=metadata.uid,
        model_deployment=metadata.name,
        model_name=view.subject.spec.model.name,
        tracking_uri=view.seen.settings.tracking_uri,
        rollout_start_time=rollout.start_time,
        rollout_attempt=rollout.attempt,
        candidate=_address(view, candidate.arm, candidate.version),
        stable=_address(view, stable.arm, stable.version) if stable is not None and comparable else None,
        protocol=view.subject.spec.serving.protocol_version.value,
        dataset=wanted.dataset,
        metrics=tuple(wanted.metrics),
        max_rows=wanted.max_rows,
    )
    verified = rollout.verification
    return None if verified is not None and verified.request_hash == request.request_hash else request


def _address(view: View, arm: str, version: str) -> ArmAddress:
    host = names.transformer_host(arm, view.subject.metadata.namespace)
    return ArmAddress(arm=arm, version=version, address=f"http://{host}")


def check_verified(view: View) -> Decision | None:
    """The candidate's arm has to pass the test pack before it gets any traffic."""
    request, rollout = awaited(view), view.rollout
    if request is None or rollout is None:
        return None
    errand = Errand(request, PURPOSE, rollout.attempt, "sends the test pack through the arm")
    found = view.seen.reports.get(request.request_hash)
    if found is not None and isinstance(found.report, VerifyReport):
        report = found.report
        if report.outcome is JobOutcome.MEASURED:
            return _passed(view, found) if report.passed else _failed(view, found)
        if report.permanent:
            job = pursuit.given_up(view.seen, errand, rollout.job, report.message)
            return _impossible(view, job)
    pursued = pursuit.pursue(view.seen, errand, rollout.job)
    if pursued.failed:
        return _impossible(view, pursued.job)
    standing = Standing(RECONCILING, "Verifying", pursued.message)
    return Decision(_with_job(view, pursued.job).status, standing, steps=pursued.steps, look=pursued.look)


def _with_job(view: View, job: JobUnderWay) -> View:
    if view.rollout is None:
        raise ValueError("there is no rollout that a job could belong to")
    return View(view.seen, view.status.model_copy(update={"rollout": view.rollout.model_copy(update={"job": job})}))


def _passed(view: View, found: ReportedRun) -> Decision:
    if view.rollout is None:
        raise ValueError("there is no rollout to verify")
    examined = Examination(
        request_hash=found.report.request_hash,
        report_uri=found.report_uri,
        run_id=found.run_id,
        message=cut(found.report.message),
    )
    update = {"verification": examined, "job": None, "last_advance_time": iso(view.now)}
    return Decision(
        view.status.model_copy(update={"rollout": view.rollout.model_copy(update=update)}),
        Standing(RECONCILING, "Verified", examined.message),
        (EmitEvent("Normal", "Verified", examined.message),),
        look=AT_ONCE,
    )


def _failed(view: View, found: ReportedRun) -> Decision:
    message = f"{found.report.message}; report: {found.report_uri}"
    return transitions.roll_back(view, Outcome.ROLLED_BACK, "VerificationFailed", message)


def _impossible(view: View, job: JobUnderWay) -> Decision:
    candidate = view.status.candidate
    version = candidate.version if candidate is not None else ""
    message = (
        f"version {version} could not be verified: {job.message}; mend spec.verification or its data set, then run "
        f"`leeboard retry {view.subject.metadata.name} --version {version}`"
    )
    return Decision(_with_job(view, job).status, Standing(STALLED, "VerificationError", message), look=_LOOK)
