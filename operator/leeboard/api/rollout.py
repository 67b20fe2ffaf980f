"""How a new version comes in: stages, analysis, promotion, bake."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.analysis import Analysis
from leeboard.api.base import ApiModel, Duration, ElementName, Rule, Share, cel_seconds, exactly_one, seconds


class CanaryStep(ApiModel):
    """A share of the traffic, held while the analysis looks."""

    weight: Annotated[int, Field(ge=1, le=99)]
    """Percent of the traffic that the candidate gets."""
    hold: Duration
    """At least so long."""


class Canary(ApiModel):
    """The candidate answers a growing share of the traffic."""

    steps: Annotated[
        list[CanaryStep],
        Field(min_length=1, max_length=20, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ]
    """In order, with growing weight."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.steps.all(a, self.steps.filter(b, b.weight == a.weight).size() == 1) && "
            "self.steps.map(s, s.weight).isSorted()",
            message="weights must grow from step to step",
            holds=lambda canary: all(
                before.weight < after.weight for before, after in zip(canary.steps, canary.steps[1:], strict=False)
            ),
        ),
    )


class Shadow(ApiModel):
    """The candidate gets a copy of the traffic; nobody sees its answers, and they are compared row by row."""

    percent: Annotated[int, Field(ge=1, le=100)] = 100
    """Percent of the requests that are copied."""
    duration: Duration = "1h"
    """At least so long."""
    min_samples: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    """Rows that both versions must have answered; with fewer it waits, and compares again later."""
    min_agreement: Share | None = None
    """Fails when the one-sided 95 % upper Wilson bound of the share of equal answers is below it; left out: the
    comparison is reported and decides nothing."""
    tolerance: Annotated[float, Field(ge=0, le=1e15)] = 0.0
    """Numbers that differ by no more count as equal answers."""


class Stage(ApiModel):
    """One stage of a rollout."""

    name: ElementName
    """Name of the stage."""
    shadow: Shadow | None = None
    """The candidate gets a copy of the traffic."""
    canary: Canary | None = None
    """The candidate answers a growing share of the traffic."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("shadow", "canary"),)


class Approval(StrEnum):
    """Who has the last word before a version that has passed all stages gets all traffic."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class Rollout(ApiModel):
    """How a new version comes in: each stage in order, watched by the analysis, then promoted and baked."""

    stages: Annotated[list[Stage], Field(min_length=1, max_length=8, json_schema_extra={"listMapKeys": ["name"]})] = (
        Field(
            default_factory=lambda: [
                Stage(
                    name="canary",
                    canary=Canary(
                        steps=[
                            CanaryStep(weight=5, hold="10m"),
                            CanaryStep(weight=25, hold="10m"),
                            CanaryStep(weight=50, hold="20m"),
                        ]
                    ),
                )
            ]
        )
    )
    """In order, keyed by name. Changing them restarts a running rollout at the first."""
    analysis: Analysis = Analysis()
    """What is measured while a candidate takes traffic."""
    approval: Approval = Approval.AUTOMATIC
    """Manual: after the last stage a person must say `leeboard promote`; the weight stays, the analysis goes on."""
    progress_deadline: Duration = "2h"
    """A rollout in which no step advanced for so long is rolled back; must be longer than the longest hold."""
    bake: Duration = "30m"
    """After promotion the old version waits so long, at the ready, while the analysis goes on."""
    scale_down_delay: Duration = "10m"
    """The old version's pods go so long after the bake."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.stages) || self.stages.all(s, !has(s.canary) || s.canary.steps.all(step, "
            f"{cel_seconds('step.hold')} < {cel_seconds('self.progressDeadline')})) && "
            f"self.stages.all(s, !has(s.shadow) || {cel_seconds('s.shadow.duration')} < "
            f"{cel_seconds('self.progressDeadline')})",
            message="progressDeadline must be longer than the longest hold",
            holds=lambda rollout: rollout.longest_hold() < seconds(rollout.progress_deadline),
        ),
    )

    def longest_hold(self) -> int:
        """Return the longest hold of any step in seconds."""
        holds = [step.hold for stage in self.stages if stage.canary for step in stage.canary.steps]
        holds += [stage.shadow.duration for stage in self.stages if stage.shadow]
        return max(map(seconds, holds), default=0)
