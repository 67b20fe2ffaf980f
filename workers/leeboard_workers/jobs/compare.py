"""Compares what a candidate in the shadow logged with what the stable version logged for the same requests."""

from collections.abc import Mapping
from pathlib import Path

from leeboard.contract.examinations import CompareReport, CompareRequest
from leeboard.contract.jobs import JobOutcome
from leeboard_workers.data.logpairs import choose_pairs
from leeboard_workers.jobs.frame import Desk
from leeboard_workers.rollout import agreement, page
from leeboard_workers.rollout.agreement import Matched

MAX_ROWS = 200_000
"""Of more rows a sample is compared: agreement is then known to a quarter of a percent."""


def handle(request: CompareRequest, desk: Desk) -> tuple[CompareReport, Mapping[str, Path]]:
    """Compare the rows of both arms."""
    logged = choose_pairs(
        request.log.predictions, request.stable, request.candidate, agreement.COLUMNS, max_rows=MAX_ROWS
    )
    report = compared(request, agreement.match(logged))
    if report.outcome is not JobOutcome.MEASURED:
        return report, {}
    target = desk.workdir / "report.html"
    target.write_text(page.comparison(report, request, desk.run.run_id), encoding="utf-8")
    return report, {"report.html": target}


def compared(request: CompareRequest, matched: Matched) -> CompareReport:
    """Return the report on rows that both have answered."""
    known = {
        "request_hash": request.request_hash,
        "version": request.candidate.version,
        "stable_version": request.stable.version,
        "rows": matched.rows,
        "stable_only_rows": matched.stable_only,
        "candidate_only_rows": matched.candidate_only,
        "sampled_share": matched.share if matched.share < 1 else None,
    }
    if round(matched.rows / matched.share) < request.min_samples:
        return CompareReport(outcome=JobOutcome.INSUFFICIENT, message=_too_few(request, matched), **known)
    same = agreement.equal(matched, request.tolerance)
    hits = int(same.sum())
    low, high = agreement.wilson(hits, matched.rows)
    passed = request.min_agreement is None or not agreement.ruled_out(hits, matched.rows, request.min_agreement)
    kind, differences = agreement.score_differences(matched)
    return CompareReport(
        outcome=JobOutcome.MEASURED,
        message=_conclusion(request, hits, matched, (low, high), passed=passed),
        passed=passed,
        equal_rows=hits,
        agreement=hits / matched.rows,
        agreement_low=low,
        agreement_high=high,
        bound=request.min_agreement,
        score_kind=kind,
        score_differences=differences,
        pairs=agreement.pairs(matched, same),
        latency=agreement.latency(matched.candidate),
        stable_latency=agreement.latency(matched.stable),
        flagged_share=agreement.flagged(matched.candidate),
        stable_flagged_share=agreement.flagged(matched.stable),
        **known,
    )


def _too_few(request: CompareRequest, matched: Matched) -> str:
    said = (
        f"{round(matched.rows / matched.share)} of at least {request.min_samples} rows were answered by both versions"
    )
    if matched.candidate_only > matched.rows:
        return (
            f"{said}, but {matched.candidate_only} by the candidate alone: the Gateway must give a request its "
            "x-request-id before it is copied, or clients must send one"
        )
    return said


def _conclusion(
    request: CompareRequest, hits: int, matched: Matched, interval: tuple[float, float], *, passed: bool
) -> str:
    low, high = interval
    versions = f"versions {request.stable.version} and {request.candidate.version}"
    sampled = f", a sample of {matched.share:.2%}" if matched.share < 1 else ""
    said = f"{versions} agree on {hits / matched.rows:.2%} of {matched.rows} rows{sampled}"
    bound = f"; at least {request.min_agreement:.2%} is asked for" if request.min_agreement is not None else ""
    verdict = "" if passed else ", which is ruled out"
    return f"{said} (95 % interval {low:.2%} to {high:.2%}){bound}{verdict}"
