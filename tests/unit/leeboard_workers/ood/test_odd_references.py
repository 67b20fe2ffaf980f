"""References with rows that nobody can learn from: what can be used is, and what cannot is named."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from leeboard.api.outofdistribution import Calibration, Detector, DetectorInput
from leeboard_workers.ood.fitted import UNSCORABLE, FittedDetector
from leeboard_workers.ood.fitting import Wish, fit_on_outputs, fit_on_rows

RNG = np.random.default_rng(0)
ROWS = 400
LABELS = np.arange(ROWS) % 2


def fitted(
    columns: dict[str, Any],
    labels: Any = None,
    kind: str = "mahalanobis",
    calibration: Calibration = Calibration.POOLED,
) -> FittedDetector:
    wish = Wish(Detector.model_validate({kind: {}}), 0.9, 1, {}, calibration=calibration)
    table = pa.table({"x": np.where(LABELS == 0, -5.0, 5.0) + RNG.normal(size=ROWS)} | columns)
    return fit_on_rows(wish, table, None if labels is None else pa.chunked_array([pa.array(labels)]))


def nested(levels: int) -> Any:
    value: Any = 1.0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("ragged", [[1], [2, 3]]),
        ("mixed", [1, [2, 3]]),
        ("deep", nested(100)),
        ("objects", [1, 2, 3, {"a": 1}]),
        ("texts", ["a", "b", "c", "d"]),
        ("short", [1.0]),
        ("none", None),
        ("huge", [1e308, -1e308, 0, 0]),
        ("empty", []),
    ],
)
def test_a_list_that_is_none_alarms_its_own_row_alone(name: str, cells: Any) -> None:
    detector = fitted({"v": list(RNG.normal(size=(ROWS, 4)))})
    good = {"x": -5.0, "v": [0.0, 0.0, 0.0, 0.0]}
    rows = [good, good | {"v": cells}, good | {"x": 1e9}]
    judged = detector.score_rows({column: [row[column] for row in rows] for column in good})
    assert judged.flags.tolist() == [False, True, True], name
    assert judged.features[1][0] == "v"


@pytest.mark.parametrize(
    "cells",
    [
        pa.nulls(ROWS),
        pa.array([None] * ROWS, pa.list_(pa.float64())),
        pa.array([[]] * ROWS, pa.list_(pa.float64())),
        pa.array([[np.nan, 1.0]] * ROWS),
        pa.array([date(2026, 1, 1)] * ROWS),
    ],
)
def test_a_column_that_tells_nothing_is_left_out_and_named(cells: pa.Array) -> None:
    detector = fitted({"y": cells})
    assert (detector.encoder.names, detector.left_out) == (("x",), ("y",))


def test_decimals_are_numbers() -> None:
    detector = fitted({"y": pa.array([Decimal(number) / 8 for number in range(ROWS)])})
    assert detector.left_out == ()
    assert detector.score_rows({"x": [-5.0, -5.0], "y": [10.0, 1e6]}).flags.tolist() == [False, True]


def test_numbers_at_the_end_of_the_range_count_as_infinite() -> None:
    detector = fitted({"y": np.where(RNG.random(ROWS) < 0.5, 1e308, -1e308), "z": np.where(LABELS == 0, 1e308, 1.0)})
    judged = detector.score_rows({"x": [-5.0], "y": [1e308], "z": [1.0]})
    assert np.isfinite(judged.scores).all()


@pytest.mark.parametrize("kind", ["mahalanobis", "relativeMahalanobis", "auto"])
@pytest.mark.parametrize("missing", [None, float("nan")])
def test_rows_without_a_label_are_left_out_where_classes_count(kind: str, missing: float | None) -> None:
    labels = [missing if at % 10 == 0 else float(label) for at, label in enumerate(LABELS)]
    detector = fitted({"y": RNG.normal(size=ROWS)}, labels, kind)
    assert 200 < detector.provenance["fitRows"] < 280 * 0.95
    assert len(detector.calibration.scores) == 120
    if kind == "mahalanobis":
        assert len(detector.scorer.means) == 2


def test_rows_without_a_label_count_where_classes_do_not() -> None:
    assert fitted({}, [None, *LABELS[1:]], "knn").provenance["fitRows"] == 280


def test_a_threshold_for_each_class_needs_classes() -> None:
    sentence = "needs more than one: give the reference a label column with 2 to 100 classes of at least 10 rows"
    for labels in (None, np.zeros(ROWS), np.arange(ROWS)):
        with pytest.raises(ValueError, match=sentence):
            fitted({}, labels, calibration=Calibration.PER_CLASS)
    detector = fitted({}, [None, *LABELS[1:]], calibration=Calibration.PER_CLASS)
    assert set(detector.by_class.classes) == {0, 1}


def test_rows_are_told_the_threshold_of_their_class() -> None:
    logits = np.where(LABELS[:, None] == 0, [[8.0, 0.0]], [[0.0, 2.0]]) + RNG.normal(size=(ROWS, 2))
    wish = Wish(Detector.model_validate({"maxLogit": {}}), 0.9, 1, {}, calibration=Calibration.PER_CLASS)
    detector = fit_on_outputs(wish, DetectorInput.LOGITS, logits, None)
    judged = detector.score_matrix(np.array([[8.0, 0.0], [0.0, 2.0]]))
    own = [detector.by_class.classes[number].threshold for number in (0, 1)]
    assert judged.thresholds.tolist() == own
    assert judged.threshold == detector.calibration.threshold
    np.testing.assert_array_equal(judged.flags, judged.scores > judged.thresholds)


def test_outputs_that_cannot_be_scored_neither_teach_nor_pass() -> None:
    known = RNG.normal(size=(ROWS, 3))
    known[::50] = 1e200
    wish = Wish(Detector.model_validate({"mahalanobis": {}}), 0.9, 1, {})
    detector = fit_on_outputs(wish, DetectorInput.FEATURES, known, None)
    assert detector.provenance["fitRows"] + len(detector.calibration.scores) == ROWS - ROWS // 50
    assert detector.calibration.threshold < 100.0
    judged = detector.score_matrix(np.array([[1e200, -1e200, 0.0], [-1e308, 1e308, 1e308], [0.0, 0.0, 0.0]]))
    assert judged.flags.tolist() == [True, True, False]
    assert judged.scores[:2].tolist() == [UNSCORABLE] * 2
    assert orjson.loads(orjson.dumps(judged.scores.tolist())) == judged.scores.tolist()
