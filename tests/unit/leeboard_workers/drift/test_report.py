"""The page that people open."""

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leeboard.api.checks import (
    CategoricalDistance,
    CategoricalTest,
    Check,
    NumericDistance,
    NumericTest,
    UnivariateDistance,
    UnivariateTest,
)
from leeboard.contract.jobs import DriftReport, JobOutcome
from leeboard_workers.data.rows import TableRows
from leeboard_workers.drift import compare
from leeboard_workers.drift.page import duration, number, p_value, percent
from leeboard_workers.drift.report import Story, headline, html, metrics, verdict_of

STORY = Story("flights", "flights-delay", "training data of version 1", "all columns weigh the same", "run1")


class Outline(HTMLParser):
    """Collects tags and text; a tag that is closed in the wrong order is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.text, self.tags = [], [], []

    def handle_starttag(self, tag: str, attrs: Any):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "rect", "line", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str):
        assert self.open.pop() == tag

    def handle_data(self, data: str):
        self.text.append(data)


def outline(page: str):
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture
def report():
    draw = np.random.default_rng(0)
    then = pa.table({"temp<b>": draw.normal(size=900), "carrier": draw.choice(["UA", "B6"], 900)})
    now = pa.table({"temp<b>": draw.normal(1, 1, size=700), "carrier": draw.choice(["UA", "B6"], 700)})
    checks = [
        Check(name="columns", univariate_test=UnivariateTest()),
        Check(name="distance", univariate_distance=UnivariateDistance()),
    ]
    found = compare(then, now, checks=checks)
    return DriftReport(
        request_hash="abc",
        outcome=JobOutcome.MEASURED,
        drifted=found.drifted,
        rows=700,
        reference_rows=900,
        version="3",
        window_start_time="2026-01-01T00:00:00Z",
        window_end_time="2026-01-02T00:00:00Z",
        checks=found.checks,
        columns=found.columns,
    )


def test_the_page_stands_alone_and_is_well_formed(report: DriftReport):
    page = html(report, STORY)
    parsed = outline(page)
    assert not any(attributes.get("src") or attributes.get("href") for _, attributes in parsed.tags)
    assert not any(tag == "script" for tag, _ in parsed.tags)
    assert "prefers-color-scheme: dark" in page


def test_the_verdict_stands_in_one_sentence(report: DriftReport):
    text = " ".join(outline(html(report, STORY)).text)
    assert "The window drifted: columns and distance found it, most of all in temp<b>." in text
    assert verdict_of(report) == "Drifted"


def test_names_from_data_are_escaped(report: DriftReport):
    assert "temp<b>" not in html(report, STORY).replace("temp&lt;b&gt;", "")


def test_quiet_and_insufficient_windows_say_so(report: DriftReport):
    quiet = report.model_copy(update={"checks": (), "drifted": False})
    assert headline(quiet).startswith("The window looks like the reference")
    few = DriftReport(request_hash="abc", outcome=JobOutcome.INSUFFICIENT, message="too few rows")
    assert (verdict_of(few), headline(few)) == ("Insufficient", "too few rows")
    outline(html(few, STORY))


METHODS = [
    *(UnivariateTest(numeric=method) for method in NumericTest),
    *(UnivariateTest(categorical=method) for method in CategoricalTest),
    *(UnivariateDistance(numeric=method) for method in NumericDistance),
    *(UnivariateDistance(categorical=method) for method in CategoricalDistance),
]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_page_has_a_word_for_every_method(method: UnivariateTest | UnivariateDistance):
    draw = np.random.default_rng(0)
    then, now = (pa.table({"x": draw.normal(size=90), "c": draw.choice(["a", "b"], 90)}) for _ in range(2))
    member = "univariate_test" if isinstance(method, UnivariateTest) else "univariate_distance"
    outline(compare(then, now, [Check(name="columns", **{member: method})]).to_html())


def pills(page: str) -> list[str]:
    return re.findall(r'<span class="pill \w+">([^<]+)</span></td>', page.rsplit("Columns", maxsplit=1)[-1])


def test_a_column_drifted_by_its_test_or_by_its_distance():
    draw = np.random.default_rng(0)
    then, now = (pa.table({"x": draw.normal(mean, 1, 2_000)}) for mean in (0.0, 0.3))
    checks = [
        Check(name="columns", univariate_test=UnivariateTest(min_effect=0.9)),
        Check(name="distance", univariate_distance=UnivariateDistance(threshold=0.1)),
    ]
    assert pills(compare(then, now, checks).to_html()) == ["drifted"]


def test_a_page_without_a_monitor_holds_no_empty_facts_and_tells_of_samples():
    draw = np.random.default_rng(0)
    rows = TableRows(pa.table({"x": draw.normal(size=1_000), "list": [[1]] * 1_000}))
    page = compare(rows.thinned(600, 0), rows.thinned(400, 1)).to_html("May")
    text = " ".join(" ".join(outline(page).text).split())
    assert "Window to" not in text
    assert "version" not in text
    assert "request" not in text
    assert "Rows in the window 1 000 400 of them, drawn at random, were looked at" in text
    assert "Reference 600 of 1 000 rows" in text
    assert "list columns of type list" in text, "without a type, which nobody knows"


def test_the_page_says_why_a_method_was_chosen():
    same = pa.table({"x": [1.0, 2.0] * 50})
    check = Check(name="columns", univariate_test=UnivariateTest(numeric=NumericTest.AUTO))
    titles = [attributes.get("title") for _, attributes in outline(compare(same, same, [check]).to_html()).tags]
    assert "at most 10 different numbers in the reference: compared as levels" in titles


def test_a_window_of_which_nothing_could_be_compared_is_not_stable():
    lists = pa.table({"x": [[1]] * 5})
    text = " ".join(outline(compare(lists, lists).to_html()).text)
    assert "Insufficient" in text
    assert "Nothing could be compared: no column could be compared" in text


def test_numbers_for_mlflow(report: DriftReport):
    found = metrics(report)
    assert found["drifted"] == found["drifted/columns"] == 1.0
    assert found["effect/temp<b>"] > 0.3


def test_the_report_survives_json(report: DriftReport):
    assert DriftReport.model_validate_json(report.model_dump_json(by_alias=True, exclude_none=True)) == report


def test_numbers_are_written_for_people():
    assert [percent(0.0), percent(0.00001), percent(0.25), percent(None)] == ["0 %", "< 0.1 %", "25 %", "\N{EN DASH}"]
    assert [percent(0.9994), percent(0.9999), percent(1.0)] == ["> 99.9 %", "> 99.9 %", "100 %"]
    assert [duration(86_400 * 120), duration(90), duration(0.5)] == ["120 d", "1.5 min", "0.5 s"]
    assert [p_value(0.0), p_value(0.2)] == ["< 1e\N{MINUS SIGN}300", "0.200"]
    assert number(-1234.5) == "\N{MINUS SIGN}1.23e+03"
