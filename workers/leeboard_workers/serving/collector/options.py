"""What the collector is told, by its command line and its environment."""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from leeboard_workers.serving.collector.tokens import Tokens
from leeboard_workers.serving.collector.upkeep import Upkeep

ENV_TOKENS_FILE = "LEEBOARD_COLLECTOR_TOKENS_FILE"
"""JSON file {namespace: token}, or a folder with a file per namespace; unset: everyone may write."""
ENV_TOKENS = "LEEBOARD_COLLECTOR_TOKENS"
"""The JSON document itself, when there is no file."""
ENV_STORAGE_OPTIONS = "LEEBOARD_COLLECTOR_STORAGE_OPTIONS"
"""JSON document of deltalake's storage options; what is missing comes from the environment (AWS_…, AZURE_…)."""

MAX_JOURNAL_BYTES = 2 * 1024**3

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Options:
    """What the collector is told."""

    root: str
    """URI of the folder of all tables."""
    journal: Path
    """Local folder of the write-ahead file; it must outlive the process."""
    flush_seconds: float = 5.0
    """How often rows go from the journal into the tables."""
    tokens: Tokens = field(default_factory=Tokens)
    upkeep: Upkeep = field(default_factory=Upkeep)
    max_journal_bytes: int = MAX_JOURNAL_BYTES
    """A longer journal takes no more: 429."""


def duration(text: str) -> timedelta:
    """Read one number and one unit: `30s`, `12h`, `90d`.

    Raises:
        ValueError: it is no such thing.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})(s|m|h|d)", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration, such as 12h or 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def read_options(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> tuple[Options, int]:
    """Read the command line and the environment; return options and port; ends if they are wrong."""
    parser = argparse.ArgumentParser(prog="leeboard-collector", description="Append predictions and labels to Delta.")
    parser.add_argument("--root", required=True, help="folder or URI (s3://…) under which all tables lie")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--journal", type=Path, help="local folder of the write-ahead file; default: under a local root"
    )
    parser.add_argument("--flush_seconds", type=float, default=5.0, help="rows are in the tables after so long")
    parser.add_argument("--retention", type=duration, help="rows older than this are deleted (90d); default: never")
    parser.add_argument(
        "--history", type=duration, default=timedelta(days=1), help="how long a table's versions stay readable (1d)"
    )
    parser.add_argument(
        "--max_journal_bytes", type=int, default=MAX_JOURNAL_BYTES, help="a longer journal takes no more (429)"
    )
    given = parser.parse_args(arguments)
    root = given.root.removeprefix("file://")
    if given.journal is None and "://" in root:
        parser.error("say where the write-ahead file lies: --journal <local folder>")
    path = environment.get(ENV_TOKENS_FILE)
    try:
        tokens = Tokens(Path(path) if path else None, environment.get(ENV_TOKENS))
    except (OSError, ValueError) as error:
        sys.exit(f"the tokens cannot be read ({ENV_TOKENS_FILE if path else ENV_TOKENS}): {error}")
    try:
        storage_options = _storage_options(environment.get(ENV_STORAGE_OPTIONS))
    except ValueError as error:
        sys.exit(f"the storage options cannot be read ({ENV_STORAGE_OPTIONS}): {error}")
    options = Options(
        root=root,
        journal=given.journal or Path(root) / ".journal",
        flush_seconds=given.flush_seconds,
        tokens=tokens,
        upkeep=Upkeep(history=given.history, retention=given.retention, storage_options=storage_options),
        max_journal_bytes=given.max_journal_bytes,
    )
    return options, given.port


def _storage_options(text: str | None) -> dict[str, str] | None:
    if not text:
        return None
    options = json.loads(text)
    if not isinstance(options, dict):
        raise ValueError("they must be an object {name: value}")  # noqa: TRY004 (one kind for all bad values)
    return {str(name): str(value) for name, value in options.items()}
