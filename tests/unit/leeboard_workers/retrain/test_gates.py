"""What a challenger must prove."""

import pytest

from leeboard.api.training import Gate
from leeboard.contract.jobs import GateVerdict
from leeboard_workers.retrain.context import TrainingError
from leeboard_workers.retrain.gates import Evidence, check_gates, passed

PASSED, FAILED, INCONCLUSIVE = GateVerdict.PASSED, GateVerdict.FAILED, GateVerdict.INCONCLUSIVE


def check(gates: list[Gate], challenger: dict[str, float], champion: dict[str, float] | None, inconclusive: str = ""):
    return check_gates(gates, [Evidence(challenger, champion, 500, inconclusive)] * len(gates))


def gate(metric: str, **member: float) -> Gate:
    return Gate(name="gate", metric=metric, **member)


@pytest.mark.parametrize(
    ("sentence", "asked", "challenger", "champion", "verdict"),
    [
        ("reaches the least", gate("accuracy", min=0.8), 0.8, 0.9, PASSED),
        ("misses the least", gate("accuracy", min=0.8), 0.79, 0.1, FAILED),
        ("a loss stays under", gate("log_loss", min=0.5), 0.4, None, PASSED),
        ("a loss goes over", gate("log_loss", min=0.5), 0.6, None, FAILED),
        ("is better by enough", gate("roc_auc", min_gain_over_champion=0.02), 0.73, 0.71, PASSED),
        ("is better by too little", gate("roc_auc", min_gain_over_champion=0.02), 0.72, 0.71, FAILED),
        ("is as good", gate("roc_auc", min_gain_over_champion=0.0), 0.71, 0.71, PASSED),
        ("a loss falls by enough", gate("rmse", min_gain_over_champion=1.0), 4.0, 5.0, PASSED),
        ("a loss falls by too little", gate("rmse", min_gain_over_champion=1.0), 4.5, 5.0, FAILED),
        ("drops within bounds", gate("accuracy", max_drop_from_champion=0.05), 0.86, 0.9, PASSED),
        ("drops too far", gate("accuracy", max_drop_from_champion=0.05), 0.84, 0.9, FAILED),
        ("a loss rises within bounds", gate("mae", max_drop_from_champion=0.1), 1.1, 1.0, PASSED),
        ("a loss rises too far", gate("mae", max_drop_from_champion=0.1), 1.2, 1.0, FAILED),
        ("may be worse if asked so", gate("accuracy", min_gain_over_champion=-0.1), 0.8, 0.9, PASSED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_gates_decide(sentence: str, asked: Gate, challenger: float, champion: float | None, verdict: GateVerdict):
    theirs = {} if champion is None else {asked.metric: champion}
    assert check([asked], {asked.metric: challenger}, theirs)[0].verdict is verdict, sentence


def test_without_a_champion_there_is_nothing_to_beat():
    (report,) = check([gate("accuracy", min_gain_over_champion=0.1)], {"accuracy": 0.5}, None)
    assert (report.verdict, report.message) == (PASSED, "there is no champion to beat")
    assert check([gate("accuracy", min=0.9)], {"accuracy": 0.5}, None)[0].verdict is FAILED


def test_a_holdout_that_proves_nothing_makes_every_gate_inconclusive():
    reports = check([gate("accuracy", min=0.1)], {"accuracy": 0.9}, {}, inconclusive="12 rows")
    assert [(report.verdict, report.message) for report in reports] == [(INCONCLUSIVE, "12 rows")]
    assert not passed(reports)


@pytest.mark.parametrize(("challenger", "champion"), [({}, {"roc_auc": 0.7}), ({"roc_auc": 0.7}, {})])
def test_a_metric_that_is_not_defined_is_inconclusive(challenger: dict[str, float], champion: dict[str, float]):
    (report,) = check([gate("roc_auc", min_gain_over_champion=0.0)], challenger, champion)
    assert report.verdict is INCONCLUSIVE


def test_all_gates_must_pass():
    asked = [gate("accuracy", min=0.5), gate("f1", min=0.9)]
    assert not passed(check(asked, {"accuracy": 0.8, "f1": 0.8}, None))
    assert passed(check(asked, {"accuracy": 0.8, "f1": 0.95}, None))


def test_an_unknown_metric_is_refused():
    with pytest.raises(TrainingError, match="recall"):
        check([gate("recall", min=0.5)], {}, None)


def test_gates_on_other_rows_are_decided_on_them_and_say_so():
    asked = [gate("accuracy", min=0.7), gate("accuracy", max_drop_from_champion=0.05)]
    nights = Evidence({"accuracy": 0.6}, {"accuracy": 0.7}, 80, where="the slice period < 12")
    whole, part = check_gates(asked, [Evidence({"accuracy": 0.8}, {"accuracy": 0.7}, 500), nights])
    assert (whole.verdict, whole.rows, whole.where) == (PASSED, 500, None)
    assert (part.verdict, part.rows, part.where) == (FAILED, 80, "the slice period < 12")
    assert part.message == "accuracy is 0.6, at least 0.65 is asked for, on the slice period < 12"
