"""Outliers are made of rows that belong, each kind wrong in its own way, and auto chooses by them."""

import numpy as np
import pyarrow as pa
import pytest

from leeboard.api.outofdistribution import Calibration, Detector, DetectorInput
from leeboard.sandbox.flights import FEATURES, LABEL, load
from leeboard_workers.data.encoding.arrow import as_columns
from leeboard_workers.ood.calibrate import TooFewRowsError
from leeboard_workers.ood.detectors import Known
from leeboard_workers.ood.fitted import FittedDetector
from leeboard_workers.ood.fitting import Wish, fit_on_outputs, fit_on_rows
from leeboard_workers.ood.synthetic import strange_tables, tails

RNG = np.random.default_rng(0)


def _columns() -> dict[str, object]:
    number = RNG.normal(size=400)
    return {
        "a": number,
        "b": number + 1.0,
        "town": ["Delft", "Gouda"] * 200,
        "river": ["Schie", "Gouwe"] * 200,
        "image": RNG.normal(size=(400, 3)).tolist(),
    }


def test_each_kind_is_wrong_in_its_own_way() -> None:
    columns = _columns()
    made = dict(strange_tables(columns, np.random.default_rng(1), rows=100))
    assert set(made) == {"permuted", "combinations", "mixtures", "range", "units"}
    for table in made.values():
        assert {len(values) for values in table.values()} == {100}
    assert set(zip(made["combinations"]["town"], made["combinations"]["river"], strict=True)) == {
        ("Delft", "Gouwe"),
        ("Gouda", "Schie"),
    }
    outside = np.abs(made["range"]["a"]) > np.abs(columns["a"]).max()
    together = np.isclose(made["range"]["b"], made["range"]["a"] + 1.0)
    assert outside.any()
    assert not (outside & together).any()
    pixels = np.array(columns["image"])
    assert np.array(made["mixtures"]["image"]).std() == pytest.approx(pixels.std() / np.sqrt(2.0), rel=0.2)
    elsewhere = (np.array(made["range"]["image"]) > pixels.max(axis=0)).any(axis=1)
    assert 0 < elsewhere.mean() < 1
    assert np.isin(made["permuted"]["a"], columns["a"]).all()


def test_equal_seeds_make_equal_outliers() -> None:
    columns = _columns()
    one, two = (dict(strange_tables(columns, np.random.default_rng(4))) for _ in range(2))
    assert str(one) == str(two)


def test_one_column_has_nothing_to_fall_apart() -> None:
    made = dict(strange_tables({"a": RNG.normal(size=50)}, np.random.default_rng(0)))
    assert set(made) == {"range", "units"}
    assert dict(strange_tables({"t": ["x", "y"] * 10}, np.random.default_rng(0))) == {}


def test_tails_lie_where_hardly_any_row_does() -> None:
    rows = RNG.normal(size=(2000, 5)) @ RNG.normal(size=(5, 5))
    far = tails(Known(rows), np.random.default_rng(0))
    inverse = np.linalg.inv(np.cov(rows.T))
    distance = np.einsum("ij,jk,ik->i", far - rows.mean(axis=0), inverse, far - rows.mean(axis=0))
    assert distance.min() > np.quantile(np.einsum("ij,jk,ik->i", rows, inverse, rows), 0.995)


@pytest.fixture(scope="module")
def flights() -> tuple[pa.Table, pa.ChunkedArray]:
    january = load().between("2013-01-01", "2013-02-01").iloc[::5]
    return pa.Table.from_pandas(january[list(FEATURES)], preserve_index=False), pa.chunked_array([january[LABEL]])


@pytest.fixture(scope="module")
def chosen(flights: tuple[pa.Table, pa.ChunkedArray]) -> FittedDetector:
    return fit_on_rows(Wish(Detector(auto={}), 0.95, seed=0, provenance={}), *flights)


def test_auto_takes_the_cheapest_of_the_best(chosen: FittedDetector) -> None:
    compared = {row.detector: row.auroc for row in chosen.expected if row.flagged is None}
    assert set(compared) == {"mahalanobis", "relativeMahalanobis", "pca", "isolationForest", "knn"}
    assert compared[chosen.kind] >= max(compared.values()) - 0.005


def test_expected_detection_names_every_kind(chosen: FittedDetector) -> None:
    own = {row.outliers: row for row in chosen.expected if row.flagged is not None}
    assert set(own) == {"permuted", "combinations", "range", "units", "tails", "all"}
    assert own["range"].flagged > 0.9
    assert own["all"].auroc > 0.85
    for row in own.values():
        assert row.auroc_low <= row.auroc <= row.auroc_high
        assert row.detector == chosen.kind


def test_the_choice_takes_nothing_from_the_promise(chosen: FittedDetector) -> None:
    rest = load().between("2013-01-01", "2013-02-01").iloc[2::5]
    flags = chosen.score_rows(as_columns(pa.Table.from_pandas(rest[list(FEATURES)], preserve_index=False))).flags
    assert flags.mean() < 0.05 + 0.02


def test_every_class_passes_alike_when_each_has_its_threshold() -> None:
    labels = RNG.integers(3, size=9000)
    spread = np.array([0.3, 1.0, 3.0])[labels]
    rows = np.eye(3)[labels] * 30.0 + RNG.normal(size=(9000, 3)) * spread[:, None]
    outcomes = pa.chunked_array([pa.array(labels[:6000])])
    passed = {}
    for mode in Calibration:
        wish = Wish(Detector(mahalanobis={}), 0.9, seed=0, provenance={}, calibration=mode)
        flags = fit_on_outputs(wish, DetectorInput.FEATURES, rows[:6000], outcomes).score_matrix(rows[6000:]).flags
        passed[mode] = [1.0 - flags[labels[6000:] == number].mean() for number in range(3)]
    assert min(passed[Calibration.POOLED]) < 0.8
    for share in passed[Calibration.PER_CLASS]:
        assert abs(share - 0.9) < 0.03


def test_a_class_with_too_few_rows_is_one_sentence() -> None:
    labels = np.repeat([0, 1], [500, 30])
    rows = np.eye(2)[labels] * 30.0 + RNG.normal(size=(530, 2))
    wish = Wish(Detector(mahalanobis={}), 0.95, seed=0, provenance={}, calibration=Calibration.PER_CLASS)
    with pytest.raises(TooFewRowsError, match=r"class number 2: acceptance 0.95 needs at least 19 .*calibrate Pooled"):
        fit_on_outputs(wish, DetectorInput.FEATURES, rows, pa.chunked_array([pa.array(labels)]))
