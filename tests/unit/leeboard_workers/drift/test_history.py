"""What the page draws: windows over time, and metrics with their intervals."""

from leeboard.contract.findings import MetricReport
from leeboard.contract.jobs import CheckReport
from leeboard_workers.drift.history import HEIGHT, MAX_WINDOWS, WIDTH, PastWindow, lines, merged
from leeboard_workers.drift.whiskers import scale_of

CHECK = CheckReport(name="columns", kind="univariateTest", statistic=0.5, threshold=0.3, drifted=True)


def test_a_window_that_was_scored_again_stands_once():
    found = merged(
        [
            PastWindow("2026-01-02T00:00:00Z", "Stable", {"columns": 0.1}),
            PastWindow("2026-01-01T00:00:00Z", "Drifted", {"columns": 0.4}),
            PastWindow("2026-01-02T00:00:00Z", "Drifted", {"quality": 0.2}),
            PastWindow("2026-01-01T00:00:00Z", "Stable", {"quality": 0.0}),
        ]
    )
    assert [(window.verdict, window.statistics) for window in found] == [
        ("Drifted", {"columns": 0.4, "quality": 0.0}),
        ("Drifted", {"columns": 0.1, "quality": 0.2}),
    ]
    many = [PastWindow(f"2026-01-01T00:00:{second:02d}Z", "Stable") for second in range(60)]
    assert len(merged([*many, *found])) == MAX_WINDOWS


def test_a_line_marks_what_is_over_the_threshold_and_leaves_gaps():
    windows = [PastWindow(str(day), "Stable", {} if day == 1 else {"columns": day / 10}) for day in range(6)]
    [line] = lines(windows, [CHECK, CheckReport(name="other", kind="prediction")])
    assert [dot.over for dot in line.dots] == [False, False, True, True, True]
    assert len(line.dots) == 5
    assert all(0 <= dot.x <= WIDTH and 0 <= dot.y <= HEIGHT for dot in line.dots)
    assert line.dots[-1].y < line.threshold_y < line.dots[0].y, "up is more"


def test_the_check_s_own_verdict_counts_where_it_is_known():
    said = {"columns": False}, {"columns": True}, {}
    windows = [PastWindow(str(day), "Stable", {"columns": 0.3}, verdict) for day, verdict in enumerate(said)]
    [line] = lines(windows, [CHECK])
    assert [dot.over for dot in line.dots] == [False, True, True], "a test finds drift at its threshold, too"
    [distance] = lines(windows[2:], [CHECK.model_copy(update={"kind": "univariateDistance"})])
    assert [dot.over for dot in distance.dots] == [False]
    twice = merged([PastWindow("1", "Stable", {"a": 1.0}, {"a": False}), PastWindow("1", "Drifted", {}, {"b": True})])
    assert twice[0].drifted == {"a": False, "b": True}


def test_intervals_share_a_scale():
    metric = MetricReport(
        name="f1", max_drop=0.1, value=0.6, low=0.5, high=0.7, reference=0.8, reference_low=0.79, reference_high=0.81
    )
    scale = scale_of(metric)
    assert scale is not None
    reference, realised = scale.whiskers
    assert realised.low < realised.at < realised.high < reference.low
    assert scale_of(MetricReport(name="f1", max_drop=0.1)) is None
