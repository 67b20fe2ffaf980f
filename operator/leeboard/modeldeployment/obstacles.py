"""What a rollout that does not advance waits for, and whether that speaks against the version. Pure."""

from dataclasses import dataclass

from leeboard.api.modeldeployment import RolloutPhase, Verdict
from leeboard.modeldeployment import analysis, arms, route
from leeboard.modeldeployment.view import View


@dataclass(frozen=True)
class Obstacle:
    """What is in the way of a rollout."""

    told: str
    """It in a sentence."""
    own_fault: bool = False
    """Whether it is evidence about the version: neither cluster nor neighbours nor missing traffic explain it."""


def obstacle(view: View) -> Obstacle:
    """Return what a rollout that does not advance waits for."""
    rollout = view.rollout
    if view.in_phase(RolloutPhase.PREPARING):
        return _of_the_arm(view)
    if rollout is None or rollout.step_start_time is None:
        return Obstacle(route.explain(view.seen.route, view.gateway))
    lacking = analysis.lacking(view.subject.spec.rollout.analysis.metrics, rollout.analysis)
    if lacking is not None:
        return Obstacle(lacking, own_fault=any(metric.verdict is Verdict.FAILED for metric in rollout.analysis))
    return Obstacle(_unexamined(view, "compared") or "the step did not end")


def _of_the_arm(view: View) -> Obstacle:
    arm = view.arm(view.incoming)
    if arm is None:
        job = view.status.detector_job
        why = f": {job.message or f'the RayJob {job.ray_job} did not end'}" if job is not None else ""
        return Obstacle(f"the arm {view.incoming} is not there{why}")
    if not arm.rolled_out:
        return Obstacle(arms.explain(arm), own_fault=arm.load_failed)
    if arm.name not in view.status.proven_arms:
        proof = view.seen.proofs.get(arm.name)
        return Obstacle(view.unproven(arm.name), own_fault=proof is not None and proof.wrong)
    return Obstacle(_unexamined(view, "verified") or "it is ready")


def _unexamined(view: View, what: str) -> str | None:
    rollout = view.rollout
    if rollout is not None and rollout.comparisons:
        return f"{rollout.comparisons} comparisons with the stable version had too few rows"
    if rollout is not None and rollout.job is not None:
        return f"it was not {what}: {rollout.job.message or f'the RayJob {rollout.job.ray_job} did not end'}"
    return None
