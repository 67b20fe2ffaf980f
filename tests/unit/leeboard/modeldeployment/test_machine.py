"""Whatever happens, in whatever order: the traffic is safe, and everything settles once failures stop."""

import copy

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from leeboard.api.modeldeployment import RolloutPhase
from leeboard.modeldeployment.route import read_route
from tests.support.playeddeployment import GOOD, PlayedDeployment

WELL = {"Serving", "NoVersion", "SpecRejected", "VersionRejected", "DetectorFailed", "Suspended"}


class Events(RuleBasedStateMachine):
    """A ModelDeployment to which things happen."""

    @initialize(detector=st.booleans(), pinned=st.booleans(), in_canary=st.booleans())
    def begin(self, *, detector: bool, pinned: bool, in_canary: bool):
        self.played = PlayedDeployment()
        self.versions = 1
        if detector:
            self.played.spec["outOfDistribution"] = {}
        if pinned:
            self.played.spec["model"] = {"name": "flights", "version": "1"}
        self.played.register("1")
        self.played.alias("champion", "1")
        if in_canary:
            self.it_makes_passes(6)
            self.a_detector_job_ends(well=True)
            self.it_makes_passes(6)
            self.a_version_is_registered_and_asked_for()
            self.it_makes_passes(4)
            self.a_detector_job_ends(well=True)
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
        stages = [{"name": "canary", "canary": {"steps": steps}}]
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

    @rule(well=st.booleans())
    def a_detector_job_ends(self, *, well: bool):
        self.it_makes_passes(3)
        if self.played.jobs and well:
            self.played.fit()
        elif self.played.jobs:
            self.played.jobs[-1]["status"] = {"jobDeploymentStatus": "Failed", "reason": "AppFailed"}

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

    @invariant()
    def weights_add_to_100(self):
        if weights := self.weights():
            assert sum(weights.values()) == 100

    @invariant()
    def no_arm_gets_traffic_that_has_not_passed(self):
        assert set(self.weights()) <= self.played.answered

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

    def everything_settles_when_failures_stop(self):
        played = self.played
        played.registry_away = played.registry_refuses = False
        played.prometheus, played.refused = "", ""
        played.answers = dict(GOOD)
        played.arms_start = played.arms_answer = played.gateway_follows = True
        if "suspend" in played.spec:
            played.change(suspend=False)
        for _ in range(90):
            for arm in played.arms.values():
                arm.ready = True
            for job in played.jobs:
                request = job["metadata"]["annotations"]["leeboard.dev/request"]
                if "status" not in job and request not in played.reports and job is played.jobs[-1]:
                    played.fit()
            played.follow()
            played.step()
            played.wait(30)
        before = copy.deepcopy(played.status)
        plan = played.step()
        assert plan.steps == ()
        assert played.status == before
        assert played.ready()[1] in WELL, played.message()
        assert played.known.rollout is None or played.ready()[1] == "DetectorFailed"
        self.weights_add_to_100()
        if played.ready()[1] == "Serving":
            assert len(played.arms) == 1
            assert not played.known.pending_registry_writes


Events.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWhateverHappens = Events.TestCase
