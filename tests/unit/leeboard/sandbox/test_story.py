"""What was claimed is remembered, and is shown as it was said."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from leeboard.sandbox.chapters.closing import loop_seconds
from leeboard.sandbox.story import Story


class Told(io.StringIO):
    """A console that is no terminal, and what was printed on it."""

    def story(self, moving: Callable[[], str] = str) -> Story:
        return Story(Console(file=self, width=200), moving)


@pytest.fixture
def told() -> Told:
    return Told()


def test_claims_are_remembered_with_what_became_of_them(told: Told):
    with told.story() as story:
        story.chapter("1 · The beginning")
        story.claim("the sun rises", holds=True)
        story.claim("the moon is cheese", holds=False)
        story.say("a fact is no claim")
    assert story.claims == [("the sun rises", True), ("the moon is cheese", False)]
    text = told.getvalue()
    assert "✓ the sun rises" in text
    assert "✗ not observed: the moon is cheese" in text
    assert "a fact is no claim" in text


@pytest.mark.parametrize("words", ["[Errno 111] refused", "weights [bold]", "see [/tmp/log] for more", "shape [a, b]"])
def test_brackets_are_shown_as_they_were_said(told: Told, words: str):
    story = told.story(lambda: f"moving {words}")
    story.say(f"said {words}")
    story.claim(f"claimed {words}", holds=True)
    story.beat()
    story.table("The end", [(f"name {words}", f"value {words}")])
    for kind in ("said", "claimed", "moving", "name", "value"):
        assert f"{kind} {words}" in told.getvalue()


def test_without_a_terminal_the_moving_line_comes_now_and_then(told: Told):
    story = told.story(lambda: "moving")
    story.beat()
    story.beat()
    assert told.getvalue().count("moving") == 1


def test_the_loops_seconds_are_split_without_rest():
    marks = {"alarm": 10.0, "first retraining": 12.0, "retraining": 12.0}
    marks |= {"challenger": 40.0, "canary": 55.0, "champion": 100.0}
    text = loop_seconds(marks, computed=12.0, held=18)
    total, computed, starting, held, overhead = _numbers(text)
    assert (total, computed, starting) == (90, 12, 15)
    assert computed + starting + held + overhead == total


def test_seconds_of_refused_retrainings_are_their_own_part():
    marks = {"alarm": 10.0, "first retraining": 12.0, "retraining": 42.0}
    marks |= {"challenger": 70.0, "canary": 85.0, "champion": 130.0}
    total, refused, *rest = _numbers(loop_seconds(marks, computed=12.0, held=18))
    assert (total, refused) == (120, 30)
    assert refused + sum(rest) == total


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.replace(":", "").split() if word.isdigit()]
