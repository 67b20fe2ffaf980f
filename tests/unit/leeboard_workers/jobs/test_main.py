"""The command line, and sentences about errors."""

import re

import pytest

from leeboard.contract.jobs import REQUEST_VARIABLE
from leeboard.contract.kinds import REQUEST_BY_KIND
from leeboard_workers.jobs import main
from leeboard_workers.jobs.frame import sentence
from leeboard_workers.retrain import TrainingError


@pytest.mark.parametrize("arguments", [[], ["polish"], ["drift", "retrain"]])
def test_the_usage_names_the_jobs(arguments: list[str]):
    with pytest.raises(ValueError, match=re.escape(f"usage: leeboard-worker <{'|'.join(REQUEST_BY_KIND)}>")):
        main.read_request(arguments)


def test_a_missing_request_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(REQUEST_VARIABLE, raising=False)
    with pytest.raises(ValueError, match="LEEBOARD_REQUEST is not set"):
        main.read_request(["drift"])


@pytest.mark.parametrize("text", ["nonsense", "eJyrrgUAAXUA+Q==", "{}"])
def test_a_request_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setenv(REQUEST_VARIABLE, text)
    with pytest.raises(ValueError, match="holds no drift request"):
        main.read_request(["drift"])


def test_nothing_to_answer_is_status_two(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(REQUEST_VARIABLE, raising=False)
    assert main.main(["drift"]) == 2


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TrainingError("wait for labels\nand more"), "wait for labels"),
        (ConnectionError("refused"), "ConnectionError: refused"),
        (MemoryError(), "MemoryError"),
        (KeyError("level"), "KeyError: 'level'"),
        (ValueError(), "ValueError"),
    ],
)
def test_errors_become_one_sentence(error: Exception, expected: str):
    assert sentence(error) == expected
