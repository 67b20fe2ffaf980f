"""The panel tells a model's loop at a glance."""

import io

import pytest
from rich.console import Console, RenderableType

from leeboard.cli.cluster import Loop
from leeboard.cli.panel import panel
from leeboard.cli.table import table
from leeboard.control.clock import instant
from tests.support.loops import NOW, condition, loop


def _text(drawn: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=110)
    console.print(drawn)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.strip("│ ").rstrip() for line in console.file.getvalue().splitlines())


def _panel(found: Loop) -> str:
    return _text(panel(found, instant(NOW)))


@pytest.mark.parametrize(
    "words",
    [
        "flights in default ● RollingOut",
        "flights  champion, challenger",
        "version 7 for 3 d",
        "http://flights.default.models.local",
        "v7 75 %  v9 25 %",
        "version 9: canary step 2 of 3 at 25 %, for 5 min of 10 min",
        "✓  errors     0.0021  bound 0.01  n 12,044",
        "…  strangers  -                   n 12      12 requests are too few",
        "Drifted  window until 2026-01-31T11:30:00Z, 18,230 rows  next in 30 min",
        "drift lasts for 20 min: columns",
        "✗  columns  0.42  bound 0.3   worst: dep_delay",
        "version 9 comes in, for 19 min, because of drift",
        "roc_auc  0.7312  champion 0.7021",
        "version 8 RolledBack 1 d ago: too many errors",
        "RollingOut held for another 5 min  (ModelDeployment, for 1 h)",
        "WaitsForRollout version 9 comes in  (RetrainPolicy, for 1 h)",
    ],
)
def test_tells(words: str):
    assert words in _panel(loop())


def test_draws_traffic_in_proportion():
    line = next(line for line in _panel(loop()).splitlines() if "v7 75 %" in line)
    assert line.count("█") == 40


def test_says_what_the_bake_waits_for():
    rollout = {
        "attempt": 3,
        "phase": "Baking",
        "hash": "abc",
        "startTime": "2026-01-31T10:00:00Z",
        "lastAdvanceTime": "2026-01-31T11:50:00Z",
        "previous": {"version": "7", "arm": "flights-v7-aaaaaa"},
    }
    assert "bakes, for 10 min of 30 min; version 7 waits at the ready" in _panel(loop(rollout=rollout))


def test_says_how_the_last_rollout_ended():
    last = {
        "version": "8",
        "outcome": "RolledBack",
        "reason": "ErrorRate",
        "message": "errors 0.3 above 0.01",
        "finishedTime": "2026-01-31T11:00:00Z",
    }
    found = loop(rollout=None, candidate=None, lastRollout=last)
    assert "version 8 RolledBack 1 h ago: errors 0.3 above 0.01" in _panel(found)


def test_shows_what_stalls_it():
    stalled = [
        condition("Ready", "False", "AliasOwnedByOther", "other owns the alias"),
        condition("Stalled", "True", "AliasOwnedByOther", "other owns the alias"),
    ]
    assert "● AliasOwnedByOther" in _panel(loop(conditions=stalled))


def test_says_when_nobody_has_looked_yet():
    empty = dict.fromkeys(("stable", "candidate", "rollout", "url"))
    assert "not looked at yet" in _panel(loop(conditions=[], traffic=[], **empty))


def test_shows_all_models_in_one_table():
    drawn = _text(table([loop()], instant(NOW), with_namespace=True))
    assert "default     flights   v7       v7 75 %, v9 25 %   Drifted !   runs         ● RollingOut" in drawn
