"""The whole loop on real data, run as a user runs it: `leeboard sandbox demo` tells its story and every claim holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LONGEST_SECONDS = 900


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    folder = tmp_path_factory.mktemp("demo")
    program = Path(sys.executable).parent / "leeboard"
    return subprocess.run(
        [program, "sandbox", "demo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )


@pytest.mark.timeout(LONGEST_SECONDS + 60)
def test_every_claim_is_observed(told: "subprocess.CompletedProcess[str]"):
    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-2000:]
    assert "not observed" not in told.stdout


@pytest.mark.parametrize(
    "fact",
    [
        "a missing field: HTTP 400",
        "drift found",
        "version 2 passed the gates",
        "version 2: Promoted",
        "kill -9 of the operator",
        "version 3: Promoted",
        "version 4: RolledBack (AnalysisFailed)",
        "every answered flight is in the log, once",
        "the kept model was better than the frozen one",
    ],
)
def test_the_story_holds_the_fact(told: "subprocess.CompletedProcess[str]", fact: str):
    assert fact in told.stdout


def test_nothing_is_left_behind(told: "subprocess.CompletedProcess[str]"):
    assert told.returncode == 0
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "leeboard-sandbox-" not in running
