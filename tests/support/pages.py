"""The pages that Leeboard's jobs leave, filled as real jobs fill them, from real flights."""

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.ensemble import HistGradientBoostingClassifier

from leeboard.api.checks import Check
from leeboard.api.performance import Performance
from leeboard.api.quality import DataQuality
from leeboard.contract.jobs import CheckReport, DriftReport, JobOutcome
from leeboard.sandbox import flights
from leeboard_workers.drift import Answers, Past, compare, learn
from leeboard_workers.drift.estimation import Estimator
from leeboard_workers.drift.history import PastWindow
from leeboard_workers.drift.kinds import kinds_of
from leeboard_workers.drift.metrics import metric_of
from leeboard_workers.drift.outcomes import Outcomes, outcomes_of
from leeboard_workers.drift.performance import Coverage, Guess, performance_report
from leeboard_workers.drift.quality import quality_report
from leeboard_workers.drift.report import Story, headline, html

CHECKS = tuple(
    Check.model_validate(check)
    for check in (
        {"name": "columns", "univariateTest": {"minEffect": 0.1, "learned": {"sigma": 3}}},
        {"name": "distance", "univariateDistance": {"learned": {"quantile": 0.9}}},
        {"name": "joint", "multivariateTest": {"energyDistance": {"permutations": 199}}},
        {"name": "answers", "prediction": {"threshold": 0.15}},
        {"name": "strangers", "outOfDistributionRate": {}},
    )
)
QUALITY = Performance.model_validate(
    {
        "metrics": [
            {"name": "roc_auc", "maxDrop": 0.03},
            {"name": "log_loss", "maxDrop": 0.05},
            {"name": "calibration_error", "maxDrop": 0.05},
        ],
        "minCoverage": 0.6,
        "labelDelay": "1d",
        "estimate": "ConfidenceBased",
    }
)


@cache
def drifted_page() -> str:
    """Return the page of a day in July, held against January: everything that a page can hold."""
    then, now = _days("2013-01-02", "2013-02-01"), _days("2013-07-10", "2013-07-11")
    wrong = _spoilt(_features(now))
    checks = list(CHECKS)
    lessons = learn(Past.of(_features(then), len(now)), checks)
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(_numbers(then), then[flights.LABEL])
    said = [pa.chunked_array([pa.array(model.predict(_numbers(side)))]) for side in (then, now)]
    found = compare(_features(then), wrong, checks, answers=Answers(*said), lessons=lessons)
    reports = (
        *found.checks,
        _performance(model, then, now),
        quality_report("hygiene", DataQuality(), _features(then), wrong, expected=None, doubled=31),
    )
    report = DriftReport(
        request_hash="0f3c9a7d5b21",
        outcome=JobOutcome.MEASURED,
        drifted=True,
        rows=len(now),
        reference_rows=len(then),
        version="12",
        window_start_time="2013-07-10T00:00:00Z",
        window_end_time="2013-07-11T00:00:00Z",
        checks=reports,
        columns=found.columns,
        prediction_distribution=found.prediction_distribution,
        kinds=kinds_of(reports) or None,
    )
    report = report.model_copy(update={"message": headline(report)})
    story = Story(
        subject="flights",
        model="flights-delay",
        reference="training data of version 12",
        weighting="columns weigh as they matter to the model",
        run_id="6d1f0b6e2a5c4f0e9d41",
        past=_past(),
    )
    return html(report, story)


@cache
def quiet_page() -> str:
    """Return the page of two alike halves, with names and levels as long as people make them."""
    random = np.random.default_rng(0)
    long = "the_average_of_all_measurements_of_the_last_quarter_by_sensor_and_" * 2
    table = pa.table(
        {
            long + "mean": random.normal(size=4_000),
            "constant": np.ones(4_000),
            "level": random.choice(["a level with many words, as people write them into forms", "no"], 4_000),
            **{f"feature number {number}": random.gamma(number + 1, size=4_000) for number in range(30)},
        }
    )
    return compare(table.slice(0, 2_000), table.slice(2_000)).to_html("two alike halves")


@cache
def silent_page() -> str:
    """Return the page of a window with too few rows."""
    report = DriftReport(
        request_hash="0f3c9a7d5b21",
        outcome=JobOutcome.INSUFFICIENT,
        message="the window has 12 rows, and 2000 are asked for: too few to tell",
        rows=12,
        version="12",
        window_start_time="2013-07-10T00:00:00Z",
        window_end_time="2013-07-11T00:00:00Z",
    )
    return html(report, Story("flights", "flights-delay", "", "all columns weigh the same"))


def _days(start: str, end: str) -> pd.DataFrame:
    return flights.load().between(start, end).sort_values(flights.TIME)


def _features(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame[list(flights.FEATURES)], preserve_index=False)


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[list(flights.FEATURES)].select_dtypes("number")


def _spoilt(table: pa.Table) -> pa.Table:
    """Lose some values and invent a level."""
    rows = np.arange(len(table))
    pressure = pc.if_else(pa.array(rows % 5 == 0), None, table["pressure"])
    place = table.column_names.index("pressure")
    carrier = pc.if_else(pa.array(rows % 20 == 0), "XX", table["carrier"])
    table = table.set_column(place, "pressure", pressure)
    return table.set_column(table.column_names.index("carrier"), "carrier", carrier)


def _outcomes(model: HistGradientBoostingClassifier, rows: pd.DataFrame) -> Outcomes:
    numbers = _numbers(rows)
    return outcomes_of(
        pa.array(rows[flights.LABEL]),
        pa.array(model.predict(numbers)),
        classes=model.classes_.tolist(),
        probabilities=model.predict_proba(numbers),
    )


def _performance(model: HistGradientBoostingClassifier, then: pd.DataFrame, now: pd.DataFrame) -> CheckReport:
    labelled = now.iloc[: round(len(now) * 0.72)]
    estimator = Estimator.fitted_on(_outcomes(model, then))
    if estimator is None:
        raise ValueError("January has no labels")
    metrics = [metric_of(asked.name, asked.quantile) for asked in QUALITY.metrics]
    window = _outcomes(model, labelled)
    guess = Guess(estimator.estimate(window, metrics, 0), estimator.estimate(_outcomes(model, now), metrics, 0))
    coverage = Coverage(
        "2013-07-09T00:00:00Z",
        "2013-07-10T00:00:00Z",
        len(now),
        len(labelled),
        delay_seconds=5_400,
        late_delay_seconds=64_000,
    )
    return performance_report(
        "quality", QUALITY, coverage, window=window, reference=_outcomes(model, then), guess=guess
    )


def _past() -> tuple[PastWindow, ...]:
    random = np.random.default_rng(1)
    found = []
    for day in range(1, 31):
        moved = day > 24
        statistics = {
            "columns": 0.1 * random.random() + 0.35 * moved,
            "distance": 0.2 + 0.06 * random.random() + 0.3 * moved,
            "joint": 0.1 * random.random() + 0.3 * moved,
            "answers": 0.05 + 0.04 * random.random() + 0.08 * moved,
        }
        verdict = "Insufficient" if day in (7, 8) else "Drifted" if moved else "Stable"
        end = f"2013-06-{day:02d}T00:00:00Z"
        found.append(PastWindow(end, verdict, {} if verdict == "Insufficient" else statistics))
    return tuple(found)
