"""The client of the guide to refusals, as the page shows it, against real transformers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from leeboard.contract import serving as contract
from tests.support.dataplane import MODEL, Artifacts, Plane, Served

DOCS = Path(__file__).parents[2] / "docs"
CLIENT = DOCS / "examples/client"
PAGE = (DOCS / "guides/refusals.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def arms(plane: Plane, weather_artifacts: Artifacts) -> dict[str, Served]:
    predictor = plane.predictor(weather_artifacts.model_dir)
    detector = {contract.ENV_DETECTOR_URI: str(weather_artifacts.detector_dir)}
    return {
        what: plane.transformer(predictor.url, **detector, **{contract.ENV_ON_DETECTION: what})
        for what in ("Observe", "Flag", "Reject")
    }


def asked(served: Served, rows: Path) -> list[str]:
    """Run the client; return what it says, without the request's id, which is another one each time."""
    command = [sys.executable, str(CLIENT / "refusals.py"), served.url, MODEL, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert re.fullmatch(r"request [0-9a-f]{32}", first)
    return lines


@pytest.mark.parametrize("what", ["Observe", "Flag", "Reject"])
def test_the_page_shows_what_the_client_says(arms: dict[str, Served], what: str) -> None:
    shown = re.search(rf"{what}`:\n\n```\nrequest [0-9a-f]+\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    assert asked(arms[what], CLIENT / "rows.json") == shown[1].splitlines()


def test_the_client_takes_a_request_that_is_refused_altogether_as_an_answer(
    arms: dict[str, Served], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text('[{"temperature": 5000.0, "distance": 700.0, "carrier": "UA"}]')
    (line,) = asked(arms["Reject"], rows)
    assert line.startswith("row 0: refused (p=")


def test_the_client_ends_with_the_sentence_about_a_request_that_is_wrong(
    arms: dict[str, Served], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text('[{"temperature": 41.0, "distance": 700.0, "carrier": 7}]')
    command = [sys.executable, str(CLIENT / "refusals.py"), arms["Flag"].url, MODEL, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "the column 'carrier' wants text, row 0 holds 7" in done.stderr
