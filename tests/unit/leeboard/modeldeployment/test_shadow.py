"""A candidate in the shadow: copies of requests, no share of the traffic, answers compared before it goes on."""

import pytest

from leeboard.contract.examinations import CompareRequest
from leeboard.contract.jobs import JobOutcome
from leeboard.settings import Settings
from tests.support.playeddeployment import REJECTED, TWO_STEPS, PlayedDeployment
from tests.support.playedworld import read_request

SHADOW = {"name": "shadow", "shadow": {"percent": 40, "duration": "10m", "minSamples": 500, "minAgreement": 0.95}}
ROLLOUT = TWO_STEPS | {"stages": [SHADOW, *TWO_STEPS["stages"]]}


@pytest.fixture
def played() -> PlayedDeployment:
    """A candidate that has just come into the shadow."""
    played = PlayedDeployment(spec={"model": {"name": "flights"}, "rollout": ROLLOUT})
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    return played


@pytest.fixture
def compared(played: PlayedDeployment) -> PlayedDeployment:
    """Its answers are being compared."""
    played.run(610)
    assert played.ready() == ("False", "Comparing")
    return played


def filters(played: PlayedDeployment) -> list[dict]:
    return played.route["spec"]["rules"][0].get("filters", [])


def request(played: PlayedDeployment) -> CompareRequest:
    found = read_request(played.jobs[-1])
    assert isinstance(found, CompareRequest)
    return found


def test_the_candidate_gets_copies_and_no_share(played: PlayedDeployment):
    assert played.ready() == ("False", "Shadow")
    assert played.split() == {"1": 100}
    [mirror] = filters(played)
    assert mirror["requestMirror"]["percent"] == 40
    assert mirror["requestMirror"]["backendRef"]["name"] == f"{played.known.candidate.arm}-transformer"
    assert [entry.version for entry in played.known.traffic] == ["1"], "its rows must never count"


def test_the_answers_are_compared_when_the_time_is_over(compared: PlayedDeployment):
    asked = request(compared)
    rollout = compared.known.rollout
    assert (asked.stable.version, asked.candidate.version) == ("1", "2")
    assert asked.stable.from_time == asked.candidate.from_time == rollout.step_start_time
    assert (asked.min_samples, asked.min_agreement) == (500, 0.95)
    jobs = len(compared.jobs)
    compared.run(60)
    assert len(compared.jobs) == jobs
    compared.compare()
    compared.settle()

    assert compared.ready() == ("False", "Canary")
    assert compared.split() == {"1": 90, "2": 10}
    assert filters(compared) == []
    assert compared.known.rollout.comparison.report_uri.endswith("report.html")


def test_a_candidate_that_answers_otherwise_is_rolled_back_with_its_report(compared: PlayedDeployment):
    compared.compare("versions agree on 60.00% of 900 rows", passed=False)
    compared.settle()

    last = compared.known.last_rollout
    assert (last.outcome, last.reason) == ("RolledBack", "ComparisonFailed")
    assert "60.00%" in last.message
    assert "report.html" in last.message
    assert filters(compared) == []
    assert REJECTED in compared.model.versions["2"].tags
    assert [entry.served for entry in compared.known.retiring] == [False]


def test_too_few_rows_wait_and_are_compared_again(compared: PlayedDeployment):
    first = request(compared)
    compared.compare("12 of at least 500 rows", outcome=JobOutcome.INSUFFICIENT, passed=False)
    compared.settle()
    assert compared.ready() == ("False", "Shadow")
    assert "compared again" in compared.message()
    assert filters(compared)
    compared.run(150)

    second = request(compared)
    assert second.stable.from_time == first.stable.from_time
    assert second.stable.to_time > first.stable.to_time
    compared.compare()
    compared.settle()
    assert compared.ready() == ("False", "Canary")


def test_without_traffic_the_deadline_ends_it(compared: PlayedDeployment):
    for _ in range(30):
        if compared.known.rollout is None:
            break
        if compared.ready()[1] == "Comparing":
            compared.compare("0 of at least 500 rows", outcome=JobOutcome.INSUFFICIENT, passed=False)
        compared.run(120)
    assert compared.known.last_rollout.reason == "ProgressDeadlineExceeded"
    assert "comparisons with the stable version had too few rows" in compared.known.last_rollout.message


def test_a_collector_that_is_away_holds_the_candidate_in_the_shadow(played: PlayedDeployment):
    played.log = None
    played.run(700)
    assert played.ready() == ("False", "Comparing")
    assert "the collector does not answer" in played.message()
    assert played.split() == {"1": 100}
    assert not played.jobs


def test_a_comparison_that_cannot_be_made_says_what_to_do(compared: PlayedDeployment):
    compared.change(job={"retries": 0})
    compared.jobs[-1]["status"] = {"jobDeploymentStatus": "Failed", "reason": "AppFailed", "message": "no such bucket"}
    compared.settle()
    assert compared.condition("Stalled") == ("True", "ComparisonError")
    assert "leeboard retry flights --version 2" in compared.message()
    first = compared.jobs[-1]["metadata"]["name"]
    compared.annotate("retry", "2")
    compared.settle()

    assert compared.ready() == ("False", "Comparing")
    assert compared.jobs[-1]["metadata"]["name"] != first


def test_a_permanent_error_is_no_verdict(compared: PlayedDeployment):
    compared.compare("it cannot be read", outcome=JobOutcome.ERROR, permanent=True, passed=False)
    compared.settle()
    assert compared.ready() == ("False", "ComparisonError")
    assert compared.known.candidate.version == "2"


