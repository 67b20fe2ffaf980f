"""Whatever happens, in whatever order: what must always hold of a RetrainPolicy."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leeboard.api.retrainpolicy import RetrainPolicy, RetrainPolicyStatus
from leeboard.contract.jobs import GateReport, GateVerdict, JobOutcome, RetrainReport, RetrainRequest
from leeboard.contract.registry import RegisteredModel
from leeboard.control.clock import instant, iso
from leeboard.control.steps import Create
from leeboard.retrainpolicy import LOOP
from tests.support.playedmodel import MODEL, end_rollout, log, roll_out, serve
from tests.support.playedworld import CrashError, PlayedWorld

NAME = "keep"
KIND = "RetrainPolicy"
SPEC: dict[str, Any] = {
    "modelDeploymentRef": {"name": MODEL},
    "level": {
        "continual": {
            "triggers": [
                {"name": "drift", "drift": {"driftMonitorRef": {"name": "watch"}}},
                {"name": "quality", "performance": {"driftMonitorRef": {"name": "watch"}, "check": "right"}},
                {"name": "labels", "volume": {"newLabelledRows": 100}},
                {"name": "age", "time": {"maxAge": "3d"}},
            ],
            "minInterval": "2h",
        }
    },
    "data": {"window": {"duration": "14d"}},
    "trainer": {"builtin": {"refit": {}}},
    "evaluation": {"gates": [{"name": "better", "metric": "roc_auc", "minGainOverChampion": 0}]},
    "budget": {"maxRunsPerDay": 3, "stopAfterRejections": 2},
    "job": {"retries": 1},
}
MONITOR = {
    "modelDeploymentRef": {"name": MODEL},
    "schedule": {"every": "1h"},
    "window": {"duration": "6h"},
    "checks": [
        {"name": "columns", "univariateTest": {}},
        {"name": "right", "performance": {"metrics": [{"name": "accuracy", "maxDrop": 0.1}]}},
    ],
}
LEVELS: list[dict[str, Any]] = [
    SPEC["level"],
    {"manual": {}},
    {"scheduled": {"every": "6h"}},
    {"scheduled": {"cron": "30 2 * * *", "timeZone": "Europe/Amsterdam"}},
    {"scheduled": {"cron": "0 25 * * *"}},
]


class Policies(RuleBasedStateMachine):
    """Facts, jobs, reports, rollouts, crashes; a pass after each."""

    def __init__(self) -> None:
        super().__init__()
        self.world = PlayedWorld()
        serve(self.world, "1")
        log(self.world)
        self.world.models["flights"] = RegisteredModel("flights", aliases={"champion": "1"})
        self.world.put("DriftMonitor", "watch", MONITOR)
        self.world.put(KIND, NAME, SPEC)
        self.numbers = iter(range(1, 10_000))
        self.versions = iter(range(2, 10_000))
        self.jumped = False
        """Whether the clock has jumped back: from then on days and intervals are what the clock says."""
        self.lost = False
        """Whether the status has been lost: from then on there is no memory of intervals and days."""
        self.starts: list[tuple[str, str]] = []
        """Ids and start times of the runs."""

    @property
    def status(self) -> RetrainPolicyStatus:
        return RetrainPolicy.model_validate(self.world.objects[KIND, NAME]).status

    @property
    def active(self) -> str | None:
        run = self.status.active_run
        return run.ray_job if run is not None and run.version is None and run.ray_job in self.world.jobs else None

    def waits_for_rollout(self) -> bool:
        run = self.status.active_run
        return run is not None and run.version is not None and run.challenger_set

    def pass_once(self, crash_after: int | None = None) -> None:
        before = self.status
        try:
            plan = asyncio.run(self.world.one_pass(LOOP, NAME, crash_after))
        except CrashError:
            return
        made = [step for step in plan.steps if isinstance(step, Create)]
        assert len(made) <= 1, "one run at a time"
        after = self.status
        if after.active_run is not None and (before.active_run is None or before.active_run.id != after.active_run.id):
            assert before.active_run is None, "one run at a time"

    @rule(minutes=st.sampled_from([1, 30, 125, 600, 3000]))
    def time_passes(self, minutes: int) -> None:
        self.world.pass_time(minutes=minutes)
        self.pass_once()

    @rule(after=st.integers(0, 2))
    def the_operator_dies_in_mid_pass(self, after: int) -> None:
        self.pass_once(crash_after=after)

    @rule(hours=st.sampled_from([-30, -1]))
    def the_clock_jumps_back(self, hours: int) -> None:
        self.jumped = True
        self.world.pass_time(hours=hours)
        self.pass_once()

    @rule(level=st.sampled_from(LEVELS))
    def someone_changes_the_level(self, level: dict[str, Any]) -> None:
        raw = self.world.objects[KIND, NAME]
        raw["metadata"]["generation"] += 1
        raw["spec"] = raw["spec"] | {"level": level}
        self.pass_once()

    @rule()
    def answers_turn_out_worse(self) -> None:
        episode = self.world.objects["DriftMonitor", "watch"].get("status", {}).get("episode")
        if episode is not None and "right" not in episode["checks"]:
            episode["checks"].append("right")
        self.pass_once()

    @rule(suspend=st.booleans())
    def someone_suspends_or_resumes(self, *, suspend: bool) -> None:
        raw = self.world.objects[KIND, NAME]
        raw["metadata"]["generation"] += 1
        raw["spec"] = raw["spec"] | {"suspend": suspend}
        self.pass_once()

    @rule(open_=st.booleans())
    def drift_begins_or_ends(self, *, open_: bool) -> None:
        raw = self.world.objects["DriftMonitor", "watch"]
        stable = self.world.status("ModelDeployment", MODEL)["stable"]["version"]
        episode = {
            "id": f"e{next(self.numbers)}",
            "startedTime": iso(self.world.time),
            "checks": ["columns"],
            "modelVersion": stable,
        }
        raw["status"] = {"episode": episode} if open_ else {}
        self.pass_once()

    @rule(rows=st.sampled_from([10, 150]))
    def labels_come(self, rows: int) -> None:
        assert self.world.tables is not None
        log(self.world, labels=self.world.tables.label_rows + rows)
        self.pass_once()

    @rule()
    def someone_asks(self) -> None:
        token = f"t{next(self.numbers)}"
        self.world.objects[KIND, NAME]["metadata"]["annotations"] = {"leeboard.dev/retrain": token}
        self.pass_once()

    @rule()
    def someone_changes_the_spec(self) -> None:
        raw = self.world.objects[KIND, NAME]
        raw["metadata"]["generation"] += 1
        raw["spec"] = raw["spec"] | {
            "trainer": {"builtin": {"refit": {}}, "parameters": {"n": str(next(self.numbers))}}
        }
        self.pass_once()

    @precondition(lambda self: self.active is not None)
    @rule(outcome=st.sampled_from(["passed", "passed", "rejected", "inconclusive", "insufficient", "error"]))
    def the_job_reports(self, outcome: str) -> None:
        assert self.active is not None
        request = self.world.request_of(self.active)
        self.world.answer(request, self.report_of(outcome, request.request_hash))
        self.world.end_job(self.active)
        self.pass_once()

    def report_of(self, outcome: str, request_hash: str) -> RetrainReport:
        assert self.world.tables is not None
        outcomes = {"insufficient": JobOutcome.INSUFFICIENT, "error": JobOutcome.ERROR}
        verdict = GateVerdict.INCONCLUSIVE if outcome == "inconclusive" else GateVerdict.FAILED
        return RetrainReport(
            request_hash=request_hash,
            outcome=outcomes.get(outcome, JobOutcome.MEASURED),
            passed=outcome == "passed",
            version=str(next(self.versions)) if outcome == "passed" else None,
            gates=() if outcome == "passed" else (GateReport(name="better", metric="roc_auc", verdict=verdict),),
            high_water_mark=self.world.tables.label_rows,
        )

    @precondition(lambda self: self.active is not None)
    @rule(how=st.sampled_from([("Failed", "FAILED", "AppFailed"), ("Complete", "SUCCEEDED", ""), None]))
    def the_job_fails_or_vanishes(self, how: tuple[str, str, str] | None) -> None:
        assert self.active is not None
        if how is None:
            del self.world.objects["RayJob", self.active]
        else:
            self.world.end_job(self.active, *how)
        self.pass_once()

    @precondition(waits_for_rollout)
    @rule(outcome=st.sampled_from(["Promoted", "RolledBack", "Aborted", "Superseded"]), watched=st.booleans())
    def the_rollout_ends(self, outcome: str, *, watched: bool) -> None:
        run = self.status.active_run
        assert run is not None
        assert run.version is not None
        roll_out(self.world, run.version)
        if watched:
            self.pass_once()
            assert self.status.active_run is not None
        end_rollout(self.world, run.version, outcome)
        self.pass_once()

    @rule()
    def the_status_is_lost(self) -> None:
        self.lost = True
        self.world.ledger = [
            trigger
            for request in reversed(self.world.made)
            if isinstance(request, RetrainRequest)
            for trigger in request.triggers
        ]
        self.world.objects[KIND, NAME]["status"] = {}
        self.pass_once()

    @rule()
    def deciding_again_changes_nothing(self) -> None:
        """The passes come to rest, and then write nothing."""
        asyncio.run(self.world.settle(LOOP, NAME))
        before = self.world.status_writes
        asyncio.run(self.world.one_pass(LOOP, NAME))
        assert self.world.status_writes == before

    @invariant()
    def a_fact_and_count_start_one_run_ever(self) -> None:
        runs: dict[tuple[str, int], str] = {}
        for request in self.world.made:
            assert isinstance(request, RetrainRequest)
            for trigger in request.triggers:
                owner = runs.setdefault((trigger.id, trigger.count), request.policy_run_id)
                assert owner == request.policy_run_id

    @invariant()
    def a_tick_starts_one_run_and_so_does_a_token(self) -> None:
        for request in self.world.made:
            assert isinstance(request, RetrainRequest)
            assert all(fired.count == 1 for fired in request.triggers if fired.name in {"schedule", "manual"})

    @invariant()
    def intervals_and_days_are_kept(self) -> None:
        status = self.status
        if self.lost or self.jumped:
            return
        run = status.active_run
        continual = "continual" in self.world.objects[KIND, NAME]["spec"]["level"]
        if run is not None and (not self.starts or self.starts[-1][0] != run.id):
            manual = any(trigger.name == "manual" for trigger in run.triggers)
            if self.starts and not manual and continual:
                gap = instant(run.started_time) - instant(self.starts[-1][1])
                assert gap.total_seconds() >= 2 * 3600
            self.starts.append((run.id, run.started_time))
            day = [start for _, start in self.starts if start[:10] == run.started_time[:10]]
            assert len(day) <= 3

    @invariant()
    def a_stopped_policy_starts_nothing_by_itself(self) -> None:
        status = self.status
        if status.stopped_generation is not None:
            assert status.active_run is None

    def teardown(self) -> None:
        """When failures stop, whatever is under way comes to its end."""
        self.someone_suspends_or_resumes(suspend=False)
        self.someone_changes_the_level(SPEC["level"])
        for _ in range(6):
            asyncio.run(self.world.settle(LOOP, NAME))
            if self.active is not None:
                self.the_job_reports("passed")
            if self.waits_for_rollout():
                self.the_rollout_ends("Promoted", watched=True)
            self.world.pass_time(seconds=25)
        self.drift_begins_or_ends(open_=False)
        asyncio.run(self.world.settle(LOOP, NAME))
        assert len(self.world.jobs) <= 11


TestPolicies = Policies.TestCase
TestPolicies.settings = settings(max_examples=50, stateful_step_count=30, suppress_health_check=list(HealthCheck))
