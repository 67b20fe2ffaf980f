"""What was seen together with the status as it stands now, and what follows from the two. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from leeboard.api.base import seconds
from leeboard.api.modeldeployment import ModelDeployment, ModelDeploymentStatus, RolloutPhase, RolloutStatus
from leeboard.contract.documents import short_hash
from leeboard.control.clock import instant
from leeboard.control.steps import EmitEvent, Step
from leeboard.modeldeployment import analysis, manifests, route, stages, versions
from leeboard.modeldeployment.queries import Contest
from leeboard.modeldeployment.route import Split
from leeboard.modeldeployment.seen import ArmSeen, Seen
from leeboard.modeldeployment.stages import RolloutStage

LOST = timedelta(minutes=10)
"""So long a stable arm may be gone, or not have answered since it was made again, before another may take its place."""


@dataclass(frozen=True)
class Standing:
    """What Ready says, and Reconciling or Stalled with it."""

    condition: str
    """Ready, Reconciling or Stalled."""
    reason: str
    message: str


@dataclass(frozen=True)
class Decision:
    """What a check has decided: the status that then holds, what people are told, what else is to be made."""

    status: ModelDeploymentStatus
    standing: Standing
    events: tuple[EmitEvent, ...] = ()
    steps: tuple[Step, ...] = ()
    look: float | None = None
    """Seconds until the next look; None: a change brings it."""


@dataclass(frozen=True)
class View:
    """What was seen, and the status brought up to date with it."""

    seen: Seen
    status: ModelDeploymentStatus

    @property
    def now(self) -> datetime:
        """The present instant."""
        return self.seen.now

    @property
    def subject(self) -> ModelDeployment:
        """The object."""
        return self.seen.subject

    @property
    def rollout(self) -> RolloutStatus | None:
        """The rollout under way."""
        return self.status.rollout

    def in_phase(self, *phases: RolloutPhase) -> bool:
        """Say whether a rollout is in one of the phases."""
        return self.rollout is not None and self.rollout.phase in phases

    @cached_property
    def wish(self) -> versions.Wish | None:
        """What is to come in now; None as well while the registry does not answer."""
        return versions.wish(self.seen, self.status) if self.seen.registry.answers else None

    @property
    def lost_time(self) -> datetime | None:
        """When the stable version counts as lost, if its arm does not answer before; None: it answers."""
        stable = self.status.stable
        since = stable.unproven_since_time if stable is not None else None
        return instant(since) + LOST if since is not None else None

    @property
    def stable_lost(self) -> bool:
        """Whether nothing is left to protect: the stable arm can never come back, or has not answered for so long."""
        return self.stable_outdated or (self.lost_time is not None and self.now >= self.lost_time)

    @property
    def stable_outdated(self) -> bool:
        """Whether the stable arm is gone and the spec has changed since: what it was can no longer be made."""
        stable = self.status.stable
        if stable is None or stable.arm in self.seen.arms:
            return False
        return stable.arm != manifests.arm_name(self.subject, stable.version)

    @cached_property
    def runtime(self) -> str:
        """Name of Leeboard's ServingRuntime."""
        return manifests.runtime_name(self.seen.leeboard_version, self.seen.settings)

    @cached_property
    def stages_hash(self) -> str:
        """Hash of the stages: a running rollout restarts when it changes."""
        return short_hash([stage.document() for stage in self.subject.spec.rollout.stages])

    @cached_property
    def contest(self) -> Contest | None:
        """Who is held against whom; None while no step's clock runs."""
        rollout, stable = self.rollout, self.status.stable
        if rollout is None or rollout.step_start_time is None or stable is None:
            return None
        since = instant(rollout.step_start_time)
        if rollout.phase is RolloutPhase.STAGES and self.status.candidate is not None:
            candidate = self.status.candidate
            return Contest((candidate.version, candidate.arm), (stable.version, stable.arm), since)
        if rollout.phase is RolloutPhase.BAKING and rollout.previous is not None:
            previous = rollout.previous
            return Contest((stable.version, stable.arm), (previous.version, previous.arm), since, baking=True)
        return None

    @property
    def measurement_time(self) -> datetime | None:
        """When the next measurement is due; None: none is, for nothing is measured or no step's clock runs."""
        wanted = self.subject.spec.rollout.analysis
        if self.rollout is None or self.contest is None or not wanted.metrics:
            return None
        return analysis.due(self.rollout, timedelta(seconds=seconds(wanted.interval)), self.hold)

    @property
    def hold(self) -> timedelta:
        """How long the present step, or the bake, lasts at least."""
        rollout = self.rollout
        if rollout is not None and rollout.phase is RolloutPhase.BAKING:
            return timedelta(seconds=seconds(self.subject.spec.rollout.bake))
        stage = self.stage
        if rollout is None or stage is None or rollout.step is None:
            return timedelta(0)
        return timedelta(seconds=stage.hold(rollout.step))

    @property
    def hold_end(self) -> datetime | None:
        """When the present step, or the bake, may end; None while its clock does not run."""
        if self.rollout is None or self.rollout.step_start_time is None:
            return None
        return instant(self.rollout.step_start_time) + self.hold

    @property
    def stage(self) -> RolloutStage | None:
        """The present stage; None: the rollout is in none, or the spec has lost it or its step."""
        rollout = self.rollout
        if rollout is None or rollout.stage is None or rollout.step is None:
            return None
        found = next((stage for stage in self.subject.spec.rollout.stages if stage.name == rollout.stage), None)
        behaviour = stages.of(found) if found is not None else None
        return behaviour if behaviour is not None and rollout.step < behaviour.steps else None

    @property
    def incoming(self) -> str | None:
        """The arm that a rollout brings in, be it candidate or, from promotion on, stable."""
        if self.in_phase(RolloutPhase.PROMOTING, RolloutPhase.BAKING):
            return self.status.stable.arm if self.status.stable else None
        return self.status.candidate.arm if self.status.candidate else None

    def arm(self, name: str | None) -> ArmSeen | None:
        """Return an arm of ours that stays."""
        found = self.seen.arms.get(name or "")
        return found if found is not None and found.usable else None

    def unproven(self, arm: str) -> str:
        """Say in a sentence that an arm has answered nothing yet, and why."""
        proof = self.seen.proofs.get(arm)
        why = proof.complaint if proof is not None and proof.complaint else "it is asked next"
        return f"the arm {arm} has not answered a real prediction yet: {why}"

    @cached_property
    def weights(self) -> dict[str, int] | None:
        """Percent by arm, adding to 100; None: the route is left as it is, for nothing that may get weight serves."""
        return weights(self.status)

    @cached_property
    def wanted_route(self) -> dict[str, Any] | None:
        """The HTTPRoute that is wanted; None: the route is left as it is."""
        if not self.weights:
            return None
        split = Split(self.weights, self._mirror, self._by_version)
        return route.http_route(self.subject, split, self.seen.settings)

    @property
    def _mirror(self) -> tuple[str, int] | None:
        """The arm that gets copies, and of how many percent."""
        candidate, stage = self.status.candidate, self.stage
        if candidate is None or stage is None or stage.shadow is None or not self.in_phase(RolloutPhase.STAGES):
            return None
        return (candidate.arm, stage.shadow.percent) if candidate.arm in self.status.proven_arms else None

    @property
    def _by_version(self) -> dict[str, str]:
        """Arms that may be asked by their version: what serves, a verified candidate, what waits to go back to."""
        if not self.subject.spec.routing.version_header:
            return {}
        candidate = self.status.candidate if self.in_phase(RolloutPhase.STAGES) else None
        previous = self.rollout.previous if self.rollout is not None else None
        # Of one version with two arms the stable one is asked.
        entries = (previous, candidate, self.status.stable)
        return {
            entry.version: entry.arm
            for entry in entries
            if entry is not None and entry.arm in self.status.proven_arms and self.arm(entry.arm) is not None
        }

    @property
    def gateway(self) -> str:
        """namespace/name of the Gateway."""
        return "/".join(route.gateway(self.subject, self.seen.settings))

    @cached_property
    def routed(self) -> bool:
        """Whether the gateway follows the wanted route."""
        return self.wanted_route is not None and route.taken_up(
            self.seen.route, route.shape(self.wanted_route), self.gateway
        )


def weights(status: ModelDeploymentStatus) -> dict[str, int] | None:
    """Return percent by arm; None: no arm that may get weight is stable, so the route is left as it is.

    Only arms that have proven themselves get weight; what the candidate does not get, the stable arm keeps.
    """
    stable, candidate, rollout = status.stable, status.candidate, status.rollout
    if stable is None or stable.arm not in status.proven_arms:
        return None
    if candidate is None or rollout is None or candidate.arm == stable.arm:  # one arm has no shares
        return {stable.arm: 100}
    if rollout.weight and candidate.arm in status.proven_arms:
        return {stable.arm: 100 - rollout.weight, candidate.arm: rollout.weight}
    return {stable.arm: 100}
