"""The flights of 2013: a table in order of time, with features that know nothing of the arrival."""

import pandas as pd
import pytest

from leeboard.sandbox.flights import CATEGORICAL, FEATURES, LABEL, NUMERIC, TIME, Flights, load


@pytest.fixture(scope="module")
def flights() -> Flights:
    return load()


def test_has_twelve_features_a_label_and_two_times(flights: Flights):
    assert (len(NUMERIC), len(CATEGORICAL)) == (10, 2)
    assert list(flights.table.columns) == [*FEATURES, LABEL, TIME, "landing_hours"]
    assert len(flights.table) > 300_000


def test_every_flight_has_an_outcome(flights: Flights):
    late = flights.table[LABEL]
    assert set(late.unique()) == {0, 1}
    assert 0.15 < late.mean() < 0.35


def test_no_feature_tells_the_arrival(flights: Flights):
    assert not set(FEATURES) & {LABEL, TIME, "landing_hours", "arr_delay", "dep_delay", "arr_time", "air_time"}
    telling = flights.table[list(NUMERIC)].corrwith(flights.table[LABEL]).abs()
    assert telling.max() < 0.3


def test_numbers_are_numbers_and_names_are_complete(flights: Flights):
    assert set(flights.table[list(NUMERIC)].dtypes.astype(str)) == {"float64"}
    assert set(flights.table["origin"].unique()) == {"EWR", "JFK", "LGA"}
    assert not flights.table[list(CATEGORICAL)].isna().any().any()


def test_lies_in_order_of_scheduled_departure(flights: Flights):
    times = flights.table[TIME]
    assert times.is_monotonic_increasing
    assert (times.min().date().isoformat(), times.max().date().isoformat()) == ("2013-01-01", "2013-12-30")


def test_a_flight_lands_after_it_has_left(flights: Flights):
    assert flights.table["landing_hours"].min() >= 0
    assert flights.table["landing_hours"].notna().all()


def test_a_span_begins_with_its_first_day_and_ends_before_its_last(flights: Flights):
    span = flights.between("2013-01-10", "2013-01-12")[TIME]
    assert sorted(set(span.dt.normalize())) == [pd.Timestamp("2013-01-10"), pd.Timestamp("2013-01-11")]
