"""Whatever happens, in whatever order: the traffic is safe, and everything settles once failures stop."""

import copy

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from leeboard.api.modeldeployment import RolloutPhase
from leeboard.contract.examinations import CompareRequest, VerifyRequest
from leeboard.contract.jobs import JobOutcome
from leeboard.control.clock import instant
from leeboard.modeldeployment.route import read_route
from tests.support.playeddeployment import GOOD, PlayedDeployment
from tests.support.playedworld import read_request

HELD = {"DetectorFailed", "VerificationError", "ComparisonError", "WaitingForApproval"}
"""A person must act."""
WELL = HELD | {"Serving", "NoVersion", "SpecRejected", "VersionRejected", "Suspended"}
PACK = {"dataset": {"uri": "/pack", "labelColumn": "late"}, "metrics": [{"name": "accuracy", "min": 0.8}]}
SHADOW = {"name": "shadow", "shadow": {"percent": 50, "duration": "2m", "minSamples": 10, "minAgreement": 0.9}}


class Events(RuleBasedStateMachine):
    """A ModelDeployment to which things happen."""

    @initialize(
        detector=st.booleans(),
        pinned=st.booleans(),
        in_canary=st.booleans(),
        verified=st.booleans(),
        shadow=st.booleans(),
        more=st.sets(st.sampled_from(["approval", "header"])),
    )
    def begin(self, *, detector: bool, pinned: bool, in_canary: bool, verified: bool, shadow: bool, more: set[str]):
        self.played = PlayedDeployment()
        self.versions = 1
        self.verified: set[str] = set()
        self.forgot = False
        rollout = self.played.spec["rollout"]
        if verified:
            self.played.spec["verification"] = PACK
        if shadow:
            rollout["stages"] = [SHADOW, *rollout["stages"]]
        if "approval" in more:
            rollout["approval"] = "Manual"
        if "header" in more:
            self.played.spec["routing"] = {"versionHeader": True}
        if detector:
            self.played.spec["outOfDistribution"] = {}
        if pinned:
            self.played.spec["model"] = {"name": "flights", "version": "1"}
        self.played.register("1")
        self.played.alias("champion", "1")
        if in_canary:
            for _ in range(2):
                self.it_makes_passes(6)
                self.a_job_ends(how="well")
            self.it_makes_passes(6)
            self.a_version_is_registered_and_asked_for()
            for _ in range(2):
                self.it_makes_passes(4)
                self.a_job_ends(how="well")
            self.it_makes_passes(6)

    @property
    def pinned(self):
        return "version" in self.played.spec["model"]

    # people and other programs

    @rule()
    def a_version_is_registered_and_asked_for(self):
        self.versions = min(self.versions + 1, 9)
        self.played.register(str(self.versions))
        if self.pinned:
            self.played.change(model={"name": "flights", "version": str(self.versions)})
        else:
            self.played.alias("challenger", str(self.versions))

    @rule(version=st.integers(1, 9), alias=st.sampled_from(["champion", "challenger"]))
    def someone_moves_an_alias_or_the_pin(self, version: int, alias: str):
        named = str(min(version, self.versions))
        if self.pinned:
            self.played.change(model={"name": "flights", "version": named})
        else:
            self.played.alias(alias, named)

    @rule()
    def someone_removes_the_challenger(self):
        self.played.alias("challenger", None)

    @rule(
        action=st.sampled_from(["promote", "abort", "retry"]),
        version=st.integers(1, 9),
        nonce=st.sampled_from(["", "/full", "/a", "/full/b"]),
    )
    def someone_asks_for_something(self, action: str, version: int, nonce: str):
        self.played.annotate(action, f"{min(version, self.versions)}{nonce}")

    @rule(cpu=st.integers(1, 3))
    def someone_changes_the_template(self, cpu: int):
        self.played.change(serving={"resources": {"limits": {"cpu": str(cpu)}}})

    @rule(weight=st.integers(1, 99))
    def someone_changes_the_stages(self, weight: int):
        steps = [{"weight": weight, "hold": "1m"}]
        shadows = [stage for stage in self.played.spec["rollout"]["stages"] if "shadow" in stage]
        stages = [*shadows, {"name": "canary", "canary": {"steps": steps}}]
        self.played.change(rollout=self.played.spec["rollout"] | {"stages": stages})

    @rule(suspend=st.booleans())
    def someone_suspends_or_resumes(self, *, suspend: bool):
        self.played.change(suspend=suspend)

    # the world

    @rule(seconds=st.integers(1, 200), passes=st.integers(0, 6))
    def time_passes(self, seconds: int, passes: int):
        self.played.wait(seconds)
        self.it_makes_passes(passes)

    @rule(minutes=st.integers(1, 5))
    def a_quiet_time_passes(self, minutes: int):
        for _ in range(minutes * 3):
            self.time_passes(20, 2)
            self.weights_add_to_100()
            self.no_arm_gets_traffic_that_has_not_passed()

    @rule(ready=st.booleans(), pick=st.integers(0, 8))
    def an_arm_comes_or_goes(self, *, ready: bool, pick: int):
        arms = list(self.played.arms.values())
        if arms:
            arms[pick % len(arms)].ready = ready

    @rule(pick=st.integers(0, 8))
    def someone_deletes_an_arm(self, pick: int):
        names = list(self.played.arms)
        if names:
            del self.played.arms[names[pick % len(names)]]

    @rule(starts=st.booleans(), answers=st.booleans())
    def new_arms_start_or_not(self, *, starts: bool, answers: bool):
        self.played.arms_start, self.played.arms_answer = starts, answers

    @rule(errors=st.sampled_from([0.0, 0.0, 500.0]), requests=st.sampled_from([None, 10.0, 1000.0, 1000.0]))
    def traffic_goes_well_or_badly(self, errors: float, requests: float | None):
        self.played.answers |= {"errors": errors, "requests": requests}

    @rule(away=st.booleans(), refuses=st.booleans())
    def the_registry_comes_or_goes(self, *, away: bool, refuses: bool):
        self.played.registry_away, self.played.registry_refuses = away, refuses

    @rule(state=st.sampled_from(["", "away", "bad_data"]))
    def prometheus_comes_or_goes(self, state: str):
        self.played.prometheus = state

    @rule(follows=st.booleans())
    def the_gateway_follows_or_not(self, *, follows: bool):
        self.played.gateway_follows = follows
        self.played.follow()

    @rule(kind=st.sampled_from(["", "", "HTTPRoute", "InferenceService", "RayJob", "ServingRuntime"]))
    def the_api_server_refuses(self, kind: str):
        self.played.refused = kind

    @rule(how=st.sampled_from(["well", "well", "badly", "error", "failed"]))
    def a_job_ends(self, how: str):
        """Let it find something good or bad, find that nothing can be found, or fail."""
        self.it_makes_passes(3)
        if not self.played.jobs:
            return
        asked = read_request(self.played.jobs[-1])
        if how == "failed":
            self.played.jobs[-1]["status"] = {"jobDeploymentStatus": "Failed", "reason": "AppFailed"}
        elif isinstance(asked, VerifyRequest):
            self.played.verify(passed=how == "well", **self._outcome(how))
            self.verified |= {asked.candidate.version, asked.candidate.arm} if how == "well" else set()
        elif isinstance(asked, CompareRequest):
            outcome = JobOutcome.INSUFFICIENT if how == "error" else JobOutcome.MEASURED
            self.played.compare(passed=how == "well", outcome=outcome)
        else:
            self.played.fit(**self._outcome(how))

    @staticmethod
    def _outcome(how: str) -> dict[str, object]:
        return {"outcome": JobOutcome.ERROR, "permanent": True} if how == "error" else {}

    @rule(away=st.booleans())
    def the_collector_comes_or_goes(self, *, away: bool):
        self.played.log = None if away else PlayedDeployment().log

    # the operator

    @rule(passes=st.integers(1, 4))
    def it_makes_passes(self, passes: int):
        for _ in range(passes):
            self.played.step()

    @rule(steps=st.integers(0, 3))
    def it_is_killed_in_mid_pass(self, steps: int):
        self.played.step(crash_after=steps)

    @rule()
    def its_status_is_lost(self):
        self.played.status = {}
        self.forgot = True

    @invariant()
    def weights_add_to_100(self):
        if weights := self.weights():
            assert sum(weights.values()) == 100

    @invariant()
    def no_arm_gets_traffic_that_has_not_passed(self):
        assert set(self.weights()) <= self.played.answered

    @invariant()
    def no_version_gets_traffic_that_was_not_verified(self):
        if hasattr(self, "played") and "verification" in self.played.spec:
            assert set(self.played.split()) & {str(number) for number in range(1, 10)} <= self.verified
            if not self.forgot:  # then nobody knows by which spec the stable version was verified
                assert set(self.weights()) <= self.verified

    @invariant()
    def an_arm_that_is_named_stands(self):
        route = self.played.route if hasattr(self, "played") else None
        if route is not None:
            named = read_route(route, "uid-1").mentioned
            assert named <= self.played.answered

    @invariant()
    def the_stable_arm_keeps_its_weight(self):
        rollout = self.played.known.rollout
        if rollout is not None and rollout.phase in {RolloutPhase.PREPARING, RolloutPhase.STAGES}:
            assert sum(entry.percent for entry in self.played.known.traffic) in {0, 100}
            assert rollout.weight < 100

    def weights(self):
        route = self.played.route if hasattr(self, "played") else None
        return {arm: weight for arm, weight in read_route(route, "uid-1").weights.items() if weight} if route else {}

    def teardown(self):
        if hasattr(self, "played"):
            self.everything_settles_when_failures_stop()

    def rounds_without_failures(self, rounds: int):
        played = self.played
        for _ in range(rounds):
            for arm in played.arms.values():
                arm.ready = True
            for job in played.jobs:
                request = job["metadata"]["annotations"]["leeboard.dev/request"]
                if "status" not in job and request not in played.reports and job is played.jobs[-1]:
                    self.a_job_ends(how="well")
            played.follow()
            played.step()
            played.wait(30)

    def everything_settles_when_failures_stop(self):
        played = self.played
        played.registry_away = played.registry_refuses = False
        played.log = PlayedDeployment().log
        played.prometheus, played.refused = "", ""
        played.answers = dict(GOOD)
        played.arms_start = played.arms_answer = played.gateway_follows = True
        if "suspend" in played.spec:
            played.change(suspend=False)
        self.rounds_without_failures(90)
        for _ in range(8):
            if played.ready()[1] == "TriedAgainLater":  # it says when
                played.now = max(instant(entry.retry_time) for entry in played.known.setbacks if entry.retry_time)
                self.rounds_without_failures(40)
        before = copy.deepcopy(played.status)
        plan = played.step()
        assert plan.steps == ()
        if played.ready()[1] != "WaitingForApproval":  # then the analysis goes on
            assert played.status == before
        assert played.ready()[1] in WELL, played.message()
        assert played.known.rollout is None or played.ready()[1] in HELD
        self.weights_add_to_100()
        if played.ready()[1] == "Serving":
            assert len(played.arms) == 1
            assert not played.known.pending_registry_writes


Events.TestCase.settings = settings(max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck))
TestWhateverHappens = Events.TestCase
