"""What the departure boards send, and what they count."""

import asyncio
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from leeboard.contract.serving import HEADER_REQUEST_ID, V2_PROBABILITIES_TENSOR
from leeboard.sandbox.flights import CATEGORICAL, FEATURES, LABEL, NUMERIC, TIME
from leeboard.sandbox.processes import until
from leeboard.sandbox.replay import MOST_ROWS, Replay, Tally, batch_rows, request_body
from tests.support.web import web


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


@pytest.mark.parametrize(("pace", "rows"), [(0.25, 60), (0.75, 60), (2.5, 20), (7.5, 7), (60, 5)])
def test_slow_days_keep_their_number_of_requests(pace: float, rows: int):
    assert batch_rows(pace) == rows


async def test_a_year_that_stands_still_asks_nothing_and_then_goes_on():
    days, batches = 4, 5
    rows = MOST_ROWS * batches
    table = pd.DataFrame(
        {name: np.ones(days * rows) for name in NUMERIC} | {"carrier": "AA", "origin": "JFK", LABEL: 0}
    )
    table[TIME] = np.repeat(pd.date_range("2013-02-01", periods=days), rows)
    table["landing_hours"] = 0.0
    probabilities = {"name": V2_PROBABILITIES_TENSOR, "data": [[0.5, 0.5]] * MOST_ROWS}
    with web() as server:
        server.body = json.dumps({"outputs": [probabilities]}).encode()
        server.headers = {HEADER_REQUEST_ID: "r"}
        there = {"gateway": server.url, "collector": server.url}
        replay = Replay(table, domain="example", namespace="default", deployment="flights", **there)
        replay.seconds_per_day = 0.2
        year = asyncio.create_task(replay.run())

        async def second_day() -> bool:
            return bool(replay.today > table[TIME].iloc[0])

        await until(second_day, "the second day", within=30, every=0.01)
        await replay.pause()
        asked = sum(path.endswith("/infer") for _, path, *_ in server.asked)
        assert replay.tally.answered_rows == asked * MOST_ROWS < len(table)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(year), days * replay.seconds_per_day)
        assert replay.tally.answered_rows == asked * MOST_ROWS
        replay.resume()
        await asyncio.wait_for(year, 30)
        await replay.close()
    assert replay.tally.answered_rows == len(table)
