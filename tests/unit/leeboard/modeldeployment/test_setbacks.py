"""A version is rejected for evidence about itself; what only the surroundings did to it is tried again, ever later."""

from datetime import timedelta

import pytest

from leeboard.contract.jobs import JobOutcome
from leeboard.control.clock import instant
from leeboard.control.pods import PodsSeen
from tests.support.playeddeployment import REJECTED, PlayedDeployment


@pytest.fixture
def played() -> PlayedDeployment:
    played = PlayedDeployment()
    played.serve("1")
    return played


def challenge(played: PlayedDeployment, version: str = "2") -> None:
    played.register(version)
    played.alias("challenger", version)
    played.settle()


def test_a_cluster_without_room_does_not_speak_against_a_version(played: PlayedDeployment):
    played.arms_start = False
    challenge(played)
    played.run(3700, every=60)

    last = played.known.last_rollout
    assert (last.version, last.reason, last.rejected) == ("2", "ProgressDeadlineExceeded", False)
    assert played.known.rejected_versions == []
    assert REJECTED not in played.model.versions["2"].tags
    assert played.model.aliases == {"champion": "1", "challenger": "2"}, "nobody has to give the alias again"
    assert played.ready() == ("False", "TriedAgainLater")
    [setback] = played.known.setbacks
    assert played.message() == (
        "version 2 was rolled back (ProgressDeadlineExceeded: nothing advanced for 1h: the Deployment "
        f"{setback.arm}-predictor is not rolled out: its pods start), which does not speak against it: it is tried "
        f"again at {setback.retry_time}, or at once by `leeboard retry flights --version 2`"
    )


def test_it_is_tried_again_at_the_stated_time_and_comes_in(played: PlayedDeployment):
    played.arms_start = False
    challenge(played)
    played.run(3700, every=60)
    played.arms_start = True
    [setback] = played.known.setbacks
    while played.now < instant(setback.retry_time) - timedelta(seconds=30):
        played.run(30)
        assert played.known.rollout is None, "not before its time"
    played.run(60)
    assert played.known.rollout is not None
    assert played.known.setbacks == [setback.model_copy(update={"retry_time": None})]
    played.run(600)

    assert played.split() == {"2": 100}
    assert played.ready() == ("True", "Serving")
    assert played.known.setbacks == []


def test_each_time_the_pause_is_longer_up_to_six_hours(played: PlayedDeployment):
    played.arms_start = False
    challenge(played)
    pauses = []
    for _ in range(9):
        played.run(3601, every=3601)
        played.step()
        [setback] = played.known.setbacks
        pauses.append((instant(setback.retry_time) - instant(played.known.last_rollout.finished_time)).seconds // 60)
        played.now = instant(setback.retry_time)
        played.settle()

    assert pauses == [5, 10, 20, 40, 80, 160, 320, 360, 360]
    assert played.known.setbacks[0].count == 9


def test_it_looks_again_when_the_pause_is_over(played: PlayedDeployment):
    played.spec["model"] = {"name": "flights", "version": "1"}
    played.settle()
    played.arms_start = False
    played.register("2")
    played.change(model={"name": "flights", "version": "2"})
    played.run(3700, every=60)
    [setback] = played.known.setbacks

    look = played.step().look.after
    assert look is not None
    assert look <= (instant(setback.retry_time) - played.now).total_seconds()


def test_a_person_may_try_it_again_at_once(played: PlayedDeployment):
    played.arms_start = False
    challenge(played)
    played.run(3700, every=60)
    played.arms_start = True
    played.annotate("retry", "2")
    played.settle()

    assert played.known.candidate.version == "2"
    assert played.known.setbacks == []


def test_it_is_forgotten_when_nobody_asks_for_it_any_more(played: PlayedDeployment):
    played.arms_start = False
    challenge(played)
    played.run(3700, every=60)
    played.alias("challenger", None)
    played.settle()
    assert played.known.setbacks == []
    assert played.ready() == ("True", "Serving")
    played.arms_start = True
    played.alias("challenger", "2")
    played.settle()

    assert played.known.candidate.version == "2", "asked for anew, it is tried at once"


def test_another_spec_is_tried_at_once(played: PlayedDeployment):
    played.arms_start = False
    challenge(played)
    played.run(3700, every=60)
    played.arms_start = True
    played.change(serving={"resources": {"limits": {"memory": "1Gi"}}})
    played.settle()

    assert played.known.candidate.version == "2"
    assert played.known.setbacks == []


def test_a_changed_spec_that_the_cluster_cannot_bear_is_tried_again_too(played: PlayedDeployment):
    played.arms_start = False
    played.change(serving={"resources": {"limits": {"cpu": "64"}}})
    played.run(3700, every=60)

    assert played.ready() == ("False", "TriedAgainLater")
    assert played.known.rejected_versions == []
    assert played.split() == {"1": 100}


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("has not answered a real prediction yet: connection refused", {"complaint": ("connection refused", False)}),
        ("has not looked at the HTTPRoute", {"gateway_follows": False}),
        ("0 of at least 100 requests", {"answers": {"requests": 0.0}}),
        ("errors is Error: Prometheus: away", {"prometheus": "away"}),
    ],
)
def test_neither_neighbours_nor_missing_traffic_speak_against_a_version(
    played: PlayedDeployment, sentence: str, fault: dict[str, object]
):
    for name, value in fault.items():
        setattr(played, name, value)
    played.arms_answer = "complaint" not in fault
    challenge(played)
    played.run(3900, every=60)

    assert sentence in played.known.last_rollout.message
    assert played.known.last_rollout.reason == "ProgressDeadlineExceeded"
    assert not played.known.last_rollout.rejected
    assert played.known.rejected_versions == []
    assert [entry.version for entry in played.known.setbacks] == ["2"]


