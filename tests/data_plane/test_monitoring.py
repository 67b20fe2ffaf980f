"""Late labels, references in the log and faults of the data, scored by the real job on MLflow and Ray."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leeboard.api.checks import (
    Check,
    Columns,
    Prediction,
    UnivariateTest,
)
from leeboard.api.performance import Performance, PerformanceMetric
from leeboard.api.quality import DataQuality
from leeboard.contract import tags
from leeboard.contract.jobs import (
    JobOutcome,
    Span,
)
from tests.support import rivers
from tests.support.riverjobs import CHECKS, River, answer

pytestmark = pytest.mark.usefixtures("local_ray")

LEARNED = tuple(
    Check.model_validate({"name": name, member: {"learned": {"sigma": 3}}})
    for name, member in (("distance", "univariateDistance"), ("answers", "prediction"))
)

# -- labels that come late --

QUALITY = Check(
    name="quality",
    performance=Performance(
        metrics=[PerformanceMetric(name="accuracy", max_drop=0.05), PerformanceMetric(name="log_loss", max_drop=0.2)],
        label_delay="1d",
        min_coverage=0.6,
    ),
)


# -- references in the log, and faults of the data --


def test_the_time_before_is_a_reference_for_rows_answers_and_quality(river: River, tmp_path: Path):
    past = rivers.world(3_000, seed=3, span=timedelta(days=5))
    present = rivers.world(3_000, seed=4, shift=0.4, start=rivers.START + timedelta(days=5), span=timedelta(days=5))
    log = rivers.write_log(tmp_path / "log", past, version=river.version)
    draw = np.random.default_rng(0).random(3_000)
    rivers.write_log(
        tmp_path / "log",
        present,
        version=river.version,
        answers=np.where(draw < 0.4, 1 - present["flood"], present["flood"]),
        first=3_000,
    )
    checks = (
        Check(name="columns", univariate_test=UnivariateTest(drifted_share=0.5)),
        Check(name="answers", prediction=Prediction(threshold=0.02)),
        QUALITY.model_copy(update={"performance": QUALITY.performance.model_copy(update={"label_delay": "1h"})}),
        Check(name="hygiene", data_quality=DataQuality()),
    )
    request = river.drift(
        log=log,
        checks=checks,
        window_start_time="2026-01-06T00:00:00Z",
        window_end_time="2026-01-09T00:00:00Z",
        reference_windows=(
            Span(from_time="2026-01-02T00:00:00Z", to_time="2026-01-03T00:00:00Z"),
            Span(from_time="2026-01-04T00:00:00Z", to_time="2026-01-05T00:00:00Z"),
        ),
        columns=Columns(),
    )
    report = answer(request)
    assert report.reference_rows == 1200
    drifted = {check.name: check.drifted for check in report.checks}
    assert drifted == {"columns": True, "answers": True, "quality": True, "hygiene": False}, report.message
    accuracy = report.checks[2].performance.metrics[0]
    assert accuracy.reference == 1.0, "the log's own answers of the time before, which were right"
    few = answer(request.model_copy(update={"min_rows": 1201}))
    assert few.outcome is JobOutcome.MEASURED, "the quality is measured all the same"
    assert "2 windows of the log since 2026-01-02T00:00:00Z) has 1200 rows" in few.checks[0].message
    days = tuple(
        Span(from_time=f"2026-01-0{day}T00:00:00Z", to_time=f"2026-01-0{day + 1}T00:00:00Z") for day in range(1, 6)
    )
    taught = request.model_copy(
        update={"checks": LEARNED, "window_start_time": "2026-01-08T00:00:00Z", "reference_windows": days}
    )
    bounds = {check.name: (check.learned.windows, check.drifted) for check in answer(taught).checks}
    assert bounds == {"distance": (5, True), "answers": (5, True)}, "five days before, each held against the other four"


def test_what_matters_to_the_model_is_found_once_however_the_log_s_past_moves(river: River):
    for day in (4, 5):
        request = river.drift(
            checks=(Check(name="columns", univariate_test=UnivariateTest()),),
            window_start_time=f"2026-01-0{day}T00:00:00Z",
            window_end_time=f"2026-01-0{day + 1}T00:00:00Z",
            reference_windows=(Span(from_time=f"2026-01-0{day - 1}T00:00:00Z", to_time=f"2026-01-0{day}T00:00:00Z"),),
            max_rows=200,
        )
        report = answer(request)
        assert (report.rows, report.compared_rows, report.reference_rows, report.reference_total_rows) == (
            300,
            200,
            200,
            300,
        )
    experiment = river.client.get_experiment_by_name(request.experiment).experiment_id
    kept = river.client.search_runs([experiment], f"tags.`{tags.REFERENCE}` LIKE '%-importances-%'")
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("sentence", "spoil", "words"),
    [
        ("nothing but gaps", lambda frame: frame.assign(rain=np.nan), "rain: 100.0% missing"),
        ("infinities", lambda frame: frame.assign(level=np.inf), "level: 100.0% outside the reference's"),
        ("a constant column", lambda frame: frame.assign(noise=0.0), "noise: a single value in all"),
        (
            "a million categories",
            lambda frame: frame.assign(bridge=[f"b{index}" for index in range(len(frame))]),
            "bridge: 100.0% are levels that the reference does not know",
        ),
    ],
)
def test_a_spoiled_window_is_told_in_one_sentence(
    river: River, tmp_path: Path, sentence: str, spoil: Callable[[Any], Any], words: str
):
    log = rivers.write_log(tmp_path / "bad", spoil(rivers.world(1_000, seed=3)), version=river.version)
    report = answer(river.drift(log=log, checks=(*CHECKS, Check(name="hygiene", data_quality=DataQuality()))))
    hygiene = report.checks[-1]
    assert words in hygiene.message, sentence
    assert len(hygiene.findings) == 1
    assert report.drifted
    assert len(report.columns) == 4
