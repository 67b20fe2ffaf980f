"""What a model stumbles over is found by trial; a model that is broken blames nobody."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from leeboard_workers.serving.blame import blame, table_of

GOOD = pd.DataFrame({"age": [40], "town": ["Ulm"], "height": [1.8]})


def rows(count: int, **spoilt: Any) -> pd.DataFrame:
    """Return rows of which row 5 is spoilt."""
    frame = pd.DataFrame({"age": np.arange(count), "town": ["Bonn"] * count, "height": np.ones(count)})
    for name, cell in spoilt.items():
        frame.loc[5, name] = cell
    return frame


def predict(frame: pd.DataFrame) -> None:
    """Fail where no model could tell."""
    if unknown := set(frame["town"]) - {"Ulm", "Bonn"}:
        raise ValueError(f"unknown towns {unknown}")
    if ((frame["age"] > 100) & (frame["height"] > 2.0)).any():
        raise ArithmeticError("such a person there is not")


@pytest.mark.parametrize("count", [6, 7, 64, 101])
def test_the_row_and_the_column_are_named(count: int) -> None:
    found = blame(predict, rows(count, town="Atlantis"), GOOD)
    assert str(found) == "the model cannot read row 5: the column 'town' holds 'Atlantis' (unknown towns {'Atlantis'})"


def test_of_two_rows_that_fail_one_is_named() -> None:
    assert blame(predict, pd.concat([rows(6, town="Atlantis")] * 2, ignore_index=True), GOOD).row in {5, 11}


def test_columns_that_fail_only_together_are_not_named() -> None:
    found = blame(predict, rows(8, age=120, height=2.5), GOOD)
    assert str(found) == "the model cannot read row 5 (such a person there is not)"


def test_a_broken_model_blames_nobody() -> None:
    def broken(_frame: pd.DataFrame) -> None:
        raise RuntimeError

    assert blame(broken, rows(8, town="Atlantis"), GOOD) is None


def test_rows_that_fail_only_together_blame_nobody() -> None:
    def small(frame: pd.DataFrame) -> None:
        if len(frame) > 4:
            raise MemoryError

    assert blame(small, rows(8), GOOD) is None


def test_few_trials_are_made() -> None:
    calls = 0

    def counted(frame: pd.DataFrame) -> None:
        nonlocal calls
        calls += 1
        predict(frame)

    assert blame(counted, rows(10_000, town="Atlantis"), GOOD) is not None
    assert calls <= 2 * 14 + 2 * 2 + 3


def test_rows_of_an_array_are_a_table_with_numbered_columns() -> None:
    array = np.ones((6, 3), dtype=np.float32)
    array[4, 1] = np.nan

    def read(table: pd.DataFrame) -> None:
        given = table.to_numpy()
        assert given.dtype == np.float32
        if np.isnan(given).any():
            raise ValueError("NaN")

    table = table_of(array)
    assert table is not None
    found = blame(read, table, table.iloc[:1])
    assert str(found) == "the model cannot read row 4: the column '1' holds nan (NaN)"
    assert table_of(GOOD) is GOOD
    assert table_of({"x": array}) is None
    assert table_of(array[0]) is None
