"""Whatever happens, in whatever order: what must always hold of a DriftMonitor."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leeboard.api.driftmonitor import DriftMonitor, DriftMonitorStatus, WindowVerdict
from leeboard.contract.jobs import CheckReport, DriftReport, DriftRequest, JobOutcome
from leeboard.control.steps import Create
from leeboard.driftmonitor import LOOP
from tests.support.playedmodel import MODEL, log, serve
from tests.support.playedworld import START, CrashError, PlayedWorld

NAME = "watch"
SPEC: dict[str, Any] = {
    "modelDeploymentRef": {"name": MODEL},
    "schedule": {"every": "30m"},
    "window": {"duration": "6h", "lag": "5m"},
    "checks": [
        {"name": "columns", "univariateTest": {}},
        {"name": "quality", "performance": {"metrics": [{"name": "f1", "maxDrop": 0.1}], "labelDelay": "30m"}},
    ],
    "alerting": {"raiseAfter": {"breaches": 2, "of": 3}, "clearAfter": 2, "cooldown": "1h"},
    "job": {"retries": 1},
}


class Monitors(RuleBasedStateMachine):
    """Ticks, jobs, reports, promotions, crashes; a pass after each."""

    def __init__(self) -> None:
        super().__init__()
        self.world = PlayedWorld(time=START)
        self.version = 1
        serve(self.world, "1")
        log(self.world)
        self.world.put("DriftMonitor", NAME, SPEC)
        self.started: list[str] = []
        """Windows in the order in which they were first taken up."""
        self.episodes: list[str] = []
        self.again: list[tuple[str, int | None]] = []
        """Windows that were scored again, and for which time."""
        self.labels = 0

    @property
    def status(self) -> DriftMonitorStatus:
        return DriftMonitor.model_validate(self.world.objects["DriftMonitor", NAME]).status

    @property
    def active(self) -> str | None:
        job = self.status.active_job
        return job.ray_job if job is not None and job.ray_job in self.world.jobs else None

    def pass_once(self, crash_after: int | None = None) -> None:
        before = self.status
        try:
            plan = asyncio.run(self.world.one_pass(LOOP, NAME, crash_after))
        except CrashError:
            return
        made = [step for step in plan.steps if isinstance(step, Create)]
        assert len(made) <= 1, "one job at a time"
        if before.active_job is None and made:
            request = self.world.request_of(made[0].manifest["metadata"]["name"])
            assert isinstance(request, DriftRequest)
            if request.labels_pass is not None:
                assert {check.name for check in request.checks} == {"quality"}
                assert (request.window_end_time, request.labels_pass) not in self.again, "each time once"
                assert request.labels_pass <= 3
                self.again.append((request.window_end_time, request.labels_pass))
                return
            assert request.window_end_time not in self.started, "a window is taken up once"
            assert self.started == sorted(self.started)
            self.started.append(request.window_end_time)

    @rule(minutes=st.sampled_from([1, 10, 35, 95]))
    def time_passes(self, minutes: int) -> None:
        self.world.pass_time(minutes=minutes)
        self.pass_once()

    @rule()
    def nothing_happens(self) -> None:
        self.pass_once()

    @rule(after=st.integers(0, 2))
    def the_operator_dies_in_mid_pass(self, after: int) -> None:
        self.pass_once(crash_after=after)

    @precondition(lambda self: self.active is not None)
    @rule(
        outcome=st.sampled_from(["drifted", "drifted", "quiet", "insufficient", "error"]),
        quality=st.sampled_from(["drifted", "quiet", "short", "short"]),
        passes=st.booleans(),
    )
    def the_job_reports(self, outcome: str, quality: str, *, passes: bool) -> None:
        assert self.active is not None
        request = self.world.request_of(self.active)
        assert isinstance(request, DriftRequest)
        checks = [_said("columns", outcome), _said("quality", quality)]
        if request.labels_pass is not None:
            checks = checks[1:]
        drifted = any(check.drifted for check in checks)
        outcomes = {"insufficient": JobOutcome.INSUFFICIENT, "error": JobOutcome.ERROR}
        report = DriftReport(
            request_hash=request.request_hash,
            outcome=outcomes.get(outcome, JobOutcome.MEASURED),
            drifted=drifted,
            version=request.version,
            checks=tuple(checks),
        )
        self.world.answer(request, report)
        self.world.end_job(self.active)
        if passes:
            self.pass_once()

    @precondition(lambda self: self.active is not None)
    @rule(
        how=st.sampled_from(
            [("Failed", "FAILED", "AppFailed"), ("Failed", "", "DeadlineExceeded"), ("Complete", "SUCCEEDED", "")]
        )
    )
    def the_job_fails(self, how: tuple[str, str, str]) -> None:
        assert self.active is not None
        self.world.end_job(self.active, *how)
        self.pass_once()

    @precondition(lambda self: self.active is not None)
    @rule()
    def the_job_vanishes(self) -> None:
        assert self.active is not None
        del self.world.objects["RayJob", self.active]
        self.pass_once()

    @rule(labels=st.sampled_from([1, 100]))
    def labels_come(self, labels: int) -> None:
        self.labels += labels
        log(self.world, labels=self.labels)
        self.pass_once()

    @rule()
    def another_version_is_promoted(self) -> None:
        self.version += 1
        serve(self.world, str(self.version))
        self.pass_once()

    @rule(suspended=st.booleans())
    def someone_suspends_or_resumes(self, *, suspended: bool) -> None:
        self.world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"suspend": suspended}
        self.pass_once()

    @invariant()
    def one_job_works_at_a_time(self) -> None:
        working = [name for name, raw in self.world.jobs.items() if "status" not in raw]
        job = self.status.active_job
        assert len(working) <= 1 or (job is not None and not job.observed), "strays go with the next pass"

    @invariant()
    def episodes_follow_the_rules(self) -> None:
        status = self.status
        episode = status.episode
        if episode is None:
            return
        if episode.id not in self.episodes:
            of_version = [run for run in status.history if run.model_version == episode.model_version]
            measured = [run for run in of_version if run.verdict in {WindowVerdict.DRIFTED, WindowVerdict.STABLE}]
            drifted = [run.verdict is WindowVerdict.DRIFTED for run in measured]
            raised_at = [at for at, now in enumerate(drifted) if now and sum(drifted[at : at + 3]) >= 2]
            assert raised_at, "two of three, wherever labels have come late"
            self.episodes.append(episode.id)
        assert self.episodes[-1] == episode.id, "an episode that ended does not come back"
        assert status.quiet_runs < 2

    @invariant()
    def windows_wait_for_labels_within_bounds(self) -> None:
        waiting = self.status.pending_labels
        assert len(waiting) <= 10
        assert len({entry.window_end_time for entry in waiting}) == len(waiting)

    @rule()
    def deciding_again_changes_nothing(self) -> None:
        """The passes come to rest, and then write nothing."""
        asyncio.run(self.world.settle(LOOP, NAME))
        before = self.world.status_writes
        asyncio.run(self.world.one_pass(LOOP, NAME))
        assert self.world.status_writes == before

    def teardown(self) -> None:
        """When failures stop, the newest window is scored."""
        self.world.objects["DriftMonitor", NAME]["spec"] = SPEC
        for _ in range(3):
            self.world.pass_time(minutes=31)
            for _ in range(3):
                asyncio.run(self.world.settle(LOOP, NAME))
                if self.active is not None:
                    self._answer_quietly()
                self.world.pass_time(seconds=25)
            asyncio.run(self.world.settle(LOOP, NAME))
        last = self.status.last_run
        assert last is not None
        assert last.verdict is WindowVerdict.STABLE
        assert self.status.active_job is None
        assert len(self.world.jobs) <= 10

    def _answer_quietly(self) -> None:
        assert self.active is not None
        request = self.world.request_of(self.active)
        assert isinstance(request, DriftRequest)
        self.world.answer(
            request,
            DriftReport(request_hash=request.request_hash, outcome=JobOutcome.MEASURED, version=request.version),
        )
        self.world.end_job(self.active)


def _said(name: str, outcome: str) -> CheckReport:
    kind = "performance" if name == "quality" else "univariateTest"
    if outcome in {"short", "insufficient", "error"}:
        return CheckReport(name=name, kind=kind, labels_wanted=50 if outcome == "short" else None)
    return CheckReport(name=name, kind=kind, statistic=0.2, threshold=0.1, drifted=outcome == "drifted")


TestMonitors = Monitors.TestCase
TestMonitors.settings = settings(max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck))
