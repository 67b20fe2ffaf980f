"""The integration metric test of a candidate: before any traffic, never skipped, its report shown."""

import pytest

from leeboard.contract import tags
from leeboard.contract.examinations import VerifyRequest
from leeboard.contract.jobs import JobOutcome
from tests.support.playeddeployment import REJECTED, TRAINING_DATA, TWO_STEPS, PlayedDeployment
from tests.support.playedworld import read_request

PACK = {
    "dataset": {"uri": "s3://data/pack.parquet", "labelColumn": "late"},
    "metrics": [{"name": "accuracy", "min": 0.8, "maxDropFromStable": 0.02}],
}
FAILED = {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "reason": "AppFailed", "message": "no such host"}


@pytest.fixture
def played() -> PlayedDeployment:
    """A first version that waits for its verification."""
    played = PlayedDeployment(spec={"model": {"name": "flights"}, "rollout": TWO_STEPS, "verification": PACK})
    played.register("1")
    played.alias("champion", "1")
    played.settle()
    return played


@pytest.fixture
def challenged(played: PlayedDeployment) -> PlayedDeployment:
    """A second version that waits for its verification."""
    played.verify()
    played.settle()
    assert played.ready() == ("True", "Serving")
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    return played


def request(played: PlayedDeployment) -> VerifyRequest:
    found = read_request(played.jobs[-1])
    assert isinstance(found, VerifyRequest)
    return found


def test_the_first_version_gets_no_traffic_before_it_is_verified(played: PlayedDeployment):
    assert played.ready() == ("False", "Verifying")
    assert played.split() == {}
    assert request(played).stable is None
    assert (
        request(played).candidate.address
        == f"http://{played.known.candidate.arm}-transformer.default.svc.cluster.local"
    )
    played.verify()
    played.settle()

    assert played.split() == {"1": 100}


def test_the_candidate_is_compared_with_the_stable_version(challenged: PlayedDeployment):
    assert challenged.ready() == ("False", "Verifying")
    assert challenged.split() == {"1": 100}
    asked = request(challenged)
    assert (asked.candidate.version, asked.stable.version) == ("2", "1")
    challenged.verify()
    challenged.settle()

    assert challenged.ready() == ("False", "Canary")
    assert challenged.known.rollout.verification.report_uri.endswith("report.html")
    assert "Verified" in [event.reason for event in challenged.events]


def test_a_candidate_that_fails_never_gets_traffic_and_the_report_is_named(challenged: PlayedDeployment):
    challenged.verify("accuracy is 0.5, at least 0.8 is asked for", passed=False)
    challenged.settle()

    assert challenged.split() == {"1": 100}
    last = challenged.known.last_rollout
    assert (last.outcome, last.reason) == ("RolledBack", "VerificationFailed")
    assert "accuracy is 0.5" in last.message
    assert "report.html" in last.message
    assert REJECTED in challenged.model.versions["2"].tags


def test_a_person_who_promotes_past_all_stages_does_not_skip_it(challenged: PlayedDeployment):
    challenged.annotate("promote", "2/full")
    challenged.run(60)
    assert challenged.ready() == ("False", "Verifying")
    assert challenged.split() == {"1": 100}
    challenged.verify()
    challenged.settle()

    assert challenged.split() == {"2": 100}


def test_one_job_is_made_however_often_it_looks(challenged: PlayedDeployment):
    challenged.run(120)
    assert len([job for job in challenged.jobs if "-verify-" in job["metadata"]["name"]]) == 2  # one per version


def test_a_job_that_cannot_run_holds_the_candidate_and_says_what_to_do(challenged: PlayedDeployment):
    challenged.change(job={"retries": 0})
    challenged.jobs[-1]["status"] = FAILED
    challenged.settle()

    assert challenged.ready() == ("False", "VerificationError")
    assert challenged.condition("Stalled") == ("True", "VerificationError")
    assert "no such host" in challenged.message()
    assert "leeboard retry flights --version 2" in challenged.message()
    assert challenged.split() == {"1": 100}


def test_a_test_pack_that_cannot_be_read_is_no_fault_of_the_version(challenged: PlayedDeployment):
    challenged.verify("cannot read it", outcome=JobOutcome.ERROR, permanent=True, passed=False)
    challenged.settle()
    assert challenged.ready() == ("False", "VerificationError")
    assert REJECTED not in challenged.model.versions["2"].tags
    before = len(challenged.jobs)
    challenged.annotate("retry", "2")
    challenged.settle()

    assert len(challenged.jobs) == before + 1
    challenged.verify()
    challenged.settle()
    assert challenged.ready() == ("False", "Canary")


def test_a_mended_spec_is_tried_at_once(challenged: PlayedDeployment):
    challenged.verify("cannot read it", outcome=JobOutcome.ERROR, permanent=True, passed=False)
    challenged.settle()
    challenged.change(verification=PACK | {"dataset": {"uri": "s3://data/other.parquet", "labelColumn": "late"}})
    challenged.settle()

    assert challenged.ready() == ("False", "Verifying")
    assert request(challenged).dataset.uri == "s3://data/other.parquet"


def test_one_that_never_ends_is_bounded_by_the_deadline(challenged: PlayedDeployment):
    challenged.run(3700, every=100)
    last = challenged.known.last_rollout
    assert (last.version, last.reason) == ("2", "ProgressDeadlineExceeded")
    assert "it was not verified" in last.message
    assert len(challenged.jobs) <= 1


def test_a_version_that_returns_is_not_verified_again(challenged: PlayedDeployment):
    challenged.verify()
    challenged.settle()
    challenged.annotate("promote", "2/full")
    challenged.run(300)
    assert challenged.ready() == ("True", "Serving")
    jobs = len(challenged.jobs)
    challenged.alias("champion", "1")
    challenged.settle()

    assert challenged.split() == {"1": 100}
    assert len(challenged.jobs) == jobs


def test_each_rollout_of_a_version_is_verified_anew(challenged: PlayedDeployment):
    challenged.verify(passed=False)
    challenged.settle()
    first = challenged.jobs[-1]["metadata"]["name"]
    challenged.annotate("retry", "2")
    challenged.settle()

    assert challenged.jobs[-1]["metadata"]["name"] != first
    assert challenged.ready() == ("False", "Verifying")


def test_a_kill_after_the_job_was_made_makes_no_second(played: PlayedDeployment):
    played.verify()
    played.settle()
    played.register("2", tags={tags.TRAINING_DATA: TRAINING_DATA})
    played.alias("challenger", "2")
    while not any(
        read_request(job).kind == "verify" and "2" in read_request(job).candidate.version for job in played.jobs
    ):
        played.step(crash_after=9)
        played.step(crash_after=1)
        played.step()
    played.step(crash_after=3)
    played.settle()
    assert len([job for job in played.jobs if "-verify-" in job["metadata"]["name"]]) == 2
