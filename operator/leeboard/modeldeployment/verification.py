"""Checks that a candidate passes its integration metric test: a labelled test pack through its whole arm. Pure."""

from leeboard.api.modeldeployment import Outcome, RolloutPhase
from leeboard.contract.examinations import ArmAddress, VerifyReport, VerifyRequest
from leeboard.contract.jobs import JobOutcome
from leeboard.contract.registry import ReportedRun
from leeboard.control import names
from leeboard.modeldeployment import examination, pursuit, transitions
from leeboard.modeldeployment.pursuit import Errand
from leeboard.modeldeployment.view import Decision, View

PURPOSE = "verify"


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
    answered = _answered(view, errand, found) if found is not None else None
    if answered is not None:
        return answered
    pursued = pursuit.pursue(view.seen, errand, rollout.job)
    if pursued.failed:
        return _impossible(view, errand, pursued.message)
    return examination.under_way(view, "Verifying", pursued)


def _answered(view: View, errand: Errand, found: ReportedRun) -> Decision | None:
    report = found.report
    if report.outcome is JobOutcome.MEASURED and isinstance(report, VerifyReport):
        if report.passed:
            return examination.passed(view, found, "verification", "Verified")
        message = f"{report.message}; report: {found.report_uri}"
        return transitions.roll_back(view, Outcome.ROLLED_BACK, "VerificationFailed", message, run_id=found.run_id)
    return _impossible(view, errand, report.message) if report.permanent else None


def _impossible(view: View, errand: Errand, why: str) -> Decision:
    job = pursuit.given_up(view.seen, errand, view.rollout.job if view.rollout else None, why)
    what = "be verified: {why}; mend spec.verification or its data set"
    return examination.impossible(view, job, "VerificationError", what)
