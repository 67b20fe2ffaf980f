"""What the departure boards send, and what they count."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from leeboard.sandbox.flights import CATEGORICAL, FEATURES, NUMERIC
from leeboard.sandbox.replay import Tally, request_body


@pytest.fixture
def rows() -> pd.DataFrame:
    numbers = {name: np.array([1.0, np.nan, 3.0]) for name in NUMERIC}
    return pd.DataFrame(numbers | {"carrier": ["AA", "UA", "B6"], "origin": ["JFK", "EWR", "LGA"]})


def test_a_request_has_one_tensor_for_each_feature(rows: pd.DataFrame):
    inputs = request_body(rows)["inputs"]
    assert [tensor["name"] for tensor in inputs] == list(FEATURES)
    assert all(tensor["shape"] == [3] and len(tensor["data"]) == 3 for tensor in inputs)
    assert {tensor["name"] for tensor in inputs if tensor["datatype"] == "BYTES"} == set(CATEGORICAL)
    assert {tensor["datatype"] for tensor in inputs} == {"BYTES", "FP64"}


def test_a_missing_number_is_null(rows: pd.DataFrame):
    body = json.loads(json.dumps(request_body(rows), allow_nan=False))
    data = {tensor["name"]: tensor["data"] for tensor in body["inputs"]}
    assert all(data[name] == [1.0, None, 3.0] for name in NUMERIC)
    assert data["carrier"] == ["AA", "UA", "B6"]


def test_whole_numbers_travel_as_floating_point(rows: pd.DataFrame):
    body = request_body(rows.assign(hour=[5, 6, 7]))
    assert [type(value) for value in body["inputs"][0]["data"]] == [float] * 3


def test_a_versions_share_counts_from_an_earlier_moment():
    tally = Tally(requests_by_version=Counter({"1": 180, "2": 20}))
    assert tally.share("2", Counter()) == pytest.approx(0.1)
    assert tally.share("2", Counter({"1": 140, "2": 10})) == pytest.approx(0.2)
    assert tally.share("3", Counter()) == 0


def test_without_requests_there_is_no_share():
    tally = Tally(requests_by_version=Counter({"1": 180}))
    assert tally.share("1", Counter({"1": 180})) is None
