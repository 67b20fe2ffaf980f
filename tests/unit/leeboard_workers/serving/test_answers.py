from dataclasses import replace

import numpy as np
import pytest

from leeboard_workers.ood.fitted import Scores
from leeboard_workers.serving.answers import Answer, BadAnswerError

V1 = {"predictions": ["a", "b", "c"], "probabilities": [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]], "note": 1}
V2 = {
    "model_name": "inner",
    "outputs": [
        {"name": "predict", "shape": [3], "datatype": "BYTES", "data": ["a", "b", "c"]},
        {"name": "probabilities", "shape": [3, 2], "datatype": "FP64", "data": [0.1, 0.9, 0.2, 0.8, 0.3, 0.7]},
    ],
}
SCORES = Scores(
    np.array([1.0, 9.0, 2.0]), np.array([0.5, 0.01, 0.4]), np.array([False, True, False]), ((), ("x",), ()), 5.0
)


@pytest.fixture(params=["v1", "v2"])
def answer(request: pytest.FixtureRequest) -> Answer:
    return Answer.read(V1 if request.param == "v1" else V2, request.param, 3)


def test_both_protocols_tell_the_same(answer: Answer) -> None:
    assert answer.predictions == ["a", "b", "c"]
    np.testing.assert_array_equal(answer.matrix("probabilities"), V1["probabilities"])
    assert answer.matrix("logits") is None


def test_refused_rows_become_null(answer: Answer) -> None:
    refused = answer.without(SCORES.flags)
    assert refused.predictions == ["a", None, "c"]
    assert np.isnan(refused.matrix("probabilities")[1]).all()
    assert answer.predictions == ["a", "b", "c"], "the answer itself stays"


def test_rows_that_never_went_out_come_back_as_null(answer: Answer) -> None:
    spread = answer.spread([True, False, True, True, False])
    assert spread.predictions == ["a", None, "b", "c", None]
    assert spread.rows == 5
    assert np.isnan(spread.matrix("probabilities")[1]).all()
    np.testing.assert_array_equal(spread.matrix("probabilities")[2], [0.2, 0.8])


@pytest.mark.parametrize("to", ["v1", "v2"])
def test_translation_keeps_what_was_told(answer: Answer, to: str) -> None:
    translated = answer.translated(to, "public")
    assert translated.predictions == answer.predictions
    np.testing.assert_array_equal(translated.matrix("probabilities"), V1["probabilities"])
    if to == "v2":
        assert answer.protocol == "v1" or translated.document["model_name"] == "public"


def test_flags_stand_beside_the_answer() -> None:
    one = Answer.read(V1, "v1", 3).flagged(SCORES).document["outOfDistribution"]
    assert one[1] == {"score": 9.0, "pValue": 0.01, "flagged": True, "threshold": 5.0, "features": ["x"]}
    assert one[0] == {"score": 1.0, "pValue": 0.5, "flagged": False}
    two = Answer.read(V2, "v2", 3).flagged(SCORES).document["outputs"]
    assert {tensor["name"]: tensor["data"] for tensor in two[2:]} == {
        "out_of_distribution": [False, True, False],
        "ood_score": [1.0, 9.0, 2.0],
        "ood_p_value": [0.5, 0.01, 0.4],
        "ood_features": ["[]", '["x"]', "[]"],
    }
    assert two[2]["parameters"] == {"threshold": 5.0}


def test_an_answer_without_predictions_is_told() -> None:
    with pytest.raises(BadAnswerError, match="no predictions"):
        Answer.read({"outputs": []}, "v1", 1)
    with pytest.raises(BadAnswerError, match="answered 3 rows of 2"):
        Answer.read(V1, "v1", 2)


def test_each_row_is_told_the_threshold_of_its_class() -> None:
    scores = replace(SCORES, thresholds=np.array([2.0, 8.0, 5.0]))
    one = Answer.read(V1, "v1", 3).flagged(scores).document["outOfDistribution"]
    assert one[1]["threshold"] == 8.0
    two = Answer.read(V2, "v2", 3).flagged(scores).document["outputs"][2]
    assert two["parameters"] == {"threshold": 5.0, "thresholds": "[2.0,8.0,5.0]"}


def test_matrices_of_fewer_rows_are_left_as_they_are() -> None:
    answer = Answer.read({"predictions": [1, 2], "probabilities": [[0.5]]}, "v1", 2)
    assert answer.spread([True, False, True]).predictions == [1, None, 2]
    assert answer.matrix("probabilities") is None


def test_answers_of_several_numbers_keep_their_shape_beside_refused_rows() -> None:
    answer = Answer.read({"predictions": [[[1, 2]], [[3, 4]]]}, "v1", 2).spread([False, True, True])
    (tensor,) = answer.translated("v2", "public").document["outputs"]
    assert (tensor["shape"], tensor["datatype"]) == ([3, 1, 2], "INT64")
    assert tensor["data"] == [None, None, 1, 2, 3, 4]
    assert Answer.read({"outputs": [tensor]}, "v2", 3).rows == 3


def test_answers_that_differ_in_length_stay_whole() -> None:
    (tensor,) = Answer.read({"predictions": [[1], [2, 3]]}, "v1", 2).translated("v2", "public").document["outputs"]
    assert (tensor["shape"], tensor["data"]) == ([2], [[1], [2, 3]])
