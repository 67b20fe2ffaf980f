"""People's actions are written and read in one place."""

import pytest

from leeboard.api.actions import Action, parse_action, parse_token

ACTIONS = {
    "7": Action("7"),
    "7/2026-01-31T12:00:00Z": Action("7", nonce="2026-01-31T12:00:00Z"),
    "7/full": Action("7", full=True),
    "7/full/again": Action("7", full=True, nonce="again"),
    "12/fuller": Action("12", nonce="fuller"),
}


@pytest.mark.parametrize(("value", "action"), ACTIONS.items(), ids=ACTIONS.keys())
def test_reads_what_it_writes(value: str, action: Action):
    assert parse_action(value) == action
    assert str(action) == value


@pytest.mark.parametrize("value", ["", "x", "7/", "07", "7/full/", "7/a/b", "7 ", "7\n", "1234567890", "7/" + "n" * 65])
def test_says_how_an_action_is_written(value: str):
    with pytest.raises(ValueError, match="is no action: write <version>"):
        parse_action(value)


@pytest.mark.parametrize("value", ["", "a b", "n" * 65, "a\n"])
def test_says_how_a_token_is_written(value: str):
    with pytest.raises(ValueError, match="is no token"):
        parse_token(value)
    assert parse_token("2026-01-31T12:00:00Z") == "2026-01-31T12:00:00Z"
