"""Request rows that belong pass; impossible ones are flagged, with the column to blame; what is stored scores alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from leeboard.api.outofdistribution import Detector
from leeboard.sandbox.flights import FEATURES, LABEL, NUMERIC, load
from leeboard_workers.data.encoding import RowLists
from leeboard_workers.data.encoding.arrow import as_columns, fit_encoder
from leeboard_workers.data.encoding.numbers import FARTHEST
from leeboard_workers.ood.fitted import FittedDetector, Scores
from leeboard_workers.ood.fitting import Wish, fit_on_rows
from leeboard_workers.ood.store import ARRAYS, DOCUMENT, decode, save
from leeboard_workers.ood.store import load as load_detector

ROWS = 500


@pytest.fixture(scope="module")
def january() -> pd.DataFrame:
    return load().between("2013-01-01", "2013-02-01")


def fitted(kind: str, january: pd.DataFrame) -> FittedDetector:
    table = pa.Table.from_pandas(january[list(FEATURES)], preserve_index=False)
    labels = pa.chunked_array([pa.array(january[LABEL])])
    wish = Wish(Detector.model_validate({kind: {}}), 0.95, seed=0, provenance={"model": "flights"})
    return fit_on_rows(wish, table, labels)


@pytest.fixture(scope="module")
def mahalanobis(january: pd.DataFrame) -> FittedDetector:
    return fitted("mahalanobis", january)


def score(detector: FittedDetector, rows: pd.DataFrame) -> Scores:
    cells = {name: [None if pd.isna(cell) else cell for cell in rows[name].tolist()] for name in rows.columns}
    return detector.score_rows(cells)


def celsius(fahrenheit: Any) -> Any:
    return (fahrenheit - 32) / 1.8


@pytest.mark.parametrize("kind", ["mahalanobis", "knn"])
def test_flights_of_the_same_month_pass(january: pd.DataFrame, kind: str) -> None:
    assert 0.02 < score(fitted(kind, january), january.sample(ROWS, random_state=1)).flags.mean() < 0.08


@pytest.mark.parametrize(
    ("blame", "change", "least"),
    [
        ("temperature", {"temperature": celsius}, 0.95),
        ("wind_speed", {"temperature": celsius, "dew_point": celsius, "wind_speed": lambda mph: mph * 0.869}, 0.9),
        ("wind_speed", {"wind_speed": lambda mph: mph * 1.609}, 0.85),
        ("distance", {"distance": lambda miles: round(miles * 1.609)}, 0.9),
        ("temperature", {"temperature": lambda fahrenheit: celsius(fahrenheit) + 273.15}, 1.0),
        ("pressure", {"pressure": lambda hectopascal: hectopascal * 0.02953}, 0.85),
        ("humidity", {"humidity": lambda percent: percent / 100}, 0.95),
        ("visibility", {"visibility": lambda miles: miles * 1.609}, 0.8),
        ("distance", {"distance": lambda _: -100.0}, 1.0),
        ("distance", {"distance": lambda _: 50_000.0}, 1.0),
        ("distance", {"distance": lambda _: 1e300}, 1.0),
        ("distance", {"distance": lambda _: float("inf")}, 1.0),
        ("distance", {"distance": lambda _: "far"}, 1.0),
        ("temperature", {"temperature": lambda _: None}, 1.0),
        ("carrier", {"carrier": lambda _: "ZZ"}, 1.0),
        ("carrier", {"carrier": lambda _: None}, 1.0),
    ],
)
def test_what_cannot_be_is_flagged(
    january: pd.DataFrame, mahalanobis: FittedDetector, blame: str, change: dict[str, Any], least: float
) -> None:
    rows = january.sample(ROWS, random_state=2).copy()
    for name, becomes in change.items():
        rows[name] = rows[name].map(becomes)
    judged = score(mahalanobis, rows)
    assert judged.flags.mean() >= least
    assert np.isfinite(judged.scores).all()
    first = [features[0] for features in judged.features if features]
    assert max(set(first), key=first.count) == blame


def test_a_column_that_is_absent_is_missing_in_every_row(january: pd.DataFrame, mahalanobis: FittedDetector) -> None:
    assert score(mahalanobis, january.head(5).drop(columns="distance")).flags.all()


def test_a_column_nobody_knows_changes_nothing(january: pd.DataFrame, mahalanobis: FittedDetector) -> None:
    rows = january.head(20)[list(FEATURES)]
    np.testing.assert_array_equal(score(mahalanobis, rows).scores, score(mahalanobis, rows.assign(another="x")).scores)


def test_what_is_often_missing_in_the_reference_may_be_missing(january: pd.DataFrame) -> None:
    table = january.assign(wind_speed=january["wind_speed"].where(january["hour"] % 2 == 0))
    rows = table.sample(ROWS, random_state=3)
    assert score(fitted("mahalanobis", table), rows[rows["wind_speed"].isna()]).flags.mean() < 0.12


def test_a_stored_detector_scores_bit_by_bit_the_same(
    january: pd.DataFrame, mahalanobis: FittedDetector, tmp_path: Path
) -> None:
    rows = january.head(300)[list(FEATURES)]
    save(mahalanobis, tmp_path / "one")
    restored = load_detector(tmp_path / "one")
    before, after = score(mahalanobis, rows), score(restored, rows)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert before.features == after.features
    assert restored.provenance == mahalanobis.provenance
    save(fitted("mahalanobis", january), tmp_path / "again")
    for name in (DOCUMENT, ARRAYS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_what_is_no_detector_is_told(mahalanobis: FittedDetector, tmp_path: Path) -> None:
    save(mahalanobis, tmp_path)
    document, arrays = ((tmp_path / name).read_bytes() for name in (DOCUMENT, ARRAYS))
    newer = document.replace(b'"schemaVersion": 2', b'"schemaVersion": 3')
    for broken in ((b"{}", arrays), (document, b"no zip"), (newer, arrays), (document, arrays[:100])):
        with pytest.raises(ValueError, match="no detector that this version of Leeboard can read"):
            decode(*broken)


def test_encoded_rows_are_finite_whatever_comes() -> None:
    table = pa.table(
        {"n": [1.0, 2.0, None, 4.0], "constant": [5, 5, 5, 5], "t": ["a", "b", "a", None], "l": [[1, 2]] * 4}
    )
    encoder = fit_encoder(table)
    given = {"n": [1e308, -1e308, float("nan"), "x"], "constant": [5, 6, None, True], "t": [1, None, "a", "z"]}
    encoded = encoder.encode(given | {"l": [[1, 2], [1], None, ["x", 2]]})
    assert np.isfinite(encoded).all()
    assert np.abs(encoded).max() <= FARTHEST
    assert np.isfinite(encoder.encode(as_columns(table))).all()


def test_numbers_keep_their_order_when_encoded(january: pd.DataFrame) -> None:
    for name in NUMERIC:
        encoder = fit_encoder(pa.table({name: january[name].to_numpy()}))
        known = january[name].dropna()
        grid = np.linspace(known.min() - known.std(), known.max() + known.std(), 500)
        assert (np.diff(encoder.encode({name: grid})[:, 0]) >= 0).all(), name


def test_a_value_inside_the_range_that_never_comes_up_is_new() -> None:
    quarters = np.tile(np.arange(0.0, 25.0, 0.25), 10)
    encoder = fit_encoder(pa.table({"quarters": quarters, "any": np.random.default_rng(0).normal(size=1000)}))
    given = {"quarters": [0.25, 0.3, 24.0, None, 0.25 + 1e-9], "any": [0.25, 0.3, 1.0, 0.0, 1e-9]}
    np.testing.assert_array_equal(encoder.read(given).alarms[:, 0], [False, True, False, True, False])
    assert not encoder.read(given).alarms[:, 1].any()


def test_readings_that_bring_new_values_each_day_are_no_closed_set(january: pd.DataFrame) -> None:
    encoder = fit_encoder(pa.table({name: january[name].to_numpy() for name in NUMERIC}))
    closed = {column.name for column in encoder.columns if len(column.known)}
    assert closed == {"hour", "weekday", "distance", "wind_speed", "precipitation", "visibility"}


@pytest.mark.parametrize("spoilt", [{}, {"distance": None, "wind_speed": 1e9}, {"distance": "wet"}])
def test_rows_that_come_as_lists_score_as_their_columns_do(january: pd.DataFrame, spoilt: dict[str, Any]) -> None:
    rows = january[list(NUMERIC)]
    table = pa.Table.from_pandas(rows, preserve_index=False)
    detector = fit_on_rows(Wish(Detector(mahalanobis={}), 0.95, seed=0, provenance={}), table, None)
    cells = [[None if pd.isna(cell) else cell for cell in row] for row in rows.head(50).to_numpy().tolist()]
    for name, cell in spoilt.items():
        cells[7][NUMERIC.index(name)] = cell
    lists = RowLists(NUMERIC, cells)
    assert (lists.numbers is None) == ("wet" in spoilt.values())
    by_list, by_column = detector.score_rows(lists), detector.score_rows(dict(lists))
    np.testing.assert_array_equal(by_list.scores, by_column.scores)
    assert by_list.features == by_column.features
    assert detector.score_rows(RowLists(NUMERIC[::-1], [row[::-1] for row in cells])).features == by_list.features


def test_many_rows_are_encoded_as_one_by_one(january: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(january[list(FEATURES)], preserve_index=False)
    encoder, columns = fit_encoder(table), as_columns(table)
    whole = encoder.read(columns)
    assert whole.matrix.shape == (len(january), encoder.width)
    for row in (0, 17, len(january) - 1):
        one = encoder.read({name: [columns[name][row]] for name in FEATURES})
        np.testing.assert_array_equal(one.matrix[0], whole.matrix[row])
        np.testing.assert_array_equal(one.alarms[0], whole.alarms[row])


def test_a_table_of_times_alone_has_nothing_to_look_at() -> None:
    with pytest.raises(ValueError, match="no column of numbers"):
        fit_encoder(pa.table({"t": pa.array([0], pa.timestamp("us"))}))