def test_errors_in_the_shadow_roll_back_like_those_in_a_canary(played: PlayedDeployment):
    played.answers["errors"] = 500.0
    played.run(30)
    assert played.known.last_rollout.reason == "AnalysisFailed"
    assert played.split() == {"1": 100}


def test_a_person_may_end_the_shadow(played: PlayedDeployment):
    played.annotate("promote", "2")
    played.settle()
    assert played.ready() == ("False", "Canary")


def test_changed_stages_begin_anew_and_are_compared_anew(compared: PlayedDeployment):
    compared.compare()
    compared.settle()
    shorter = SHADOW | {"shadow": SHADOW["shadow"] | {"duration": "5m"}}
    compared.change(rollout=ROLLOUT | {"stages": [shorter, *TWO_STEPS["stages"]]})
    compared.settle()

    assert compared.ready() == ("False", "Shadow")
    assert compared.known.rollout.comparison is None
    assert compared.split() == {"1": 100}


def test_a_shadow_alone_is_a_rollout(played: PlayedDeployment):
    played.change(rollout=ROLLOUT | {"stages": [SHADOW]})
    played.run(620)
    played.compare()
    played.settle()
    assert played.split() == {"2": 100}


def test_nothing_is_compared_where_nothing_is_logged(played: PlayedDeployment):
    played.settings = Settings()
    played.settle()
    assert played.condition("Stalled") == ("True", "NoPredictionLog")
    assert "LEEBOARD_COLLECTOR_URL" in played.message()


def test_an_arm_is_not_deleted_while_the_route_copies_to_it(played: PlayedDeployment):
    played.gateway_follows = False
    played.refused = "HTTPRoute"
    played.annotate("abort", "2")
    played.run(120)
    assert len(played.arms) == 2
    played.refused = ""
    played.run(60)
    assert len(played.arms) == 1


# approval


@pytest.fixture
def asking() -> PlayedDeployment:
    """A candidate that has passed all stages and waits for a person."""
    played = PlayedDeployment(spec={"model": {"name": "flights"}, "rollout": ROLLOUT | {"approval": "Manual"}})
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.run(610)
    played.compare()
    played.run(200)
    return played


def test_a_person_has_the_last_word_and_sees_what_to_look_at(asking: PlayedDeployment):
    assert asking.ready() == ("False", "WaitingForApproval")
    assert asking.split() == {"1": 50, "2": 50}
    assert f"comparison {asking.known.rollout.comparison.report_uri}" in asking.message()
    assert "leeboard promote flights" in asking.message()
    assert [event.reason for event in asking.events].count("ApprovalWanted") == 1
    asking.annotate("promote", "2")
    asking.settle()

    assert asking.split() == {"2": 100}


def test_waiting_for_approval_has_no_deadline(asking: PlayedDeployment):
    since = asking.known.rollout.approval_wanted_time
    asking.run(4000, every=200)
    assert asking.ready() == ("False", "WaitingForApproval")
    assert asking.known.rollout.approval_wanted_time == since


def test_the_analysis_goes_on_while_a_person_thinks(asking: PlayedDeployment):
    asking.answers["errors"] = 500.0
    asking.run(30)
    assert asking.known.last_rollout.reason == "AnalysisFailed"


def test_approval_may_be_waived_later(asking: PlayedDeployment):
    asking.change(rollout=ROLLOUT)
    asking.settle()
    assert asking.split() == {"2": 100}


def test_a_first_version_needs_no_approval():
    played = PlayedDeployment(spec={"model": {"name": "flights"}, "rollout": ROLLOUT | {"approval": "Manual"}})
    played.serve("1")
    assert played.split() == {"1": 100}


# versions by header


def by_header(played: PlayedDeployment) -> dict[str, str]:
    rules = played.route["spec"]["rules"][1:]
    return {rule["matches"][0]["headers"][0]["value"]: rule["backendRefs"][0]["name"] for rule in rules}


def test_a_request_may_name_its_version_once_that_is_verified(played: PlayedDeployment):
    played.change(routing={"versionHeader": True})
    played.settle()
    stable, candidate = played.known.stable.arm, played.known.candidate.arm
    assert by_header(played) == {"1": f"{stable}-transformer", "2": f"{candidate}-transformer"}
    assert all(match["path"] for rule in played.route["spec"]["rules"] for match in rule["matches"])
    played.annotate("abort", "2")
    played.settle()

    assert by_header(played) == {"1": f"{stable}-transformer"}


def test_a_version_that_waits_for_its_verification_cannot_be_named():
    pack = {"dataset": {"uri": "/pack", "labelColumn": "late"}, "metrics": [{"name": "accuracy", "min": 0.8}]}
    spec = {"model": {"name": "flights"}, "rollout": TWO_STEPS, "routing": {"versionHeader": True}}
    played = PlayedDeployment(spec=spec)
    played.serve("1")
    played.change(verification=pack)
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    assert played.ready() == ("False", "Verifying")
    assert set(by_header(played)) == {"1"}
    played.verify()
    played.settle()
    assert set(by_header(played)) == {"1", "2"}


def test_during_the_bake_the_version_before_can_still_be_named(played: PlayedDeployment):
    played.change(routing={"versionHeader": True})
    played.annotate("promote", "2/full")
    played.settle()
    assert played.ready() == ("False", "Baking")
    assert set(by_header(played)) == {"1", "2"}


def test_without_the_field_there_is_one_rule(played: PlayedDeployment):
    assert len(played.route["spec"]["rules"]) == 1
