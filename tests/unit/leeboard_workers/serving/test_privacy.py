import hashlib
import hmac

import pytest

from leeboard.contract.serving import ChangedColumns
from leeboard_workers.serving.privacy import Privacy

KEY = b"sixteen bytes or more"


def changed(cells: list[object], **changes: object) -> list[object] | None:
    privacy = Privacy(ChangedColumns.model_validate(changes), KEY)
    return privacy.changed({"a": cells, "b": [1] * len(cells)}).get("a")


def test_dropped_columns_are_gone_and_others_stay() -> None:
    privacy = Privacy(ChangedColumns(drop=["a", "unknown"]), b"")
    assert privacy.changed({"a": [1], "b": ["x"]}) == {"b": ["x"]}
    assert privacy.told == {"drop": ["a", "unknown"], "hash": [], "round": {}}


def test_a_hash_is_hmac_sha_256_of_the_text() -> None:
    expected = hmac.new(KEY, b"Ada", hashlib.sha256).hexdigest()[:32]
    assert changed(["Ada", None], hash=["a"]) == [expected, None]


def test_equal_values_have_equal_hashes_and_others_not() -> None:
    seven, also_seven, text, more, no = changed([7, 7.0, "7", 7.5, False], hash=["a"])
    assert seven == also_seven == text
    assert len({seven, more, no}) == 3


def test_another_key_gives_other_hashes() -> None:
    other = Privacy(ChangedColumns(hash=["a"]), b"another key of many bytes")
    assert other.changed({"a": ["Ada"]})["a"] != changed(["Ada"], hash=["a"])


def test_numbers_are_rounded_and_what_is_no_number_is_withheld() -> None:
    assert changed([1234.56, 7, None, "12 Main Street", True], round={"a": -2}) == [1200.0, 0, None, None, None]
    assert changed([[1.26, "x"], [[2.34]]], round={"a": 1}) == [[1.3, None], [[2.3]]]


def test_a_short_key_is_refused_where_hashes_are_wanted() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        Privacy(ChangedColumns(hash=["a"]), b"short")
