"""Columns and trainers name metrics as they like; MLflow takes them all."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from leeboard_workers.jobs.tracking import MAX_METRIC_NAME, metric_name


@given(st.text(max_size=300), st.sampled_from(["effect/", "training/", ""]))
@example("..", "effect/")
@example("a//b", "effect/")
@example("/" * 300, "")
@example("." * 300, "effect/")
@example("..a", "")
@example("$(reboot)`id`;\n'\"", "distance/")
def test_mlflow_takes_a_metric_of_any_name(column: str, prefix: str):
    named = metric_name(prefix + column)
    _validate_metric_name(named)
    assert len(named) <= MAX_METRIC_NAME
    assert named.startswith(prefix)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("effect/dep_delay", "effect/dep_delay"),
        ("effect/größe in m²: 2.5", "effect/größe in m²: 2.5"),
        ("effect/temp<b>", "effect/temp_b_"),
        ("effect/..", "effect/_"),
        ("effect/a//b/.", "effect/a/_/b/_"),
    ],
)
def test_a_name_stays_as_near_as_it_can(name: str, expected: str):
    assert metric_name(name) == expected