@pytest.mark.parametrize("fault", ["broken", "wrong"])
def test_a_model_that_cannot_be_loaded_or_answers_wrongly_is_rejected(played: PlayedDeployment, fault: str):
    played.arms_start = fault != "broken"
    played.arms_answer = fault != "wrong"
    played.complaint = ("it answers 500: no such column", True)
    challenge(played)
    played.arm_of("2").broken = fault == "broken"
    played.run(3700, every=60)

    last = played.known.last_rollout
    assert (last.version, last.reason, last.rejected) == ("2", "ProgressDeadlineExceeded", True)
    assert played.model.versions["2"].tags[REJECTED].startswith("ProgressDeadlineExceeded: nothing advanced for 1h")
    assert played.known.setbacks == []
    assert played.ready() == ("True", "Serving")


def test_a_metric_that_is_bad_at_the_deadline_speaks_against_a_version(played: PlayedDeployment):
    played.spec["rollout"]["analysis"]["metrics"][0]["failureLimit"] = 100
    challenge(played)
    played.answers["errors"] = 900.0
    played.run(3800, every=60)

    assert played.known.last_rollout.reason == "ProgressDeadlineExceeded"
    assert [entry.version for entry in played.known.rejected_versions] == ["2"]


def test_a_query_that_is_refused_takes_the_weight_and_rejects_nothing(played: PlayedDeployment):
    challenge(played)
    played.prometheus = "bad_data"
    played.run(200)

    assert played.split() == {"1": 100}
    last = played.known.last_rollout
    assert (last.reason, last.rejected) == ("NoMeasurement", False)
    assert "errors could not be measured 5 times in a row" in last.message
    assert [entry.version for entry in played.known.setbacks] == ["2"]


def test_an_arm_that_somebody_deleted_says_nothing_about_its_version(played: PlayedDeployment):
    challenge(played)
    assert played.split() == {"1": 90, "2": 10}
    del played.arms[played.known.candidate.arm]
    played.run(70)

    assert played.split() == {"1": 100}
    assert (played.known.last_rollout.reason, played.known.last_rollout.rejected) == ("Unavailable", False)


@pytest.mark.parametrize(("at_fault", "rejected"), [(False, False), (True, True)])
def test_a_version_whose_node_was_drained_is_tried_again(played: PlayedDeployment, *, at_fault: bool, rejected: bool):
    challenge(played)
    arm = played.arm_of("2")
    arm.ready, arm.pods = False, PodsSeen("no node takes its pod: 1 node is cordoned", at_fault=at_fault)
    played.run(70)

    assert played.split() == {"1": 100}
    last = played.known.last_rollout
    assert (last.reason, last.rejected) == ("Unavailable", rejected)
    assert "no node takes its pod" in last.message


@pytest.mark.parametrize("report", [True, False])
def test_a_detector_job_that_could_not_run_says_nothing_about_its_version(played: PlayedDeployment, *, report: bool):
    played.change(outOfDistribution={}, job={"retries": 0})
    played.run(60)
    played.fit()
    played.run(600)
    assert played.ready() == ("True", "Serving")
    challenge(played)
    if report:
        played.fit(outcome=JobOutcome.INSUFFICIENT, uri=None, message="12 rows are too few")
    else:
        played.jobs[-1]["status"] = {"jobDeploymentStatus": "Failed", "reason": "AppFailed", "message": "no node"}
    played.settle()

    assert (played.known.last_rollout.reason, played.known.last_rollout.rejected) == ("DetectorFailed", report)
    assert [entry.version for entry in played.known.setbacks] == ([] if report else ["2"])
    assert [entry.version for entry in played.known.rejected_versions] == (["2"] if report else [])


def test_a_promoted_version_that_the_gateway_does_not_take_up_is_the_challenger_again(played: PlayedDeployment):
    challenge(played)
    played.run(70)
    assert played.known.rollout.step == 1
    played.gateway_follows = False
    for _ in range(40):
        played.run(30)
        if played.known.stable.version == "2":
            break
    assert played.model.aliases == {"champion": "2"}
    played.run(3700, every=60)

    assert played.known.stable.version == "1"
    assert not played.known.last_rollout.rejected
    assert played.model.aliases == {"champion": "1", "challenger": "2"}
    assert REJECTED not in played.model.versions["2"].tags
    played.gateway_follows = True
    played.follow()
    played.run(1200)
    assert played.split() == {"2": 100}
    assert played.model.aliases == {"champion": "2"}


@pytest.mark.parametrize("runs", [False, True])
def test_a_detector_job_that_does_not_end_is_named_and_speaks_against_nobody(played: PlayedDeployment, *, runs: bool):
    played.change(outOfDistribution={}, job={"retries": 5})
    played.run(60)
    played.fit()
    played.run(600)
    challenge(played)
    name = played.jobs[-1]["metadata"]["name"]
    if runs:
        played.jobs[-1]["status"] = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
    played.run(3700, every=600)

    last, [setback] = played.known.last_rollout, played.known.setbacks
    told = f"the RayJob {name} did not end" if runs else "no controller took up the RayJob"
    assert last.message.startswith(f"nothing advanced for 1h: the arm {setback.arm} is not there: ")
    assert told in last.message
    assert (last.reason, last.rejected) == ("ProgressDeadlineExceeded", False)
