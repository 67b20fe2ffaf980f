"""The pages about a rollout that people open."""

from leeboard.contract.examinations import CompareReport, CompareRequest, VerifyReport, VerifyRequest
from leeboard.contract.jobs import GateVerdict, JobOutcome
from leeboard_workers.drift.page import render

_ROOM = "leeboard_workers.rollout"


def verification(report: VerifyReport, request: VerifyRequest, run_id: str) -> str:
    """Return the page about a verification."""
    verdict = GateVerdict.PASSED if report.passed else GateVerdict.FAILED
    measured = report.outcome is JobOutcome.MEASURED
    return render(
        _ROOM,
        "verify.html.j2",
        report=report,
        request=request,
        run_id=run_id,
        verdict=verdict.value if measured else report.outcome.value,
        headline=report.message[0].upper() + report.message[1:] + ".",
        title=f"Verification of {request.model_deployment}",
    )


def comparison(report: CompareReport, request: CompareRequest, run_id: str) -> str:
    """Return the page about a comparison in the shadow."""
    verdict = "Reported" if request.min_agreement is None else "Passed" if report.passed else "Failed"
    return render(
        _ROOM,
        "compare.html.j2",
        report=report,
        request=request,
        run_id=run_id,
        verdict=verdict,
        headline=report.message[0].upper() + report.message[1:] + ".",
        title=f"Comparison in the shadow of {request.model_deployment}",
    )
