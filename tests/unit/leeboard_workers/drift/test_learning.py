"""Thresholds from the reference's own windows: calm where rows hang together, awake where the world moves."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from leeboard.api.checks import Check
from leeboard.api.thresholds import Learned
from leeboard_workers.data.datasets import sample_rows
from leeboard_workers.data.rows import TableRows
from leeboard_workers.drift import Answers, Past, Report, compare, learn
from leeboard_workers.drift.block import Comparison, measure_columns
from leeboard_workers.drift.learning import Lesson, _measured, bound_of

WINDOW = 200
WINDOWS = 40
QUIET = Answers(pa.chunked_array([[0.1, 0.9] * 50]), pa.chunked_array([[0.9, 0.1] * 50]))


def check(member: str, **fields: Any) -> Check:
    return Check.model_validate({"name": "c", member: fields})


def weather(windows: int, seed: int, shift: float = 0.0) -> pa.Table:
    """Rows that resemble their neighbours: a window holds few independent ones; and a level that follows them."""
    random = np.random.default_rng(seed)
    slow = lfilter([np.sqrt(1 - 0.98**2)], [1, -0.98], random.normal(size=windows * WINDOW + 500))[500:] + shift
    noise = random.normal(size=slow.size)
    return pa.table({"slow": slow, "noise": noise, "sky": np.where(slow + noise > 0, "clear", "cloudy")})


def windows_of(table: pa.Table) -> list[pa.Table]:
    return [table.slice(start, WINDOW) for start in range(0, table.num_rows, WINDOW)]


def held(reference: pa.Table, windows: list[pa.Table], asked: Check) -> list[Report]:
    lessons = learn(Past.of(reference, WINDOW), [asked])
    return [compare(reference, window, [asked], lessons=lessons) for window in windows]


@pytest.mark.parametrize(("rule", "most"), [({"quantile": 0.9}, 0.1), ({"sigma": 3}, 0.02)], ids=["quantile", "sigma"])
def test_learned_distances_keep_their_level_on_rows_that_hang_together(rule: dict[str, float], most: float):
    asked = check("univariateDistance", learned=rule)
    false = trials = 0
    for seed in range(4):
        history = weather(2 * WINDOWS, seed)
        reference, later = history.slice(0, WINDOWS * WINDOW), history.slice(WINDOWS * WINDOW)
        reports = held(reference, windows_of(later), asked)
        false += sum(report.drifted for report in reports)
        trials += len(reports)
    assert binom.sf(false - 1, trials, most) > 1e-3, f"{false} of {trials} quiet windows drifted"


def test_a_constant_threshold_cries_wolf_where_a_learned_one_is_calm_and_still_sees():
    history = weather(2 * WINDOWS, 7)
    reference, later = history.slice(0, WINDOWS * WINDOW), windows_of(history.slice(WINDOWS * WINDOW))
    moved = windows_of(weather(10, 8, shift=2.5))

    def found(asked: Check, windows: list[pa.Table]) -> float:
        return float(np.mean([report.drifted for report in held(reference, windows, asked)]))

    stated, learned = check("univariateDistance", threshold=0.1), check("univariateDistance", learned={"sigma": 3})
    assert found(stated, later) > 0.5
    assert found(learned, later) < 0.1
    assert found(learned, moved) > 0.8


def test_each_column_of_a_test_gets_its_own_bound():
    [report] = held(weather(WINDOWS, 1), [weather(1, 2)], check("univariateTest", learned={"sigma": 3}))
    bounds = {column.name: column.test.threshold for column in report.columns if column.test}
    assert bounds["slow"] > 2 * bounds["noise"] > 2 * 0.05
    assert report.checks[0].learned.windows == 41, (
        "of 192 rows: rounded down, so that windows of about as many rows share the bounds"
    )
    assert "each column's bound is mean + 3 sd of 41 windows of the reference of 192 rows" in report.checks[0].message


def test_the_smallest_effect_stays_the_least():
    asked = check("univariateTest", minEffect=0.9, learned={"sigma": 1})
    [report] = held(weather(WINDOWS, 1), [weather(1, 2, shift=5)], asked)
    assert {column.test.threshold for column in report.columns if column.test} == {0.9}


def test_bounds_that_are_left_out_are_learned_and_never_below_the_default():
    for member in ("univariateTest", "univariateDistance"):
        [rough] = held(weather(WINDOWS, 1), [weather(1, 2)], check(member))
        [asked] = held(weather(WINDOWS, 1), [weather(1, 2)], check(member, learned={"sigma": 3}))
        assert rough.checks == asked.checks
        independent = pa.table({"a": np.random.default_rng(0).normal(size=WINDOW * WINDOWS)})
        [even] = held(independent, [independent.slice(0, WINDOW)], check(member))
        [column] = even.columns
        least = column.test.threshold if column.test else column.distance.threshold
        assert least >= (0.05 if column.test else 0.1)
        assert even.checks[0].learned.windows > 30


def test_a_bound_that_is_stated_is_not_learned():
    assert learn(Past.of(weather(WINDOWS, 1), WINDOW), [check("univariateTest", minEffect=0.1)]) == {}
    assert learn(Past.of(weather(WINDOWS, 1), WINDOW), [check("univariateDistance", threshold=0.1)]) == {}


def test_where_nothing_can_be_learned_the_default_holds_and_says_so():
    [report] = held(weather(3, 1), [weather(1, 2, shift=9)], check("univariateDistance"))
    assert (report.drifted, report.checks[0].threshold, report.checks[0].learned) == (True, 0.1, None)
    assert "the bound is 0.1, since the reference holds 3 windows of this length, and 5 are" in report.checks[0].message
    [report] = held(weather(3, 1), [weather(1, 2, shift=9)], check("univariateTest"))
    assert "; the bound is 0.05, since the reference holds 3 windows" in report.checks[0].message
    assert compare(weather(3, 1), weather(1, 2), [check("prediction")], answers=QUIET).checks[0].threshold == 0.1


def test_a_window_is_held_against_the_whole_without_it():
    """Taken out of what was sorted and counted once, it leaves what would have been read of the others alone."""
    reference = weather(8, 3)
    table = reference.append_column("gaps", pa.array([None if row % 7 else row / 3 for row in range(len(reference))]))
    past = Past.of(table, WINDOW)
    asked = [check("univariateTest"), check("univariateDistance"), check("univariateDistance", numeric="Hellinger")]
    folds = _measured(past, past.cuts, asked, table.column_names)
    for (start, end), fold in zip(past.cuts, folds, strict=True):
        rest = pa.concat_tables([table.slice(0, start), table.slice(end)])
        window = sample_rows(table.slice(start, end - start), past.window_rows, past.cuts.index((start, end)))
        expected = measure_columns(Comparison(TableRows(rest), TableRows(window), asked), table.column_names)
        assert [(one.tests, one.distances) for one in fold] == [(one.tests, one.distances) for one in expected]


def test_the_learned_threshold_is_told():
    [report] = held(weather(10, 1), [weather(1, 2)], check("univariateDistance", learned={"quantile": 0.9}))
    (told,) = report.checks
    assert told.learned.rule == "quantile 0.9"
    assert (told.learned.windows, told.threshold > told.learned.mean > 0) == (10, True)
    assert "the threshold is quantile 0.9 of 10 windows" in told.message
    assert "quantile 0.9 of 10 windows" in report.to_html()


@pytest.mark.parametrize("test", [{"maximumMeanDiscrepancy": {"permutations": 99}}, {"pcaReconstruction": {}}])
def test_joint_tests_learn_their_effect(test: dict[str, Any]):
    asked = check("multivariateTest", alpha=0.05, learned={"sigma": 3}, **test)
    quiet, moved = held(weather(12, 1), [weather(1, 2), weather(1, 3, shift=4)], asked)
    assert 0 < quiet.checks[0].threshold < 1
    assert quiet.checks[0].learned.windows == 12
    assert moved.checks[0].statistic > quiet.checks[0].statistic


def test_answers_learn_their_distance():
    asked = check("prediction", learned={"sigma": 3})
    answers = weather(WINDOWS, 1)["slow"]
    past = Past.of(weather(WINDOWS, 1), WINDOW)
    past = Past(past.rows, past.cuts, past.window_rows, answers=answers, answer_cuts=past.cuts)
    lessons = learn(past, [asked])
    rows = weather(1, 2)
    quiet = compare(rows, rows, [asked], answers=Answers(answers, rows["slow"]), lessons=lessons)
    moved = compare(rows, rows, [asked], answers=Answers(answers, weather(1, 2, shift=4)["slow"]), lessons=lessons)
    assert (quiet.drifted, moved.drifted) == (False, True)
    assert quiet.checks[0].threshold == lessons["c"].bound > 0.1


@pytest.mark.parametrize(("rule", "needed"), [({"sigma": 2}, 5), ({"quantile": 0.9}, 9), ({"quantile": 0.99}, 99)])
def test_too_short_a_reference_teaches_nothing_and_says_so(rule: dict[str, float], needed: int):
    asked = check("univariateDistance", learned=rule)
    assert asked.learned.windows_needed == needed
    [report] = held(weather(3, 1), [weather(1, 2, shift=9)], asked)
    assert (report.drifted, report.checks[0].statistic, report.checks[0].threshold) == (False, None, None)
    assert f"holds 3 windows of this length, and {needed} are needed" in report.checks[0].message


def test_bounds_without_a_lesson_are_refused():
    with pytest.raises(ValueError, match="hand in `lessons`"):
        compare(weather(2, 1), weather(1, 2), [check("prediction", learned={"sigma": 3})])


def test_the_quantile_is_exceeded_as_rarely_as_it_says():
    random = np.random.default_rng(0)
    values = random.exponential(size=(20_000, 20))
    exceeded = np.mean([row[-1] > bound_of(row[:-1], Learned(quantile=0.95)) for row in values])
    assert exceeded == pytest.approx(0.05, abs=0.005)


def test_a_window_with_nothing_in_common_is_beyond_any_bound():
    """Days are so unlike each other that mean and three deviations of a share would be more than all."""
    reference = pa.table({"day": np.repeat(np.arange(8.0), WINDOW)})
    asked = check("univariateTest", learned={"sigma": 3})
    [report] = held(reference, [pa.table({"day": np.full(WINDOW, 99.0)})], asked)
    assert report.columns[0].test.threshold < 1
    assert report.columns[0].test.drifted


def test_lessons_survive_storage():
    lesson = learn(Past.of(weather(6, 1), WINDOW), [check("univariateDistance", learned={"sigma": 3})])["c"]
    assert Lesson.read(json.loads(json.dumps(lesson.document()))) == lesson
