"""The detector artifact: found, fitted, failed, asked for again."""

import pytest

from leeboard.contract.jobs import FitDetectorRequest, JobOutcome
from tests.support.playeddeployment import TWO_STEPS, PlayedDeployment

FAILED = {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "reason": "AppFailed", "message": "no such bucket"}


@pytest.fixture
def played() -> PlayedDeployment:
    played = PlayedDeployment(spec={"model": {"name": "flights"}, "rollout": TWO_STEPS, "outOfDistribution": {}})
    played.register("1")
    played.alias("champion", "1")
    played.settle()
    return played


def detector_uri(played: PlayedDeployment) -> str | None:
    return next(iter(played.arms.values())).seen().detector_uri


def test_fits_a_detector_before_it_makes_the_arm(played: PlayedDeployment):
    assert not played.arms
    assert len(played.jobs) == 1
    assert played.condition("DetectorReady") == ("False", "Fitting")
    played.fit("mlflow-artifacts:/1/r/artifacts/detector")
    played.settle()

    assert detector_uri(played) == "mlflow-artifacts:/1/r/artifacts/detector"
    assert played.condition("DetectorReady") == ("True", "Fitted")
    assert played.ready() == ("True", "Serving")
    assert played.known.detector_job is None


def test_takes_a_report_that_is_there_already_and_makes_no_job(played: PlayedDeployment):
    played.fit()
    played.settle()
    played.arms.clear()
    jobs = len(played.jobs)
    played.settle()

    assert len(played.jobs) == jobs
    assert played.ready() == ("True", "Serving")


def test_tries_again_when_the_job_fails_and_gives_up_after_the_retries(played: PlayedDeployment):
    played.change(job={"retries": 1})
    played.jobs[-1]["status"] = FAILED
    played.run(10)
    assert len(played.jobs) == 2
    played.jobs[-1]["status"] = FAILED
    played.run(120)

    assert len(played.jobs) == 2
    assert played.ready() == ("False", "DetectorFailed")
    assert "no such bucket" in played.message()
    assert played.condition("DetectorReady") == ("False", "DetectorFailed")


def test_a_person_may_ask_for_another_round_of_attempts(played: PlayedDeployment):
    test_tries_again_when_the_job_fails_and_gives_up_after_the_retries(played)
    names = {job["metadata"]["name"] for job in played.jobs}
    played.annotate("retry", "1")
    played.settle()

    assert {job["metadata"]["name"] for job in played.jobs} > names
    played.fit()
    played.settle()
    assert played.ready() == ("True", "Serving")


def test_a_job_that_vanished_counts_as_an_attempt(played: PlayedDeployment):
    first = played.jobs[-1]["metadata"]["name"]
    played.jobs.clear()
    played.run(10)

    assert [job["metadata"]["name"] for job in played.jobs] != [first]
    assert played.known.detector_job.attempt == 1


def test_a_permanent_error_is_not_tried_again(played: PlayedDeployment):
    played.fit(outcome=JobOutcome.ERROR, uri=None, permanent=True, message="the model has no logits")
    played.run(60)

    assert len(played.jobs) == 1
    assert played.ready() == ("False", "DetectorFailed")
    assert "no logits" in played.message()


def test_stalls_on_a_version_without_lineage_and_heals(played: PlayedDeployment):
    played.fit()
    played.settle()
    played.register("2", tags={})
    played.alias("challenger", "2")
    played.settle()
    assert played.ready() == ("False", "NoTrainingData")
    assert "spec.outOfDistribution.reference" in played.message()
    played.register("2")
    played.settle()
    assert played.ready() == ("False", "FittingDetector")


def test_a_reference_needs_no_lineage():
    reference = {"reference": {"dataset": {"uri": "s3://data/reference.parquet"}}}
    played = PlayedDeployment(spec={"model": {"name": "flights"}, "outOfDistribution": reference})
    played.register("1", tags={})
    played.alias("champion", "1")
    played.settle()

    assert len(played.jobs) == 1


def test_rolls_a_candidate_back_for_which_no_detector_can_be_fitted(played: PlayedDeployment):
    played.fit()
    played.settle()
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    played.fit(outcome=JobOutcome.INSUFFICIENT, uri=None, message="12 rows are too few")
    played.settle()

    assert played.known.last_rollout.reason == "DetectorFailed"
    assert "12 rows" in played.known.last_rollout.message
    assert played.split() == {"1": 100}


def test_a_changed_detector_comes_in_by_a_rollout(played: PlayedDeployment):
    played.fit()
    played.settle()
    played.change(outOfDistribution={"detector": {"knn": {"neighbours": 5}}})
    played.settle()
    assert len(played.jobs) == 2
    played.fit("mlflow-artifacts:/1/q/artifacts/detector")
    played.settle()
    assert sorted(played.known.rollout.model_dump()["weight"] for _ in (1,)) == [10]


def test_the_identity_of_a_request_does_not_depend_on_the_attempt(played: PlayedDeployment):
    request = played.jobs[-1]["spec"]["runtimeEnvYAML"].split("LEEBOARD_REQUEST: ")[1].split()[0]
    decoded = FitDetectorRequest.decode(request)

    assert decoded.request_hash == played.jobs[-1]["metadata"]["annotations"]["leeboard.dev/request"]
    assert decoded.model_copy(update={"attempt": 3}).request_hash == decoded.request_hash
    assert decoded.version == "1"
