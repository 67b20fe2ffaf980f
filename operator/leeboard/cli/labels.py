"""`leeboard labels push`: hands a CSV file of outcomes to the collector, in parts, and goes on where it was cut off."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leeboard.api.errors import SpecError, TransientError
from leeboard.cli.cluster import namespace_or_default
from leeboard.cli.errors import CommandError
from leeboard.cli.terminal import terminal
from leeboard.contract.labelfile import BadLine, read_labels
from leeboard.contract.serving import ENV_COLLECTOR_TOKEN, ENV_COLLECTOR_URL, Label
from leeboard.services.labels import LabelSender

PART = 5_000
"""So many labels are sent at once."""

_SHOWN = 20


@dataclass(frozen=True)
class _Target:
    """Whose labels they are, and who takes them."""

    namespace: str
    name: str
    url: str


@dataclass(frozen=True)
class _File:
    """A file that was looked through."""

    path: Path
    labels: int
    bad: int
    digest: str


def push(path: Path, name: str, namespace: str | None, collector: str | None, *, skip_bad: bool) -> None:
    """Push a file of labels.

    Args:
        path: The CSV file, as `leeboard.contract.labelfile` has it.
        name: Name of the ModelDeployment.
        namespace: Its namespace; none: the kubeconfig's.
        collector: Address of the collector; none: `LEEBOARD_COLLECTOR_URL`.
        skip_bad: Send the good lines though there are bad ones.

    Raises:
        CommandError: the file cannot be read, holds bad lines, or the collector does not take it.
    """
    url = collector or os.environ.get(ENV_COLLECTOR_URL)
    if not url:
        raise CommandError(f"say where the collector is: --collector http://…, or {ENV_COLLECTOR_URL}")
    target = _Target(namespace_or_default(namespace), name, url.rstrip("/"))
    console = terminal(stderr=True)
    file = _looked_through(path, console)
    if file.bad and not skip_bad:
        lines = "1 line holds" if file.bad == 1 else f"{file.bad} lines hold"
        raise CommandError(f"{lines} no label, so nothing was sent: mend the file, or leave them out with --skip-bad")
    if not file.labels:
        raise CommandError(f"{path} holds no labels")
    _send(file, target, console)
    left_out = f", {file.bad} lines were left out" if file.bad else ""
    terminal().print(
        f"the collector has {file.labels} labels of {target.name} in {target.namespace}{left_out}", soft_wrap=True
    )


def _looked_through(path: Path, console: Console) -> _File:
    labels = bad = 0
    for found in _found(path):
        if isinstance(found, BadLine):
            bad += 1
            if bad <= _SHOWN:
                console.print(f"line {found.line}: {found.sentence}", soft_wrap=True)
        else:
            labels += 1
    if bad > _SHOWN:
        console.print(f"… and {bad - _SHOWN} lines more")
    with path.open("rb") as file:
        return _File(path, labels, bad, hashlib.file_digest(file, "sha256").hexdigest())


def _found(path: Path) -> Iterator[tuple[int, Label] | BadLine]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield from read_labels(lines)
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8: {error}") from None
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


def _send(file: _File, target: _Target, console: Console) -> None:
    state = file.path.with_name(f".{file.path.name}.pushed")
    done = _sent_before(state, file, target)
    if done:
        console.print(f"going on after {done} labels that the collector has already")
    token = os.environ.get(ENV_COLLECTOR_TOKEN)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        LabelSender(target.url, token, target.namespace, target.name) as sender,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task("labels", total=file.labels, completed=done)
        for part in _parts(file.path, done):
            try:
                sender.send(part)
            except SpecError as error:
                raise CommandError(str(error)) from None
            except TransientError as error:
                raise CommandError(f"{error}; push the same file again, and it goes on from here") from None
            done += len(part)
            _remember(state, file, target, done)
            progress.update(task, completed=done)
    state.unlink(missing_ok=True)


def _parts(path: Path, done: int) -> Iterator[list[Label]]:
    part: list[Label] = []
    labels = (found[1] for found in _found(path) if not isinstance(found, BadLine))
    for at, label in enumerate(labels):
        if at < done:
            continue
        part.append(label)
        if len(part) == PART:
            yield part
            part = []
    if part:
        yield part


def _sent_before(state: Path, file: _File, target: _Target) -> int:
    """Return how many labels a push that was cut off has sent, if it was of the same file to the same place."""
    try:
        told = json.loads(state.read_text())
        return int(told["labels"]) if told["of"] == _identity(file, target) else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _remember(state: Path, file: _File, target: _Target, done: int) -> None:
    try:
        state.write_text(json.dumps({"of": _identity(file, target), "labels": done}))
    except OSError:  # a folder that cannot be written to: a push that is cut off then begins anew
        return


def _identity(file: _File, target: _Target) -> list[str]:
    return [file.digest, target.namespace, target.name, target.url]
