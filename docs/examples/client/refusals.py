"""Ask a model about rows, and do something sensible with those that it refuses or flags. Standard library only.

python refusals.py http://weather.ml.example.com weather rows.json
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

ALL_REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY
PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
TRIES = 4


class AskError(Exception):
    """The request was not answered; the sentence says why."""


@dataclass(frozen=True)
class Verdict:
    """What came back about one row."""

    prediction: Any
    """None: refused, the model was not asked or its answer was held back."""
    scored: bool = False
    """False: no detector looked at the row."""
    flagged: bool = False
    p_value: float | None = None
    """Share of known good rows that are at least as strange."""
    strangest: tuple[str, ...] = ()
    """Columns to look at first, if the detector can tell."""


def ask(server: str, model: str, rows: list[dict[str, Any]], within: float = 10.0) -> tuple[str, list[Verdict]]:
    """Return the request's id, under which labels can be sent later, and a verdict for each row.

    Args:
        server: Address of the model, such as http://weather.ml.example.com.
        model: Name of the ModelDeployment.
        rows: Objects of column: value.
        within: Seconds to wait for one answer.

    Raises:
        AskError: the request is wrong, or the model is still away after a few tries.
    """
    headers = {"content-type": "application/json"}
    address = f"{server.rstrip('/')}/v1/models/{model}:predict"
    request = urllib.request.Request(address, json.dumps({"instances": rows}).encode(), headers)  # noqa: S310 (yours)
    for pause in [2.0**number / 4 for number in range(TRIES)]:
        try:
            with urllib.request.urlopen(request, timeout=within) as answer:  # noqa: S310 (an address of yours)
                return answer.headers["x-request-id"], verdicts(json.load(answer))
        except urllib.error.HTTPError as answer:
            content = answer.read()
            if answer.code == ALL_REFUSED:  # an answer like any other: every row was refused
                return answer.headers["x-request-id"], verdicts(json.loads(content))
            why = f"{answer.code}: {content.decode(errors='replace')[:500]}"
            if answer.code not in PASSING:  # again would not help
                raise AskError(why) from None
        except (urllib.error.URLError, TimeoutError) as error:
            why = str(error)
        time.sleep(pause)
    raise AskError(f"no answer in {TRIES} tries; {why}")


def verdicts(document: dict[str, Any]) -> list[Verdict]:
    """Read an answer of protocol v1; it has one prediction per row, whatever was refused."""
    predictions = document["predictions"]
    judged = document.get("outOfDistribution")
    if judged is None:  # no detector, one that only observes, or scoring failed: the answer goes out all the same
        return [Verdict(prediction) for prediction in predictions]
    return [
        Verdict(
            prediction,
            scored=True,
            flagged=one["flagged"],
            p_value=one["pValue"],
            strangest=tuple(one.get("features", ())),
        )
        for prediction, one in zip(predictions, judged, strict=True)
    ]


def decision(verdict: Verdict) -> str:
    """Say what this application does with a row; replace it with what yours does."""
    why = f"p={verdict.p_value:.2g}" if verdict.p_value is not None else "unscored"
    if verdict.strangest:
        why += f", look at {' and '.join(verdict.strangest)}"
    if verdict.prediction is None:
        return f"refused ({why}): the rule of thumb decides"
    if verdict.flagged:
        return f"{verdict.prediction}, but strange ({why}): a person looks at it"
    return f"{verdict.prediction} ({why})"


def main() -> None:
    """Ask about the rows of a file and print a line for each."""
    parser = argparse.ArgumentParser(description="Ask a model, and handle refused and flagged rows.")
    parser.add_argument("server")
    parser.add_argument("model")
    parser.add_argument("rows", type=Path, help="JSON list of objects")
    options = parser.parse_args()
    try:
        request_id, answered = ask(options.server, options.model, json.loads(options.rows.read_text()))
    except AskError as error:
        sys.exit(str(error))
    print(f"request {request_id}")
    for number, verdict in enumerate(answered):
        print(f"row {number}: {decision(verdict)}")


if __name__ == "__main__":
    main()
