"""`leeboard labels push` and curl's ways against a real collector."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pytest
from deltalake import DeltaTable

from leeboard.cli import labels as command
from leeboard.cli.errors import CommandError
from leeboard.contract.serving import ENV_COLLECTOR_TOKEN
from leeboard.sandbox.processes import free_port
from leeboard.services import labels
from leeboard_workers.serving.collector.labels import ARROW_STREAM
from leeboard_workers.serving.collector.options import ENV_TOKENS
from tests.support.dataplane import Plane, Served, until


@pytest.fixture(scope="module")
def collector(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return plane.collector(tmp_path_factory.mktemp("labels"), **{ENV_TOKENS: '{"ml": ["old", "secret"]}'})


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(ENV_COLLECTOR_TOKEN, "secret")
    return


def counted(collector: Served, name: str) -> int:
    return int(collector.get(f"/v1/tables/ml/{name}").json()["labelRows"])


def table(collector: Served, name: str, rows: int) -> list[dict[str, object]]:
    uri = collector.get(f"/v1/tables/ml/{name}").json()["labels"]

    def found() -> list[dict[str, object]] | None:
        if not DeltaTable.is_deltatable(uri):
            return None
        stored = DeltaTable(uri).to_pyarrow_table().sort_by("request_id").to_pylist()
        return stored if len(stored) == rows else None

    return until(found, f"{rows} labels in the table")  # type: ignore[no-any-return]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_is_pushed_from_the_command_line(collector: Served, tmp_path: Path) -> None:
    path = written(
        tmp_path, "request_id,row,label,reward,time", "a,0,1,,2026-02-14T09:30:00Z", "b,3,true,-0.5,1771061400"
    )
    found = subprocess.run(
        [Path(sys.executable).with_name("leeboard"), "labels", "push", path, "--to", "flights", "-n", "ml"],
        env={"LEEBOARD_COLLECTOR_URL": collector.url, ENV_COLLECTOR_TOKEN: "secret", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (found.returncode, found.stdout) == (0, "the collector has 2 labels of flights in ml\n"), found.stderr
    rows = table(collector, "flights", 2)
    assert [(row["request_id"], row["row"], row["label"], row["reward"]) for row in rows] == [
        ("a", 0, 1.0, None),
        ("b", 3, 1.0, -0.5),
    ]
    assert rows[0]["time"] == rows[1]["time"]
    assert list(tmp_path.glob(".*")) == []


def test_every_bad_line_is_one_sentence_and_nothing_is_sent(
    collector: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(
        tmp_path,
        "request_id,row,label,reward,time",
        "good,0,1,,",
        ",0,1,,",
        "a,one,1,,",
        "b,0,1,much,",
        "c,0,1,,14.02.2026",
        "d,0,1,,2026-02-14T09:30:00",
        "e,0",
        "f,0,,,",
        "g,-1,1,,",
    )
    with pytest.raises(CommandError, match="8 lines hold no label, so nothing was sent"):
        command.push(path, "bad", "ml", collector.url, skip_bad=False)
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "line 3: request_id is missing: say which request the label belongs to",
        "line 4: row must be a whole number, not 'one'",
        "line 5: reward must be a number, not 'much'",
        "line 6: time must be such as 2026-02-14T09:30:00Z, or seconds since 1970, not '14.02.2026'",
        "line 7: time '2026-02-14T09:30:00' has no offset: write it with a Z, such as 2026-02-14T09:30:00Z",
        "line 8: it has 2 cells for 5 columns",
        "line 9: there is neither a label nor a reward",
        "line 10: row: Input should be greater than or equal to 0",
    ]
    assert counted(collector, "bad") == 0
    command.push(path, "bad", "ml", collector.url, skip_bad=True)
    assert counted(collector, "bad") == 1


def test_a_push_that_was_cut_off_goes_on(plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PART", 100)
    monkeypatch.setattr(labels, "TRIES", 1)
    path = written(tmp_path, "request_id,label", *(f"r{number},{number % 2}" for number in range(250)))
    port = free_port()
    arguments = ["--root", str(tmp_path / "root"), "--port", str(port)]
    tight = [*arguments, "--flush_seconds", "3600", "--max_journal_bytes", "6000"]
    full = plane.start("leeboard_workers.serving.collector", tight, "/healthz", port)
    with pytest.raises(CommandError, match=r"answers 429: .*journal is full.*push the same file again"):
        command.push(path, "cut", "ml", full.url, skip_bad=False)
    sent = counted(full, "cut")
    assert sent == 100
    refused = full.post("/v1/labels/ml/cut", {"labels": [{"requestId": "x" * 100, "label": "y" * 1000}] * 10})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    full.terminate()
    again = plane.start("leeboard_workers.serving.collector", arguments, "/healthz", port)
    command.push(path, "cut", "ml", again.url, skip_bad=False)
    assert counted(again, "cut") == 250, "what was sent before is not sent again"


def test_a_wrong_token_is_told(collector: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "request_id,label", "a,1")
    monkeypatch.setenv(ENV_COLLECTOR_TOKEN, "guessed")
    with pytest.raises(CommandError, match="answers 403: the token is not one of the namespace 'ml'"):
        command.push(path, "flights", "ml", collector.url, skip_bad=False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,label\na,1\n", "the first line must name the columns, request_id among them"),
        ("request_id,labels\na,1\n", "there is no column 'labels'"),
        ("request_id,label\n", "holds no labels"),
        ("", "the first line must name the columns"),
    ],
)
def test_what_is_no_file_of_labels_is_one_sentence(collector: Served, tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(CommandError, match=sentence):
        command.push(path, "flights", "ml", collector.url, skip_bad=False)


def test_labels_come_as_json_csv_and_arrow(collector: Served) -> None:
    stream = io.BytesIO()
    cells = pa.table({"request_id": ["c"], "label": [3], "time": [pa.scalar(1771061400, pa.timestamp("s", "UTC"))]})
    with pa.ipc.new_stream(stream, cells.schema) as writer:
        writer.write_table(cells)
    bodies = {
        "application/json": b'[{"requestId": "a", "label": 1}]',
        "text/csv; charset=utf-8": b"request_id,label\nb,2\n",
        ARROW_STREAM: stream.getvalue(),
    }
    for kind, body in bodies.items():
        headers = {"content-type": kind, "authorization": "Bearer old"}
        answer = collector.post("/v1/labels/ml/ways", content=body, headers=headers)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    assert [row["label"] for row in table(collector, "ways", 3)] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("kind", "body", "sentence"),
    [
        ("text/csv", b"request_id,row\na,x\nb,0\n", "line 2: row must be a whole number, not 'x'; line 3: there is"),
        ("text/csv", b"\xff\xfe", "not UTF-8"),
        (ARROW_STREAM, b"not arrow", "no Arrow IPC"),
        ("application/json", b"{}", 'must be a list of labels, or {"labels": […]}'),
        ("application/json", b'[{"requestId": "a", "label": 1e999}]', "no JSON"),
        ("application/json", b"[1", "no JSON"),
    ],
)
def test_a_bad_body_is_taken_not_at_all(collector: Served, kind: str, body: bytes, sentence: str) -> None:
    headers = {"content-type": kind, "authorization": "Bearer secret"}
    answer = collector.post("/v1/labels/ml/ways", content=body, headers=headers)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
